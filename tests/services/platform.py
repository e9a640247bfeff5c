"""A home with a private PostgreSQL cluster for the whole test run; loaded before Django's settings are (``-p tests.services.platform``)."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wellkept import home as homes
from wellkept.lib.hashing import canonical_json, sha256
from wellkept.tools import command, postgres

MEMORY, ENOUGH = Path("/dev/shm"), 10 * 2**30
MARK = "owner.json"
PREFIX = "wkt-"
KEPT = 4
"""How many versions of the prepared database stay in the cache."""
SOURCE = Path(homes.__file__).parent
LOCK = Path(__file__).parents[2] / "requirements" / "base.txt"


def work_in_memory() -> None:
    """Put the temporary files of the tests into memory where there is enough: copying a company's database costs a tenth of the processor there."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    place = os.statvfs(MEMORY)
    free = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines()}["MemAvailable"]
    if min(free, place.f_bavail * place.f_frsize) > ENOUGH and not place.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one test process at a time makes what is shared."""
    folder = homes.cache()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_home(name: str = "") -> homes.Home:
    """A new home with a running cluster, whose database ``wellkept`` has every table; marked with our pid so that leftovers are found."""
    home = _empty_home(name)
    data = home.cluster().data
    postgres.owned_folder(data.parent, postgres.service_user(), 0o755 if os.geteuid() == 0 else 0o700)
    command.run(["cp", "--archive", _prepared(), data])
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"unix_socket_directories = '{home.cluster().sockets}'\n")
    postgres.owned_folder(home.cluster().sockets, postgres.service_user())
    postgres.start(home.cluster())
    return home


def _empty_home(name: str) -> homes.Home:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX + name))
    folder.chmod(0o755)
    (folder / MARK).write_text(json.dumps({"pid": os.getpid(), "started": command.started_at(os.getpid())}))
    home = homes.Home(folder)
    homes.prepare(home)
    return home


def _prepared() -> Path:
    """The data folder of a cluster that is set up and stopped, from the cache."""
    made_of = [*sorted((SOURCE / "migrations").glob("*.py")), SOURCE / "operations" / "engine.py", LOCK]
    inputs = [str(postgres.binaries()), postgres.service_user(), *(sha256(path.read_bytes()) for path in made_of)]
    kept = homes.cache() / "platform" / sha256(canonical_json(inputs))[:16]
    with locked("platform"):
        if not kept.exists():
            _prepare(kept)
    return kept


def _prepare(kept: Path) -> None:
    home = _empty_home("making-")
    cluster = home.cluster()
    postgres.create_cluster(cluster, durable=False, settings={"max_connections": "200", "synchronous_commit": "on"})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "WELLKEPT_"))}
    init = [sys.executable, "-m", "wellkept", "init", "--quiet"]
    subprocess.run(init, env={**environment, "WELLKEPT_HOME": str(home.path)}, check=True, timeout=300)
    postgres.stop(cluster)
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    command.run(["cp", "--archive", cluster.data, fresh])
    fresh.rename(kept)
    remove_home(home)
    for old in sorted(kept.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)


def remove_home(home: homes.Home) -> None:
    """Stop the cluster and delete the folder."""
    with contextlib.suppress(postgres.PostgresError, command.CommandError):
        postgres.destroy(home.cluster())
    shutil.rmtree(home.path, ignore_errors=True)


@contextlib.contextmanager
def own_home(name: str) -> Iterator[homes.Home]:
    """A home that ends with the block."""
    home = make_home(name)
    try:
        yield home
    finally:
        remove_home(home)


def sweep() -> None:
    """Remove what killed test runs left behind: homes whose owner is gone."""
    for mark in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{MARK}"):
        with contextlib.suppress(OSError, ValueError):
            owner = json.loads(mark.read_text())
            if command.started_at(owner["pid"]) != owner["started"]:
                remove_home(homes.Home(mark.parent))


_home: homes.Home | None = None
work_in_memory()
_parallel = os.environ.get("PYTEST_XDIST_WORKER", "")
if os.environ.get("WELLKEPT_TEST_HOME_OF") != _parallel or "WELLKEPT_TEST_HOME" not in os.environ:
    sweep()
    os.environ["WELLKEPT_TEST_HOME_OF"] = _parallel
    _home = make_home()
    os.environ["WELLKEPT_TEST_HOME"] = str(_home.path)
os.environ["WELLKEPT_HOME"] = os.environ["WELLKEPT_TEST_HOME"]
# Each web process of an ERP loads all of it, and a test asks one question at a time.
os.environ.setdefault("WELLKEPT_ERP_WEB_PROCESSES", "1")


def pytest_sessionstart() -> None:
    """Have Django copy the database that has every table already, instead of making each table again."""
    from django.db import connection

    connection.settings_dict["TEST"]["TEMPLATE"] = "wellkept"


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the cluster with the test run that made it (each parallel worker has its own)."""
    if _home is None:
        return
    remove_home(_home)
