"""Tryton's processes: the web server, the scheduler and the queue's worker, each in a process group of its own.

Who runs is kept in ``site.state``/processes.json with the start time of each process, so that another of our processes can find, check and
stop them later, and never takes a stranger with the same number for one of them.
"""

import contextlib
import csv
import io
import json
import os
import pwd
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wellkept.adapters.base import AdapterError, Conflicting, Invalid, Site, Unreachable
from wellkept.adapters.tryton import owners, rpc
from wellkept.lib.text import gettext_noop
from wellkept.tools import command, postgres

ROLES = ("web", "cron", "worker")
READY_SECONDS = 120.0
REQUEST_SECONDS = 600
STOP_SECONDS = 10.0
LOG_LINES = 15
WEB_PROCESSES = "2"


@dataclass(frozen=True)
class Running:
    """A process that we started: its number is also that of its group; ``started`` in clock ticks since ``boot``."""

    role: str
    pid: int
    started: int
    boot: str


def start(site: Site, *, roles: Sequence[str] = ROLES, prefix: Sequence[str] = (), ready: float = READY_SECONDS) -> None:
    """Start the web server, wait until it answers (at most ``ready`` seconds), and start the others.

    ``site.url`` says where it listens: ``http://127.0.0.1:8000`` or ``unix:/path``. ``prefix`` is put before each command and runs as
    ourselves, before the switch to the site's user: ``["unshare", "--net", "--"]``. Raises Conflicting when a role runs already or its address
    is taken, Unreachable (with the end of the log) when it does not come up; then nothing of it is left running. What its owner's service starts is
    started by that, all of it.
    """
    if site.commands is not None:
        owners.start(site)
        return
    held = {running.role for running in processes(site)} & set(roles)
    if held:
        raise Conflicting(gettext_noop("already running for {database}: {names}"), database=site.database, names=", ".join(sorted(held)))
    state = _state(site)
    user = site.os_user or postgres.service_user()
    postgres.owned_folder(state, user)
    started: list[Running] = []
    try:
        # What people wait for has the processors to itself: each of them needs two seconds of one.
        for role in sorted(roles, key=lambda role: role != "web"):
            started.append(_spawn(site, role, prefix, user))
            _remember(site, started)
            _wait(site, started, ready)
    except BaseException:
        stop(site, roles=roles)
        raise


def stop(site: Site, *, roles: Sequence[str] = ROLES) -> None:
    """Stop the processes that we started, the web server first; return when none of their groups is left. Stopped ones are fine."""
    if site.commands is not None:
        owners.stop(site)
        return
    for running in sorted(processes(site), key=lambda one: ROLES.index(one.role)):
        if running.role in roles:
            command.stop(running.pid, grace=STOP_SECONDS)
    _remember(site, [])


def processes(site: Site) -> list[Running]:
    """The processes that we, or its owner's service by the declared commands, started and that still run."""
    if site.commands is not None:
        return [Running(one.role, one.pid, command.started_at(one.pid) or 0, _boot()) for one in owners.running(site)]
    return [running for running in _recorded(site) if _ours(running)]


def alive(site: Site, *, timeout: float = 10.0) -> bool:
    """Whether every process that we started runs, and the web server among them answers."""
    if site.commands is not None:
        return owners.alive(site, timeout=timeout)
    recorded = _recorded(site)
    if not recorded or not all(command.started_at(one.pid) == one.started and _ours(one) for one in recorded):
        return False
    if all(one.role != "web" for one in recorded):
        return True
    try:
        rpc.version(site, timeout=timeout)
    except AdapterError:
        return False
    return True


def log_tail(site: Site, role: str, lines: int = LOG_LINES) -> str:
    """The last lines that a process wrote."""
    path = _log(site, role)
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def _spawn(site: Site, role: str, prefix: Sequence[str], user: str) -> Running:
    # The prefix may need our rights (a network namespace does), so the switch to the site's user comes after it.
    args = [*prefix, *command.arguments(_arguments(site, role), user=command.dropping_to(user), dies_with_us=False)]
    pid = command.spawn(args, log=_log(site, role), env=_environment(site, user), cwd=Path("/"))
    started = command.started_at(pid)
    if started is None:
        raise _failure(site, role)
    return Running(role, pid, started, _boot())


def _arguments(site: Site, role: str) -> list[str | Path]:
    if site.interpreter is None or site.config is None:
        raise Invalid(gettext_noop("the site of database {database} does not say its interpreter and its configuration"), database=site.database)
    folder = site.interpreter.parent
    common: list[str | Path] = ["--config", site.config, "--database", site.database]
    if role == "cron":
        return [site.interpreter, folder / "trytond-cron", *common]
    if role == "worker":
        return [site.interpreter, folder / "trytond-worker", *common, "-n", "1"]
    if role != "web":
        raise Invalid(gettext_noop("Tryton has no process {name}; these are: {known}"), name=role, known=", ".join(ROLES))
    count = os.environ.get("WELLKEPT_ERP_WEB_PROCESSES", WEB_PROCESSES)
    serving = ["--workers", count, "--worker-class", "gthread", "--threads", "4", "--timeout", str(REQUEST_SECONDS)]
    # Its control socket would lie in a home folder that is not ours; the umask keeps the RPC socket to the site's user.
    guarded = ["--no-control-socket", "--umask", "0o077"]
    return [site.interpreter, folder / "gunicorn", "--bind", bound(site), *serving, *guarded, "trytond.application:app"]


def bound(site: Site) -> str:
    url = site.url or ""
    if url.startswith(rpc.UNIX):
        return url
    if url.startswith("http://"):
        return url.removeprefix("http://").rstrip("/")
    raise Invalid(gettext_noop("a Tryton of ours listens on http://ADDRESS:PORT or unix:/PATH, not on “{url}”"), url=url)


def _environment(site: Site, user: str) -> dict[str, str]:
    names = io.StringIO()
    csv.writer(names, lineterminator="").writerow([site.database])
    return {
        "HOME": pwd.getpwnam(user).pw_dir,
        "TRYTOND_CONFIG": str(site.config),
        "TRYTOND_DATABASE_NAMES": names.getvalue(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
    }


def _wait(site: Site, started: Sequence[Running], ready: float) -> None:
    deadline = time.monotonic() + ready
    while True:
        for running in started:
            if command.started_at(running.pid) != running.started or not command.group_alive(running.pid):
                raise _failure(site, running.role)
        if started[-1].role != "web":
            return
        try:
            rpc.version(site, timeout=5.0)
        except Unreachable:
            if time.monotonic() > deadline:
                text = gettext_noop("{url} did not answer within {seconds} s; its log ends with: “{words}”")
                raise Unreachable(text, url=site.url, seconds=f"{ready:g}", words=log_tail(site, "web")) from None
        else:
            return
        command.check_stopped("Tryton")
        time.sleep(0.1)


def _failure(site: Site, role: str) -> AdapterError:
    last = log_tail(site, role)
    if "Address already in use" in last or "Connection in use" in last:
        return Conflicting(gettext_noop("another program listens on {url}"), url=site.url)
    return Unreachable(gettext_noop("{name} of {database} ended; its log ends with: “{words}”"), name=role, database=site.database, words=last)


def _ours(running: Running) -> bool:
    """Whether the group is still the one we started: its leader is, or the leader is gone and its children go on."""
    now = command.started_at(running.pid)
    return running.boot == _boot() and now in {running.started, None} and command.group_alive(running.pid)


def _recorded(site: Site) -> list[Running]:
    try:
        rows = json.loads((_state(site) / "processes.json").read_text())
    except FileNotFoundError:
        return []
    return [Running(**row) for row in rows]


def _remember(site: Site, started: Sequence[Running]) -> None:
    """Write down who runs now: what was recorded before and goes on, and what was just started."""
    known = {one.pid: one for one in (*processes(site), *started)}
    state = _state(site)
    if not known:
        (state / "processes.json").unlink(missing_ok=True)
        return
    fresh = state / f"processes.json.{os.getpid()}"
    fresh.write_text(json.dumps([asdict(one) for one in known.values()]))
    fresh.replace(state / "processes.json")


def _log(site: Site, role: str) -> Path:
    return _state(site) / f"{role}.log"


def _state(site: Site) -> Path:
    if site.state is None:
        raise Invalid(gettext_noop("the site of database {database} has no folder for its processes"), database=site.database)
    return site.state


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "unknown"
