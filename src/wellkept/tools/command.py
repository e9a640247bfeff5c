"""The only door to other programs.

Every program runs from an argument list (never a shell string), in a process group of its own, with an environment made for it.
Secrets go in by ``env`` or ``stdin``, never by ``args``: an argument list can be read by every user of the machine.

Errors::

    CommandError
    ├── CommandMissing    the program is not installed
    ├── CommandFailed     it ended with a code that was not accepted; ``returncode`` and the last lines of ``stderr`` say why
    ├── CommandTimeout    it ran longer than it may; its whole process group was killed
    └── CommandStopped    somebody stopped the surrounding scope (a cancelled or overdue step); its process group was killed
"""

import contextlib
import contextvars
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wellkept.lib.text import Told, gettext_noop

Arguments = Sequence[str | Path]
TAIL_LINES = 40
GRACE_SECONDS = 5.0
BASE_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_CACHE_HOME", "SSL_CERT_FILE")


class CommandError(Told):
    """A program could not do what it was asked."""


class CommandMissing(CommandError):
    """The program is not installed."""

    def __init__(self, program: str) -> None:
        super().__init__(gettext_noop("the program {program} is not installed"), program=program)
        self.program = program


class CommandFailed(CommandError):
    """The program ended with a code that was not accepted."""

    def __init__(self, program: str, returncode: int, stderr: str) -> None:
        said = stderr.strip().splitlines()[-1:]
        silent = gettext_noop("{program} ended with code {code} and said nothing")
        text = gettext_noop("{program} ended with code {code}: “{words}”") if said else silent
        super().__init__(text, program=program, code=returncode, words="".join(said))
        self.program = program
        self.returncode = returncode
        self.stderr = stderr


class CommandTimeout(CommandError):
    """The program ran longer than it may and was killed."""

    def __init__(self, program: str, seconds: float) -> None:
        super().__init__(gettext_noop("{program} was stopped after {seconds} s, the longest it may run"), program=program, seconds=f"{seconds:g}")
        self.program = program


class CommandStopped(CommandError):
    """The scope around the program was stopped (cancelled, or over its time limit)."""

    def __init__(self, program: str) -> None:
        super().__init__(gettext_noop("{program} was stopped"), program=program)
        self.program = program


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its code, its text and how long it took (seconds, monotonic)."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float


@dataclass
class Scope:
    """The programs started inside one piece of work, so that all of them can be stopped at once from another thread.

    ``look`` is called whenever the work looks whether it was stopped; it may call ``stop``.
    """

    stopped: bool = False
    look: Callable[[], None] | None = None
    groups: set[int] = field(default_factory=set)
    cancels: list[Callable[[], None]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        """Kill every process group of the scope; programs started later in it are refused."""
        with self.lock:
            self.stopped = True
            groups, cancels = set(self.groups), list(self.cancels)
        for group in groups:
            kill_group(group, signal.SIGKILL)
        for cancel in cancels:
            cancel()


_scope: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("command_scope", default=None)


@contextlib.contextmanager
def scope() -> Iterator[Scope]:
    """Open a scope: every program that this thread runs inside it ends when ``Scope.stop`` is called, on it or on a scope around it."""
    around = _scope.get()
    opened = Scope(look=around.look if around is not None else None)
    with stoppable(opened.stop):
        if around is not None and around.stopped:
            opened.stop()
        token = _scope.set(opened)
        try:
            yield opened
        finally:
            _scope.reset(token)


@contextlib.contextmanager
def stoppable(cancel: Callable[[], None]) -> Iterator[None]:
    """Have ``cancel`` called (from another thread) when the current scope is stopped, for waits that are not programs."""
    current = _scope.get()
    if current is None:
        yield
        return
    with current.lock:
        current.cancels.append(cancel)
    try:
        yield
    finally:
        with current.lock:
            current.cancels.remove(cancel)


def check_stopped(what: str) -> None:
    """Raise CommandStopped when the current scope was stopped; for loops in Python between two programs."""
    current = _scope.get()
    if current is not None and current.look is not None:
        current.look()
    if current is not None and current.stopped:
        raise CommandStopped(what)


def kill_group(group: int, with_signal: signal.Signals) -> None:
    """Send a signal to a process group; one that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, with_signal)


def environment(extra: Mapping[str, str] | None = None, *, user: str | None = None) -> dict[str, str]:
    """The small environment a program gets: a few harmless variables of ours, the user's home, and ``extra``."""
    made = {name: os.environ[name] for name in BASE_ENVIRONMENT if name in os.environ}
    made.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    made.setdefault("LANG", "C.UTF-8")
    if user is not None:
        made.pop("XDG_CACHE_HOME", None)
        made["HOME"] = pwd.getpwnam(user).pw_dir
    elif "HOME" in os.environ:
        made["HOME"] = os.environ["HOME"]
    return {**made, **(extra or {})}


def dropping_to(user: str | None) -> str | None:
    """The user to switch to: ``user`` when we are root, otherwise None because only root can switch."""
    return user if user is not None and os.geteuid() == 0 else None


def arguments(args: Arguments, *, user: str | None, dies_with_us: bool) -> list[str]:
    """The argument list with the wrapper that drops to ``user`` and that ends the program when its parent thread ends.

    ``setpriv`` (util-linux) does both in the right order: changing the user clears the death signal, so it is set afterwards.
    """
    plain = [str(arg) for arg in args]
    if not user and not dies_with_us:
        return plain
    if shutil.which("setpriv") is None:
        raise CommandMissing("setpriv")
    wrapper = ["setpriv"]
    if user:
        entry = pwd.getpwnam(user)
        wrapper += ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--init-groups"]
    if dies_with_us:
        wrapper += ["--pdeathsig", "KILL"]
    return [*wrapper, "--", *plain]


def run(
    args: Arguments,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    user: str | None = None,
    on_line: Callable[[str], None] | None = None,
    keep: bool = True,
    give_up: re.Pattern[str] | None = None,
    accept: Sequence[int] = (0,),
) -> Completed:
    """Run a program to its end and return what it printed.

    ``timeout`` is in seconds; ``user`` is used only when we are root; ``on_line`` gets each line of standard output while the program runs
    (the lines are returned too, unless ``keep`` is false: for output that may not fit into memory). A line of standard error that matches
    ``give_up`` says that the program tries in vain: it is interrupted, and has failed. Raises the errors listed at the top of this module.
    """
    program = Path(str(args[0])).name
    check_stopped(program)
    started = time.monotonic()
    dropped = dropping_to(user)
    process = _popen(args, env=env, cwd=cwd, user=dropped, dies_with_us=True, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
    with _registered(process.pid):
        stdout, stderr, late = _communicate(process, stdin, timeout, on_line, keep=keep, give_up=give_up)
    seconds = time.monotonic() - started
    check_stopped(program)
    if late:
        raise CommandTimeout(program, timeout or 0.0)
    if process.returncode not in accept:
        raise CommandFailed(program, process.returncode, stderr or stdout)
    return Completed(process.returncode, stdout, stderr, seconds)


def spawn(
    args: Arguments,
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    dies_with_us: bool = False,
) -> int:
    """Start a program that goes on by itself, its output appended to ``log``; return its process group id.

    The caller keeps the id and ends the program with ``stop``. ``dies_with_us`` ends it when the thread that started it ends.
    """
    dropped = dropping_to(user)
    with log.open("ab") as out:
        process = _popen(args, env=env, cwd=cwd, user=dropped, dies_with_us=dies_with_us, stdin=subprocess.DEVNULL, out=out)
    threading.Thread(target=process.wait, daemon=True, name=f"reap-{process.pid}").start()
    return process.pid


def stop(group: int, *, grace: float = GRACE_SECONDS) -> None:
    """End a process group: SIGTERM, then SIGKILL after ``grace`` seconds; return when none of it is left."""
    kill_group(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if not group_alive(group):
            return
        time.sleep(0.05)
    kill_group(group, signal.SIGKILL)
    while group_alive(group):
        time.sleep(0.02)


def group_alive(group: int) -> bool:
    """Whether a process of the group is still running (a zombie is not, unless threads of it still are: they hold its files and ports)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        threads = int(fields[17])
        if int(fields[2]) == group and (fields[0] != "Z" or threads > 1):
            return True
    return False


def groups_writing_into(folder: Path) -> set[int]:
    """The process groups of programs whose standard output is a file in the folder (or below); ours is never among them."""
    found = set()
    for output in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if output.readlink().is_relative_to(folder):
                found.add(os.getpgid(int(output.parts[2])))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found - {os.getpgid(0)}


def started_at(pid: int) -> int | None:
    """The start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), None when it is gone.

    Kept next to a pid so that a later process with the same number is never taken for it.
    """
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _popen(
    args: Arguments,
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    user: str | None,
    dies_with_us: bool,
    stdin: int,
    out: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    program = str(args[0])
    made = environment(env, user=user)
    if shutil.which(program, path=made["PATH"]) is None:
        raise CommandMissing(Path(program).name)
    return subprocess.Popen(
        arguments(args, user=user, dies_with_us=dies_with_us),
        env=made,
        cwd=cwd if cwd is not None else ("/" if user else None),
        stdin=stdin,
        stdout=out if out is not None else subprocess.PIPE,
        stderr=subprocess.STDOUT if out is not None else subprocess.PIPE,
        start_new_session=True,
        # A stricter one, as administrators set it, would shut the service user out of the programs that we install for it.
        umask=0o022,
    )


@contextlib.contextmanager
def _registered(group: int) -> Iterator[None]:
    current = _scope.get()
    if current is None:
        try:
            yield
        except BaseException:
            kill_group(group, signal.SIGKILL)
            raise
        return
    with current.lock:
        current.groups.add(group)
        late = current.stopped
    if late:
        kill_group(group, signal.SIGKILL)
    try:
        yield
    except BaseException:
        kill_group(group, signal.SIGKILL)
        raise
    finally:
        with current.lock:
            current.groups.discard(group)


def _communicate(
    process: subprocess.Popen[bytes],
    stdin: bytes | None,
    timeout: float | None,
    on_line: Callable[[str], None] | None,
    *,
    keep: bool,
    give_up: re.Pattern[str] | None,
) -> tuple[str, str, bool]:
    """Read both pipes to their end while the timeout is watched; the third value says that the timeout struck."""
    struck = threading.Event()

    def strike() -> None:
        struck.set()
        kill_group(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, strike) if timeout is not None else None
    if timer is not None:
        timer.start()
    try:
        if on_line is None and give_up is None:
            out, err = process.communicate(stdin)
            return out.decode(errors="replace"), err.decode(errors="replace"), struck.is_set()
        return (*_stream(process, stdin, on_line or (lambda _line: None), keep=keep, give_up=give_up), struck.is_set())
    finally:
        if timer is not None:
            timer.cancel()


def _stream(
    process: subprocess.Popen[bytes], stdin: bytes | None, on_line: Callable[[str], None], *, keep: bool, give_up: re.Pattern[str] | None
) -> tuple[str, str]:
    if process.stdout is None or process.stderr is None:
        raise ValueError("a streamed program needs both pipes")
    errors: deque[str] = deque(maxlen=TAIL_LINES)
    error_pipe = process.stderr

    def listen() -> None:
        for raw in error_pipe:
            errors.append(raw.decode(errors="replace"))
            if give_up is not None and give_up.search(errors[-1]):
                _interrupt(process)

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    if stdin is not None and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
        process.stdin.close()
    lines = []
    for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip("\n")
        if keep:
            lines.append(line)
        on_line(line)
    process.wait()
    reader.join()
    return "\n".join(lines), "".join(errors)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Have a program end itself, which lets it tidy up; when it does not, kill its group."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        kill_group(process.pid, signal.SIGKILL)
