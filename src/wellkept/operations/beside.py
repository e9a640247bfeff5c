"""Work beside other work of the same step."""

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import psycopg
from django.db import connections

from wellkept.tools import command

T = TypeVar("T")


@contextlib.contextmanager
def aside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Do some work in another thread meanwhile. It belongs to the same step: stopping the step stops it too, and the block waits for it."""

    def do() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(contextvars.copy_context().run, do)


@contextlib.contextmanager
def provided(check: Callable[[], object], *, after: float = 0) -> Iterator[None]:
    """Have something done or checked beside a block that takes longer than ``after`` seconds.

    When it fails, what the block runs is stopped, and the block ends with the error of the check.
    """
    over = threading.Event()
    with command.scope() as work, aside(lambda: over.wait(after) or check()) as checked:
        checked.add_done_callback(lambda done: work.stop() if done.exception() is not None else None)
        try:
            yield
        except (command.CommandStopped, psycopg.errors.QueryCanceled):
            if checked.done():
                checked.result()
            raise
        finally:
            over.set()
        checked.result()
