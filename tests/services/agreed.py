"""What people have to say before production is upgraded, said; and the rows of what it is said about."""

import uuid
from datetime import time

from django.db.models import Q
from django.utils import timezone

from tests.people import make_member
from tests.services.sets import new_run
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import secrets
from wellkept.estate.access import Console
from wellkept.estate.models import Environment, Organisation, Person, Role
from wellkept.operations import windows
from wellkept.operations.models import Run, RunState, Step, StepState, Window
from wellkept.upgrades.consent import agree
from wellkept.upgrades.models import Approval, Rehearsal, RehearsalState


def agreed(rehearsal: Rehearsal) -> Approval:
    """An approval of what was rehearsed, asked for by one person and given by another one, and a window that is always open."""
    organisation = rehearsal.organisation
    if not Window.objects.filter(Q(system=rehearsal.system) | Q(system=None), organisation=organisation).exists():
        windows.add_weekly(organisation, range(7), time(0), time(0), who=Console("tests"))
    rehearsal.environment.refresh_from_db()
    asked = agree.standing(rehearsal) or agree.ask(rehearsal.environment, rehearsal.target, who=somebody(organisation, Role.OPERATOR))
    return asked if asked.approved_at else agree.approve(asked, who=somebody(organisation, Role.APPROVER))


def somebody(organisation: Organisation, role: Role) -> Person:
    """A person with this role."""
    email = f"{role}@{organisation.slug}.example"
    return Person.objects.filter(email=email).first() or make_member(organisation, role, email)


def prove_backup(environment: Environment) -> None:
    """The rows of a backup that a drill has proven."""
    organisation = environment.system.organisation
    place = {"organisation": organisation, "system": environment.system}
    key = secrets.store(organisation, "key", "x")
    repository = Repository.objects.create(organisation=organisation, name="r", location="/nowhere", key=key, drill_identity=key)
    backup = Backup.objects.create(**place, environment=environment, repository=repository, run_id=ended(environment), state=BackupState.GOOD)
    Drill.objects.create(**place, backup=backup, run_id=ended(environment), state=DrillState.PROVEN)


def ended(environment: Environment, operation: str = "backups.take", **seconds: float) -> uuid.UUID:
    """A run that has ended, its steps by name with their seconds."""
    run = Run.objects.get(pk=new_run(environment.system.organisation, operation))
    Run.objects.filter(pk=run.pk).update(environment=environment, state=RunState.SUCCEEDED)
    for number, (name, took) in enumerate(seconds.items(), start=1):
        Step.objects.create(run=run, number=number, name=name.replace("_", "-"), title=name, state=StepState.DONE, seconds=took)
    return run.pk


def make_rehearsal(environment: Environment, **fields: object) -> Rehearsal:
    seconds = fields.pop("seconds", {"install": 30.0, "dump": 20.0, "copy": 4.0, "migrate": 60.0, "work": 6.0, "flows_new": 500.0})
    facts = {
        "current": "7.0",
        "target": "8.0",
        "version": "8.0.12",
        "modules": ["party", "sale"],
        "notes_digest": "n",
        "state": RehearsalState.SUCCEEDED,
        "ended_at": timezone.now(),
        "rollback_seconds": 4.0,
        "report": {"migrate": {"seconds": 60.0}},
        **fields,
    }
    run_id = ended(environment, "upgrades.rehearse", **seconds)  # type: ignore[arg-type]
    return Rehearsal.objects.create(
        organisation=environment.system.organisation, system=environment.system, environment=environment, run_id=run_id, **facts
    )
