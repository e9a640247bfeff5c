"""Process number 1, in a process namespace of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a process namespace this simply")
FIRST = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c"]
ORPHAN = """
import os, pathlib, subprocess, sys, time
from wellkept.tools import pid_one
{first}
subprocess.run(["sh", "-c", "sleep 0.2 &"])
time.sleep(1.5)
stats = [path.read_text().rsplit(")", 1)[1].split()[0] for path in pathlib.Path("/proc").glob("[0-9]*/stat")]
print(os.getpid() != 1, stats.count("Z"))
sys.exit(7)
"""
WAITING = """
import os, signal, sys, time
from wellkept.tools import pid_one
fork = os.fork
def slow_fork():
    child = fork()
    time.sleep({late} if child else 0)
    return child
os.fork = slow_fork
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup has had ignored
pid_one.bury_for_all()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("first", "said"), [("pid_one.bury_for_all()", "True 0"), ("", "False 1")])
def test_an_orphan_is_buried_and_the_exit_code_is_passed_on(first: str, said: str) -> None:
    done = subprocess.run([*FIRST, ORPHAN.format(first=first)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (7, said)


@pytest.mark.parametrize("late", [0, 1], ids=["ready", "not-yet-ready"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 5), (signal.SIGHUP, 128 + signal.SIGHUP)])
def test_a_signal_is_passed_on_once(number: signal.Signals, code: int, late: int) -> None:
    outside = subprocess.Popen([*FIRST, WAITING.format(late=late)], stdout=subprocess.PIPE, text=True)
    assert outside.stdout is not None
    assert outside.stdout.readline().strip() == "ready"
    (inside,) = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()
    started = time.monotonic()
    os.kill(int(inside), number)
    assert outside.wait(30) == code
    assert time.monotonic() - started < 20


def test_elsewhere_nothing_happens() -> None:
    script = "from wellkept.tools import pid_one; import os; before = os.getpid(); pid_one.bury_for_all(); print(before == os.getpid())"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout.strip() == "True"
