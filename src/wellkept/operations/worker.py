"""A worker: takes queued runs, gives signs of life, watches its runs and the other workers, and fires schedules."""

import contextlib
import faulthandler
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

from django.db import InterfaceError, OperationalError, connection, connections, transaction

from wellkept.operations import engine, registry, runbook, scratch, watchdog
from wellkept.operations.errors import Abandoned
from wellkept.operations.execution import Execution, Reason, active, guards
from wellkept.operations.models import Run, Step, Worker

logger = logging.getLogger(__name__)
PULSE_SECONDS = 0.5
LIMIT_SECONDS = 0.2
LOOK_SECONDS = 1.0
SWEEP_SECONDS = 30.0
FORGET_SECONDS = 3600.0
TOLD_SECONDS = 0.2
LET_GO_SECONDS = 10.0
LEAVE_SECONDS = 20.0
"""After this a worker that was told to stop is gone, whatever its steps, threads and connections do; then its runs count as those of a dead one."""


class Duties:
    """Background work of this process: one thread per duty, so that one that waits does not hold up the others."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.last_beat = time.monotonic()
        self.idle: set[str] = set()
        duties: list[tuple[Callable[[], object], float]] = [
            (self.pulse, PULSE_SECONDS),
            (self.guard, PULSE_SECONDS),
            (self.limit, LIMIT_SECONDS),
            (self.look_around, LOOK_SECONDS),
            (self.sweep, SWEEP_SECONDS),
            (watchdog.forget_workflows, FORGET_SECONDS),
            *timed_tasks(),
        ]
        self.threads = [threading.Thread(target=self._repeat, args=entry, name=entry[0].__name__, daemon=True) for entry in duties]

    def start(self) -> None:
        """Start the threads."""
        guards.append(self.guard)
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; one that hangs is left behind."""
        self.stopping.set()
        deadline = time.monotonic() + LET_GO_SECONDS
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        guards.remove(self.guard)

    def _repeat(self, duty: Callable[[], object], seconds: float) -> None:
        while True:
            try:
                duty()
            except Exception as error:  # a duty that failed (database away, disk full) is due again in a moment; the worker must live on
                away = isinstance(error, (OperationalError, InterfaceError))
                logger.warning("%s did not work and is tried again: %s", duty.__name__, error, exc_info=not away)
                connection.close()
            if self.stopping.wait(seconds):
                connection.close()
                return

    def pulse(self) -> None:
        """Write the sign of life and the progress of the steps; stop what is to be cancelled or belongs to others."""
        if not watchdog.beat(self.name):
            watchdog.register(self.name)
        executions = active()
        rows = {str(run.id): run for run in Run.objects.filter(pk__in={execution.run_id for execution in executions})} if executions else {}
        for execution in executions:
            self._attend(execution, rows.get(execution.run_id))
        # Only now: until what others have taken is let go of, the last sign of life is the old one.
        self.last_beat = time.monotonic()

    def _attend(self, execution: Execution, run: Run | None) -> None:
        if run is None or (run.worker, run.takeovers) != (execution.worker, execution.claim):
            execution.stop(Reason.LET_GO)
        elif run.cancel_requested_at is not None:
            execution.stop(Reason.CANCEL)
        progress = execution.progress
        latest = progress.taken() if progress is not None else None
        if progress is not None and latest is not None:
            Step.objects.filter(pk=progress.step_id, ended_at=None).update(**latest)

    def limit(self) -> None:
        """Stop the steps that take longer than they may. One thread for all: one for each step would cost more than its rows."""
        for execution in active():
            if execution.overdue():
                execution.stop(Reason.LIMIT)

    def guard(self) -> None:
        """Let go of all runs when no sign of life came through for so long that others are about to take them."""
        if time.monotonic() - self.last_beat > 0.7 * watchdog.takeover_seconds():
            for execution in active():
                if not execution.abandoned.is_set():
                    logger.warning("no sign of life came through; letting go of the run %s", execution.run_id)
                    execution.stop(Reason.LET_GO)

    def look_around(self) -> None:
        """Take over from dead workers, queue what was forgotten, take up what this worker had let go of."""
        watchdog.bury_dead(self.name)
        watchdog.enqueue_forgotten()
        idle = watchdog.idle_runs(self.name, {execution.run_id for execution in active()})
        confirmed = idle & self.idle
        watchdog.take_up(confirmed)
        self.idle = idle - confirmed

    def sweep(self) -> None:
        """Remove scratch folders of runs that have ended."""
        scratch.sweep()


def timed_tasks() -> list[tuple[Callable[[], object], float]]:
    """What other modules want to have done now and then: the function and the seconds between two calls."""
    from wellkept.operations import checkpoints, schedule

    return [(schedule.fire_due, 3.0), (checkpoints.make_due, 30.0)]


def _execute(name: str, stopping: threading.Event) -> Callable[[str], dict[str, object]]:
    def execute(run_id: str) -> dict[str, object]:
        if stopping.is_set():
            raise Abandoned(run_id)
        return runbook.execute(run_id, name)

    return execute


@contextlib.contextmanager
def working(name: str | None = None) -> Iterator[str]:
    """Be a worker in this process while the block runs; at its end, let go of unfinished runs so that another worker goes on with them."""
    own = f"{name or socket.gethostname()}-{secrets.token_hex(4)}"
    operations = sorted(registry.registered())
    connections.settings["default"]["CONN_MAX_AGE"] = None
    scratch.sweep()
    watchdog.register(own)
    duties = Duties(own)
    engine.launch(own, operations, _execute(own, duties.stopping))
    duties.start()
    try:
        yield own
    finally:
        duties.stopping.set()
        _let_go()
        engine.shut_down()
        duties.stop()
        with transaction.atomic():
            row = Worker.objects.select_for_update().filter(name=own).first()
            if row is not None:
                watchdog.hand_over(row)


def _let_go() -> None:
    """Stop the steps, and the programs that the unfinished runs left running on this machine."""
    executions = active()
    for execution in executions:
        execution.stop(Reason.LET_GO)
    deadline = time.monotonic() + LET_GO_SECONDS
    while active() and time.monotonic() < deadline:
        time.sleep(0.05)
    for execution in executions:
        scratch.stop_programs(execution.run_id)


def serve(name: str | None = None) -> None:
    """Be a worker until SIGTERM or SIGINT, and then leave within LEAVE_SECONDS."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # A handler interrupts this very thread: it may wait for nothing, and an Event has a lock.
        signal.signal(number, lambda got, _frame: told.append(got))
    with working(name) as own:
        logger.info("worker %s is ready", own)
        while not told:
            time.sleep(TOLD_SECONDS)
        logger.info("worker %s is stopping", own)
        faulthandler.dump_traceback_later(LEAVE_SECONDS, exit=True)
    if active():
        # A step in plain Python that does not look up would keep the process alive; its run has been handed over.
        os._exit(0)
