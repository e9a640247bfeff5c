"""A state as a word, a colour and an icon; never colour alone."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from wellkept.backups.models import BackupState, DrillState
from wellkept.backups.verdicts import ACT, WATCH, WELL
from wellkept.operations.models import RunState
from wellkept.upgrades.models import Level, RehearsalState, UpgradeState


@dataclass(frozen=True)
class Mark:
    """``tone`` is one of well, watch, act, now, calm; ``word`` is lazy text."""

    tone: str
    icon: str
    word: object


VERDICTS = {
    WELL: Mark("well", "circle-check", _("Well")),
    WATCH: Mark("watch", "eye", _("Watch")),
    ACT: Mark("act", "alert-triangle", _("Act")),
}
RUNS = {
    RunState.QUEUED: Mark("calm", "clock", RunState.QUEUED.label),
    RunState.RUNNING: Mark("now", "player-play", RunState.RUNNING.label),
    RunState.SUCCEEDED: Mark("well", "check", RunState.SUCCEEDED.label),
    RunState.FAILED: Mark("act", "x", RunState.FAILED.label),
    RunState.ROLLED_BACK: Mark("watch", "arrow-back-up", RunState.ROLLED_BACK.label),
    RunState.CANCELLED: Mark("calm", "ban", RunState.CANCELLED.label),
    RunState.NEEDS_ATTENTION: Mark("act", "hand-stop", RunState.NEEDS_ATTENTION.label),
}
BACKUPS = {
    BackupState.MAKING: Mark("now", "player-play", BackupState.MAKING.label),
    BackupState.GOOD: Mark("well", "check", BackupState.GOOD.label),
    BackupState.FAILED: Mark("act", "x", BackupState.FAILED.label),
    BackupState.BROKEN: Mark("act", "alert-triangle", BackupState.BROKEN.label),
    BackupState.FORGOTTEN: Mark("calm", "trash", BackupState.FORGOTTEN.label),
}
DRILLS = {
    DrillState.RUNNING: Mark("now", "player-play", DrillState.RUNNING.label),
    DrillState.PROVEN: Mark("well", "rosette-discount-check", DrillState.PROVEN.label),
    DrillState.FAILED: Mark("act", "x", DrillState.FAILED.label),
    DrillState.CANCELLED: Mark("calm", "ban", DrillState.CANCELLED.label),
}
UPGRADES = {
    Level.WELL: Mark("well", "circle-check", Level.WELL.label),
    Level.WATCH: Mark("watch", "eye", Level.WATCH.label),
    Level.ACT: Mark("act", "alert-triangle", Level.ACT.label),
}
NOTES = {
    "as_shipped": Mark("calm", "package", _("as it comes")),
    "own": Mark("well", "check", _("own, approved")),
    "left_out": Mark("calm", "ban", _("left out, approved")),
    "waiting": Mark("watch", "clock", _("waits for approval")),
}
REHEARSALS = {
    RehearsalState.RUNNING: Mark("now", "player-play", RehearsalState.RUNNING.label),
    RehearsalState.SUCCEEDED: Mark("well", "check", RehearsalState.SUCCEEDED.label),
    RehearsalState.FAILED: Mark("act", "x", RehearsalState.FAILED.label),
    RehearsalState.CANCELLED: Mark("calm", "ban", RehearsalState.CANCELLED.label),
}
APPROVALS = {
    "waiting": Mark("watch", "clock", _("waiting")),
    "approved": Mark("well", "check", _("approved")),
    "used": Mark("calm", "check", _("approved")),
}
DONE = {
    UpgradeState.RUNNING: Mark("now", "player-play", UpgradeState.RUNNING.label),
    UpgradeState.KEPT: Mark("well", "check", UpgradeState.KEPT.label),
    UpgradeState.TAKEN_BACK: Mark("watch", "arrow-back-up", UpgradeState.TAKEN_BACK.label),
    UpgradeState.FAILED: Mark("act", "x", UpgradeState.FAILED.label),
    UpgradeState.STUCK: Mark("act", "hand-stop", UpgradeState.STUCK.label),
}
KINDS: dict[str, dict[str, Mark]] = {
    "approval": dict(APPROVALS),
    "done": {str(key): mark for key, mark in DONE.items()},
    "verdict": dict(VERDICTS),
    "run": {str(key): mark for key, mark in RUNS.items()},
    "backup": {str(key): mark for key, mark in BACKUPS.items()},
    "drill": {str(key): mark for key, mark in DRILLS.items()},
    "note": dict(NOTES),
    "rehearsal": {str(key): mark for key, mark in REHEARSALS.items()},
    "upgrade": {str(key): mark for key, mark in UPGRADES.items()},
}
