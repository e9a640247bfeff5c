"""An organisation with a past: systems with good, stale and failed backups, drills, runs with steps, plans and a record."""

import random
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from tests.people import make_environment, make_system
from wellkept.adapters.tryton.figures import LABELS
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import secrets
from wellkept.estate.models import Component, Environment, Host, Organisation, Person, System
from wellkept.lib.text import message
from wellkept.operations import records
from wellkept.operations.models import Run, RunState, Schedule, Step, StepState
from wellkept.planning.figures import Difference, sentences

TAKE = ("check", "dump", "store", "check-set", "finish")
DRILL = ("check", "open", "restore", "database", "tables", "figures", "neutralise", "start", "sign-in", "after", "prove", "destroy", "certificate")
WRONG = sentences([Difference("trial_balance", "1100", "account 1100 Receivable, 2026, debit", "12430.00", "12130.00", "Trial balance")], LABELS)[0]
SHARES = {"dump": 0.45, "store": 0.35, "database": 0.4, "start": 0.15, "restore": 0.1}


def make_repository(organisation: Organisation, name: str = "main") -> Repository:
    return Repository.objects.create(
        organisation=organisation,
        name=name,
        location=f"/srv/backups/{name}",
        key=secrets.store(organisation, f"{name}-key", "k"),
        drill_identity=secrets.store(organisation, f"{name}-drill", "d"),
        escrow="-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n",
        recipients=["age1recovery", "age1drill"],
    )


def phases(operation: str, total: float, *, known: bool = True) -> list[dict[str, Any]]:
    from wellkept.operations import registry

    titles = dict(registry.get(operation).phases)
    names = TAKE if operation == "backups.take" else DRILL
    return [
        {
            "name": name,
            "title": titles[name],
            "p50": total * SHARES.get(name, 0.03) if known else None,
            "p90": total * SHARES.get(name, 0.03) * 1.5 if known else None,
        }
        for name in names
    ]


def make_run(
    system: System,
    operation: str = "backups.take",
    state: str = RunState.SUCCEEDED,
    at: datetime | None = None,
    *,
    total: float = 40.0,
    **fields: Any,
) -> Run:
    """A run with its steps; an open one stands in its third step."""
    at = at or timezone.now()
    is_open = state in {RunState.QUEUED, RunState.RUNNING}
    run = Run.objects.create(
        organisation=system.organisation,
        system=system,
        environment=Environment.objects.filter(system=system).first(),
        operation=operation,
        maintenance_type="preventive",
        phases=phases(operation, total, known=fields.pop("known", True)),
        state=state,
        requested_at=at,
        started_at=None if state == RunState.QUEUED else at,
        ended_at=None if is_open else at + timedelta(seconds=total * 0.9),
        outcome=fields.pop("outcome", None if is_open else message("Backed up {files} files, {size} MB", files=1204, size=86.4)),
        **fields,
    )
    if state == RunState.QUEUED:
        return run
    began = at
    for number, phase in enumerate(run.phases, 1):
        running, failed = is_open and number == 3, state == RunState.FAILED and number == 3
        seconds = total * SHARES.get(phase["name"], 0.03) * 0.9
        Step.objects.create(
            run=run,
            number=number,
            name=phase["name"],
            title=phase["title"],
            started_at=timezone.now() - timedelta(seconds=4) if running else began,
            ended_at=None if running else began + timedelta(seconds=seconds),
            seconds=None if running else seconds,
            state=StepState.RUNNING if running else StepState.FAILED if failed else StepState.DONE,
            fraction=0.4 if running else None,
            note=message("Waiting {seconds} s", seconds=3) if running else None,
            drivers={"bytes": 86_400_000, "files": 1204} if number == 3 else {},
            error="restic: repository not reachable" if failed else "",
        )
        began += timedelta(seconds=seconds)
        if running or failed:
            break
    return run


def make_backup(system: System, repository: Repository, at: datetime, state: str = BackupState.GOOD, **fields: Any) -> Backup:
    """A backup with the run that made it."""
    run = make_run(system, "backups.take", RunState.SUCCEEDED if state == BackupState.GOOD else RunState.FAILED, at)
    good = state == BackupState.GOOD
    return Backup.objects.create(
        organisation=system.organisation,
        system=system,
        environment=Environment.objects.get(system=system),
        repository=repository,
        run=run,
        state=state,
        snapshot=uuid.uuid4().hex * 2 if good else "",
        snapshot_at=at if good else None,
        made_at=at,
        seconds=36.2,
        bytes=86_400_000 if good else None,
        stored_bytes=1_900_000 if good else None,
        files=1204 if good else None,
        version="7.0.59",
        manifest={
            "figures": {"count": 14, "values": 512},
            "modules": {"party": "7.0.7", "sale": "7.0.10"},
            "postgresql": {"version": "15.14", "major": 15},
            "database": system.name,
            "dump": {"bytes": 61_000_000, "files": 420},
            "sha256": "ab" * 32,
        },
        problem=None if good else message("The repository cannot be reached: {reason}", reason="connection refused"),
        **fields,
    )


def make_drill(backup: Backup, at: datetime, state: str = DrillState.PROVEN, rto: float = 52.0) -> Drill:
    """A drill with its run."""
    proven = state == DrillState.PROVEN
    outcome = (
        message("Restored and proven: back in {rto} s, {figures} figures equal", rto=rto, figures=14)
        if proven
        else message("The restored books differ from those of the backup in {count} places: {first}", count=1, first=WRONG)
    )
    run = make_run(backup.system, "backups.drill", RunState.SUCCEEDED if proven else RunState.FAILED, at, total=rto * 1.2, outcome=outcome)
    return Drill.objects.create(
        organisation=backup.organisation,
        system=backup.system,
        backup=backup,
        run=run,
        state=state,
        started_at=at,
        ended_at=at + timedelta(seconds=rto),
        rto_seconds=rto if proven else None,
        rpo_seconds=5400.0 if proven else None,
        figures=14,
        figures_equal=proven,
        neutral_proven=True if proven else None,
        escrow_key_used=True,
        isolation="namespace",
        differences=[] if proven else [WRONG],
        certificate={
            "figures": {"values": 512},
            "amcheck": "done",
            "nothing_left": True,
            "files_hashed": 1209,
            "probes": {"login": 0.41, "search": 0.02},
            "issued_at": at.isoformat(),
        }
        if proven
        else {},
    )


def plan(system: System, operation: str = "backups.take", cron: str = "30 2 * * *") -> Schedule:
    return Schedule.objects.create(
        organisation=system.organisation,
        system=system,
        operation=operation,
        cron=cron,
        time_zone="Asia/Taipei",
        next_at=timezone.now() + timedelta(hours=9),
    )


def make_kept(organisation: Organisation, name: str, **fields: Any) -> System:
    """A system with a production environment that was looked at."""
    system = make_system(organisation, name, **fields)
    host, _made = Host.objects.get_or_create(organisation=organisation, name="erp-host-1")
    environment = make_environment(
        system, host=host, seen={"users_active": 24, "database_bytes": 36_000_000, "blind": []}, seen_at=timezone.now() - timedelta(hours=2)
    )
    Component.objects.bulk_create(
        Component(environment=environment, kind="module", name=module, installed="7.0.7", active="7.0.7")
        for module in ("party", "product", "sale", "purchase", "stock", "production", "account")
    )
    return system


def seed(organisation: Organisation, person: Person, *, days: int = 30, live: bool = True) -> dict[str, System]:
    """Four systems in every state of health, with a month behind them; ``live``: and two runs that no worker works on, to look at."""
    chance = random.Random(7)
    now = timezone.now()
    repository = make_repository(organisation)
    told = {
        "well": make_kept(organisation, "factory", title="Riverside Factory", rpo_target=timedelta(hours=24), rto_target=timedelta(minutes=15)),
        "watch": make_kept(organisation, "retail", title="河畔零售 Riverside Retail", rto_target=timedelta(seconds=45)),
        "act": make_kept(organisation, "office", title="Head Office"),
        "new": make_kept(organisation, "trial"),
    }
    for name, system in told.items():
        records.append(
            organisation,
            "estate.adopted",
            message("The system {name} was adopted: {adapter} {version}", name=system.name, adapter="tryton", version="7.0.59"),
            actor=person.email,
            system=system,
        )
        if name == "new":
            continue
        plan(system)
        plan(system, "backups.drill", "0 4 1 * *")
        gap = 3 if name == "act" else 0
        for day in range(days, gap, -1):
            broken = name == "watch" and day == 11
            backup = make_backup(
                system, repository, now - timedelta(days=day - 0.6, minutes=chance.randint(0, 40)), BackupState.FAILED if broken else BackupState.GOOD
            )
            if day % 9 == 2 and not broken:
                make_drill(backup, backup.made_at + timedelta(hours=2), rto=round(48 + chance.random() * 20, 1))
    last = Backup.objects.filter(system=told["act"], state=BackupState.GOOD).latest("made_at")
    make_drill(last, now - timedelta(hours=20), DrillState.FAILED)
    if live:
        make_run(told["well"], "backups.drill", RunState.RUNNING, now - timedelta(seconds=20), total=60, requested_by=person)
        make_run(told["new"], "backups.take", RunState.QUEUED, now, requested_by=person, known=False)
    for number in range(12):
        kind, text = chance.choice(
            [("backups.take", "Backed up {files} files, {size} MB"), ("estate.settings", "The settings of {system} were changed")]
        )
        records.append(
            organisation,
            kind,
            message(text, files=1200 + number, size=86.4, system="factory", fields="rpo_target"),
            actor=person.email,
            maintenance_type="preventive",
            system=told["well"],
            data={"run": {"bytes": 123, "steps": [1, 2]}},
        )
    return told
