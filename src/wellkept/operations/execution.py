"""A run while this process works on it: who owns it, what its current step may do, and how it is stopped from other threads.

The owner of a run is the pair (``Run.worker``, ``Run.takeovers``): every claim changes it, and whatever is written for a run is written only
while the writer is still the owner. A former owner is told ``Abandoned`` and lets go.
"""

import contextlib
import enum
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from wellkept.operations.errors import Abandoned
from wellkept.operations.models import OPEN_STATES, Run, RunState
from wellkept.operations.progress import Progress
from wellkept.tools import command

logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 30.0
T = TypeVar("T")


class Reason(enum.Enum):
    """Why a step was stopped from outside."""

    CANCEL = "cancel"
    LIMIT = "limit"
    LET_GO = "let go"


@dataclass(eq=False)
class Execution:
    """One claim of a run by this process. ``abandoned`` is for good; the other reasons concern the current step only."""

    run_id: str
    worker: str
    claim: int
    abandoned: threading.Event = field(default_factory=threading.Event)
    reason: Reason | None = None
    shielded: bool = False
    scope: command.Scope | None = None
    progress: Progress | None = None
    deadline: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self, reason: Reason) -> None:
        """Stop the current step (from any thread); LET_GO also keeps every later step from starting."""
        with self.lock:
            if reason is Reason.LET_GO:
                self.abandoned.set()
            elif self.scope is None or self.reason is not None or (reason is Reason.CANCEL and self.shielded):
                return
            self.reason = Reason.LET_GO if self.abandoned.is_set() else reason
            scope = self.scope
        if scope is not None:
            scope.stop()

    @contextlib.contextmanager
    def working(self, scope: command.Scope, progress: Progress, *, shielded: bool, limit: float | None = None) -> Iterator[None]:
        """Let ``stop`` reach the step that runs inside the block, for at most ``limit`` seconds (see ``overdue``)."""
        with self.lock:
            self.scope, self.progress, self.shielded, self.reason = scope, progress, shielded, None
            self.deadline = time.monotonic() + limit if limit is not None else None
        self.check()
        try:
            yield
        finally:
            with self.lock:
                self.scope = self.progress = self.deadline = None

    def overdue(self) -> bool:
        """Whether the step has run for longer than it may."""
        deadline = self.deadline
        return deadline is not None and time.monotonic() > deadline

    def check(self) -> None:
        """Raise Abandoned when this process must let go of the run."""
        if self.abandoned.is_set():
            raise Abandoned(self.run_id)

    def mine(self) -> QuerySet[Run]:
        """The run, as long as this execution owns it and it has not ended; otherwise nothing."""
        return Run.objects.filter(pk=self.run_id, worker=self.worker, takeovers=self.claim, state=RunState.RUNNING)

    def owned(self) -> Run:
        """The run, locked for the rest of the caller's transaction. Raises Abandoned when somebody else owns it or it has ended."""
        self.check()
        run = self.mine().select_for_update(no_key=True).first()
        if run is None:
            raise Abandoned(self.run_id)
        return run


guards: list[Callable[[], None]] = []
"""What lets go of runs that others are about to take: called by the steps themselves, too, because after a long stop of the whole process (a machine
that slept) a step may go on before any other thread does."""
_active: set[Execution] = set()
_lock = threading.Lock()


def active() -> list[Execution]:
    """The executions of this process."""
    with _lock:
        return list(_active)


@contextlib.contextmanager
def holding(execution: Execution) -> Iterator[None]:
    """Count the execution among the active ones."""
    with _lock:
        _active.add(execution)
    try:
        yield
    finally:
        with _lock:
            _active.discard(execution)


def look() -> None:
    """Let go of what is no longer ours."""
    for guard in guards:
        guard()


def wait_for_former(run_id: str) -> None:
    """Wait until this process has really let go of an earlier execution of the run: a step in plain Python ends only when it next looks up."""
    while any(execution.run_id == run_id for execution in active()):
        time.sleep(0.1)


def claim(run_id: str, worker: str) -> tuple[Run, Execution] | None:
    """Make this worker the owner of the run; None when the run has ended (or is gone)."""

    def write() -> tuple[Run, Execution] | None:
        with transaction.atomic():
            run = Run.objects.select_for_update(no_key=True).filter(pk=run_id, state__in=OPEN_STATES).first()
            if run is None:
                return None
            if run.started_at is not None:
                run.takeovers += 1
            run.state, run.worker, run.started_at = RunState.RUNNING, worker, run.started_at or timezone.now()
            run.save(update_fields=["state", "worker", "started_at", "takeovers"])
            return run, Execution(run_id, worker, run.takeovers)

    return persist(write)


def persist(write: Callable[[], T]) -> T:
    """Do bookkeeping in the platform's database, again and again for half a minute while it cannot be reached; then let go of the run.

    ``write`` must bear being done twice: a commit whose answer was lost may have happened.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    wait = 0.1
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() > deadline:
                raise Abandoned("the platform's database cannot be reached") from error
            logger.warning("the platform's database cannot be reached, trying again: %s", error)
            time.sleep(wait)
            wait = min(wait * 2, 2.0)


def platform_lost() -> bool:
    """Whether the platform's database connection of this thread broke (as opposed to a statement that failed)."""
    if connection.connection is None:
        return True
    if connection.in_atomic_block and not connection.closed_in_transaction:
        return bool(connection.connection.closed or connection.connection.broken)
    return not connection.is_usable()
