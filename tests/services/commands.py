"""Runs commands of Wellkept in real processes without paying for the imports each time: one process imports everything and forks for each command.

Started with ``python -m tests.services.commands`` in the environment of a home. A line on its standard input is a JSON object ``{"args", "stdin",
"variables"}``; the answer is one with ``returncode``, ``stdout`` and ``stderr``.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wellkept import home as homes

ROOT = Path(__file__).parents[2]
Wellkept = Callable[..., subprocess.CompletedProcess[str]]


@contextlib.contextmanager
def commands(home: homes.Home) -> Iterator[Wellkept]:
    """A function that runs a command in this home."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment |= {"WELLKEPT_HOME": str(home.path), "WELLKEPT_TEST_HOME": str(home.path)}
    server = subprocess.Popen([sys.executable, "-m", __name__], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None

    def run(*args: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        server.stdin.write(json.dumps({"args": args, "stdin": stdin, "variables": variables}) + "\n")  # type: ignore[union-attr]
        server.stdin.flush()  # type: ignore[union-attr]
        return subprocess.CompletedProcess(list(args), **json.loads(server.stdout.readline()))  # type: ignore[union-attr]

    try:
        yield run
    finally:
        server.stdin.close()
        server.wait(30)


def execute(job: dict[str, Any]) -> dict[str, Any]:
    """Fork, become the command, and return how it ended and what it printed."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(job["stdin"].encode())
        stdin.seek(0)
        pid = os.fork()
        if pid == 0:
            become(job, (stdin.fileno(), stdout.fileno(), stderr.fileno()))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        printed = []
        for file in (stdout, stderr):
            file.seek(0)
            printed.append(file.read().decode(errors="replace"))
    return {"returncode": code, "stdout": printed[0], "stderr": printed[1]}


def become(job: dict[str, Any], descriptors: tuple[int, int, int]) -> None:
    """Run the command with these standard streams; never returns."""
    import traceback

    from wellkept.cli.main import main

    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
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


def serve() -> None:
    from importlib import import_module

    from wellkept import platform
    from wellkept.cli import main

    platform.setup_django(quiet=True)
    for module in main.NOUNS.values():
        import_module(module)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(execute(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
