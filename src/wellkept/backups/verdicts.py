"""The verdict on each system: well, watch or act, with the one reason, what follows if it is left, and the one next step.

A page judges every system it may show before it knows which ones come first, so what a verdict needs is read as one light row per system and not as
models: with 1,000 systems that takes a tenth of the time.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.backups.models import DrillState
from wellkept.estate.models import System
from wellkept.lib.text import Message, message
from wellkept.operations import registry
from wellkept.operations.models import OPEN_STATES, Run, RunState

WELL, WATCH, ACT = "well", "watch", "act"
ORDER = {ACT: 0, WATCH: 1, WELL: 2}

USUAL_RPO = timedelta(hours=26)
"""How old the newest good backup may be where no target is set: one a day, with time to make it."""
DRILL_EVERY = timedelta(days=35)
"""How old the newest proof may be: one a month, with some days to spare."""

PROVEN = message(gettext_noop("Restored and checked"))
STOPPED = message(gettext_noop("A run stopped and waits for a decision"))
UNTOUCHED = message(gettext_noop("Nothing was deleted; the run stays as it is until somebody decides."))
NO_BACKUP = message(gettext_noop("There is no good backup"))
ALL_LOST = message(gettext_noop("If the system breaks now, everything is lost."))
OLD_BACKUP = message(gettext_noop("The newest good backup is older than agreed"))
LOST = message(gettext_noop("If the system breaks now, the work since then is lost."))
FAILED_BACKUP = message(gettext_noop("The last backup failed"))
EARLIER_GOOD = message(gettext_noop("The backup before it is still good."))
FAILED_DRILL = message(gettext_noop("The last drill failed"))
NO_DRILL = message(gettext_noop("No backup has been restored and checked yet"))
OLD_DRILL = message(gettext_noop("The last proof is too old"))
UNKNOWN = message(gettext_noop("Nobody knows whether the backups can be restored."))
SLOW = message(gettext_noop("Restoring takes longer than agreed"))
LATE = message(gettext_noop("After a disaster people wait longer than agreed."))
MISSED = message(gettext_noop("Planned work did not start"))
AGAIN = message(gettext_noop("It will be tried again at the next planned time."))
UNPLANNED = message(gettext_noop("No backups are planned"))
AGEING = message(gettext_noop("The newest backup gets older every day."))

ROWS = """
SELECT s.id, s.name, s.title, s.adapter, extract(epoch FROM s.rpo_target)::float8, extract(epoch FROM s.rto_target)::float8,
       good.id, good.made, good.point, latest.id, latest.state, latest.made, latest.problem,
       proven.id, proven.ended, proven.rto_seconds, drill.id, drill.state, drill.ended, plan.next_at, missed.id, missed.at
FROM wellkept_system s
LEFT JOIN LATERAL (
    SELECT id, extract(epoch FROM made_at)::float8 AS made, extract(epoch FROM coalesce(snapshot_at, made_at))::float8 AS point
    FROM wellkept_backup WHERE system_id = s.id AND state = 'good' ORDER BY made_at DESC LIMIT 1) good ON true
LEFT JOIN LATERAL (
    SELECT id, state, extract(epoch FROM made_at)::float8 AS made, problem::text AS problem
    FROM wellkept_backup WHERE system_id = s.id AND state IN ('good', 'failed', 'broken') ORDER BY made_at DESC LIMIT 1) latest ON true
LEFT JOIN LATERAL (
    SELECT id, extract(epoch FROM coalesce(ended_at, started_at))::float8 AS ended, rto_seconds
    FROM wellkept_drill WHERE system_id = s.id AND state = 'proven' ORDER BY started_at DESC LIMIT 1) proven ON true
LEFT JOIN LATERAL (
    SELECT id, state, extract(epoch FROM coalesce(ended_at, started_at))::float8 AS ended
    FROM wellkept_drill WHERE system_id = s.id AND state IN ('proven', 'failed') ORDER BY started_at DESC LIMIT 1) drill ON true
LEFT JOIN LATERAL (
    SELECT extract(epoch FROM min(next_at))::float8 AS next_at
    FROM wellkept_schedule WHERE system_id = s.id AND operation = 'backups.take' AND enabled HAVING count(*) > 0) plan ON true
LEFT JOIN LATERAL (
    SELECT id, extract(epoch FROM missed_at)::float8 AS at
    FROM wellkept_schedule WHERE system_id = s.id AND enabled AND cron <> '' AND missed_at IS NOT NULL AND (last_at IS NULL OR missed_at > last_at)
    ORDER BY missed_at DESC LIMIT 1) missed ON true
WHERE s.id = ANY(%s)
ORDER BY s.name
"""


@dataclass(frozen=True)
class Verdict:
    """``step`` names the next step: ``backup``, ``drill``, ``run``, ``drill_result``, ``schedule`` or nothing; ``target`` is the id it is about.

    ``at`` is the moment that the reason is about, in seconds since 1970.
    """

    level: str
    reason: Message
    consequence: Message | None = None
    step: str = ""
    target: str = ""
    at: float | None = None

    @property
    def since(self) -> datetime | None:
        """The moment that the reason is about."""
        return _moment(self.at)


class Row(NamedTuple):
    """The columns of ROWS; moments in seconds since 1970, lengths in seconds."""

    pk: int
    name: str
    title: str
    adapter: str
    rpo_target: float | None
    rto_target: float | None
    good_id: int | None
    good_made: float | None
    good_point: float | None
    latest_id: int | None
    latest_state: str | None
    latest_made: float | None
    latest_problem: str | None
    proven_id: int | None
    proven_ended: float | None
    proven_rto: float | None
    drill_id: int | None
    drill_state: str | None
    drill_ended: float | None
    next_backup: float | None
    missed_id: int | None
    missed: float | None


@dataclass(frozen=True, slots=True)
class State:
    """What a verdict on one system is made from. ``busy``: a run on it is open; ``attention``: a run that waits for a decision."""

    row: Row
    busy: bool = False
    attention: Run | None = None

    @property
    def pk(self) -> int:
        return self.row.pk

    def __str__(self) -> str:
        return self.row.title or self.row.name

    @property
    def good_at(self) -> datetime | None:
        """When the newest good backup was made."""
        return _moment(self.row.good_made)

    @property
    def point(self) -> datetime | None:
        """The moment that the newest good backup brings back."""
        return _moment(self.row.good_point)

    @property
    def proven_at(self) -> datetime | None:
        """When a backup was last restored and checked."""
        return _moment(self.row.proven_ended)

    @property
    def next_backup_at(self) -> datetime | None:
        """When the next backup is planned."""
        return _moment(self.row.next_backup)


def verdicts(systems: Iterable[System]) -> dict[int, Verdict]:
    """The verdict on each of the systems, by id. The number of queries does not depend on how many there are."""
    return {state.pk: judge(state) for state in states([system.pk for system in systems])}


def states(ids: Sequence[int]) -> list[State]:
    """What is known of the systems with these ids, by name; three queries. Whether somebody may see them was decided before."""
    # Few runs are open or wait for a decision: reading all of them costs less than naming a thousand systems in the query.
    busy = set(Run.objects.filter(state__in=OPEN_STATES).values_list("system_id", flat=True))
    attention = _unsettled()
    with connection.cursor() as cursor:
        cursor.execute(ROWS, [list(ids)])
        rows = [Row(*row) for row in cursor.fetchall()]
    return [State(row, row.pk in busy, attention.get(row.pk)) for row in rows]


def judge(state: State, now: datetime | None = None) -> Verdict:
    """The most urgent thing about one system."""
    at = (now or timezone.now()).timestamp()
    found = [verdict for verdict in (_run(state), _backup(state.row, at), _drill(state.row, at), _schedule(state.row)) if verdict]
    if found:
        return min(found, key=lambda verdict: ORDER[verdict.level])
    return Verdict(WELL, PROVEN, at=state.row.proven_ended)


def _run(state: State) -> Verdict | None:
    run = state.attention
    if run is None:
        return None
    return Verdict(ACT, run.outcome or STOPPED, UNTOUCHED, "run", str(run.pk), run.ended_at.timestamp() if run.ended_at else None)


def _backup(row: Row, now: float) -> Verdict | None:
    if row.good_point is None:
        return Verdict(ACT, NO_BACKUP, ALL_LOST, "backup")
    if now - row.good_point > (row.rpo_target if row.rpo_target is not None else USUAL_RPO.total_seconds()):
        return Verdict(ACT, OLD_BACKUP, LOST, "backup", at=row.good_point)
    if row.latest_id != row.good_id:
        return Verdict(WATCH, _problem(row) or FAILED_BACKUP, EARLIER_GOOD, "backup", at=row.latest_made)
    return None


def _problem(row: Row) -> Message | None:
    problem = json.loads(row.latest_problem) if row.latest_problem else None
    return problem if isinstance(problem, dict) else None


def _drill(row: Row, now: float) -> Verdict | None:
    if row.good_id is None:
        return None
    if row.drill_state == DrillState.FAILED:
        return Verdict(ACT, FAILED_DRILL, UNKNOWN, "drill_result", str(row.drill_id), row.drill_ended)
    if row.proven_ended is None:
        return Verdict(ACT, NO_DRILL, UNKNOWN, "drill")
    if now - row.proven_ended > DRILL_EVERY.total_seconds():
        return Verdict(ACT, OLD_DRILL, UNKNOWN, "drill", at=row.proven_ended)
    if row.rto_target and row.proven_rto and row.proven_rto > row.rto_target:
        return Verdict(WATCH, SLOW, LATE, "drill_result", str(row.proven_id), row.proven_ended)
    return None


def _schedule(row: Row) -> Verdict | None:
    if row.missed is not None:
        return Verdict(WATCH, MISSED, AGAIN, "schedule", str(row.missed_id), row.missed)
    if row.next_backup is None:
        return Verdict(WATCH, UNPLANNED, AGEING, "schedule")
    return None


def _unsettled() -> dict[Any, Run]:
    """Runs that wait for a decision, by system: no later run on the same system succeeded that settles it (see registry.Operation)."""
    later = Run.objects.filter(system=OuterRef("system"), state=RunState.SUCCEEDED, requested_at__gt=OuterRef("requested_at"))
    settled = Q(Exists(later.filter(operation=OuterRef("operation"))))
    for known in registry.registered().values():
        if known.settles:
            settled |= Q(operation__in=known.settles) & Q(Exists(later.filter(operation=known.name)))
    return {run.system_id: run for run in Run.objects.filter(~settled, state=RunState.NEEDS_ATTENTION).order_by("requested_at")}


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
