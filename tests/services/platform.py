"""A home with a private PostgreSQL cluster for the whole test run; loaded before Django's settings are (``-p tests.services.platform``)."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from wellkept import home as homes
from wellkept.tools import command, postgres

MARK = "owner.json"
PREFIX = "wkt-"


def make_home(name: str = "") -> homes.Home:
    """A new home with a running cluster and the empty database ``wellkept``; marked with our pid so that leftovers are found."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX + name))
    folder.chmod(0o755)
    (folder / MARK).write_text(json.dumps({"pid": os.getpid(), "started": command.started_at(os.getpid())}))
    home = homes.Home(folder)
    homes.prepare(home)
    cluster = home.cluster()
    postgres.create_cluster(cluster, durable=False, settings={"max_connections": "200", "synchronous_commit": "on"})
    postgres.start(cluster)
    postgres.create_role(cluster.server(), "wellkept", None, attributes="LOGIN CREATEDB")
    postgres.create_database(cluster.server(), "wellkept", owner="wellkept")
    return home


def remove_home(home: homes.Home) -> None:
    """Stop the cluster and delete the folder."""
    with contextlib.suppress(postgres.PostgresError, command.CommandError):
        postgres.destroy(home.cluster())
    shutil.rmtree(home.path, ignore_errors=True)


def sweep() -> None:
    """Remove what killed test runs left behind: homes whose owner is gone."""
    for mark in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{MARK}"):
        with contextlib.suppress(OSError, ValueError):
            owner = json.loads(mark.read_text())
            if command.started_at(owner["pid"]) != owner["started"]:
                remove_home(homes.Home(mark.parent))


_home: homes.Home | None = None
_parallel = os.environ.get("PYTEST_XDIST_WORKER", "")
if os.environ.get("WELLKEPT_TEST_HOME_OF") != _parallel or "WELLKEPT_TEST_HOME" not in os.environ:
    sweep()
    os.environ["WELLKEPT_TEST_HOME_OF"] = _parallel
    _home = make_home()
    os.environ["WELLKEPT_TEST_HOME"] = str(_home.path)
os.environ["WELLKEPT_HOME"] = os.environ["WELLKEPT_TEST_HOME"]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the cluster with the test run that made it (each parallel worker has its own)."""
    if _home is None:
        return
    remove_home(_home)
