"""How a run is played: its steps one after the other, each with its row, time limit, retries and cancellation, and its end."""

import contextlib
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.lib.text import Message, message, reason, say
from wellkept.operations import engine, leases, records, registry, scratch
from wellkept.operations.errors import ENDINGS, Abandoned, Cancelled, Ending, Failed, NeedsAttention, Unexpected
from wellkept.operations.execution import Execution, Reason, claim, holding, look, persist, platform_lost, wait_for_former
from wellkept.operations.models import Run, RunState, Step, StepState
from wellkept.operations.progress import Progress, milestone, reporting
from wellkept.tools import command

CLEAN_UP = ("clean-up", gettext_noop("Clean up"))
CLEAN_UP_LIMIT = 300.0
MAX_DEATHS = 10
CUT_OFF = "interrupted: its worker stopped"
TEXT_LIMIT = 20_000
Envelope = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What a step is to do and what it may take. ``until`` is a moment, and why it fails when that has come."""

    name: str
    title: str
    number: int
    call: Callable[[], Any]
    limit: float | None
    retries: int
    wait: float
    shielded: bool
    until: tuple[datetime, Message] | None = None

    @property
    def late(self) -> Message | None:
        """Why there is no time left, None as long as there is some."""
        return self.until[1] if self.until is not None and timezone.now() >= self.until[0] else None

    def seconds(self) -> float | None:
        """How long it may run from now on."""
        left = (self.until[0] - timezone.now()).total_seconds() if self.until is not None else None
        return min((seconds for seconds in (self.limit, left) if seconds is not None), default=None)


class Runbook:
    """What the body of an operation gets: the ids it works for, and ``step``."""

    def __init__(self, run: Run, operation: registry.Operation, execution: Execution) -> None:
        self.id = str(run.id)
        self.organisation_id = run.organisation_id
        self.system_id = run.system_id
        self.environment_id = run.environment_id
        self.requested_by_id = run.requested_by_id
        self._operation = operation
        self._execution = execution
        self._steps = 0

    def step(
        self,
        phase: str,
        function: Callable[..., Any],
        *args: Any,
        title: str | None = None,
        limit: float | None = None,
        retries: int = 0,
        wait: float = 1.0,
        shielded: bool = False,
        until: tuple[datetime, Message] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run ``function(*args, **kwargs)`` as the next step and return its result (JSON-able data), or the result it had before a takeover.

        ``limit``: seconds after which its programs are killed and it fails. ``retries``: how often it is tried again, after ``wait`` seconds, when
        its error says that it is retryable. ``shielded``: a cancel request does not reach it (for taking something back). ``until``: a moment
        at which it fails like at its limit, or does not start, with the sentence that says why.
        Raises the Ending of the step; an error nobody planned for comes as Unexpected.
        """
        known = title or self._operation.phase_title(phase)
        if known is None:
            raise ValueError(f"{self._operation.name} declares no phase {phase!r}")
        self._steps += 1
        task = Task(phase, known, self._steps, lambda: function(*args, **kwargs), limit, retries, wait, shielded, until)
        envelope = engine.run_step(phase, lambda: _perform(task, self._execution))
        milestone(f"{task.number}.{phase}:recorded")
        return _open(envelope)


def _open(envelope: Envelope) -> Any:
    if "ok" in envelope:
        return envelope["ok"]
    ending = ENDINGS[envelope["error"]]
    if ending is Unexpected:
        raise Unexpected(envelope["message"], kind=envelope.get("kind", ""), trace=envelope.get("trace", ""))
    raise ending(envelope["message"])


def _perform(task: Task, execution: Execution) -> Envelope:
    envelope: Envelope = {}
    for turn in range(task.retries + 1):
        row = persist(partial(_open_row, task, execution, turn))
        if isinstance(row, Ending):
            return _closed(row)
        milestone(f"{task.number}.{task.name}:started")
        progress = Progress(row)
        started = time.monotonic()
        envelope = _attempt(task, execution, progress)
        seconds = time.monotonic() - started
        milestone(f"{task.number}.{task.name}:done")
        _close_row(execution, progress, envelope, seconds)
        if not envelope.pop("retryable", False) or turn == task.retries:
            break
        execution.abandoned.wait(task.wait)
    return envelope


def _open_row(task: Task, execution: Execution, turn: int) -> int | Ending:
    """A new Step row, or why the step is not to be started."""
    execution.check()
    asked = execution.mine().values_list("cancel_requested_at", flat=True)
    if not asked:
        raise Abandoned(execution.run_id)
    if asked[0] is not None and not task.shielded:
        return Cancelled()
    if task.late is not None:
        return Failed(task.late)
    facts = {"run_id": execution.run_id, "number": task.number, "name": task.name, "title": task.title, "worker": execution.worker}
    if execution.claim == 0 and turn == 0:
        # One statement instead of three for what nearly every step is: a first attempt. It conflicts when a commit's answer was lost.
        with contextlib.suppress(IntegrityError):
            return Step.objects.create(attempt=1, **facts).pk
    earlier = _close_cut_off(task, execution)
    if earlier.count(CUT_OFF) >= MAX_DEATHS:
        return NeedsAttention(message(gettext_noop("Given up: the worker died {count} times in the step {step}"), count=MAX_DEATHS, step=task.title))
    return Step.objects.create(attempt=len(earlier) + 1, **facts).pk


def _close_cut_off(task: Task, execution: Execution) -> list[str]:
    """Close the attempts of this step that were cut off with their worker; return the error of each attempt so far."""
    earlier = Step.objects.filter(run_id=execution.run_id, number=task.number)
    earlier.filter(state=StepState.RUNNING).update(state=StepState.FAILED, ended_at=timezone.now(), error=CUT_OFF)
    return list(earlier.values_list("error", flat=True))


def _attempt(task: Task, execution: Execution, progress: Progress) -> Envelope:
    with command.scope() as scope, execution.working(scope, progress, shielded=task.shielded, limit=task.seconds()), reporting(progress):
        scope.look = look
        return _answer(task, execution)


def _answer(task: Task, execution: Execution) -> Envelope:
    """The result of the call as an envelope; a stop from outside outweighs whatever the call made of it."""
    try:
        envelope: Envelope = {"ok": json.loads(json.dumps(task.call()))}
    except Ending as ending:
        envelope = _closed(ending)
    except (OperationalError, InterfaceError) as error:
        if platform_lost():
            execution.stop(Reason.LET_GO)
        envelope = _unexpected(error)
    except Exception as error:  # noqa: BLE001 - whatever a step raises ends the run with its text
        envelope = _unexpected(error)
    execution.check()
    if execution.reason is Reason.CANCEL:
        return _closed(Cancelled())
    if execution.reason is Reason.LIMIT and task.late is not None:
        return _closed(Failed(task.late))
    if execution.reason is Reason.LIMIT:
        text = message(gettext_noop("{step} took longer than the {limit} seconds it may take and was stopped"), step=task.title, limit=task.limit)
        return _closed(Failed(text))
    return envelope


def _closed(ending: Ending) -> Envelope:
    envelope: Envelope = {"error": type(ending).__name__, "message": ending.message, "retryable": ending.retryable}
    if type(ending).__name__ not in ENDINGS:
        envelope["error"] = next(base.__name__ for base in type(ending).__mro__ if base.__name__ in ENDINGS)
    return envelope


def _unexpected(error: Exception) -> Envelope:
    why = reason(error)
    text = message(gettext_noop("Something unexpected happened: {error}"), error=why[:TEXT_LIMIT] if isinstance(why, str) else why)
    trace = "".join(traceback.format_exception(error))[-TEXT_LIMIT:]
    again = bool(getattr(error, "retryable", False))
    return {"error": "Unexpected", "message": text, "kind": type(error).__name__, "trace": trace, "retryable": again}


def _close_row(execution: Execution, progress: Progress, envelope: Envelope, seconds: float) -> None:
    states = {"Cancelled": StepState.CANCELLED}
    state = StepState.DONE if "ok" in envelope else states.get(envelope["error"], StepState.FAILED)
    error = "" if "ok" in envelope else say(envelope["message"])
    with progress.lock:
        latest = {"fraction": 1.0 if "ok" in envelope else progress.fraction, "note": progress.note, "drivers": dict(progress.drivers)}
        progress.dirty = False

    mine = Step.objects.filter(pk=progress.step_id, run__in=execution.mine())
    if persist(lambda: mine.update(state=state, ended_at=timezone.now(), seconds=seconds, error=error, **latest)) != 1:
        raise Abandoned(execution.run_id)


def execute(run_id: str, worker: str) -> dict[str, Any]:
    """Play a run to its end as ``worker`` (the whole of the durable workflow); a run that has ended is left alone."""
    wait_for_former(run_id)
    claimed = claim(run_id, worker)
    if claimed is None:
        return {"state": "ended"}
    run, execution = claimed
    try:
        with holding(execution):
            milestone("claimed")
            ended = _play(run, execution)
            milestone("before-the-end")
            persist(lambda: _finish(execution, ended))
            milestone("finished")
            return {"state": ended.state}
    finally:
        connection.close()


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    state: str
    message: Message
    result: dict[str, Any]
    error: str = ""


def _play(run: Run, execution: Execution) -> Ended:
    operation = registry.get(run.operation)
    book = Runbook(run, operation, execution)
    try:
        answer = operation.body(book, **run.arguments)
        outcome = answer if isinstance(answer, registry.Outcome) else registry.Outcome(answer, {})
        ended = Ended(RunState.SUCCEEDED, outcome.message, outcome.result)
    except Ending as ending:
        ended = _ended(ending)
    except (OperationalError, InterfaceError) as error:
        if platform_lost():
            execution.stop(Reason.LET_GO)
            execution.check()
        ended = _crashed(error)
    except Exception as error:  # noqa: BLE001 - a defect of a runbook ends its run, not the worker
        ended = _crashed(error)
    return _clean_up(run, operation, book, ended)


def _ended(ending: Ending) -> Ended:
    return Ended(ending.state, ending.message, {}, ending.trace if isinstance(ending, Unexpected) else "")


def _crashed(error: Exception) -> Ended:
    envelope = _unexpected(error)
    return Ended(RunState.FAILED, envelope["message"], {}, envelope["trace"])


def _clean_up(run: Run, operation: registry.Operation, book: Runbook, ended: Ended) -> Ended:
    """Remove what the run made; what cannot be removed needs a person."""

    def remove() -> None:
        if operation.cleanup is not None:
            operation.cleanup(str(run.id), **run.arguments)
        scratch.remove(str(run.id))

    name, title = CLEAN_UP
    try:
        book.step(name, remove, title=title, limit=CLEAN_UP_LIMIT, shielded=True)
    except Ending as left:
        text = message(gettext_noop("{outcome}; what the run left could not be removed: {reason}"), outcome=ended.message, reason=left.message)
        return Ended(RunState.NEEDS_ATTENTION, text, ended.result, "\n".join(filter(None, (ended.error, getattr(left, "trace", "")))))
    return ended


def _finish(execution: Execution, ended: Ended) -> None:
    """Write the end once: outcome, lease and record in one transaction, by the owner only."""
    with transaction.atomic():
        run = execution.owned()
        close(run, ended)


def close(run: Run, ended: Ended) -> None:
    """End a run whose row the caller has locked: state, outcome, lease, and the entry in the record."""
    run.state, run.outcome, run.result, run.error = ended.state, ended.message, ended.result, ended.error
    run.ended_at = timezone.now()
    run.save(update_fields=["state", "outcome", "result", "error", "ended_at"])
    leases.release(str(run.id))
    seconds = (run.ended_at - run.started_at).total_seconds() if run.started_at is not None else None
    records.append(
        run.organisation,
        run.operation,
        ended.message,
        actor=run.requested_by.email if run.requested_by is not None else "wellkept",
        maintenance_type=run.maintenance_type,
        system=run.system,
        run_id=run.id,
        data={"state": str(ended.state), "seconds": round(seconds, 3) if seconds is not None else None, "takeovers": run.takeovers},
    )
