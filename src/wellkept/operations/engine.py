"""The durable workflows of DBOS, as little of them as we need. The only module that imports dbos, always inside functions: it is slow to import.

One workflow per operation under its dotted name; its argument and its id are the run's id. DBOS keeps its tables in the schema ``dbos`` of the
platform's own database. It hands a queued workflow to one worker, remembers the results of finished steps, and refuses to record anything for an
execution that lost its workflow to another one.
"""

import datetime as dt
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from django.db import connection

if TYPE_CHECKING:
    from dbos import DBOSClient

NAME = "wellkept"
VERSION = "wellkept-1"
SCHEMA = "dbos"
QUEUE = "wellkept"
CONCURRENCY = 4
POLL_SECONDS = 0.15
ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


def database_url() -> str:
    """The platform's database as an SQLAlchemy address. It may hold a password: never log it."""
    known = connection.settings_dict
    user = quote(known["USER"], safe="")
    password = f":{quote(known['PASSWORD'], safe='')}" if known["PASSWORD"] else ""
    host, port = str(known["HOST"] or ""), str(known["PORT"] or "")
    options = {name: value for name, value in known["OPTIONS"].items() if isinstance(value, str)}
    if host.startswith("/") or not host:
        options |= {name: value for name, value in (("host", host), ("port", port)) if value}
        place = ""
    else:
        place = f"{host}:{port}" if port else host
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{user}{password}@{place}/{quote(known['NAME'], safe='')}{query}"


def prepare_database() -> None:
    """Create or update DBOS's tables and our queue; may be called again."""
    from dbos import DBOS

    _quiet()
    DBOS.migrate(database_url(), schema=SCHEMA)
    client().register_queue(QUEUE, worker_concurrency=CONCURRENCY, polling_interval_sec=POLL_SECONDS)


def client() -> "DBOSClient":
    """A client of the platform's database, one per process and database."""
    return _client(database_url())


@functools.lru_cache(maxsize=2)
def _client(url: str) -> "DBOSClient":
    from dbos import DBOSClient, DBOSPortableJSONSerializer

    _quiet()
    return DBOSClient(
        system_database_url=url,
        dbos_system_schema=SCHEMA,
        serializer=DBOSPortableJSONSerializer(),
        application_name=NAME,
        system_database_pool_size=2,
        lazy=True,
        retry_connection_errors=False,
    )


def enqueue(operation: str, run_id: str) -> None:
    """Queue the workflow of a run; one that is queued, running or finished already stays as it is."""
    client().enqueue({"workflow_name": operation, "queue_name": QUEUE, "workflow_id": run_id, "app_version": VERSION}, run_id)


def resume(run_id: str) -> None:
    """Take the workflow from whoever has it and queue it again; it goes on after its last finished step. A finished one stays as it is."""
    client().resume_workflow(run_id, queue_name=QUEUE)


def held_by(worker: str) -> list[str]:
    """The ids of the workflows that DBOS has given to this worker and that have not ended."""
    found = client().list_workflows(executor_id=worker, status=["PENDING"], load_input=False, load_output=False)
    return [status.workflow_id for status in found]


def status(run_id: str) -> str | None:
    """DBOS's word for the state of the workflow, None when it does not know it."""
    found = client().list_workflows(workflow_ids=[run_id], load_input=False, load_output=False)
    return found[0].status if found else None


def forget_ended(before: dt.datetime, most: int = 500) -> int:
    """Delete what DBOS keeps of workflows that ended before a moment (runs and steps stay, they are ours); returns how many it were."""
    ended = client().list_workflows(status=ENDED, completed_before=before.isoformat(), limit=most, load_input=False, load_output=False)
    if ended:
        client().delete_workflows([status.workflow_id for status in ended])
    return len(ended)


def launch(worker: str, operations: list[str], execute: Callable[[str], dict[str, Any]]) -> None:
    """Start to take queued workflows in this process, as executor ``worker``; each calls ``execute(run_id)``."""
    from dbos import DBOS, DBOSPortableJSONSerializer

    _quiet()
    DBOS(
        config={
            "name": NAME,
            "system_database_url": database_url(),
            "dbos_system_schema": SCHEMA,
            "application_version": VERSION,
            "executor_id": worker,
            "serializer": DBOSPortableJSONSerializer(),
            "run_migrations": False,
            "log_level": "WARNING",
            "sys_db_pool_size": 10,
        }
    )
    _execute.clear()
    _execute.append(execute)
    for name in operations:
        _register(name)
    DBOS.launch()


_execute: list[Callable[[str], dict[str, Any]]] = []


@functools.cache
def _register(name: str) -> None:
    from dbos import DBOS

    def workflow(run_id: str) -> dict[str, Any]:
        return _execute[0](run_id)

    DBOS.workflow(name=name)(workflow)


def shut_down() -> None:
    """Stop taking workflows; those in this process must have been abandoned before."""
    from dbos import DBOS

    DBOS.destroy()


def run_step(name: str, function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run the function as the next step of the current workflow, or return what it returned before."""
    from dbos import DBOS

    return DBOS.run_step({"name": name}, function)


def _quiet() -> None:
    logging.getLogger("dbos").setLevel(logging.WARNING)
