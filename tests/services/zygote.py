"""Starts worker processes quickly: imports everything once and forks a process for each line on its standard input.

A line is a JSON object of environment variables for the new worker; the answer is its pid. The forked process runs what ``wellkept worker`` runs.
"""

import contextlib
import ctypes
import faulthandler
import json
import os
import signal
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def become_worker(environment: dict[str, str]) -> None:
    os.setsid()
    os.environ.update(environment)
    log = os.open(Path(os.environ["WELLKEPT_HOME"]) / "logs" / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1)
    from wellkept.operations import progress, runtime

    progress._milestones = progress._Milestones()
    runtime.serve()


def answer(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def reap(*_: object) -> None:
    """Bury the dead at once: a killed restic that stays as a zombie counts as alive for the next one, which then respects its lock."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def main() -> None:
    # What a killed worker leaves running becomes our child, and so can be told from everything else on the machine.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    import dbos  # noqa: F401
    import django

    django.setup()
    from wellkept.operations import runtime

    runtime.registered()
    answer("ready")
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                become_worker(json.loads(line))
            finally:
                os._exit(0)
        answer(str(pid))


main()
