"""An installation of its own for a test: home, PostgreSQL, migrated database, and real worker processes that can be killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from tests.services import platform
from wellkept import home as homes
from wellkept.lib import crypt

SRC = Path(__file__).parents[2]
START_SECONDS = 60.0


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait for a true value and return it; fails with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.03)


@dataclass
class Installation:
    """``pids`` are the workers that were started and not yet seen dead."""

    home: homes.Home
    environment: dict[str, str]
    pids: list[int] = field(default_factory=list)
    zygote: subprocess.Popen[str] | None = None

    def start_worker(self, **variables: str) -> int:
        """Start a worker with extra environment variables, wait until it is registered, and return its pid."""
        from wellkept.operations.models import Worker

        pid = int(self._ask(json.dumps(variables)))
        self.pids.append(pid)
        until(lambda: Worker.objects.filter(pid=pid).exists() or not alive(pid), START_SECONDS, f"the start of worker {pid}")
        return pid

    def kill(self, pid: int) -> None:
        """Kill a worker as a power cut would, without a chance to say goodbye."""
        os.kill(pid, signal.SIGKILL)
        self.await_death(pid)

    def terminate(self, pid: int) -> None:
        """Ask a worker to stop, and wait until it has."""
        os.kill(pid, signal.SIGTERM)
        self.await_death(pid)

    def await_death(self, pid: int, seconds: float = 60.0) -> None:
        try:
            until(lambda: not alive(pid), seconds, f"the death of worker {pid}")
        except AssertionError as error:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
            time.sleep(1)
            raise AssertionError(f"{error}; what it was doing is at the end of its log:\n{self.log()[-20_000:]}") from None
        self.pids.remove(pid)

    def kill_all(self) -> None:
        for pid in list(self.pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.await_death(pid)

    def log(self) -> str:
        """What the workers logged."""
        path = self.home.logs / "worker.log"
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        self.kill_all()
        if self.zygote is not None:
            with self.zygote:
                self.zygote.kill()
        platform.remove_home(self.home)

    def _ask(self, line: str) -> str:
        if self.zygote is None:
            self.zygote = subprocess.Popen(
                [sys.executable, "-m", "tests.services.zygote"],
                cwd=SRC,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._read()
        assert self.zygote.stdin is not None
        self.zygote.stdin.write(line + "\n")
        self.zygote.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self.zygote is not None
        assert self.zygote.stdout is not None
        line = self.zygote.stdout.readline()
        assert line, f"the process that starts workers ended:\n{self.log()}"
        return line.strip()


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def installed(name: str, *, polling: float = 0.1, **variables: str) -> Iterator[Installation]:
    """Make an installation; inside the block this process's Django works on its database. ``variables`` go to every worker.

    A worker asks for work every ``polling`` seconds. Often, where workers are killed: waiting for the queue is most of what a kill costs. It is a
    sixth of a processor, so seldom where the installation stands there for long.
    """
    home = platform.make_home(name)
    environment = {**os.environ, "WELLKEPT_HOME": str(home.path), "WELLKEPT_TEST_HOME": str(home.path), **variables}
    environment |= {"DJANGO_SETTINGS_MODULE": "wellkept.settings", "PYTHONPATH": str(SRC)}
    made = Installation(home, environment)
    try:
        with _pointed_at(home):
            from wellkept.operations import engine

            engine.client().register_queue(engine.QUEUE, worker_concurrency=engine.CONCURRENCY, polling_interval_sec=polling)
            yield made
    finally:
        made.close()


@contextlib.contextmanager
def _pointed_at(home: homes.Home) -> Iterator[None]:
    from django.test import override_settings

    cluster = home.cluster()
    connection.close()
    before = dict(connection.settings_dict)
    connection.settings_dict.update(NAME="wellkept", USER="wellkept", PASSWORD="", HOST=str(cluster.sockets), PORT=str(cluster.port), OPTIONS={})
    try:
        with override_settings(HOME=home, MASTER_KEYS=crypt.read_keys(home.key_file)):
            assert home == settings.HOME
            yield
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)


def leftovers(installation: Installation, but: Collection[int] = ()) -> list[str]:
    """What should not be there when no run is open: scratch folders, and processes that the workers started and did not end.

    ``but`` are processes that may go on.
    """
    folders = [str(entry) for entry in installation.home.scratch.iterdir()]
    return folders + strays(installation, but)


def strays(installation: Installation, but: Collection[int] = ()) -> list[str]:
    """The command lines of the processes that workers, dead or alive, have started and that still run."""
    if installation.zygote is None:
        return []
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if fields[0] != "Z":
                parents[int(stat.parent.name)] = int(fields[1])
    found = []
    for pid in parents:
        if pid not in but and pid not in installation.pids and installation.zygote.pid in _ancestors(pid, parents):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.append(f"{pid} " + Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def _ancestors(pid: int, parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while (pid := parents.get(pid, 0)) and pid not in found:
        found.add(pid)
    return found


def processes_naming(folder: Path) -> list[str]:
    """The command lines of all processes of this machine that name something in the folder."""
    found = []
    for arguments in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = arguments.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in text:
            found.append(text)
    return found
