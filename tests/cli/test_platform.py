"""The installation's commands, as an administrator uses them: real processes, a real home."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.services.platform import PREFIX, own_home, remove_home
from wellkept import home as homes
from wellkept.tools import command, postgres

WELLKEPT = [sys.executable, "-m", "wellkept"]


def run(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WELLKEPT, *args], env={**os.environ, "WELLKEPT_HOME": str(home)}, capture_output=True, text=True, timeout=120, check=False
    )


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def processes_of(home: Path) -> list[str]:
    """The command lines of every process that belongs to the home (by its arguments or its environment), zombies left out."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if arguments and int(process.name) != os.getpid() and (f"WELLKEPT_HOME={home}".encode() in environment or f"{home}/".encode() in arguments):
            found.append(arguments.replace(b"\0", b" ").decode())
    return found


@pytest.fixture
def folder():
    made = postgres.throwaway_folder(PREFIX)
    yield made / "home"
    home = homes.Home(made / "home")
    if (home.path / "postgres").exists():
        remove_home(home)
    shutil.rmtree(made)


@pytest.fixture
def home():
    with own_home("up-") as made:
        yield made


@pytest.fixture
def up(home):
    postgres.stop(home.cluster())
    port = postgres.free_port()
    process = subprocess.Popen(
        [*WELLKEPT, "up", "--port", str(port)], env={**os.environ, "WELLKEPT_HOME": str(home.path)}, stderr=subprocess.PIPE, text=True
    )
    assert "Wellkept is up" in process.stderr.readline()
    yield process, f"http://127.0.0.1:{port}"
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=40)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def group_of(home: Path, name: str) -> int:
    lines = [(int(p.name), (p / "cmdline").read_bytes().split(b"\0")) for p in Path("/proc").glob("[0-9]*") if _reads(p, home)]
    return next(pid for pid, arguments in lines if name.encode() in arguments)


def _reads(process: Path, home: Path) -> bool:
    try:
        return f"WELLKEPT_HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def test_commands_say_that_the_home_is_not_set_up(folder):
    for args in (["status"], ["up"], ["system", "list"]):
        done = run(folder, *args)
        assert done.returncode == 3, args
        assert "wellkept init" in done.stderr
        assert "Traceback" not in done.stderr
    assert not folder.exists()


def test_init_makes_a_home_and_can_be_repeated(folder):
    first = run(folder, "init", "--json")
    assert json.loads(first.stdout) == {"home": str(folder), "ready": True}
    key = (folder / "secret.key").read_bytes()
    assert run(folder, "init").returncode == 0
    assert (folder / "secret.key").read_bytes() == key
    checks = {check["check"]: check for check in json.loads(run(folder, "doctor", "--json").stdout)}
    assert [name for name, check in checks.items() if check["needed"] and not check["ok"]] == []


def test_doctor_names_the_command_that_mends(folder):
    done = run(folder, "doctor", "--json")
    assert done.returncode == 3
    assert {check["remedy"] for check in json.loads(done.stdout) if not check["ok"] and check["needed"]} == {"wellkept init"}


def test_doctor_notices_a_readable_key_and_a_stopped_database(home):
    home.key_file.chmod(0o644)
    postgres.stop(home.cluster())
    bad = {check["check"] for check in json.loads(run(home.path, "doctor", "--json").stdout) if not check["ok"]}
    assert {"secret key", "database"} <= bad


def test_tables_of_an_earlier_version_are_refused(home):
    with postgres.connect(home.cluster().server("wellkept"), "wellkept") as connection:
        connection.execute("DELETE FROM django_migrations WHERE name = (SELECT max(name) FROM django_migrations WHERE app = 'wellkept')")
    for name in ("up", "web", "worker", "watcher"):
        done = run(home.path, name)
        assert (done.returncode, "run: wellkept init" in done.stderr, "Traceback" in done.stderr) == (3, True, False), done.stderr
    postgres.stop(home.cluster())
    assert run(home.path, "up").returncode == 3
    assert processes_of(home.path) == []


@pytest.mark.slow
def test_ctrl_c_stops_everything(up, home):
    process, address = up
    assert answers(address)
    status = run(home.path, "status", "--json")
    wait_until(lambda: len(json.loads(run(home.path, "status", "--json").stdout)["workers"]) == 1)
    assert json.loads(status.stdout)["database"] is True
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=40) == 0
    assert processes_of(home.path) == []


@pytest.mark.slow
def test_a_killed_child_is_started_again_and_a_killed_supervisor_takes_its_children_along(up, home):
    process, address = up
    web = group_of(home.path, "web")
    command.kill_group(web, signal.SIGKILL)
    wait_until(lambda: answers(address) and group_of(home.path, "web") != web)
    process.kill()
    process.wait()
    wait_until(lambda: [line for line in processes_of(home.path) if "-m wellkept" in line] == [])
    assert run(home.path, "init", "--quiet").returncode == 0
