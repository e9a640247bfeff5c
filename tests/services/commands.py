"""Runs commands of Wellkept in real processes without paying for the imports each time: one process imports everything and forks for each command.

Started with ``python -m tests.services.commands SOCKET`` in the environment of a home. ask.py says what to run, and hands over the standard streams.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.services import ask
from wellkept import home as homes

ROOT = Path(__file__).parents[2]
Wellkept = Callable[..., subprocess.CompletedProcess[str]]


@contextlib.contextmanager
def commands(home: homes.Home) -> Iterator[Wellkept]:
    """A function that runs a command in this home."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment |= {"WELLKEPT_HOME": str(home.path), "WELLKEPT_TEST_HOME": str(home.path)}

    def run(*args: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        job = {"args": args, "folder": str(ROOT), "variables": variables}
        with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            given.write(stdin)
            given.seek(0)
            code = ask.ask(place, job, [given.fileno(), out.fileno(), err.fileno()])
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(list(args), code, out.read(), err.read())

    with served(environment) as place:
        yield run


@contextlib.contextmanager
def served(environment: Mapping[str, str]) -> Iterator[str]:
    """The socket of a process that runs commands in this environment; its home has to be there already."""
    with tempfile.TemporaryDirectory(prefix="wk-commands-") as folder:
        place = f"{folder}/s"
        args = [sys.executable, "-m", __name__, place]
        server = subprocess.Popen(args, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            assert server.stdout.readline(), "the process that runs commands did not start"
            yield place
        finally:
            server.stdin.close()
            server.wait(30)


def execute(line: socket.socket) -> None:
    """Read a request, fork, become the command, and say how it ended."""
    text, streams, _flags, _sender = socket.recv_fds(line, ask.MOST_BYTES, 3)
    pid = os.fork()
    if pid == 0:
        become(json.loads(text), streams)
    for stream in streams:
        os.close(stream)
    line.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def become(job: dict[str, Any], streams: list[int]) -> None:
    """Run the command with these standard streams; never returns."""
    import traceback

    from wellkept.cli.main import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, max(streams) + 1)
    os.chdir(job["folder"])
    os.environ.update(job["variables"])
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the standard stream of the new process
    code = 1
    try:
        main(job["args"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(place: str) -> None:
    """Import everything that a command may need, a worker inside it too, and execute one after the other until the standard input ends."""
    from importlib import import_module

    import dbos  # noqa: F401

    from wellkept import platform
    from wellkept.cli import main

    platform.setup_django(quiet=True)
    from wellkept.operations import runtime

    for module in main.NOUNS.values():
        import_module(module)
    runtime.registered()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(place)
        door.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while door in select.select([door, sys.stdin], [], [])[0]:
            with door.accept()[0] as line:
                execute(line)


if __name__ == "__main__":
    serve(sys.argv[1])
