"""The runbooks of the time after an upgrade: only the order of their steps."""

from django.utils.translation import gettext_noop

from wellkept.backups.operations import HOUR
from wellkept.lib.text import message
from wellkept.operations.errors import Ending, NeedsAttention
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation
from wellkept.upgrades import aftercare, apply, discard, kept
from wellkept.upgrades.operations import MINUTE, PERSISTENT


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
