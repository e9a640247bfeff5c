"""What may go wrong while a real ERP is upgraded, besides a kill of ours."""

import contextlib
import os
import pwd
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.services.agreed import agreed, somebody
from tests.services.installation import until
from tests.services.tryton import NEXT, SERIES
from tests.services.upgrading import Production
from wellkept.adapters.base import AdapterError
from wellkept.adapters.conformance.bench import content
from wellkept.adapters.tryton import control, provision, rpc
from wellkept.estate.access import Console
from wellkept.estate.models import Role
from wellkept.tools import command, postgres
from wellkept.upgrades import notes, revise
from wellkept.upgrades.models import NoteVersion, Rehearsal

ACCOUNT = "(SELECT min(account) FROM account_move_line)"
ONE_USER = '(SELECT min("user") FROM "res_user-res_group" WHERE "user" > 1)'
HELD = "SELECT 1 FROM pg_locks WHERE relation = 'res_user'::regclass AND mode = 'AccessExclusiveLock' AND granted AND pid <> pg_backend_pid()"
SAVED = "SELECT name FROM party_party WHERE name LIKE 'saved %'"
WRITTEN = ("party_", "ir_", "res_user")
"""How the tables begin in which saving a party, and signing in, show."""
PATIENCE, MANY = 300, 100
CHANGED = """
    SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE strpos(d.datname, '_next_') > 0 AND l.mode = 'AccessExclusiveLock' AND l.granted
"""
# The limit is that of the migration's sessions: notes change the owner of every table before.
REFUSES = """
    CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('lock_timeout') = '1min'
        AND (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock') > 100 THEN
            RAISE EXCEPTION 'this table stays as it is';
        END IF;
    END $$;
    CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION refuse();
"""


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and words that the outcome has to have; ``meanwhile`` lasts as long as the run.

    ``migration`` is for put_in.py; a ``real`` one is Tryton's own program.
    """

    name: str
    words: tuple[str, ...]
    migration: Mapping[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[Production], AbstractContextManager[object]] = lambda _production: contextlib.nullcontext()
    real: bool = False


@contextlib.contextmanager
def somebody_holds_a_lock(production: Production) -> Iterator[None]:
    """Somebody finds the database that is migrated, and holds the users there."""
    over = threading.Event()

    def hold() -> None:
        until(lambda: migrating(production), PATIENCE, "the migration")
        (name,) = (one for one in production.databases() if "_next_" in one)
        # Taking back ends whoever is there.
        with contextlib.suppress(psycopg.errors.AdminShutdown), postgres.connect(production.server, name) as connection:
            connection.execute("SET application_name = 'nightly report'")
            connection.execute("LOCK TABLE res_user IN ACCESS EXCLUSIVE MODE")
            over.wait(120)

    with beside(hold, over):
        yield


@contextlib.contextmanager
def locked_while_people_work(production: Production) -> Iterator[None]:
    """People try to work all the time: whatever the ERP said it has saved is there in the end."""
    with working(production) as saved, somebody_holds_a_lock(production):
        yield
    with postgres.connect(production.server, production.site.database) as connection:
        there = {name for (name,) in connection.execute(SAVED)}
    assert set(saved) <= there, "what people saved is lost"
    assert len(there - set(saved)) <= 1, "what was refused was done"
    now = content(production.site)
    changed = sorted(name for name in production.before.keys() | now.keys() if production.before.get(name) != now.get(name))
    assert [name for name in changed if not name.startswith(WRITTEN)] == [], "something else than what people did has changed"
    production.before = now


@contextlib.contextmanager
def killed(production: Production) -> Iterator[None]:
    """The migration is killed."""

    def kill() -> None:
        until(lambda: migrating(production), PATIENCE, "the migration")
        kill_migration(production)

    with beside(kill):
        yield


@contextlib.contextmanager
def killed_in_the_middle(production: Production) -> Iterator[None]:
    """The migration is killed when it has changed many tables, in one transaction with more to come."""

    def kill() -> None:
        await_the_middle(production)
        kill_migration(production)

    with beside(kill):
        yield


def kill_migration(production: Production) -> None:
    """Kill every process of the migration."""
    for pid in migrating(production):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def raising_in_the_middle(production: Production) -> Iterator[None]:
    """When it has changed many tables, the next one refuses: PostgreSQL raises in the midst of Tryton's own work."""
    with postgres.connect(production.server, production.site.database) as connection:
        connection.execute(REFUSES)
    yield


@contextlib.contextmanager
def filling(production: Production, disk: Path) -> Iterator[None]:
    """In the middle of the migration, this disk, a tmpfs, has no more room than is used; afterwards it has."""

    def shrink() -> bool:
        room = os.statvfs(disk)
        used = (room.f_blocks - room.f_bfree) * room.f_frsize
        # Refused when more was written in this moment.
        return command.run(["mount", "-o", f"remount,size={used}", disk], accept=(0, 1, 32)).returncode == 0

    def fill() -> None:
        await_the_middle(production)
        until(shrink, 20, "the full disk")

    try:
        with beside(fill):
            yield
    finally:
        command.run(["mount", "-o", "remount,size=1g", disk])


def await_the_middle(production: Production) -> None:
    """Wait until the real migration holds what it has changed of many tables."""
    until(lambda: migrating(production), PATIENCE, "the migration")
    with postgres.administration(production.server) as connection:
        until(lambda: connection.execute(CHANGED).fetchall()[0][0] > MANY, PATIENCE, "the middle of the migration")


@contextlib.contextmanager
def kept_on(production: Production, disk: Path) -> Iterator[None]:
    """The database of production, and so each copy of it, lies in a tablespace on this disk; in the end all of them are dropped."""
    os.chown(disk, *(getattr(pwd.getpwnam(postgres.service_user()), name) for name in ("pw_uid", "pw_gid")))
    production.stop()
    with postgres.administration(production.server) as connection:
        connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(disk)))
        connection.execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE small").format(sql.Identifier(production.site.database)))
    control.start(production.site)
    try:
        yield
    finally:
        production.stop()
        production.drop()
        with postgres.administration(production.server) as connection:
            connection.execute("DROP TABLESPACE small")


@contextlib.contextmanager
def working(production: Production) -> Iterator[list[str]]:
    """Somebody saves a party some times a second; the names of those of which the ERP said that it has."""
    saved: list[str] = []
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            # Patiently: what is given up without an answer may well be done.
            with contextlib.suppress(AdapterError), rpc.session(production.site, timeout=60.0) as session:
                while not over.is_set():
                    number += 1
                    session.call("model.party.party.create", [{"name": f"saved {number}"}])
                    saved.append(f"saved {number}")
                    time.sleep(0.3)
            time.sleep(0.3)

    with beside(work, over):
        until(lambda: len(saved) > 2, 60, "the first work")
        yield saved
        before_the_end = len(saved)
        until(lambda: len(saved) > before_the_end, 60, "work after the end")


@contextlib.contextmanager
def beside(work: Callable[[], None], over: threading.Event | None = None) -> Iterator[None]:
    """Do it in a thread of its own while the block runs; then tell it so, and wait for its end. What it raises is raised here."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        if over is not None:
            over.set()
        thread.join()
    if errors:
        raise errors[0]


def migrating(production: Production) -> list[int]:
    """The processes of the migration."""
    program = str(production.link.parent / provision.version(NEXT) / "bin" / "trytond-admin").encode()
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if program in line.read_bytes().split(b"\0"):
                found.append(int(line.parent.name))
    return found


@contextlib.contextmanager
def a_module_is_missing(production: Production) -> Iterator[None]:
    """A module that is active here did not come with the new release."""
    (package,) = (production.link.parent / provision.version(NEXT)).glob("lib/python*/site-packages/trytond_marketing-*.dist-info")
    away = package.rename(package.with_name("away"))
    yield
    away.rename(package)


@contextlib.contextmanager
def a_note_fails(production: Production) -> Iterator[None]:
    """A note of the system's own, approved and rehearsed elsewhere, does not work here."""
    way = revise.jump(production.environment.system, SERIES, NEXT)
    text = {"title": "Ours", "phase": "before", "why": "ours", "check": "SELECT true", "action": "UPDATE nowhere SET name = name"}
    version = revise.write(way, "ours", text, reason="ours", who=Console("tests"))
    revise.approve(version, who=somebody(production.environment.system.organisation, Role.APPROVER))
    _rehearse_notes(production)
    yield
    NoteVersion.objects.all().delete()
    _rehearse_notes(production)


def _rehearse_notes(production: Production) -> None:
    shipped = production.shipped_notes()
    digest = notes.digest(notes.effective(production.environment.system, SERIES, NEXT, shipped))
    Rehearsal.objects.filter(environment=production.environment).update(notes_digest=digest)
    if production.rehearsal is not None:
        production.rehearsal.refresh_from_db()
        agreed(production.rehearsal)


FAULTS = (
    Fault(
        "somebody holds a lock while people work",
        ("LockNotAvailable", "nightly report"),
        {"until": HELD, "fails": ["SET LOCAL lock_timeout = '500ms'", "LOCK TABLE res_user IN ACCESS EXCLUSIVE MODE"]},
        locked_while_people_work,
    ),
    Fault("the migration is killed", ("ended with code -9",), {"seconds": 1.0}, killed),
    Fault("the migration raises in the middle", ("DivisionByZero",), {"fails": ["SELECT 1 / 0"]}),
    Fault("the migration says an error and goes on", ("nobody has judged", "out of order"), {"log": [["ERROR", "the books are out of order"]]}),
    Fault("the real migration is killed in the middle", ("ended with code -9",), {}, killed_in_the_middle, real=True),
    Fault("the real migration raises in the middle", ("this table stays as it is",), {}, raising_in_the_middle, real=True),
    Fault("a module is missing", ("not installed for the new series: marketing",), {}, a_module_is_missing),
    Fault("a note fails", ("The note ours failed",), {}, a_note_fails),
    Fault("an account is emptied", ("books differ",), {"damage": [f"UPDATE account_move_line SET debit = 0, credit = 0 WHERE account = {ACCOUNT}"]}),
    Fault("a user loses all groups", ("books differ", "group"), {"damage": [f'DELETE FROM "res_user-res_group" WHERE "user" = {ONE_USER}']}),
    Fault("the administrator is deactivated", ("books differ", "admin"), {"damage": ["UPDATE res_user SET active = false WHERE login = 'admin'"]}),
    Fault("it starts and answers wrongly", ("does not work",), {"damage": ["ALTER TABLE ir_action_act_window RENAME COLUMN res_model TO gone"]}),
)
OFTEN = 1
"""So many of the faults are tried by default."""
