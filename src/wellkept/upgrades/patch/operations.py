"""The runbooks of patches: only the order of their steps."""

from django.utils.translation import gettext_noop

from wellkept.backups.operations import HOUR, TAKE_PHASES, take_steps
from wellkept.lib.text import message
from wellkept.operations.errors import Ending
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation
from wellkept.upgrades import aftercare, apply, limits, rehearse
from wellkept.upgrades.operations import (
    BEGIN_PHASES,
    LAST_PHASES,
    MINUTE,
    apply_clean_up,
    end_rehearsal,
    measured,
    prepare_rehearsal,
    put_back,
    rehearse_clean_up,
    within,
)
from wellkept.upgrades.patch import switch


@operation(
    "upgrades.rehearse_patch",
    title=gettext_noop("Rehearse a patch"),
    maintenance_type="adaptive",
    phases=(
        *BEGIN_PHASES,
        ("exchange", gettext_noop("Exchange the old release for the new one")),
        ("work", gettext_noop("Sign in to the new release and read")),
        ("flows-new", gettext_noop("Business flows on the new release")),
        ("back", gettext_noop("Take it back")),
        *LAST_PHASES,
    ),
    cleanup=rehearse_clean_up,
)
def rehearse_patch(run: Runbook, *, target: str, repository_id: int | None = None) -> Outcome:
    """Back up, prove the backup on a copy, and switch the copy to the newer version and back; production goes on all the while."""
    ready = prepare_rehearsal(run, target, repository_id)
    number = ready.rehearsal_id
    facts = {
        "exchange": run.step("exchange", switch.switch, run.id, number, ready.backup_id, ready.interpreter, limit=HOUR),
        "work": run.step("work", rehearse.probe, run.id, number, ready.probes, limit=10 * MINUTE),
        "flows-new": run.step("flows-new", rehearse.try_new, run.id, number, ready.flows, limit=HOUR),
        "back": run.step("back", switch.switch_back, run.id, number, limit=HOUR),
    }
    result = end_rehearsal(run, ready, facts)
    text = gettext_noop("The patch {version} was rehearsed: books and rights agree, and it was taken back in {seconds} s")
    return Outcome(message(text, version=result["version"], seconds=round(result["rollback_seconds"], 1)), result)


PATCH_PHASES = (
    ("gates", gettext_noop("Look at every gate")),
    *TAKE_PHASES,
    ("install", gettext_noop("Install the new release beside the old one")),
    ("measure", gettext_noop("Measure how it works now")),
    ("close", gettext_noop("Close the ERP for its users")),
    ("exchange", gettext_noop("Exchange the old release for the new one")),
    ("open", gettext_noop("Open the ERP for its users")),
    ("back", gettext_noop("Take it back")),
    ("report", gettext_noop("Report")),
)


@operation(
    "upgrades.apply_patch",
    title=gettext_noop("Install a patch"),
    maintenance_type="adaptive",
    phases=PATCH_PHASES,
    changes_environment=True,
    cleanup=apply_clean_up,
    detours=frozenset({"back"}),
    measured_by=measured("upgrades.rehearse_patch", PATCH_PHASES),
)
def apply_patch(run: Runbook, *, target: str, repository_id: int | None = None) -> Outcome:
    """Switch production to the newer version that was rehearsed; when it does not work, back at once by the link."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    upgrade_id = run.step("gates", apply.begin, run.id, run.environment_id, target, limit=10 * MINUTE)["upgrade_id"]
    settled = run.step("gates", limits.settle, run.id, upgrade_id, limit=MINUTE)
    backup = take_steps(run, repository_id)
    run.step("install", apply.install, upgrade_id, backup["backup_id"], limit=HOUR)
    run.step("measure", aftercare.measure_before, upgrade_id, limit=10 * MINUTE)
    step = within(run, upgrade_id, settled)
    try:
        facts = {
            "close": step("close", apply.close, limit=2 * MINUTE),
            "exchange": step("exchange", apply.exchange, limit=MINUTE),
            "open": step("open", apply.reopen, limit=5 * MINUTE),
        }
    except Ending as ending:
        put_back(run, upgrade_id, ending, limit=max(10 * MINUTE, settled["limits"].get("back", 0.0)))
        raise
    result = run.step("report", apply.finish, upgrade_id, facts, limit=MINUTE, shielded=True)
    text = gettext_noop("The patch {version} was installed; nobody could work for {seconds} s")
    return Outcome(message(text, version=result["version"], seconds=round(result["unavailable_seconds"], 1)), result)
