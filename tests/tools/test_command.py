import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wellkept.tools import command, postgres


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_returns_what_the_program_printed_and_its_code():
    done = command.run(["sh", "-c", "echo out; echo err >&2; exit 3"], accept=(3,))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_code_that_is_not_accepted_raises_with_the_last_line():
    with pytest.raises(command.CommandFailed, match="sh ended with code 2: “second”") as caught:
        command.run(["sh", "-c", "echo first >&2; echo second >&2; exit 2"])
    assert caught.value.returncode == 2


def test_a_missing_program_is_named():
    with pytest.raises(command.CommandMissing, match="no-such-program"):
        command.run(["no-such-program"])


def test_lines_arrive_while_the_program_runs():
    arrived = []
    command.run(["sh", "-c", "echo a; sleep 2; echo b"], on_line=lambda line: arrived.append((line, time.monotonic())))
    assert [line for line, _ in arrived] == ["a", "b"]
    assert arrived[1][1] - arrived[0][1] > 0.2


def test_standard_input_reaches_the_program_in_both_ways():
    assert command.run(["cat"], stdin=b"secret").stdout == "secret"
    seen = []
    command.run(["cat"], stdin=b"one\ntwo\n", on_line=seen.append)
    assert seen == ["one", "two"]


def test_the_time_limit_kills_the_whole_group(tmp_path):
    pid_file = tmp_path / "child"
    with pytest.raises(command.CommandTimeout, match="after 3 s"):
        command.run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], timeout=3)
    child = int(pid_file.read_text())
    wait_until(lambda: command.started_at(child) is None or _is_zombie(child))


def test_stopping_a_scope_kills_its_programs_and_refuses_new_ones():
    with command.scope() as scope:
        threading.Timer(0.3, scope.stop).start()
        started = time.monotonic()
        with pytest.raises(command.CommandStopped):
            command.run(["sleep", "60"])
        assert time.monotonic() - started < 10
        with pytest.raises(command.CommandStopped):
            command.run(["true"])
    assert command.run(["true"]).returncode == 0


def test_stopping_a_scope_cancels_registered_waits():
    cancelled = threading.Event()
    with command.scope() as scope:
        with command.stoppable(cancelled.set):
            scope.stop()
        assert cancelled.is_set()
        with pytest.raises(command.CommandStopped):
            command.check_stopped("a loop")


def test_the_environment_holds_only_what_was_given(monkeypatch):
    monkeypatch.setenv("SOME_SECRET", "x")
    printed = command.run(["env"], env={"GIVEN": "yes"}).stdout
    assert "GIVEN=yes" in printed
    assert "SOME_SECRET" not in printed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")
def test_root_drops_to_the_user_and_its_home():
    printed = command.run(["sh", "-c", "id -un; echo $HOME"], user="postgres").stdout.split()
    assert printed[0] == "postgres"
    assert printed[1] != os.environ.get("HOME")


@pytest.mark.parametrize("user", [None, "postgres"])
def test_programs_die_with_a_killed_parent(user: str | None):
    if user is not None and os.geteuid() != 0:
        pytest.skip("only root can drop to another user")
    folder = postgres.throwaway_folder()
    pid_file = folder / "pid"
    code = f"from wellkept.tools import command; command.run(['sh', '-c', 'echo $$ > {pid_file}; exec sleep 60'], user={user!r})"
    parent_process = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip() != "")
    child = int(pid_file.read_text())
    parent_process.send_signal(signal.SIGKILL)
    parent_process.wait()
    wait_until(lambda: command.started_at(child) is None or _is_zombie(child))
    shutil.rmtree(folder)


def test_spawned_programs_go_on_and_can_be_stopped_by_group(tmp_path):
    log = tmp_path / "log"
    group = command.spawn(["sh", "-c", "echo started; sleep 60 & sleep 60"], log=log)
    wait_until(lambda: "started" in log.read_text())
    assert command.group_alive(group)
    command.stop(group)
    assert not command.group_alive(group)


def test_a_program_whose_first_thread_has_ended_before_the_others_still_runs(tmp_path):
    ready = tmp_path / "ready"
    code = f"""
import ctypes, pathlib, threading, time
def work():
    main = pathlib.Path("/proc/self/stat")
    while main.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        time.sleep(0.01)
    pathlib.Path({str(ready)!r}).touch()
    time.sleep(60)
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    group = command.spawn([sys.executable, "-c", code], log=tmp_path / "log")
    wait_until(ready.exists)
    assert command.group_alive(group)
    command.stop(group, grace=0)
    assert not command.group_alive(group)


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    group = command.spawn(["sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done"], log=tmp_path / "log")
    wait_until(lambda: "ready" in (tmp_path / "log").read_text())
    command.stop(group, grace=0.3)
    assert not command.group_alive(group)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
