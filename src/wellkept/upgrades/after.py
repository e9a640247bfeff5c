"""The runbooks beside those of an upgrade, for patches and for the time after it: only the order of their steps."""

from django.utils.translation import gettext_noop

from wellkept.backups import certificate, drill
from wellkept.backups.operations import END_PHASES, HOUR, PROOF_PHASES, RESTORE_PHASES, TAKE_PHASES, proof_steps, restore_steps, take_steps
from wellkept.lib.text import message
from wellkept.operations.errors import Ending, NeedsAttention
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation
from wellkept.upgrades import aftercare, apply, discard, kept, rehearse, switch
from wellkept.upgrades.operations import PERSISTENT, apply_clean_up, measured, put_back, rehearse_clean_up

MINUTE = 60.0


@operation(
    "upgrades.discard",
    title=gettext_noop("Take an upgrade back that people worked with"),
    maintenance_type="corrective",
    phases=(
        ("close", gettext_noop("Close the ERP for its users")),
        ("export", gettext_noop("Export what was written since")),
        ("back", gettext_noop("Take it back")),
        ("settle", gettext_noop("Note what is there now")),
        ("reopen", gettext_noop("Open the ERP for its users")),
    ),
    changes_environment=True,
    settles=frozenset({"upgrades.apply"}),
)
def discard_upgrade(run: Runbook, *, upgrade_id: int, actor: str) -> Outcome:
    """Export what was written since the new release was opened, then take the upgrade back; ``actor`` agreed to the loss."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    try:
        run.step("close", discard.close, run.id, run.environment_id, upgrade_id, limit=5 * MINUTE)
        exported = run.step("export", discard.export, run.id, upgrade_id, actor, limit=4 * HOUR)
    except Ending:
        run.step("reopen", discard.reopen, run.id, upgrade_id, limit=10 * MINUTE, shielded=True, **PERSISTENT)
        raise
    try:
        back = run.step("back", apply.take_back_stuck, run.id, run.environment_id, upgrade_id, limit=10 * MINUTE, shielded=True, **PERSISTENT)
    except Ending as ending:
        text = gettext_noop("It was not taken back: {why}. Nothing was deleted, and both databases are there; try it again")
        raise NeedsAttention(message(text, why=ending.message)) from ending
    left = run.step("settle", discard.settle, upgrade_id, limit=10 * MINUTE, shielded=True)
    text = gettext_noop("The upgrade was taken back in {seconds} s; {rows} rows that were written since are in {path}")
    said = message(text, seconds=round(back["seconds"], 1), rows=exported["rows"], path=exported["path"])
    return Outcome(said, {**back, **left, "sha256": exported["sha256"], "rows": exported["rows"], "files": exported["files"]})


@operation(
    "upgrades.remove_kept",
    title=gettext_noop("Remove what upgrades left"),
    maintenance_type="preventive",
    phases=(("remove", gettext_noop("Remove databases and releases")),),
    changes_environment=True,
)
def remove_kept(run: Runbook, *, upgrade_ids: list[int], early: bool = False) -> Outcome:
    """Remove the databases and releases that upgrades left beside production: after that, only a backup leads back."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    done = run.step("remove", kept.remove, run.environment_id, upgrade_ids, early=early, limit=HOUR)
    names = [name for one in done["removed"] for name in (one["database"], one["folder"]) if name]
    text = gettext_noop("Removed what upgrades left: {names} ({megabytes} MB)")
    return Outcome(message(text, names=", ".join(names) or "–", megabytes=done["bytes"] // 10**6), done)


@operation(
    "upgrades.rehearse_patch",
    title=gettext_noop("Rehearse a patch"),
    maintenance_type="adaptive",
    phases=(
        ("plan", gettext_noop("See whether it is possible")),
        ("install", gettext_noop("Install the new release beside the old one")),
        *TAKE_PHASES,
        *RESTORE_PHASES[1:],
        *PROOF_PHASES,
        ("flows-old", gettext_noop("Business flows on the old release")),
        ("exchange", gettext_noop("Exchange the old release for the new one")),
        ("work", gettext_noop("Sign in to the new release and read")),
        ("flows-new", gettext_noop("Business flows on the new release")),
        ("back", gettext_noop("Take it back")),
        *END_PHASES,
        ("report", gettext_noop("Report")),
    ),
    cleanup=rehearse_clean_up,
)
def rehearse_patch(run: Runbook, *, target: str, repository_id: int | None = None) -> Outcome:
    """Back up, prove the backup on a copy, and switch the copy to the newer version and back; production goes on all the while."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    rehearsal_id = run.step("plan", rehearse.begin, run.id, run.environment_id, target, limit=10 * MINUTE)["rehearsal_id"]
    new = run.step("install", rehearse.install, run.id, rehearsal_id, limit=HOUR)
    backup = take_steps(run, repository_id)
    proof = restore_steps(run, backup["backup_id"])
    proof |= proof_steps(run, proof)
    old = run.step("flows-old", rehearse.try_old, run.id, rehearsal_id, limit=HOUR)
    facts = {
        "flows-old": old,
        "exchange": run.step("exchange", switch.switch, run.id, rehearsal_id, backup["backup_id"], new["interpreter"], limit=HOUR),
        "work": run.step("work", rehearse.probe, run.id, rehearsal_id, proof["sign-in"]["probes"], limit=10 * MINUTE),
        "flows-new": run.step("flows-new", rehearse.try_new, run.id, rehearsal_id, old, limit=HOUR),
        "back": run.step("back", switch.switch_back, run.id, rehearsal_id, limit=HOUR),
    }
    proof["destroy"] = run.step("destroy", drill.destroy, run.id, limit=10 * MINUTE)
    run.step("certificate", certificate.issue, run.id, proof["check"]["drill_id"], proof, limit=MINUTE)
    result = run.step("report", rehearse.finish, run.id, rehearsal_id, facts, limit=MINUTE)
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
    backup = take_steps(run, repository_id)
    run.step("install", apply.install, upgrade_id, backup["backup_id"], limit=HOUR)
    run.step("measure", aftercare.measure_before, upgrade_id, limit=10 * MINUTE)
    try:
        facts = {
            "close": run.step("close", apply.close, run.id, upgrade_id, limit=2 * MINUTE),
            "exchange": run.step("exchange", apply.exchange, run.id, upgrade_id, limit=MINUTE),
            "open": run.step("open", apply.reopen, run.id, upgrade_id, limit=5 * MINUTE),
        }
    except Ending as ending:
        put_back(run, upgrade_id, ending, limit=10 * MINUTE)
        raise
    result = run.step("report", apply.finish, upgrade_id, facts, limit=MINUTE, shielded=True)
    text = gettext_noop("The patch {version} was installed; nobody could work for {seconds} s")
    return Outcome(message(text, version=result["version"], seconds=round(result["unavailable_seconds"], 1)), result)


@operation(
    "upgrades.aftercare",
    title=gettext_noop("Look after an upgrade"),
    maintenance_type="perfective",
    phases=(
        ("measure", gettext_noop("Measure how it works now")),
        ("close", gettext_noop("Write the closing report")),
    ),
    detours=frozenset({"close"}),
)
def look_after(run: Runbook, *, upgrade_id: int) -> Outcome:
    """Time the transactions and compare them with those from before the upgrade; at the end of its time, write the closing report."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    if not run.step("measure", aftercare.measure_unless_over, run.environment_id, upgrade_id, limit=HOUR)["over"]:
        found = run.step("measure", aftercare.summary, upgrade_id, limit=MINUTE)
        return Outcome(message(gettext_noop("Since the upgrade: {verdict}"), verdict=found["verdict"]), found)
    closed = run.step("close", aftercare.close, upgrade_id, limit=MINUTE)
    text = gettext_noop("Closed after {days} days. Since the upgrade: {verdict}")
    return Outcome(message(text, days=closed["days"], verdict=closed["verdict"]), closed)
