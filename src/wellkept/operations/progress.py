"""What a running step says about itself, and the named points of a run at which tests inject faults."""

import contextlib
import contextvars
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wellkept.lib.text import Message
from wellkept.tools import command


@dataclass
class Progress:
    """The latest report of one step attempt; the worker writes it to the Step row, so that reporting costs the step no query."""

    step_id: int
    fraction: float | None = None
    note: Message | None = None
    drivers: dict[str, Any] = field(default_factory=dict)
    dirty: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def update(self, fraction: float | None, note: Message | None, drivers: dict[str, Any] | None) -> None:
        """Take over what is not None; drivers are merged."""
        with self.lock:
            if fraction is not None:
                self.fraction = min(max(fraction, 0.0), 1.0)
            if note is not None:
                self.note = note
            self.drivers.update(drivers or {})
            self.dirty = True

    def taken(self) -> dict[str, Any] | None:
        """What is to be written, None when nothing is new."""
        with self.lock:
            if not self.dirty:
                return None
            self.dirty = False
            return {"fraction": self.fraction, "note": self.note, "drivers": dict(self.drivers)}


_current: contextvars.ContextVar[Progress | None] = contextvars.ContextVar("step_progress", default=None)


@contextlib.contextmanager
def reporting(progress: Progress) -> Iterator[None]:
    """Make ``report`` in this thread speak for this step attempt."""
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)


def report(fraction: float | None = None, *, note: Message | None = None, drivers: dict[str, Any] | None = None) -> None:
    """Say how far the step is (0 … 1), what it does, and what its duration depends on. Outside a run nothing happens.

    Raises CommandStopped when the step was cancelled or ran out of time, so that a loop that reports can be stopped.
    """
    current = _current.get()
    if current is not None:
        current.update(fraction, note, drivers)
        command.check_stopped("the step")


class _Milestones:
    """Counts the points this process passed, for fault injection; idle unless one of the two variables is set."""

    def __init__(self) -> None:
        self.kill_at = os.environ.get("WELLKEPT_KILL_AT")
        self.log = os.environ.get("WELLKEPT_MILESTONES")
        self.passed: dict[str, int] = {}
        self.lock = threading.Lock()

    def pass_by(self, name: str) -> None:
        if self.kill_at is None and self.log is None:
            return
        with self.lock:
            self.passed[name] = self.passed.get(name, 0) + 1
            point = f"{name}#{self.passed[name]}"
            if self.log is not None:
                with Path(self.log).open("a") as file:
                    file.write(point + "\n")
            if point == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


_milestones = _Milestones()


def milestone(name: str) -> None:
    """Mark a point where a sudden death of the worker is worth a test.

    Fault injection: with ``WELLKEPT_MILESTONES=FILE`` each point passed is appended to the file as ``name#count``; with
    ``WELLKEPT_KILL_AT=name#count`` the process kills itself (SIGKILL) on reaching that point. Without these variables nothing happens.
    """
    _milestones.pass_by(name)
