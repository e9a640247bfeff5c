"""The runtime of operations, as practices and faces use it: declare, submit, cancel, wait for, serve.

An operation is a function whose body is the runbook::

    @operation("backups.take", title=…, maintenance_type="preventive", phases=(("check", gettext_noop("Check")), …))
    def take(run: Runbook, *, backup_id: int) -> Message:
        facts = run.step("check", checks.check, backup_id, limit=60)

Steps are plain functions with JSON-able results. They run at least once: after the death of a worker the interrupted step starts again from its
beginning on another one, finished steps do not. The body itself only orders steps; between two steps it must decide by their results alone.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Organisation, Person, System
from wellkept.lib.text import message
from wellkept.operations import leases, queries, registry, runbook, watchdog, worker
from wellkept.operations.engine import prepare_database
from wellkept.operations.errors import Abandoned, Cancelled, Conflict, Ending, Failed, NeedsAttention, RolledBack, Unexpected
from wellkept.operations.models import OPEN_STATES, Run, RunState
from wellkept.operations.registry import OPERATION_MODULES, Operation, Outcome, operation, registered
from wellkept.operations.runbook import Runbook
from wellkept.operations.watchdog import live_workers
from wellkept.operations.worker import serve

__all__ = [
    "OPERATION_MODULES",
    "Abandoned",
    "Cancelled",
    "Conflict",
    "Ending",
    "Failed",
    "NeedsAttention",
    "Operation",
    "Outcome",
    "RolledBack",
    "Runbook",
    "Unexpected",
    "cancel",
    "embedded_worker",
    "events",
    "live_workers",
    "operation",
    "prepare_database",
    "registered",
    "serve",
    "submit",
    "wait",
]
logger = logging.getLogger(__name__)
WAIT_POLL_SECONDS = 0.3


def submit(
    name: str,
    *,
    organisation: Organisation,
    system: System | None = None,
    environment: Environment | None = None,
    arguments: dict[str, Any] | None = None,
    requested_by: Person | None = None,
) -> Run:
    """Ask for a run of the operation; it is queued when the caller's transaction commits, and starts as soon as a worker is free.

    Raises Conflict when the operation changes the environment and another run holds its lease, KeyError for an unknown operation, ValueError when
    system and environment do not belong together (or the operation needs an environment and there is none).
    """
    known = registry.get(name)
    place = _place(known, organisation, system, environment)
    phases = (*known.phases, runbook.CLEAN_UP)
    with transaction.atomic():
        run = Run.objects.create(
            organisation=organisation,
            system=place,
            environment=environment,
            operation=name,
            maintenance_type=known.maintenance_type,
            arguments=arguments or {},
            phases=queries.expected_phases(name, phases, environment.pk if environment else None, organisation.pk),
            requested_by=requested_by,
        )
        if known.changes_environment and environment is not None:
            leases.take(environment.pk, run)
        # A failure here is not the caller's: the run is stored, and a worker queues it (watchdog.enqueue_forgotten).
        transaction.on_commit(lambda: watchdog.enqueue(run), robust=True)
    return run


def _place(known: Operation, organisation: Organisation, system: System | None, environment: Environment | None) -> System | None:
    if environment is None:
        if known.changes_environment:
            raise ValueError(f"{known.name} needs an environment")
    elif system is None:
        system = environment.system
    elif environment.system_id != system.pk:
        raise ValueError("the environment belongs to another system")
    if system is not None and system.organisation_id != organisation.pk:
        raise ValueError("the system belongs to another organisation")
    return system


def cancel(run: Run, person: Person | None) -> None:
    """Ask for the end of a run: at once while it waits in the queue, otherwise within a second or two. An ended run stays as it is.

    Raises Invalid with why for one that is past the point where it can be.
    """
    no_return = registry.get(run.operation).no_return
    why = no_return(str(run.pk)) if no_return is not None else None
    if why is not None:
        raise Invalid(why)
    with transaction.atomic():
        current = Run.objects.select_for_update(no_key=True).filter(pk=run.pk, state__in=OPEN_STATES).first()
        if current is None or current.cancel_requested_at is not None:
            return
        current.cancel_requested_at, current.cancel_requested_by = timezone.now(), person
        current.save(update_fields=["cancel_requested_at", "cancel_requested_by"])
        if current.state == RunState.QUEUED:
            text = message(gettext_noop("Cancelled on request before it started"))
            runbook.close(current, runbook.Ended(RunState.CANCELLED, text, {}))


def wait(run_id: object, *, on_change: Callable[[dict[str, Any]], None] | None = None, timeout: float | None = None) -> Run:
    """Wait for the end of a run; ``on_change`` gets ``events(run_id)`` whenever it differs. Raises TimeoutError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout if timeout is not None else None
    last: dict[str, Any] | None = None
    while True:
        state = events(run_id)
        if on_change is not None and state != last:
            on_change(state)
        last = state
        if not state["open"]:
            return Run.objects.get(pk=str(run_id))
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"the run {run_id} has not ended after {timeout:g} s")
        time.sleep(WAIT_POLL_SECONDS)


def events(run_id: object) -> dict[str, Any]:
    """The state of a run for live pages (see queries.live)."""
    return queries.live(str(run_id))


@contextlib.contextmanager
def embedded_worker() -> Iterator[None]:
    """Have a worker while the block runs: one that is alive already, otherwise one inside this process."""
    if live_workers():
        yield
        return
    with worker.working():
        yield
