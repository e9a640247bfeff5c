"""The gates that Wellkept knows by itself, and what people say of them; the others are tested on a real ERP in test_apply."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from django.utils import timezone

from tests.people import make_environment, make_member, make_system
from tests.services.agreed import agreed, ended, make_rehearsal, prove_backup, somebody
from wellkept.backups.models import Drill
from wellkept.estate import connect, tokens
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Environment, Person, Role
from wellkept.lib.text import say
from wellkept.operations import records, windows
from wellkept.operations.errors import Failed
from wellkept.operations.models import Record, Run, RunState, Window
from wellkept.tools import postgres
from wellkept.tools.postgres import Server
from wellkept.upgrades import expect, gates
from wellkept.upgrades.consent import agree, waivers
from wellkept.upgrades.models import Acceptance, Approval, Rehearsal, RehearsalState, Upgrade, Waiver

CONSOLE = Console("root")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def rehearsal(environment: Environment) -> Rehearsal:
    """A good rehearsal of 7.0 to 8.0, and a proven backup."""
    prove_backup(environment)
    return make_rehearsal(environment)


def shut(environment: Environment, starter: Person | None = None) -> set[str]:
    return {gate.name for gate in gates.known(environment, "8.0", starter=starter).shut}


def why(environment: Environment, name: str, starter: Person | None = None) -> str:
    return next(say(gate.why) for gate in gates.known(environment, "8.0", starter=starter).gates if gate.name == name)


def test_without_a_rehearsal_a_window_and_a_proof_nothing_opens(environment: Environment) -> None:
    assert shut(environment) == {"rehearsal", "backup", "window"}
    assert "wellkept window add --system erp1" in why(environment, "window")
    with pytest.raises(Invalid, match="has to have succeeded"):
        agree.ask(environment, "8.0", who=CONSOLE)
    with pytest.raises(Invalid, match="has to have succeeded"):
        waivers.waive(environment, "8.0", "window", reason="x", hours=1, who=CONSOLE)
    assert not Approval.objects.exists()
    assert not Waiver.objects.exists()


def test_one_asks_another_approves_and_neither_of_them_alone(rehearsal: Rehearsal, operator: Person, approver: Person, administrator: Person) -> None:
    environment = rehearsal.environment
    windows.add_weekly(rehearsal.organisation, range(7), time(0), time(0), who=CONSOLE)
    assert shut(environment, administrator) == {"approval"}
    asked = agree.ask(environment, "8.0", who=approver)
    with pytest.raises(Taken, match="asked for already"):
        agree.ask(environment, "8.0", who=administrator)
    assert shut(environment, administrator) == {"approval"}
    token, _text = tokens.create(approver, rehearsal.organisation, "t", scope=Role.APPROVER, days=1, who=CONSOLE)
    for who in (approver, token, operator):
        with pytest.raises(Denied):
            agree.approve(asked, who=who)
    assert Approval.objects.get().approved_at is None
    agree.approve(asked, who=administrator)
    with pytest.raises(Taken, match="nothing was approved"):
        agree.approve(asked, who=make_member(rehearsal.organisation, Role.APPROVER, "third@riverside.example"))
    assert shut(environment, approver) == set()
    assert shut(environment) == set(), "whoever works on this machine is somebody else"
    assert shut(environment, administrator) == {"approval"}
    assert why(environment, "approval", administrator) == "administrator@riverside.example approved it, so somebody else has to start it"
    assert [entry.actor for entry in Record.objects.filter(kind="upgrades.approval")] == [approver.email, administrator.email]
    assert records.verify(rehearsal.organisation).ok


def test_who_approves_on_this_machine_cannot_start_it_there(rehearsal: Rehearsal, operator: Person) -> None:
    agree.approve(agree.ask(rehearsal.environment, "8.0", who=operator), who=CONSOLE)
    assert "approval" in shut(rehearsal.environment)
    assert "approval" not in shut(rehearsal.environment, operator)


@pytest.mark.parametrize("changed", ["version", "notes", "modules", "rehearsal", "acceptance", "environment"])
def test_an_approval_and_a_waiver_are_for_exactly_what_was_rehearsed(changed: str, rehearsal: Rehearsal) -> None:
    environment = rehearsal.environment
    agreed(rehearsal)
    waivers.waive(environment, "8.0", "freeze", reason="x", hours=1, who=CONSOLE)
    freeze(environment)
    assert shut(environment) == set()
    if changed == "version":
        Rehearsal.objects.update(version="8.0.13")
    elif changed == "notes":
        Rehearsal.objects.update(notes_digest="other")
    elif changed == "modules":
        Rehearsal.objects.update(modules=["party"])
    elif changed == "rehearsal":
        make_rehearsal(environment)
    elif changed == "acceptance":
        Acceptance.objects.create(
            organisation=rehearsal.organisation, system=rehearsal.system, current="7.0", target="8.0", digest="d", approved_at=timezone.now()
        )
    else:
        Rehearsal.objects.update(environment=make_environment(make_system(rehearsal.organisation, "other")))
        assert "rehearsal" in shut(environment)
        return
    assert shut(environment) == {"approval", "freeze"}
    assert why(environment, "approval") == "Nobody has asked for an approval yet, or something has changed since"
    first = Approval.objects.get()
    agree.ask(environment, "8.0", who=CONSOLE)
    first.refresh_from_db()
    assert first.withdrawn_at is not None
    with pytest.raises(Taken):
        agree.approve(first, who=somebody(rehearsal.organisation, Role.ADMINISTRATOR))


def freeze(environment: Environment) -> None:
    now = timezone.now()
    windows.freeze(environment.system.organisation, now + MINUTE * 9999, now + MINUTE * 19999, "year end", who=CONSOLE)
    environment.system.organisation.freezes.update(starts_at=now - MINUTE)


def test_it_is_withdrawn_by_who_asked_or_may_approve_until_the_erp_is_closed(
    rehearsal: Rehearsal, operator: Person, viewer: Person, administrator: Person
) -> None:
    environment = rehearsal.environment
    given = agreed(rehearsal)
    other = make_member(rehearsal.organisation, Role.OPERATOR, "other@riverside.example")
    for who in (viewer, other):
        with pytest.raises(Denied):
            agree.withdraw(given, who=who)
    upgrade = started(rehearsal, given)
    agree.withdraw(given, who=operator)
    assert shut(environment) == {"approval"}
    with pytest.raises(Failed, match=r"operator@riverside.example withdrew the approval at .*the ERP was not closed"):
        agree.use(upgrade)
    with pytest.raises(Taken, match="withdrawn already"):
        agree.withdraw(given, who=operator)
    with pytest.raises(Invalid, match="nobody has asked"):
        agree.open_approval(environment, "8.0")
    again = agreed(rehearsal)
    Upgrade.objects.update(approval=again)
    upgrade.refresh_from_db()
    agree.use(upgrade)
    agree.use(upgrade)
    with pytest.raises(Taken, match="too late"):
        agree.withdraw(again, who=administrator)
    assert shut(environment) == {"approval"}, "it is good for one upgrade"


def test_an_approval_of_another_way_stays(rehearsal: Rehearsal) -> None:
    first = agreed(rehearsal)
    make_rehearsal(rehearsal.environment, target="8.2", version="8.2.1")
    agree.ask(rehearsal.environment, "8.2", who=CONSOLE)
    assert agree.standing(rehearsal) == first
    assert shut(rehearsal.environment) == set()


def started(rehearsal: Rehearsal, approval: Approval) -> Upgrade:
    place = {"organisation": rehearsal.organisation, "system": rehearsal.system, "environment": rehearsal.environment}
    run_id = ended(rehearsal.environment, "upgrades.apply")
    return Upgrade.objects.create(**place, run_id=run_id, rehearsal=rehearsal, approval=approval, current="7.0", target="8.0", version="8.0.12")


def test_an_administrator_waives_a_gate_for_a_while_and_never_one_that_protects_the_data(
    rehearsal: Rehearsal, administrator: Person, approver: Person
) -> None:
    environment = rehearsal.environment
    Rehearsal.objects.update(ended_at=timezone.now() - timedelta(days=15))
    Drill.objects.all().delete()
    assert shut(environment) == {"age", "approval", "window", "backup"}
    for gate in ("rehearsal", "backup", "notes", "modules", "room-copy", "role", "run", "nonsense"):
        with pytest.raises(Invalid, match="protects the data"):
            waivers.waive(environment, "8.0", gate, reason="x", hours=1, who=administrator)
    for reason, hours in ((" ", 1), ("x", 0), ("x", 15 * 24)):
        with pytest.raises(Invalid):
            waivers.waive(environment, "8.0", "window", reason=reason, hours=hours, who=administrator)
    with pytest.raises(Denied):
        waivers.waive(environment, "8.0", "window", reason="x", hours=1, who=approver)
    assert not Waiver.objects.exists()
    for gate in waivers.WAIVABLE:
        waivers.waive(environment, "8.0", gate, reason="only one of us is left", hours=2, who=administrator)
    seen = gates.known(environment, "8.0", starter=administrator)
    assert {gate.name for gate in seen.shut} == {"backup"}
    assert [one["gate"] for one in seen.waived] == ["age", "approval", "window"], "what holds needs no waiver"
    assert {(one["author"], one["reason"]) for one in seen.waived} == {(administrator.email, "only one of us is left")}
    waivers.revoke(Waiver.objects.get(gate="window"), who=administrator)
    Waiver.objects.filter(gate="age").update(ends_at=timezone.now())
    assert shut(environment) == {"age", "window", "backup"}
    told = [say(entry.summary) for entry in Record.objects.filter(kind="upgrades.waiver")]
    assert len(told) == 5
    assert told[0].startswith("The gate age was waived until ")
    assert told[-1] == "The gate window is no longer waived: erp1, from 7.0 to 8.0.12"


def test_a_window_has_to_be_long_enough_for_the_upgrade_and_for_taking_it_back(rehearsal: Rehearsal) -> None:
    environment = rehearsal.environment
    takes = expect.expected(rehearsal)
    assert (takes.whole.p50, takes.whole.p90, takes.closed.p90, takes.back.p90, takes.measured) == (126.0, 189.0, 105.0, 6.0, 1)
    agreed(rehearsal)
    for seconds, expected in ((204, set()), (189, {"window"})):
        Window.objects.all().delete()
        open_for(environment, seconds)
        assert shut(environment) == expected
    assert "may need 3.2 minutes" in why(environment, "window")
    Window.objects.update(ends_at=timezone.now() + timedelta(seconds=115))
    (window, _freeze) = gates.plans(environment, takes, closed=True)
    assert window.holds, "what is left once the backup is made and the release installed is shorter"
    for _ in range(2):
        make_rehearsal(environment, seconds={"migrate": 300.0}, rollback_seconds=9.0)
    takes = expect.expected(Rehearsal.objects.latest("ended_at"))
    assert (takes.whole.p50, takes.whole.p90, takes.back.p90, takes.measured) == (366.0, 399.0, 13.5, 3)
    Window.objects.all().delete()
    windows.add_once(rehearsal.organisation, timezone.now() + MINUTE, timezone.now() + 9 * MINUTE, who=CONSOLE)
    assert why(environment, "window").startswith("No window is open; the next one opens at ")


def open_for(environment: Environment, seconds: float) -> None:
    now: datetime = timezone.now()
    windows.add_once(environment.system.organisation, now - MINUTE, now + timedelta(seconds=seconds), who=CONSOLE)


def test_a_newer_rehearsal_that_failed_counts_and_a_cancelled_one_does_not(rehearsal: Rehearsal) -> None:
    agreed(rehearsal)
    make_rehearsal(rehearsal.environment, state=RehearsalState.CANCELLED)
    assert shut(rehearsal.environment) == set()
    make_rehearsal(rehearsal.environment, state=RehearsalState.FAILED)
    assert "rehearsal" in shut(rehearsal.environment)
    assert why(rehearsal.environment, "rehearsal").endswith("failed")


def test_nothing_else_may_be_done_with_it_meanwhile(rehearsal: Rehearsal, operator: Person) -> None:
    agreed(rehearsal)
    environment = rehearsal.environment
    run_id = ended(environment, "upgrades.apply")
    Run.objects.filter(pk=run_id).update(state=RunState.RUNNING, requested_by=operator)
    assert shut(environment) == {"run"}
    assert why(environment, "run").startswith("upgrades.apply is being done, started by operator@riverside.example at 20")
    assert not gates.known(environment, "8.0", run_id=str(run_id)).shut


def test_modules_that_cannot_be_seen_were_not_removed(kept: Environment) -> None:
    """A database that does not answer for a moment must not read as one without modules, neither to a gate nor to a rehearsal."""
    assert "party" in gates.active_modules(kept)
    connect.keep(kept, replace(connect.site(kept), server=Server("127.0.0.1", postgres.free_port(), "nobody", "x")))
    with pytest.raises(Failed) as told:
        gates.active_modules(Environment.objects.get(pk=kept.pk))
    assert "database: " in say(told.value.message)
    assert told.value.retryable
