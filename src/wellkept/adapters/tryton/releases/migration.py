"""Tryton's own migration of a database, with the interpreter of the new series, and what its log says."""

import contextlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import Path

import psycopg

from wellkept.adapters.base import Conflicting, Connection, Invalid, LogEntry, Migration, OnLine, Refused, Site, Unreachable
from wellkept.adapters.tryton.inspect import BASE_MODULES, VERSIONS
from wellkept.adapters.tryton.releases.jumps import jump
from wellkept.adapters.tryton.releases.steps import ACTIVE
from wellkept.tools import command, postgres

LOCK_WAIT = "60s"
# Without compiling, the migration of a small company took 97 s instead of more than 400: its many short queries look expensive.
OPTIONS = f"-c jit=off -c lock_timeout={LOCK_WAIT}"
ENTRY = re.compile(r"(?:\d+ \d+ )?\[?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]? (DEBUG|INFO|WARNING|ERROR|CRITICAL) (\S+) (.*)")
"""A line of our own format (see RUNNER), or of the one that Tryton's programs use by themselves."""
# The type of other roles' sessions is hidden from a role without more rights; PostgreSQL's own workers have no user.
SESSIONS = """
    SELECT pid, coalesce(nullif(application_name, ''), usename) FROM pg_stat_activity
    WHERE datname = current_database() AND usename IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
      AND pid <> pg_backend_pid() ORDER BY backend_start
"""
TRACEBACK = "Traceback (most recent call last):\n"
ANY_CODE = range(-64, 256)
JUDGED = {"WARNING", "ERROR", "CRITICAL"}
# Logging that is set up already stays so in Tryton's programs, and nothing but this process has to be cleaned up when it is killed.
# Python looks for what refers to itself each time some hundred objects were made, and a migration makes millions: a twentieth of its time.
RUNNER = """
import sys
del sys.argv[0], sys.path[0]
import gc, logging, runpy
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
gc.set_threshold(100_000, 50, 100)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# A restore leaves no statistics, although the indexes that it makes say how many rows there are; those of the catalogue, which Tryton asks about
# every constraint, are of an empty database then. Before PostgreSQL 14 a table that nobody counted looks like an empty one.
NOT_COUNTED = """
    SELECT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND (c.reltuples <> 0 OR current_setting('server_version_num')::int < 140000)
          AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
          AND (n.nspname, c.relname) NOT IN (SELECT schemaname, tablename FROM pg_stats))
"""


def migrate(site: Site, *, timeout: float, on_line: OnLine | None = None) -> Migration:
    """Run ``trytond-admin --all --activate-dependencies`` of the site's interpreter on its database; each line of the log comes at once.

    Tryton keeps all of it in one transaction until its last steps (cleaning up models, indexes): when it fails before them, the database is as
    before. A lock that somebody else holds is waited for a minute. Before anything runs, it raises Invalid when a module is active in the
    database and not installed for this interpreter, Conflicting when somebody else has a session on the database. Raises Conflicting, too,
    when the time was not enough; then it was killed.
    """
    _prepare(site)
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        if on_line is not None:
            on_line(line)

    started = time.monotonic()
    try:
        done = _run(site, timeout, hear)
    except command.CommandTimeout as error:
        raise Conflicting(f"the migration of {site.database} was not done within {timeout:g} s and was killed: {_last(lines)}") from error
    if done.stderr.strip():
        level = "WARNING" if done.returncode == 0 else "CRITICAL"
        hear(f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 {level} trytond-admin {_telling(done.stderr)}")
        for line in done.stderr.strip().splitlines():
            hear(f"  {line}")
    return Migration(done.returncode, time.monotonic() - started, lines)


def _telling(said: str) -> str:
    """The line of Python's complaint that says what happened: the first one after where it happened; without such, the last one.

    Of a long complaint only the end is there: it may begin in the middle of where it happened.
    """
    lines = said.rpartition(TRACEBACK)[2].rstrip().splitlines()
    where = dropwhile(lambda line: not line.startswith(" "), lines)
    return next((line for line in where if not line.startswith(" ")), lines[-1])


def read_log(lines: Sequence[str], current: str, target: str) -> Sequence[LogEntry]:
    """The warnings and errors of a migration's log, each with the reason why it is harmless where the release's data knows it.

    Lines that begin no entry belong to the one before. Raises Unsupported for a jump that is not described.
    """
    known = jump(current, target).known
    found = []
    for level, source, text in _entries(lines):
        if level in JUDGED:
            why = next((one.why for one in known if (one.level, one.source) == (level, source) and one.pattern.fullmatch(text)), None)
            found.append(LogEntry(level, source, text, why))
    return found


def _entries(lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    level = source = ""
    text: list[str] = []
    for line in lines:
        begun = ENTRY.fullmatch(line)
        if begun is None:
            text.append(line)
            continue
        if level:
            yield level, source, "\n".join(text)
        level, source, text = begun.group(1), begun.group(2), [begun.group(3)]
    if level:
        yield level, source, "\n".join(text)


def _run(site: Site, timeout: float, hear: OnLine) -> command.Completed:
    if site.interpreter is None or site.config is None:
        raise Invalid(f"the site of database {site.database} does not say its interpreter and its configuration")
    program = site.interpreter.parent / "trytond-admin"
    what: list[str | Path] = ["--config", site.config, "--database", site.database, "--all", "--activate-dependencies"]
    env = {"PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1", "PGOPTIONS": OPTIONS}
    user = site.os_user or postgres.service_user()
    args = [site.interpreter, "-c", RUNNER, program, *what]
    return command.run(args, env=env, user=user, timeout=timeout, on_line=hear, accept=ANY_CODE)


def _prepare(site: Site) -> None:
    """Check the modules and that nobody else is there, and have PostgreSQL count what is in the tables if it never did, as after a restore.

    Tryton itself would find out about a missing module only after seconds of work, and say no more than that a file is not there. And without
    statistics its questions about translations took more than ten minutes instead of seconds.
    """
    _check_modules(site)
    with _connected(site) as connection:
        others = [f"{name or 'somebody'} (pid {pid})" for pid, name in connection.execute(SESSIONS)]
        if others:
            raise Conflicting(f"{len(others)} sessions are open on {site.database}, end them first: {', '.join(others[:5])}; nothing was started")
        if (connection.execute(NOT_COUNTED).fetchone() or (True,))[0]:
            connection.execute("ANALYZE")


def _check_modules(site: Site) -> None:
    with _connected(site) as connection:
        active = {name for (name,) in connection.execute(ACTIVE)}
    if site.interpreter is None:
        raise Invalid(f"the site of database {site.database} does not say its interpreter")
    try:
        told = json.loads(command.run([site.interpreter, "-I", "-B", "-c", VERSIONS], user=site.os_user, timeout=60).stdout)
    except (command.CommandError, ValueError) as error:
        raise Refused(f"{site.interpreter} could not be asked for its modules: {error}") from error
    installed = {name.removeprefix("trytond_") for name in told["packages"]}
    lost = sorted(active - installed - set(BASE_MODULES))
    if lost:
        raise Invalid(f"active in {site.database} and not installed for the new series: {', '.join(lost)}; nothing was started")


@contextlib.contextmanager
def _connected(site: Site) -> Iterator[Connection]:
    if site.server is None:
        raise Invalid(f"the site of database {site.database} does not say its server")
    try:
        connection = postgres.connect(site.server, site.database, autocommit=True)
    except psycopg.OperationalError as error:
        raise Unreachable(f"the database {site.database} does not answer: {error}") from error
    with connection:
        yield connection


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else "it said nothing"
