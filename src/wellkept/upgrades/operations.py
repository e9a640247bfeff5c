"""The runbooks of upgrades: only the order of their steps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop

from wellkept.backups import certificate, drill, take
from wellkept.backups.operations import DAY, END_PHASES, HOUR, PROOF_PHASES, RESTORE_PHASES, TAKE_PHASES, proof_steps, restore_steps, take_steps
from wellkept.lib.text import message
from wellkept.operations.errors import Ending, NeedsAttention, RolledBack
from wellkept.operations.runbook import CLEAN_UP
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation
from wellkept.upgrades import aftercare, apply, assess, limits, needs, rehearse, report
from wellkept.upgrades.models import Level

MINUTE = 60.0
PERSISTENT: dict[str, Any] = {"retries": 30, "wait": 2.0}
"""While a database server that crashed starts again, taking back and opening wait for it: half of either is no state to stay in."""
OUTCOMES = {
    Level.ACT: gettext_noop("From {current} to {target}: {in_the_way} things are in the way, {to_look_at} more to look at"),
    Level.WATCH: gettext_noop("From {current} to {target}: nothing is in the way, {to_look_at} things to look at"),
    Level.WELL: gettext_noop("From {current} to {target}: nothing is in the way"),
}


@operation(
    "upgrades.assess",
    title=gettext_noop("Assess an upgrade"),
    maintenance_type="adaptive",
    phases=(
        ("releases", gettext_noop("Ask for releases and the way to the target")),
        ("modules", gettext_noop("Look at modules and their use")),
        ("data", gettext_noop("Check manual steps and data")),
        ("needs", gettext_noop("Count room and time")),
        ("report", gettext_noop("Draw the conclusions")),
    ),
)
def assess_upgrade(run: Runbook, *, target: str) -> Outcome:
    """What an upgrade to another series would meet; the ERP is only read."""
    environment_id = run.environment_id
    if environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    way = run.step("releases", assess.ask_index, environment_id, target, limit=10 * MINUTE)
    modules = run.step("modules", assess.look_at_modules, environment_id, target, limit=20 * MINUTE)
    data = run.step("data", assess.check_data, environment_id, way["current"], target, limit=30 * MINUTE)
    room = run.step("needs", needs.needs, environment_id, modules["database_bytes"], modules["files_bytes"], limit=5 * MINUTE)
    result = run.step("report", report.store, run.id, environment_id, target, {**way, **modules, **data, **room}, limit=MINUTE)
    facts = {name: result[name] for name in ("in_the_way", "to_look_at")}
    return Outcome(message(OUTCOMES[Level(result["verdict"])], current=way["current"], target=target, **facts), result)


@operation(
    "upgrades.look",
    title=gettext_noop("Look for new releases"),
    maintenance_type="preventive",
    phases=(("releases", gettext_noop("Ask for releases")),),
)
def look_for_releases(run: Runbook) -> Outcome:
    """Ask the package index which releases there are of a system's ERP."""
    found = run.step("releases", assess.look, run.system_id, limit=10 * MINUTE)
    return Outcome(message(gettext_noop("{count} releases are there, the newest is {newest}"), count=found["count"], newest=found["newest"]), found)


BEGIN_PHASES = (
    ("plan", gettext_noop("See whether it is possible")),
    ("install", gettext_noop("Install the new release beside the old one")),
    *TAKE_PHASES,
    *RESTORE_PHASES[1:],
    *PROOF_PHASES,
    ("flows-old", gettext_noop("Business flows on the old release")),
)
LAST_PHASES = (*END_PHASES, ("report", gettext_noop("Report")))


def rehearse_clean_up(run_id: str, **_arguments: Any) -> None:
    take.clean_up(run_id)
    drill.clean_up(run_id)
    rehearse.clean_up(run_id)


@operation(
    "upgrades.rehearse",
    title=gettext_noop("Rehearse an upgrade"),
    maintenance_type="adaptive",
    phases=(
        *BEGIN_PHASES,
        ("copy", gettext_noop("Copy the database inside its server")),
        ("notes-before", gettext_noop("Manual steps before the migration")),
        ("migrate", gettext_noop("Migrate")),
        ("notes-after", gettext_noop("Manual steps after the migration")),
        ("compare", gettext_noop("Compare books and rights")),
        ("exchange", gettext_noop("Exchange the old release for the new one")),
        ("work", gettext_noop("Sign in to the new release and read")),
        ("flows-new", gettext_noop("Business flows on the new release")),
        ("back", gettext_noop("Take it back")),
        *LAST_PHASES,
    ),
    cleanup=rehearse_clean_up,
)
def rehearse_upgrade(run: Runbook, *, target: str, repository_id: int | None = None) -> Outcome:
    """Back up, prove the backup on a copy, upgrade the copy, and take it back there; production goes on all the while."""
    ready = prepare_rehearsal(run, target, repository_id)
    result = end_rehearsal(run, ready, _upgrade_copy(run, ready))
    text = gettext_noop("The upgrade to {version} was rehearsed: books and rights agree, and it was taken back in {seconds} s")
    return Outcome(message(text, version=result["version"], seconds=round(result["rollback_seconds"], 1)), result)


@dataclass(frozen=True)
class Ready:
    """What a rehearsal works with: its row, the backup, the new release, what was proven of the copy, and the flows on the old release."""

    rehearsal_id: int
    backup_id: int
    interpreter: str
    modules: dict[str, str]
    proof: dict[str, Any]
    flows: dict[str, Any]

    @property
    def probes(self) -> dict[str, float]:
        """What the probes took on the old release, in seconds."""
        return dict(self.proof["sign-in"]["probes"])


def prepare_rehearsal(run: Runbook, target: str, repository_id: int | None) -> Ready:
    """The first steps of every rehearsal: the new release beside the old one, and a copy that is proven and tried out."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    rehearsal_id = run.step("plan", rehearse.begin, run.id, run.environment_id, target, limit=10 * MINUTE)["rehearsal_id"]
    new = run.step("install", rehearse.install, run.id, rehearsal_id, limit=HOUR)
    backup = take_steps(run, repository_id)
    proof = restore_steps(run, backup["backup_id"])
    proof |= proof_steps(run, proof)
    old = run.step("flows-old", rehearse.try_old, run.id, rehearsal_id, limit=HOUR)
    return Ready(rehearsal_id, backup["backup_id"], new["interpreter"], new["modules"], proof, old)


def end_rehearsal(run: Runbook, ready: Ready, facts: dict[str, Any]) -> dict[str, Any]:
    """The last steps of every rehearsal: the copy is destroyed, and the results of the phases are kept."""
    proof = {**ready.proof, "destroy": run.step("destroy", drill.destroy, run.id, limit=10 * MINUTE)}
    run.step("certificate", certificate.issue, run.id, proof["check"]["drill_id"], proof, limit=MINUTE)
    done = run.step("report", rehearse.finish, run.id, ready.rehearsal_id, {"flows-old": ready.flows, **facts}, limit=MINUTE)
    return dict(done)


def _upgrade_copy(run: Runbook, ready: Ready) -> dict[str, Any]:
    """The upgrade of the copy, forth and back; the results of its phases."""
    number, interpreter, modules = ready.rehearsal_id, ready.interpreter, ready.modules
    return {
        "copy": run.step("copy", rehearse.copy_database, run.id, number, ready.backup_id, limit=DAY),
        "notes-before": run.step("notes-before", rehearse.run_notes, run.id, number, "before", modules, limit=DAY),
        "migrate": run.step("migrate", rehearse.migrate, run.id, number, interpreter, modules, limit=DAY),
        "notes-after": run.step("notes-after", rehearse.run_notes, run.id, number, "after", modules, limit=DAY),
        "compare": run.step("compare", rehearse.compare_books, run.id, number, limit=4 * HOUR),
        "exchange": run.step("exchange", rehearse.exchange, run.id, number, interpreter, limit=10 * MINUTE),
        "work": run.step("work", rehearse.probe, run.id, number, ready.probes, limit=10 * MINUTE),
        "flows-new": run.step("flows-new", rehearse.try_new, run.id, number, ready.flows, limit=HOUR),
        "back": run.step("back", rehearse.roll_back, run.id, number, limit=4 * HOUR),
    }


APPLY_PHASES = (
    ("gates", gettext_noop("Look at every gate")),
    *TAKE_PHASES,
    ("install", gettext_noop("Install the new release beside the old one")),
    ("measure", gettext_noop("Measure how it works now")),
    ("close", gettext_noop("Close the ERP for its users")),
    ("copy", gettext_noop("Copy the database inside its server")),
    ("notes-before", gettext_noop("Manual steps before the migration")),
    ("migrate", gettext_noop("Migrate")),
    ("notes-after", gettext_noop("Manual steps after the migration")),
    ("compare", gettext_noop("Compare books and rights")),
    ("smoke", gettext_noop("Sign in to the new release and look around")),
    ("exchange", gettext_noop("Exchange the old release for the new one")),
    ("open", gettext_noop("Open the ERP for its users")),
    ("back", gettext_noop("Take it back")),
    ("report", gettext_noop("Report")),
)
LIKE = {"gates": "plan", "measure": "work", "close": "exchange", "smoke": "work", "open": "exchange"}
"""Which phase of a rehearsal is most like one of production: an exchange there stops the ERP, as closing does, and starts it, as opening does."""


def measured(rehearsal: str, phases: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """By which phase of that operation each phase of production, and cleaning up, is measured."""
    return {name: (rehearsal, LIKE.get(name, name)) for name, _title in (*phases, CLEAN_UP)}


def apply_clean_up(run_id: str, **_arguments: Any) -> None:
    take.clean_up(run_id)
    apply.clean_up(run_id)


@operation(
    "upgrades.apply",
    title=gettext_noop("Upgrade"),
    maintenance_type="adaptive",
    phases=APPLY_PHASES,
    changes_environment=True,
    cleanup=apply_clean_up,
    detours=frozenset({"back"}),
    measured_by=measured("upgrades.rehearse", APPLY_PHASES),
    no_return=limits.no_return,
)
def apply_upgrade(run: Runbook, *, target: str, repository_id: int | None = None) -> Outcome:
    """Upgrade production as it was rehearsed; whatever does not agree takes it back at once."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    upgrade_id = run.step("gates", apply.begin, run.id, run.environment_id, target, limit=10 * MINUTE)["upgrade_id"]
    settled = run.step("gates", limits.settle, run.id, upgrade_id, limit=MINUTE)
    backup = take_steps(run, repository_id)
    new = run.step("install", apply.install, upgrade_id, backup["backup_id"], limit=HOUR)
    run.step("measure", aftercare.measure_before, upgrade_id, limit=10 * MINUTE)
    try:
        facts = _upgrade_production(run, upgrade_id, new["modules"], settled)
    except Ending as ending:
        put_back(run, upgrade_id, ending, limit=max(10 * MINUTE, settled["limits"].get("back", 0.0)))
        raise
    result = run.step("report", apply.finish, upgrade_id, facts, limit=MINUTE, shielded=True)
    text = gettext_noop("Upgraded to {version}: books and rights agree; nobody could work for {seconds} s")
    return Outcome(message(text, version=result["version"], seconds=round(result["unavailable_seconds"], 1)), result)


def _upgrade_production(run: Runbook, upgrade_id: int, modules: dict[str, str], settled: dict[str, Any]) -> dict[str, Any]:
    """From closing the ERP to opening the new release; the results of the phases."""
    step = within(run, upgrade_id, settled)
    return {
        "close": step("close", apply.close, limit=2 * MINUTE),
        "copy": step("copy", apply.copy_database, limit=4 * HOUR),
        "notes-before": step("notes-before", apply.run_notes, "before", modules, limit=HOUR),
        "migrate": step("migrate", apply.migrate, modules, limit=DAY),
        "notes-after": step("notes-after", apply.run_notes, "after", modules, limit=HOUR),
        "compare": step("compare", apply.compare_books, limit=HOUR),
        "smoke": step("smoke", apply.smoke, limit=10 * MINUTE),
        "exchange": step("exchange", apply.exchange, limit=2 * MINUTE),
        "open": run.step("open", apply.reopen, run.id, upgrade_id, limit=10 * MINUTE, shielded=True, **PERSISTENT),
    }


def within(run: Runbook, upgrade_id: int, settled: dict[str, Any]) -> Callable[..., Any]:
    """How steps run that change production: what takes longer than it may, or comes to the point of no return, is stopped."""
    until, most = limits.point_of_no_return(settled), settled["limits"]

    def step(phase: str, function: Callable[..., Any], *rest: Any, limit: float) -> Any:
        return run.step(phase, function, run.id, upgrade_id, *rest, limit=most.get(phase, limit), until=until)

    return step


def put_back(run: Runbook, upgrade_id: int, ending: Ending, *, limit: float) -> None:
    """Take the upgrade back because of an ending. Raises RolledBack, or NeedsAttention when that cannot be; nothing where nothing had changed."""
    try:
        back = run.step("back", apply.take_back, run.id, upgrade_id, limit=limit, shielded=True, **PERSISTENT)
    except Ending as worse:
        text = gettext_noop("{reason}. It was not taken back: {why}. Nothing was deleted, and both databases are there")
        raise NeedsAttention(message(text, reason=ending.message, why=worse.message)) from worse
    if back["changed"]:
        text = gettext_noop("{reason}. It was taken back in {seconds} s, and the books are as before")
        raise RolledBack(message(text, reason=ending.message, seconds=round(back["seconds"], 1))) from ending


@operation(
    "upgrades.take_back",
    title=gettext_noop("Take an upgrade back"),
    maintenance_type="corrective",
    phases=(("back", gettext_noop("Take it back")),),
    changes_environment=True,
    cleanup=apply.back_at_work,
    settles=frozenset({"upgrades.apply", "upgrades.apply_patch", "upgrades.discard"}),
)
def take_back_upgrade(run: Runbook, *, upgrade_id: int) -> Outcome:
    """Take an upgrade back that its own run could not; it may be tried again until it works."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    back = run.step("back", apply.take_back_stuck, run.id, run.environment_id, upgrade_id, limit=10 * MINUTE, shielded=True, **PERSISTENT)
    return Outcome(message(gettext_noop("The upgrade was taken back in {seconds} s"), seconds=round(back["seconds"], 1)), back)
