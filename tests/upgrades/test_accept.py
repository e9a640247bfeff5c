"""What a person accepts of an upgrade: exactly what was found, by two people for production, until it is revoked."""

import uuid
from typing import Any

import pytest
from django.utils import timezone

from tests.services.sets import new_run
from wellkept.adapters.base import LogEntry
from wellkept.estate.access import Denied
from wellkept.estate.errors import Invalid, NotFound, Taken
from wellkept.estate.models import Environment, Person, System
from wellkept.lib.text import say
from wellkept.operations.models import Record
from wellkept.planning.figures import Difference
from wellkept.upgrades import gates
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.consent.findings import Accepted
from wellkept.upgrades.models import Acceptance, Rehearsal

LOG = LogEntry("ERROR", "trytond.modules.ours", "row 4711 of erp_next_1a2b3c4d was left at 10:02:07,123", None)
STOCK = Difference("stock", "7", "Bolt in Warehouse", "12.5", "10.5", "Stock by product")
GROUP = Difference("groups", "anna", "anna", "groups: sale, stock", "groups: sale", "Groups by user")


def of_books(*differences: Difference) -> list[findings.Finding]:
    return findings.of_books(differences, differences, {}, ("groups",))


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("row 12 of erp_next_99aa00ff was left at 23:59:59,999", True),
        ("row 12 of erp_next_99aa00ff was deleted at 23:59:59,999", False),
        ("column 12 of erp_next_99aa00ff was left at 23:59:59,999", False),
    ],
)
def test_a_line_of_the_log_is_accepted_by_its_pattern(text: str, *, covered: bool) -> None:
    (found,) = findings.of_log([LOG], [])
    word = Accepted(3, found)
    (other,) = findings.of_log([LogEntry(LOG.level, LOG.source, text, None)], [word])
    assert (other["by"], other["acceptance"]) == (("person", 3) if covered else ("", None))
    assert findings.of_log([LogEntry("CRITICAL", LOG.source, text, None)], [word])[0]["by"] == ""
    assert findings.of_log([LogEntry(LOG.level, "other", text, None)], [word])[0]["by"] == ""


def test_lines_alike_are_one_finding_and_what_the_release_knows_needs_nobody() -> None:
    known = LogEntry("WARNING", "trytond", "table 5 is not there", "it never was")
    found = findings.of_log([LOG, known, LOG, LogEntry(LOG.level, LOG.source, LOG.text.replace("4711", "8"), None)], [])
    assert [(one["count"], one["by"]) for one in found] == [(3, ""), (1, "release")]
    assert [one["level"] for one in findings.nobodys(found)] == ["ERROR"]


@pytest.mark.parametrize(
    ("rule", "before", "after", "covered"),
    [
        ("exact", "12.5", "10.5", True),
        ("exact", "20", "18", False),
        ("exact", "12.5", None, False),
        ("same_change", "20", "18", True),
        ("same_change", "20", "17", False),
        ("same_change", "20", None, False),
    ],
)
def test_a_difference_is_accepted_as_it_was_or_by_how_much(rule: str, before: str, after: str | None, *, covered: bool) -> None:
    word = Accepted(1, of_books(STOCK)[0], rule)
    (found,) = findings.judged(of_books(Difference("stock", "7", "Bolt in Warehouse", before, after)), [word])
    assert found["by"] == ("person" if covered else "")
    (elsewhere,) = findings.judged(of_books(Difference("stock", "8", "Nut", "12.5", "10.5")), [word])
    assert elsewhere["by"] == ""


@pytest.fixture
def rehearsal(environment: Environment) -> Rehearsal:
    system = environment.system
    return Rehearsal.objects.create(
        organisation=system.organisation,
        system=system,
        environment=environment,
        run_id=uuid.UUID(new_run(system.organisation, "upgrades.rehearse")),
        current="7.0",
        target="8.0",
        judged=findings.of_log([LOG], []),
        compared=of_books(STOCK, GROUP),
    )


def counts(system: System) -> tuple[int, int]:
    """How many count for production, and for a rehearsal."""
    return len(accept.counting(system, "7.0", "8.0")), len(accept.counting(system, "7.0", "8.0", pending=True))


@pytest.mark.django_db
def test_it_counts_for_production_once_a_second_person_approved_it_and_no_more_when_revoked(
    rehearsal: Rehearsal, administrator: Person, approver: Person, other_system: System
) -> None:
    system = rehearsal.system
    digest = findings.digest(rehearsal.compared[0])
    made = accept.accept(rehearsal, digest, rule="same_change", reason="a rounding of the maker", who=administrator)
    assert counts(system) == (0, 1)
    with pytest.raises(Taken, match="accepted already"):
        accept.accept(rehearsal, digest, reason="again", who=administrator)
    with pytest.raises(Denied, match="a second person"):
        accept.approve(made, who=administrator)
    assert counts(system) == (0, 1)
    accept.approve(made, who=approver)
    assert counts(system) == (1, 1)
    assert counts(other_system) == (0, 0)
    with pytest.raises(Taken, match="nothing was approved"):
        accept.approve(made, who=approver)
    accept.revoke(made, who=administrator)
    assert counts(system) == (0, 0)
    for again in (accept.revoke, accept.approve):
        with pytest.raises(Taken):
            again(made, who=approver if again is accept.approve else administrator)
    assert accept.accept(rehearsal, digest, reason="after all", who=administrator).pk != made.pk
    told = Record.objects.filter(kind="upgrades.acceptance", system=system).order_by("number")
    assert [one.actor for one in told] == [administrator.email, approver.email, administrator.email, administrator.email]
    assert told[0].data["finding"] == findings.identity(rehearsal.compared[0])


@pytest.mark.django_db
def test_production_waits_until_what_the_rehearsal_took_is_approved(rehearsal: Rehearsal, administrator: Person, approver: Person) -> None:
    made = accept.accept(rehearsal, findings.digest(rehearsal.judged[0]), reason="harmless", who=administrator)
    judged = findings.of_log([LOG], accept.counting(rehearsal.system, "7.0", "8.0", pending=True))
    now = timezone.now()
    Rehearsal.objects.filter(pk=rehearsal.pk).update(state="succeeded", ended_at=now, judged=judged, compared=[], notes_digest="x")
    Environment.objects.filter(pk=rehearsal.environment_id).update(version="7.0.1")

    def gate() -> tuple[bool, str]:
        environment = Environment.objects.select_related("system__organisation").get(pk=rehearsal.environment_id)
        found = {one.name: one for one in gates.known(environment, "8.0", current="7.0").gates}["acceptances"]
        return found.open, say(found.why)

    assert gate()[0] is False
    assert f"({administrator.email}) is not approved" in gate()[1]
    accept.approve(made, who=approver)
    assert gate() == (True, "What was accepted is approved")
    accept.revoke(made, who=administrator)
    assert gate()[0] is False


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("number", "wish", "error"),
    [
        (1, {"rule": "same_change"}, Invalid),
        (0, {"rule": "any"}, Invalid),
        (0, {"reason": " "}, Invalid),
        (None, {}, NotFound),
    ],
)
def test_what_makes_no_sense_is_refused(
    number: int | None, wish: dict[str, Any], error: type[Exception], rehearsal: Rehearsal, administrator: Person
) -> None:
    digest = findings.digest(rehearsal.compared[number]) if number is not None else "0" * 64
    with pytest.raises(error):
        accept.accept(rehearsal, digest, **{"reason": "x", "who": administrator, **wish})
    assert not Acceptance.objects.exists()


@pytest.mark.django_db
def test_who_may(rehearsal: Rehearsal, administrator: Person, approver: Person, operator: Person, outsider: Person) -> None:
    digest = findings.digest(rehearsal.judged[0])
    for who in (approver, operator, outsider):
        with pytest.raises(Denied):
            accept.accept(rehearsal, digest, reason="x", who=who)
    assert not Acceptance.objects.exists()
    made = accept.accept(rehearsal, digest, reason="x", who=administrator)
    for who in (operator, outsider):
        with pytest.raises(Denied):
            accept.approve(made, who=who)
        with pytest.raises(Denied):
            accept.revoke(made, who=who)
    made.refresh_from_db()
    assert (made.approved_at, made.revoked_at) == (None, None)
