"""How much room an upgrade takes and how long it lasts, as far as anybody knows."""

import os
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from wellkept.adapters.base import Site
from wellkept.backups import checks
from wellkept.backups.failures import told
from wellkept.backups.models import Drill, DrillState
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.operations import queries, registry
from wellkept.operations.models import Step, StepState
from wellkept.planning.forecast import Forecast, Phase, forecast, remaining

COPY_FACTOR = 1.5
"""The migration of a Tryton company of 41 MB made its database 1.23 times as large; the rest is for the write-ahead log, 0.44 of it then."""
MIGRATING = ("upgrades.rehearse", "upgrades.apply")
# A copy goes into the tablespace of its template; that which PostgreSQL has by itself has no location of its own.
PLACE = """
    SELECT coalesce(nullif(pg_tablespace_location(dattablespace), ''), current_setting('data_directory'))
    FROM pg_database WHERE datname = current_database()
"""
HERE = ("/", "127.0.0.1", "localhost", "::1")
Facts = dict[str, Any]


def needs(environment_id: int, database_bytes: int | None, files_bytes: int | None) -> Facts:
    """The room that is needed and free, by place (bytes; None: not known), and the time of each part (seconds; None: nobody knows yet).

    Only reads: sizes, and what earlier runs took.
    """
    environment = Environment.objects.select_related("system").get(pk=environment_id)
    with told():
        site = connect.site(environment)
        place = data_directory(site)
    kept = settings.HOME.path
    copy = int(database_bytes * COPY_FACTOR) if database_bytes is not None else None
    set_bytes = database_bytes + files_bytes if database_bytes is not None and files_bytes is not None else None
    space = [
        _room("copy", place, copy),
        _room("release", kept, _installed_bytes(site)),
        _room("rehearsal", settings.HOME.scratch, int(set_bytes * (checks.DUMP_FACTOR + checks.RESTORE_FACTOR)) if set_bytes is not None else None),
    ]
    time = [
        {"what": "backup", **_seconds("backups.take", environment)},
        {"what": "restore", **_seconds("backups.drill", environment)},
        {"what": "migration", **_migration(environment)},
    ]
    return {"space": space, "time": time, "backup_proven": _proven(environment)}


def data_directory(site: Site) -> Path | None:
    """Where PostgreSQL keeps the site's database and would keep a copy of it, on this machine; None where that is not told."""
    if site.server is None or not site.server.host.startswith(HERE):
        return None
    with checks.database(site) as connection:
        try:
            row = connection.execute(PLACE).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return None
    return Path(row[0]) if row and row[0] else None


def _room(what: str, place: Path | None, needed: int | None) -> Facts:
    """One place: what is needed there, and whether it fits (None: one of the two is not known)."""
    free = checks.free(place) if place is not None else None
    enough = None if needed is None or free is None else free >= needed + checks.RESERVE
    return {"what": what, "place": str(place) if place is not None else None, "needed": needed, "free": free, "enough": enough}


def _installed_bytes(site: Site) -> int | None:
    """How much the present release takes in its folder: the new one is about as large. None when it has no folder of its own."""
    if site.interpreter is None:
        return None
    folder = site.interpreter.parent.parent
    if not (folder / "pyvenv.cfg").exists():
        return None
    return sum((Path(root) / name).lstat().st_size for root, _, names in os.walk(folder) for name in names)


def _seconds(operation: str, environment: Environment) -> Facts:
    """p50 and p90 of a whole run of an operation, from earlier ones."""
    phases = queries.expected_phases(operation, registry.get(operation).phases, environment.pk, environment.system.organisation_id)
    found = remaining([Phase(Forecast(one["p50"], one["p90"]) if one["p50"] is not None else None) for one in phases])
    return {"p50": found.p50 if found else None, "p90": found.p90 if found else None}


def _migration(environment: Environment) -> Facts:
    """What the migrations of this environment took, in rehearsals or in earnest; ``last`` is the newest."""
    steps = Step.objects.filter(run__environment=environment, run__operation__in=MIGRATING, name="migrate", state=StepState.DONE)
    took = [seconds for seconds in steps.order_by("-started_at").values_list("seconds", flat=True)[: queries.HISTORY_RUNS] if seconds is not None]
    known = forecast(took)
    return {"p50": known.p50 if known else None, "p90": known.p90 if known else None, "last": took[0] if took else None}


def _proven(environment: Environment) -> bool:
    return Drill.objects.filter(backup__environment=environment, state=DrillState.PROVEN).exists()
