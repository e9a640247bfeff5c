"""All models, gathered for Django from the packages they belong to."""

from wellkept.backups.models import Backup, Drill, Repository
from wellkept.estate.models import ApiToken, Component, Environment, Host, Membership, Organisation, Person, Secret, System
from wellkept.monitoring.models import Panel, Use, UsedHour, Watch, Watcher
from wellkept.operations.models import Checkpoint, Freeze, Lease, Record, Run, Schedule, Step, Window, Worker
from wellkept.upgrades.models import (
    Acceptance,
    Approval,
    Assessment,
    GivenModule,
    Measurement,
    NoteVersion,
    Opinion,
    Rehearsal,
    Release,
    Upgrade,
    Waiver,
)

__all__ = [
    "Acceptance",
    "ApiToken",
    "Approval",
    "Assessment",
    "Backup",
    "Checkpoint",
    "Component",
    "Drill",
    "Environment",
    "Freeze",
    "GivenModule",
    "Host",
    "Lease",
    "Measurement",
    "Membership",
    "NoteVersion",
    "Opinion",
    "Organisation",
    "Panel",
    "Person",
    "Record",
    "Rehearsal",
    "Release",
    "Repository",
    "Run",
    "Schedule",
    "Secret",
    "Step",
    "System",
    "Upgrade",
    "Use",
    "UsedHour",
    "Waiver",
    "Watch",
    "Watcher",
    "Window",
    "Worker",
]
