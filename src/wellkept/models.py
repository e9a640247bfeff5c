"""All models, gathered for Django from the packages they belong to."""

from wellkept.backups.models import Backup, Drill, Repository
from wellkept.estate.models import ApiToken, Component, Environment, Host, Membership, Organisation, Person, Secret, System
from wellkept.operations.models import Checkpoint, Lease, Record, Run, Schedule, Step, Worker

__all__ = [
    "ApiToken",
    "Backup",
    "Checkpoint",
    "Component",
    "Drill",
    "Environment",
    "Host",
    "Lease",
    "Membership",
    "Organisation",
    "Person",
    "Record",
    "Repository",
    "Run",
    "Schedule",
    "Secret",
    "Step",
    "System",
    "Worker",
]
