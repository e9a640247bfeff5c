"""What a migration's log says and what it changed in the books, each with who means it to be so.

A finding is plain data. Of the log: ``kind`` ``log``, ``level``, ``source``, ``pattern`` (its text with what is variable masked), ``text``, ``why``
and ``count``. Of the books: ``kind`` ``books``, ``figure``, ``key``, ``before``, ``after``, ``rights`` (whether it is about rights) and ``said``, a
stored sentence. In both ``by`` says who means it to be so: ``release``, ``person`` (``acceptance`` is the number then), or nobody: the empty text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from wellkept.adapters.base import LogEntry
from wellkept.lib.hashing import canonical_json, sha256
from wellkept.planning.figures import Difference, sentences

Finding = dict[str, Any]
RELEASE, PERSON, NOBODY = "release", "person", ""
EXACT, SAME_CHANGE = "exact", "same_change"
RULES = (EXACT, SAME_CHANGE)
IDENTITY = {"log": ("kind", "level", "source", "pattern"), "books": ("kind", "figure", "key", "before", "after")}
VARIABLE = re.compile(r"0x[0-9a-fA-F]+|(?<![0-9A-Za-z])(?=[a-fA-F]*\d)[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4,})*(?![0-9A-Za-z])|\d+(?:[.,:]\d+)*")
MASK = "#"
LONGEST, MOST = 4000, 500


@dataclass(frozen=True)
class Accepted:
    """A finding that a person accepted, with how far that goes: ``exact``, or ``same_change``: the value moves by exactly as much."""

    number: int
    finding: Mapping[str, Any]
    rule: str = EXACT

    def covers(self, found: Mapping[str, Any]) -> bool:
        """Whether the finding is the accepted one."""
        if self.rule == SAME_CHANGE and found["kind"] == self.finding["kind"] == "books":
            moved = change(found)
            same_place = all(found[name] == self.finding[name] for name in ("figure", "key"))
            return same_place and moved is not None and moved == change(self.finding)
        return identity(found) == identity(self.finding)


def masked(text: str) -> str:
    """The text with numbers, dates and hexadecimal codes masked: the same event on another day has the same one."""
    return VARIABLE.sub(MASK, text)[:LONGEST]


def identity(found: Mapping[str, Any]) -> Finding:
    """What makes a finding this one, without what is only said of it."""
    return {name: found[name] for name in IDENTITY[found["kind"]]}


def digest(found: Mapping[str, Any]) -> str:
    """The SHA-256 that a finding is called by."""
    return sha256(canonical_json(identity(found)))


def change(found: Mapping[str, Any]) -> Decimal | None:
    """By how much a number of the books moved; None where it is no number, or is missing on a side."""
    try:
        moved = Decimal(found["after"]) - Decimal(found["before"])
    except (InvalidOperation, TypeError):
        return None
    return moved if moved.is_finite() else None


def of_log(entries: Iterable[LogEntry], accepted: Sequence[Accepted]) -> list[Finding]:
    """The warnings and errors of a log, those alike as one finding, in the order in which each came first."""
    found: dict[tuple[str, str, str, str | None], Finding] = {}
    for entry in entries:
        one = {"kind": "log", "level": entry.level, "source": entry.source, "pattern": masked(entry.text)}
        known = found.setdefault(
            (entry.level, entry.source, one["pattern"], entry.known), {**one, "text": entry.text[:LONGEST], "why": entry.known or "", "count": 0}
        )
        known["count"] += 1
    return [_meant(one, bool(one["why"]), accepted) for one in found.values()]


def of_books(
    changed: Sequence[Difference], unexpected: Sequence[Difference], labels: Mapping[str, Sequence[str]], rights: Iterable[str]
) -> list[Finding]:
    """What changed in the books: first what the release does not want, then the rest of ``changed``, which it does."""
    places = {(one.figure, one.key) for one in unexpected}
    meant = [one for one in changed if (one.figure, one.key) not in places]
    about = set(rights)
    return [
        {
            "kind": "books",
            **{name: getattr(one, name) for name in IDENTITY["books"][1:]},
            "rights": one.figure in about,
            "said": said,
            "by": by,
        }
        for by, found in ((NOBODY, unexpected), (RELEASE, meant[:MOST]))
        for one, said in zip(found, sentences(found, labels, most=len(found)), strict=True)
    ]


def judged(found: Sequence[Finding], accepted: Sequence[Accepted]) -> list[Finding]:
    """The findings of the books with what persons accepted."""
    return [_meant(one, one["by"] == RELEASE, accepted) for one in found]


def nobodys(found: Iterable[Finding]) -> list[Finding]:
    """Those that nobody means to be so: they take an upgrade back."""
    return [one for one in found if one["by"] == NOBODY]


def _meant(found: Finding, by_release: bool, accepted: Sequence[Accepted]) -> Finding:
    word = None if by_release else next((one.number for one in accepted if one.covers(found)), None)
    return {**found, "by": RELEASE if by_release else PERSON if word is not None else NOBODY, "acceptance": word}
