"""Runs whose worker died go on elsewhere; runs that nobody queued get queued; what nobody works on is found and taken up again.

Everything here may be done by several workers at the same time and again after a crash.
"""

import datetime as dt
import logging
import os
import socket
from pathlib import Path

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept import __version__
from wellkept.lib.text import message
from wellkept.operations import engine, runbook
from wellkept.operations.models import OPEN_STATES, Run, RunState, Worker
from wellkept.tools import command

logger = logging.getLogger(__name__)
ENQUEUE_GRACE = dt.timedelta(seconds=3)
KEEP_WORKFLOWS = dt.timedelta(days=7)


def takeover_seconds() -> float:
    """How long a worker may be silent before its runs are given to others."""
    return float(os.environ.get("WELLKEPT_TAKEOVER_SECONDS", "10"))


def machine() -> str:
    """What tells this machine's processes from those of another: the boot, and the namespace that counts the pids."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if not boot.exists() or not space.exists():
        return socket.gethostname()
    return f"{boot.read_text().strip()}/{space.readlink()}"


def register(name: str) -> None:
    """Enter this process as a worker (again, when somebody declared it dead in the meantime)."""
    pid = os.getpid()
    now = timezone.now()
    facts = {"host": socket.gethostname(), "machine": machine(), "pid": pid, "pid_started": command.started_at(pid) or 0, "version": __version__}
    Worker.objects.update_or_create(name=name, defaults={**facts, "started_at": now, "beat_at": now})


def beat(name: str) -> bool:
    """Give a sign of life; False when the worker was declared dead and its runs given away."""
    return Worker.objects.filter(name=name).update(beat_at=Now()) == 1


def dead(worker: Worker, now: dt.datetime) -> bool:
    """Whether a worker is gone: silent for too long, or a process of this machine that no longer exists."""
    if now - worker.beat_at > dt.timedelta(seconds=takeover_seconds()):
        return True
    return worker.machine == machine() and command.started_at(worker.pid) != worker.pid_started


def live_workers() -> list[Worker]:
    """The workers that give signs of life."""
    now = timezone.now()
    return [worker for worker in Worker.objects.order_by("started_at") if not dead(worker, now)]


def bury_dead(me: str) -> int:
    """Give the runs of dead workers back to the queue; returns how many runs."""
    count = 0
    with transaction.atomic():
        now = timezone.now()
        for worker in Worker.objects.select_for_update(skip_locked=True).exclude(name=me):
            if dead(worker, now):
                logger.warning("the worker %s is gone; its runs go on elsewhere", worker.name)
                count += hand_over(worker)
    return count


def hand_over(worker: Worker) -> int:
    """Queue everything that the worker held again and strike it off, in the caller's transaction; returns how many runs.

    The row of each run is locked first, so that its next owner claims it only after this transaction. When this one is rolled back after a
    workflow was queued, the next owner has claimed the run and it is no longer this worker's.
    """
    owned = list(Run.objects.select_for_update(no_key=True).filter(worker=worker.name, state=RunState.RUNNING))
    for run in owned:
        engine.resume(str(run.id))
    # What DBOS had given to the worker but the worker had not yet claimed (or had just ended).
    for run_id in set(engine.held_by(worker.name)) - {str(run.id) for run in owned}:
        engine.resume(run_id)
    Worker.objects.filter(pk=worker.pk).delete()
    return len(owned)


def enqueue_forgotten() -> int:
    """Queue the runs whose submitter died (or lost the database) before it could; returns how many."""
    late = Run.objects.filter(state=RunState.QUEUED, enqueued_at=None, requested_at__lt=timezone.now() - ENQUEUE_GRACE)
    for run in late:
        enqueue(run)
    return len(late)


def enqueue(run: Run) -> None:
    """Queue the workflow of a run and note that it is; doing it twice is harmless."""
    engine.enqueue(run.operation, str(run.id))
    Run.objects.filter(pk=run.pk).update(enqueued_at=timezone.now())


def idle_runs(me: str, working_on: set[str]) -> set[str]:
    """The runs that this worker holds on paper but no thread of it works on."""
    mine = {str(run_id) for run_id in Run.objects.filter(worker=me, state=RunState.RUNNING).values_list("id", flat=True)}
    return (mine | set(engine.held_by(me))) - working_on


def take_up(run_ids: set[str]) -> None:
    """Queue again what this worker had let go of. Only for runs found idle twice: one may just be between the paper and the thread."""
    for run_id in run_ids:
        if engine.status(run_id) in engine.ENDED:
            close_lost(run_id)
        else:
            logger.warning("nobody works on the run %s; it is queued again", run_id)
            engine.resume(run_id)


def close_lost(run_id: str) -> None:
    """End an open run whose workflow has ended without it: a defect, and never left open."""
    text = message(gettext_noop("The run was lost by the workflow engine; look at what it changed before starting it again"))
    with transaction.atomic():
        run = Run.objects.select_for_update(no_key=True).filter(pk=run_id, state__in=OPEN_STATES).first()
        if run is not None:
            runbook.close(run, runbook.Ended(RunState.NEEDS_ATTENTION, text, {}))


def forget_workflows() -> int:
    """Remove what the engine keeps of runs that ended a week ago; returns how many."""
    return engine.forget_ended(timezone.now() - KEEP_WORKFLOWS)
