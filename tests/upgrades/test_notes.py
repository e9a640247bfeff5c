"""The notes of a system: versions, a second person's approval, what counts for production and what a rehearsal tries."""

from typing import Any

import pytest

from wellkept.adapters.base import Unsupported
from wellkept.adapters.tryton import releases
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import EstateError, Invalid, NotFound, Taken
from wellkept.estate.models import Person, System
from wellkept.operations.models import Record
from wellkept.upgrades import notes, revise
from wellkept.upgrades.models import NoteVersion

pytestmark = pytest.mark.django_db
SHIPPED = releases.notes("7.0", "8.0")
CONTENT = {"title": "Our own table", "phase": "before", "why": "it is in the way", "check": "SELECT true", "action": "DROP TABLE our_own"}


@pytest.fixture
def way(system: System) -> revise.Jump:
    return revise.jump(system, "7.0", "8.0")


def ids(system: System, *, pending: bool = False) -> list[str]:
    return [one.note.id for one in notes.effective(system, "7.0", "8.0", SHIPPED, pending=pending)]


def digest(system: System, *, pending: bool = False) -> str:
    return notes.digest(notes.effective(system, "7.0", "8.0", SHIPPED, pending=pending))


def test_a_new_note_counts_for_production_once_a_second_person_approved_it(way: revise.Jump, administrator: Person, approver: Person) -> None:
    plain = [note.id for note in SHIPPED]
    one = revise.write(way, "our-own", CONTENT, reason="vendor's page is incomplete", who=administrator)
    last_before = max(number for number, note in enumerate(SHIPPED) if note.phase == "before")
    tried = [*plain[: last_before + 1], "our-own", *plain[last_before + 1 :]]
    assert (ids(way.system), ids(way.system, pending=True)) == (plain, tried)
    assert revise.standing(way, "our-own").state == "waiting"
    revise.approve(one, who=approver)
    assert ids(way.system) == tried
    assert revise.standing(way, "our-own").state == "own"
    one.refresh_from_db()
    assert (one.version, one.author, one.approver) == (1, administrator.email, approver.email)
    kinds = list(Record.objects.filter(kind="upgrades.note").order_by("number").values_list("actor", flat=True))
    assert kinds == [administrator.email, approver.email]


def test_the_digest_is_the_same_once_what_was_tried_is_approved_and_another_for_other_notes(
    way: revise.Jump, administrator: Person, approver: Person
) -> None:
    before = digest(way.system)
    assert before == digest(way.system, pending=True)
    one = revise.write(way, "our-own", CONTENT, reason="needed", who=administrator)
    tried = digest(way.system, pending=True)
    assert (digest(way.system), tried != before) == (before, True)
    revise.approve(one, who=approver)
    assert digest(way.system) == tried
    revise.write(way, "our-own", {**CONTENT, "action": "DROP TABLE IF EXISTS our_own"}, reason="again", who=administrator)
    assert (digest(way.system), digest(way.system, pending=True) != tried) == (tried, True)


def test_a_shipped_note_is_corrected_and_left_out_for_this_system_only(
    way: revise.Jump, administrator: Person, approver: Person, other_system: System
) -> None:
    name = SHIPPED[0].id
    corrected = revise.write(way, name, {**CONTENT, "title": "Corrected"}, reason="here it is different", who=administrator)
    revise.approve(corrected, who=approver)
    (first, *_) = notes.effective(way.system, "7.0", "8.0", SHIPPED)
    assert (first.note.id, first.note.title, first.own) == (name, "Corrected", corrected)
    left = revise.leave_out(way, name, reason="done by hand", who=administrator)
    assert (left.version, left.content["title"]) == (2, "Corrected")
    assert name in ids(way.system)
    assert name not in ids(way.system, pending=True)
    revise.approve(left, who=approver)
    assert name not in ids(way.system)
    assert revise.standing(way, name).state == "left_out"
    assert ids(other_system) == [note.id for note in SHIPPED]
    assert NoteVersion.objects.get(version=1, name=name).content["title"] == "Corrected"


def test_nobody_approves_what_they_wrote_and_nothing_else_than_the_newest(way: revise.Jump, administrator: Person, approver: Person) -> None:
    one = revise.write(way, "our-own", CONTENT, reason="needed", who=administrator)
    with pytest.raises(Denied, match="a second person has to approve this"):
        revise.approve(one, who=administrator)
    two = revise.write(way, "our-own", CONTENT, reason="better", who=administrator)
    with pytest.raises(Taken, match="nothing was approved"):
        revise.approve(one, who=approver)
    revise.approve(two, who=approver)
    with pytest.raises(Taken, match="nothing was approved"):
        revise.approve(two, who=approver)
    here = revise.write(way, "from-here", CONTENT, reason="by command", who=Console("root"))
    with pytest.raises(Denied, match="it was written by os:root"):
        revise.approve(here, who=Console("root"))
    assert NoteVersion.objects.filter(approved_at=None).count() == 2


def test_who_may_change_and_approve(way: revise.Jump, administrator: Person, approver: Person, operator: Person, outsider: Person) -> None:
    for who in (approver, operator, outsider):
        with pytest.raises(Denied):
            revise.write(way, "our-own", CONTENT, reason="needed", who=who)
        with pytest.raises(Denied):
            revise.leave_out(way, SHIPPED[0].id, reason="needed", who=who)
    assert not NoteVersion.objects.exists()
    one = revise.write(way, "our-own", CONTENT, reason="needed", who=administrator)
    for who in (operator, outsider):
        with pytest.raises(Denied):
            revise.approve(one, who=who)
    one.refresh_from_db()
    assert one.approved_at is None


@pytest.mark.parametrize(
    ("name", "change", "reason", "says"),
    [
        ("Our Own", {}, "x", "the name of a note has small letters"),
        ("our-own", {"check": " "}, "x", "a note needs its check"),
        ("our-own", {"phase": "during"}, "x", "the phase of a note is before or after"),
        ("our-own", {"id": "other"}, "x", "a note has no id"),
        ("our-own", {"shell": "rm"}, "x", "a note has no shell"),
        ("our-own", {"action": "x" * 20_001}, "x", "at most 20000 letters"),
        ("our-own", {}, " ", "say why"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, change: dict[str, Any], reason: str, says: str, way: revise.Jump, administrator: Person) -> None:
    with pytest.raises(Invalid, match=says):
        revise.write(way, name, {**CONTENT, **change}, reason=reason, who=administrator)
    assert not NoteVersion.objects.exists()


@pytest.mark.parametrize(("current", "target"), [("8.0", "7.0"), ("7.0", "7.0"), ("7.0", "latest"), ("", "8.0")])
def test_what_is_no_upgrade_has_no_notes(current: str, target: str, system: System) -> None:
    with pytest.raises(EstateError, match=r"is not a series|is not after"):
        revise.jump(system, current, target)


def test_a_jump_that_nobody_described_has_no_notes(system: System) -> None:
    with pytest.raises(Unsupported, match=r"from Tryton 7\.0 to 7\.2 are not described"):
        revise.jump(system, "7.0", "7.2")


def test_an_unknown_note_cannot_be_left_out(way: revise.Jump, administrator: Person) -> None:
    with pytest.raises(NotFound, match=r"there is no note our-own from 7\.0 to 8\.0"):
        revise.leave_out(way, "our-own", reason="x", who=administrator)
    assert not NoteVersion.objects.exists()
