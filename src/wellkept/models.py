"""All models, gathered for Django from the packages they belong to."""

from wellkept.backups.models import Backup, Drill, Repository
from wellkept.estate.models import ApiToken, Component, Environment, Host, Membership, Organisation, Person, Secret, System
from wellkept.operations.models import Checkpoint, Lease, Record, Run, Schedule, Step, Worker
from wellkept.upgrades.models import Acceptance, Assessment, NoteVersion, Rehearsal, Release, Upgrade

__all__ = [
    "Acceptance",
    "ApiToken",
    "Assessment",
    "Backup",
    "Checkpoint",
    "Component",
    "Drill",
    "Environment",
    "Host",
    "Lease",
    "Membership",
    "NoteVersion",
    "Organisation",
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
    "Worker",
]
