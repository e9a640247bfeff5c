"""Tasks that Tryton leaves to its worker: wait until they are done, and say what became of them."""

import time
from dataclasses import dataclass

from wellkept.adapters.base import Connection, Invalid, Refused, Site, Unreachable
from wellkept.adapters.tryton import server
from wellkept.lib.text import gettext_noop, said
from wellkept.tools import command

SECONDS = 180.0
PAUSE = 0.02
DUE = "SELECT count(*) FROM ir_queue WHERE id > %s AND finished_at IS NULL AND (scheduled_at IS NULL OR scheduled_at <= LOCALTIMESTAMP)"
ERRORS = "SELECT concat_ws(' ', message, description) FROM ir_error WHERE id > %s ORDER BY id"


@dataclass(frozen=True)
class Mark:
    """The newest task and the newest reported error at a moment."""

    task: int
    error: int


def mark(connection: Connection) -> Mark:
    """Where the queue and its errors are now."""
    return Mark(_number(connection, "SELECT coalesce(max(id), 0) FROM ir_queue"), _number(connection, "SELECT coalesce(max(id), 0) FROM ir_error"))


def settle(connection: Connection, site: Site, since: Mark) -> None:
    """Wait until nothing is due of what was left since a moment. Raises Refused with the first error that the worker reported, Unreachable when
    it does not finish.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        reported = connection.execute(ERRORS, [since.error]).fetchone()
        if reported is not None:
            raise Refused(gettext_noop("a task in the queue failed: {reason}"), reason=said("Tryton", " ".join(str(reported[0]).split())))
        left = _number(connection, DUE, since.task)
        if not left:
            return
        if time.monotonic() > deadline:
            text = gettext_noop("{count} tasks of the queue were not finished within {seconds} s: {reason}")
            words = said("trytond-worker", server.log_tail(site, "worker", 1))
            raise Unreachable(text, count=left, seconds=f"{SECONDS:g}", reason=words)
        command.check_stopped("the queue of Tryton")
        time.sleep(PAUSE)


def _number(connection: Connection, query: str, *parameters: object) -> int:
    row = connection.execute(query, parameters).fetchone()
    return int(row[0]) if row else 0


def needs_worker(site: Site) -> None:
    """Raise Invalid unless a web server and a worker of ours run on the site."""
    roles = {running.role for running in server.processes(site)}
    if not {"web", "worker"} <= roles:
        raise Invalid(gettext_noop("business flows need the web server and the worker of the copy; start both"))
