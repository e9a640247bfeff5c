"""An installation of Wellkept on this machine: set it up, start and stop its processes, and say how it is.

``up`` runs the database, the web process, the worker and the watcher as children of one supervisor. They die with it, even when that is killed.
"""

import contextlib
import ctypes.util
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wellkept import __version__
from wellkept import home as homes
from wellkept.home import Home, HomeError
from wellkept.tools import command, postgres

RESTART_WAIT_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
STABLE_SECONDS = 60.0
WEB_START_SECONDS = 40.0
WATCH_SECONDS = 0.5
CHILD_GRACE_SECONDS = 25.0
"""Longer than a worker takes to leave (worker.LEAVE_SECONDS)."""


class PlatformError(Exception):
    """The installation cannot do what was asked; the text says why and what to do."""


def uses_own_database() -> bool:
    """Whether the platform keeps its data in the private cluster (and not on a server named by WELLKEPT_DATABASE_URL)."""
    return not os.environ.get("WELLKEPT_DATABASE_URL")


def setup_django(*, quiet: bool = False) -> None:
    """Load Django for this process; ``quiet`` logs only what went wrong, for commands. Raises PlatformError when the home is not set up."""
    import django
    from django.core.exceptions import ImproperlyConfigured

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wellkept.settings")
    if quiet:
        os.environ.setdefault("WELLKEPT_LOG_LEVEL", "WARNING")
    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise PlatformError(str(error)) from error


def start_database(home: Home) -> None:
    """Start the private cluster (made when it is not there) with the platform's role and database; nothing to do for another server."""
    if not uses_own_database():
        return
    cluster = home.cluster()
    postgres.create_cluster(cluster, settings={"max_connections": "200", "log_min_messages": "warning"})
    postgres.start(cluster, log=None)
    server = cluster.server()
    postgres.create_role(server, "wellkept", None, attributes="LOGIN CREATEDB")
    if not postgres.database_exists(server, "wellkept"):
        postgres.create_database(server, "wellkept", owner="wellkept")


def stop_database(home: Home) -> None:
    """Stop the private cluster."""
    if uses_own_database():
        postgres.stop(home.cluster())


def initialise(home: Home) -> None:
    """Make the home, its key and its database, and bring the tables to this version. Safe to repeat; the private cluster is left running."""
    homes.prepare(home)
    start_database(home)
    setup_django()
    from django.core.management import call_command

    from wellkept.operations import runtime

    call_command("migrate", verbosity=0, interactive=False)
    runtime.prepare_database()


@dataclass
class Child:
    """A process of the supervisor: how it is started, and its process group while it runs."""

    name: str
    args: list[str]
    group: int | None = None
    started: float = 0.0
    restarts: int = 0
    next_start: float = 0.0


@dataclass
class Supervisor:
    """Web, worker and watcher (each a child process), the database and the ERPs that Wellkept itself provisioned."""

    home: Home
    host: str = "127.0.0.1"
    port: int = homes.DEFAULT_WEB_PORT
    say: Callable[[str], None] = print
    children: list[Child] = field(default_factory=list)
    stopping: bool = False
    stops_database: bool = False
    """Whether the database ends with us: when we started it, or when whoever made us wants it."""

    def start(self) -> None:
        """Start everything and return when the pages answer. Raises PlatformError when they do not, or when the tables are of another version."""
        cluster = self.home.cluster()
        self.stops_database = uses_own_database() and (self.stops_database or not postgres.running(cluster))
        start_database(self.home)
        try:
            require_current_tables()
        except PlatformError:
            self.stop()
            raise
        program = [sys.executable, "-m", "wellkept"]
        self.children = [
            Child("web", [*program, "web", "--host", self.host, "--port", str(self.port)]),
            Child("worker", [*program, "worker"]),
            Child("watcher", [*program, "watcher"]),
        ]
        for child in self.children:
            self._start_child(child)
        if not wait_for_pages(self.host, self.port, WEB_START_SECONDS, self._web_alive):
            last = _tail(self.home.logs / "web.log")
            self.stop()
            raise PlatformError(f"the pages did not come up; the last lines of {self.home.logs / 'web.log'}:\n{last}")

    def watch(self) -> None:
        """Keep the children running until ``end`` or ``stop`` is called: one that ended is started again, later each time it fails."""
        while not self.stopping:
            for child in self.children:
                self._revive(child)
            time.sleep(WATCH_SECONDS)

    def end(self) -> None:
        """Let ``watch`` return; a signal handler may call it, for it waits for nothing."""
        self.stopping = True

    def stop(self) -> None:
        """Stop the children, the provisioned ERPs and the database; nothing of ours is left running."""
        self.end()
        for child in reversed(self.children):
            if child.group is not None:
                command.stop(child.group, grace=CHILD_GRACE_SECONDS)
                child.group = None
        with contextlib.suppress(PlatformError):
            setup_django()
            from wellkept.estate import systems

            systems.stop_all(self.home)
        if self.stops_database:
            stop_database(self.home)

    def _web_alive(self) -> bool:
        return self.children[0].group is not None and command.group_alive(self.children[0].group)

    def _start_child(self, child: Child) -> None:
        child.group = command.spawn(
            child.args, log=self.home.logs / f"{child.name}.log", env=inherited(self.home), cwd=self.home.path, dies_with_us=True
        )
        child.started = time.monotonic()

    def _revive(self, child: Child) -> None:
        if child.group is not None and command.group_alive(child.group):
            if child.restarts and time.monotonic() - child.started > STABLE_SECONDS:
                child.restarts = 0
            return
        now = time.monotonic()
        if child.group is not None:
            wait = RESTART_WAIT_SECONDS[min(child.restarts, len(RESTART_WAIT_SECONDS) - 1)]
            self.say(f"{child.name} ended; starting it again in {wait:g} s (log: {self.home.logs / child.name}.log)")
            child.group, child.restarts, child.next_start = None, child.restarts + 1, now + wait
        elif now >= child.next_start and not self.stopping:
            self._start_child(child)


def inherited(home: Home) -> dict[str, str]:
    """The environment of our own child processes: this home and every WELLKEPT_ variable."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("WELLKEPT_")}
    return {**ours, "WELLKEPT_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}


def wait_for_pages(host: str, port: int, seconds: float, alive: Callable[[], bool]) -> bool:
    """Whether the sign-in page answers within ``seconds`` while the process is alive."""
    import httpx

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and alive():
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://{host}:{port}/healthz", timeout=5.0).status_code == httpx.codes.OK:
                return True
        time.sleep(0.2)
    return False


@contextlib.contextmanager
def stop_signals(on_signal: Callable[[], None]) -> Iterator[None]:
    """Call ``on_signal`` at Ctrl-C and SIGTERM instead of dying in the middle."""
    before = {number: signal.signal(number, lambda *_: on_signal()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"


@dataclass(frozen=True)
class Check:
    """One answer of the doctor: ``remedy`` is the command or action that mends it."""

    name: str
    ok: bool
    seen: str
    remedy: str = ""
    needed: bool = True


def doctor(home: Home) -> list[Check]:
    """Everything an installation needs, checked by trying it; ``needed`` is False for what only a part of Wellkept uses."""
    return [
        Check("python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11"),
        _postgresql(),
        _program("restic", "apt-get install restic", "backups"),
        _program("ssh", "apt-get install openssh-client", "repositories on sftp servers", needed=False),
        _program("setpriv", "apt-get install util-linux", "programs that end with us"),
        _isolation(),
        _amcheck(),
        _papers(),
        *_home_checks(home),
        *_database_checks(home),
        _program("chromium", "apt-get install chromium", "tests only", needed=False),
    ]


def _program(name: str, remedy: str, purpose: str, *, needed: bool = True) -> Check:
    found = shutil.which(name)
    return Check(name, found is not None, found or f"not installed ({purpose})", remedy, needed)


def _postgresql() -> Check:
    try:
        folder = postgres.binaries()
    except postgres.PostgresError as error:
        return Check("postgresql", ok=False, seen=str(error), remedy="apt-get install postgresql postgresql-contrib")
    return Check("postgresql", ok=True, seen=str(folder))


def _isolation() -> Check:
    args = ["unshare", "--net", "true"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net", "true"]
    try:
        command.run(args, timeout=10)
    except command.CommandError as error:
        return Check("network namespace", ok=False, seen=str(error), remedy="sysctl kernel.unprivileged_userns_clone=1", needed=False)
    return Check("network namespace", ok=True, seen="drills run without a route to anybody")


def _amcheck() -> Check:
    found = any(Path("/usr/share/postgresql").glob("*/extension/amcheck.control"))
    return Check(
        "amcheck", found, "there" if found else "not installed (drills check indexes with it)", "apt-get install postgresql-contrib", needed=False
    )


def _papers() -> Check:
    missing = [name for name in ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset") if ctypes.util.find_library(name) is None]
    seen = f"not installed: {', '.join(missing)} (assessments as PDF)" if missing else "there"
    return Check("pdf", not missing, seen, "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk", needed=False)


def _home_checks(home: Home) -> list[Check]:
    if not home.key_file.exists():
        return [Check("home", ok=False, seen=f"{home.path} is not set up", remedy="wellkept init")]
    private = home.key_file.stat().st_mode & 0o077 == 0
    usage = shutil.disk_usage(home.path)
    roomy = usage.free > 2 * 1024**3
    free = f"{usage.free / 1024**3:.1f} GiB free of {usage.total / 1024**3:.1f}"
    return [
        Check("home", os.access(home.path, os.W_OK), str(home.path), "run as the user who owns it"),
        Check("secret key", private, "only its owner reads it" if private else "others can read it", f"chmod 600 {home.key_file}"),
        Check("disk", roomy, free, "make room: backups are staged here before they are stored"),
    ]


def _database_checks(home: Home) -> list[Check]:
    if not home.key_file.exists():
        return []
    try:
        state = database_state()
    except PlatformError as error:
        return [Check("database", ok=False, seen=str(error), remedy="wellkept init" if uses_own_database() else "look at WELLKEPT_DATABASE_URL")]
    seen = "up to date" if not state["unapplied"] else f"{state['unapplied']} changes of this version are not applied"
    return [Check("database", ok=True, seen=f"PostgreSQL {state['server']}"), Check("tables", not state["unapplied"], seen, "wellkept init")]


def database_state() -> dict[str, Any]:
    """The server's version and the number of migrations that are not applied. Raises PlatformError when the database cannot be reached."""
    setup_django()
    from django.db import OperationalError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        version = connection.pg_version  # type: ignore[attr-defined]
    except OperationalError as error:
        raise PlatformError(f"the database does not answer: {str(error).strip().splitlines()[0]}") from error
    return {"server": version // 10000, "unapplied": len(plan)}


def require_current_tables() -> None:
    """Raise PlatformError when the tables are those of an earlier version: everything would fail somewhere else, with a text that helps nobody."""
    missing = database_state()["unapplied"]
    if missing:
        raise PlatformError(f"{missing} changes of this version are not applied to the database yet; run: wellkept init (it may be repeated)")


def status(home: Home) -> dict[str, Any]:
    """How the installation is now: addresses, database, workers with their age in seconds, open runs. Raises PlatformError when it is not set up."""
    if not home.key_file.exists():
        raise PlatformError(f"{home.path} is not set up; run: wellkept init")
    config = home.config()
    answer: dict[str, Any] = {"version": __version__, "home": str(home.path), "database": False, "workers": [], "runs": {}}
    answer["address"] = f"http://127.0.0.1:{config['web_port']}"
    answer["web"] = wait_for_pages("127.0.0.1", int(config["web_port"]), 2.0, lambda: True)
    try:
        database_state()
    except PlatformError as error:
        return {**answer, "problem": str(error)}
    from django.db.models import Count
    from django.utils import timezone

    from wellkept.operations import runtime
    from wellkept.operations.models import OPEN_STATES, Run

    now = timezone.now()
    answer["database"] = True
    answer["workers"] = [
        {"name": w.name, "host": w.host, "pid": w.pid, "silent_seconds": round((now - w.beat_at).total_seconds(), 1)} for w in runtime.live_workers()
    ]
    answer["runs"] = dict(Run.objects.filter(state__in=OPEN_STATES).values_list("state").annotate(count=Count("id")))
    return answer


__all__ = [
    "Check",
    "HomeError",
    "PlatformError",
    "Supervisor",
    "doctor",
    "initialise",
    "setup_django",
    "start_database",
    "status",
    "stop_database",
    "stop_signals",
]
