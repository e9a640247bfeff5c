"""What a rehearsal found, as pages and paper show it: the open findings first, then who means the others to be so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wellkept.adapters.trial import PASSED
from wellkept.upgrades import rehearsals
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.consent.findings import Accepted
from wellkept.upgrades.models import Acceptance, Rehearsal


@dataclass(frozen=True)
class Found:
    """One finding. ``word`` is the acceptance that it was found under; ``since`` one that covers it now and did not then."""

    finding: Mapping[str, Any]
    word: Acceptance | None
    since: Acceptance | None

    @property
    def digest(self) -> str:
        """What it is accepted by."""
        return findings.digest(self.finding)

    @property
    def number(self) -> bool:
        """Whether it is a number of the books that moved, so that it may be accepted by how much."""
        return self.finding["kind"] == "books" and findings.change(self.finding) is not None


@dataclass(frozen=True)
class Sorted:
    """The findings of one kind by who means them so."""

    open: list[Found]
    accepted: list[Found]
    release: list[Found]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.open) + len(self.accepted) + len(self.release)


def content(one: Rehearsal) -> dict[str, Any]:
    """What the templates of a rehearsal need."""
    words = rehearsals.acceptances(one)
    flows = one.report.get("flows-new", {}).get("flows", [])
    paces = rehearsals.paces(one)
    return {
        "one": one,
        "failure": rehearsals.failure(one),
        "paces": paces,
        "runs": max((pace.runs for pace in paces), default=0),
        "books": sort(one.compared, words),
        "log": sort(one.judged, words),
        "acceptances": [word for word in words.values() if word.revoked_at is None],
        "revoked": [word for word in words.values() if word.revoked_at is not None],
        "flows": [{**flow, "seconds": sum(step["seconds"] for step in flow["steps"])} for flow in flows],
        "passed": sum(flow["outcome"] == PASSED for flow in flows),
        "probes": one.report.get("work", {}).get("probes", {}),
        "migrated": one.report.get("migrate", {}).get("seconds"),
        "pending": accept.missing(one),
    }


def sort(found: Iterable[Mapping[str, Any]], words: Mapping[int, Acceptance]) -> Sorted:
    """The findings by who means them so."""
    valid = [Accepted(word.pk, word.finding, word.rule) for word in words.values() if word.revoked_at is None]
    made = Sorted([], [], [])
    for one in found:
        since = next((words[word.number] for word in valid if word.covers(one)), None) if one["by"] == findings.NOBODY else None
        place = {findings.NOBODY: made.open, findings.PERSON: made.accepted, findings.RELEASE: made.release}[one["by"]]
        place.append(Found(one, words.get(one.get("acceptance") or 0), since))
    return made
