"""Isolation on Linux: programs that have no network but a loopback of their own, on which a sink takes mail and HTTP.

As root the namespace is made directly; otherwise a user namespace is made around it, where the machine allows that. Where neither works the programs
run without isolation and ``Sealed.kind`` says so. Unix sockets are reached by path and work through the wall: PostgreSQL and RPC use them.
"""

import contextlib
import functools
import json
import os
import pwd
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wellkept.lib.text import Told, gettext_noop, reason
from wellkept.tools import command

SCRIPT = Path(__file__).with_name("sink.py")
NETWORK, USER_AND_NETWORK, NONE = "network namespace", "user and network namespace", "none"
WALLS: dict[str, tuple[str, ...]] = {NETWORK: ("unshare", "--net"), USER_AND_NETWORK: ("unshare", "--user", "--map-root-user", "--net"), NONE: ()}
READY_SECONDS = 20.0
SETTLE_SECONDS = 0.3


class SinkError(Told):
    """The sink did not start, or did not take what was sent to it."""


@dataclass(frozen=True)
class Sealed:
    """A running sink and the wall around it.

    ``group`` is its process group, ``pid`` the process inside, ``namespace`` the kernel's name of the network inside, ``mark`` what our own
    probes carry.
    """

    kind: str
    group: int
    pid: int
    namespace: str
    folder: Path
    smtp_port: int
    http_port: int
    mark: str

    @property
    def smtp(self) -> str:
        """Where programs inside send mail."""
        return f"smtp://127.0.0.1:{self.smtp_port}"

    @property
    def http(self) -> str:
        """Where programs inside send HTTP."""
        return f"http://127.0.0.1:{self.http_port}"


@dataclass(frozen=True)
class View:
    """What network a program inside has: ``outside`` is what it got when it tried to leave."""

    interfaces: Sequence[str]
    routes: Sequence[str]
    outside: str

    @property
    def closed(self) -> bool:
        """Whether there is nothing but the loopback, and no way out."""
        return list(self.interfaces) == ["lo"] and not self.routes and self.outside not in {"connected", "not isolated"}


@functools.cache
def kind() -> str:
    """The best wall that this machine allows us to build."""
    for name in (NETWORK, USER_AND_NETWORK) if os.geteuid() == 0 else (USER_AND_NETWORK,):
        try:
            command.run([*WALLS[name], "true"], timeout=20)
        except command.CommandError:
            continue
        return name
    return NONE


def seal(folder: Path, *, wall: str | None = None, on_start: Callable[[int], None] | None = None) -> Sealed:
    """Start a sink behind a wall; its files are in ``folder``. The caller ends ``group`` when done; ``on_start`` learns it before anything else
    can happen. A sink whose folder is removed ends by itself. Raises SinkError when it does not start.
    """
    chosen = kind() if wall is None else wall
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    (folder / "visits.jsonl").unlink(missing_ok=True)
    group = command.spawn([*WALLS[chosen], sys.executable, "-I", SCRIPT, "serve", folder], log=folder / "sink.log")
    if on_start is not None:
        on_start(group)
    deadline = time.monotonic() + READY_SECONDS
    while not ready.exists():
        if time.monotonic() > deadline or not command.group_alive(group):
            command.stop(group)
            raise SinkError(gettext_noop("the sink for mail and HTTP did not start: “{words}”"), words=_tail(folder / "sink.log"))
        time.sleep(0.05)
    told = json.loads(ready.read_text())
    return Sealed(chosen, group, group, _namespace(group), folder, told["smtp"], told["http"], f"probe-{secrets.token_hex(8)}")


def prefix(sealed: Sealed, user: str | None = None) -> list[str]:
    """What to put before a command so that it runs behind the wall, as ``user`` when we are root, and with its HTTP going to the sink.

    The wall can only be entered before the user is dropped: whoever drops it by itself must do so after this prefix, and gives no ``user``.
    """
    through = ["env", *(f"{name}={sealed.http}" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"))]
    if os.geteuid() == 0 and user is not None:
        entry = pwd.getpwnam(user)
        through = ["setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--init-groups", "--", *through]
    if sealed.kind == NETWORK:
        return ["nsenter", f"--net=/proc/{sealed.pid}/ns/net", "--", *through]
    if sealed.kind == USER_AND_NETWORK:
        return ["nsenter", "--preserve-credentials", "--user", "--net", f"--target={sealed.pid}", "--", *through]
    return through


def look(sealed: Sealed, user: str | None = None) -> View:
    """What a program started with ``prefix`` sees of the network; without a wall nothing is tried."""
    if sealed.kind == NONE:
        return View((), (), "not isolated")
    told = json.loads(command.run([*prefix(sealed, user), *_python(user), "-I", "-c", SCRIPT.read_text(), "look"], timeout=30).stdout)
    return View(told["interfaces"], told["routes"], told["outside"])


def inside(sealed: Sealed, pid: int) -> bool:
    """Whether a process is behind the wall (in the sink's network namespace, which is not ours)."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        return _namespace(pid) == sealed.namespace != _namespace(os.getpid())
    return False


def clear(sealed: Sealed) -> int:
    """Kill whatever runs behind the wall, the sink too, and return how many that were; without a wall only the sink is ended."""
    killed = 0
    for entry in Path("/proc").glob("[0-9]*"):
        if inside(sealed, int(entry.name)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    command.stop(sealed.group, grace=1.0)
    return killed


def probe(sealed: Sealed) -> None:
    """Send one marked mail and one marked request from behind the wall, and see that the sink wrote both down. Raises SinkError otherwise."""
    try:
        command.run([*prefix(sealed), sys.executable, "-I", SCRIPT, "probe", sealed.folder, sealed.mark], timeout=60)
    except command.CommandFailed as error:
        raise SinkError(gettext_noop("the sink did not take a probe: {reason}"), reason=reason(error)) from error
    deadline = time.monotonic() + READY_SECONDS
    while {visit["kind"] for visit in _visits(sealed) if sealed.mark in str(visit["said"])} != {"mail", "http"}:
        if time.monotonic() > deadline:
            raise SinkError(gettext_noop("the sink did not write down a probe that it was sent"))
        time.sleep(0.05)


def caught(sealed: Sealed) -> list[dict[str, object]]:
    """Every visit that was not a probe of ours: ``{"kind", "bytes", "said"}``."""
    time.sleep(SETTLE_SECONDS)
    return [visit for visit in _visits(sealed) if sealed.mark not in str(visit["said"])]


def _namespace(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _visits(sealed: Sealed) -> list[dict[str, object]]:
    return [json.loads(line) for line in (sealed.folder / "visits.jsonl").read_text().splitlines() if line]


def _python(user: str | None) -> list[str]:
    """Our interpreter, or the system's when another user runs it: that user may not reach ours."""
    return ["/usr/bin/python3"] if user is not None and os.geteuid() == 0 and Path("/usr/bin/python3").exists() else [sys.executable]


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "…"
