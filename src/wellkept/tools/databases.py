"""Whole databases of one server: who is on one, nobody shall be, a copy of it, and the exchange of a database for its changed copy.

The exchange is one transaction that renames two databases, so under the name of production there is always one whole database: the one from before,
or the other one. Each function may be repeated after a kill at any moment. Nothing here deletes a database that somebody could need.

Errors, besides those of psycopg for a server that does not answer::

    PostgresError
    ├── Held         sessions or transactions are in the way; ``sessions`` are those that could be seen
    ├── NotAllowed   the role may not do it; the text says which statement would allow it
    └── Misfit       the databases that are there do not fit what was asked
"""

import contextlib
import datetime as dt
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from wellkept.lib.text import Message, gettext_noop, message, said
from wellkept.tools import command, postgres
from wellkept.tools.postgres import PostgresError, Server

Connection = psycopg.Connection[tuple[Any, ...]]
LOCK_SECONDS = 5.0
STATEMENT_SECONDS = 20.0
END_SECONDS = 10.0
LONGEST_NAME = 63
ADVISORY = 7_355_608
"""The class of our advisory locks: one for each database that somebody works on."""
UNFINISHED = ".wellkept-unfinished"
TRIAL = ".wellkept-trial"
"""Ends of names that nobody else uses: what has such a name may be dropped."""
FIRST_SHOWN = 5
NAMED_LISTS = {"local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"}
"""Settings whose value is a list of names: as one text, PostgreSQL would take the whole of it for one name."""
# What a role without more rights may not see of other roles' sessions is empty, their type among it; PostgreSQL's own workers have no user.
SESSIONS = """
    SELECT pid, usename, coalesce(application_name, ''), host(client_addr), state, backend_start FROM pg_stat_activity
    WHERE {where} AND usename IS NOT NULL AND coalesce(backend_type, '') NOT IN ('parallel worker', 'autovacuum worker')
      AND pid <> pg_backend_pid() ORDER BY backend_start, pid
"""
HOLDERS = """
    pid IN (SELECT pid FROM pg_locks WHERE granted AND (
        (locktype = 'object' AND classid = 'pg_database'::regclass AND objid IN (SELECT oid FROM pg_database WHERE datname = ANY(%s)))
        OR (relation = 'pg_database'::regclass AND mode NOT IN ('AccessShareLock', 'RowShareLock'))))
"""
PROPERTIES = """
    SELECT d.oid, pg_get_userbyid(d.datdba), d.datconnlimit, d.datacl IS NOT NULL, shobj_description(d.oid, 'pg_database')
    FROM pg_database d WHERE d.datname = %s
"""
GRANTS = """
    SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END, a.privilege_type, bool_or(a.is_grantable)
    FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = %s GROUP BY 1, 2 ORDER BY 1 NULLS FIRST, 2
"""
SETTINGS = """
    SELECT CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END, s.setconfig
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = %s ORDER BY 1 NULLS FIRST
"""


class Held(PostgresError):
    """Sessions or transactions of others are in the way."""

    def __init__(self, text: str, /, *, sessions: Sequence["Session"], **params: object) -> None:
        super().__init__(text, **params)
        self.sessions = tuple(sessions)


class NotAllowed(PostgresError):
    """The role may not do it."""


class Misfit(PostgresError):
    """The databases that are there do not fit what was asked."""


@dataclass(frozen=True)
class Session:
    """A connection of somebody: ``since`` when; state and since are None where our role may not see them."""

    pid: int
    user: str
    program: str
    address: str | None
    state: str | None
    since: dt.datetime | None

    def __str__(self) -> str:
        parts = [f"pid {self.pid}", self.state or "", f"since {self.since:%Y-%m-%d %H:%M:%S}" if self.since else "", self.address or ""]
        return f"{self.program or self.user} ({', '.join(part for part in parts if part)})"


@dataclass(frozen=True)
class Lack:
    """What stands in the way of an exchange, why, and the one statement or action that ends it."""

    what: str
    why: Message | str
    remedy: Message | str


def sessions(server: Server, database: str) -> list[Session]:
    """Who is connected to a database now, the oldest first; PostgreSQL's own workers are left out."""
    with postgres.administration(server) as connection:
        return _sessions(connection, sql.SQL("datname = %s"), [database])


def end(server: Server, database: str, named: Iterable[Session], *, wait: float = END_SECONDS) -> list[Session]:
    """End exactly these sessions and return those that are still there after ``wait`` seconds; what they had not committed is rolled back.

    A session that began later under the same number is left alone. Raises NotAllowed for one that our role may not end; others may be ended then.
    """
    wanted = set(named)
    with _working(server, database) as connection:
        # With the start compared in the same statement, a number that somebody else has by now is not hit.
        question = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start IS NOT DISTINCT FROM %s AND datname = %s"
        for session in sorted(wanted, key=lambda one: one.pid):
            connection.execute(question, [session.pid, session.since, database])
        deadline = time.monotonic() + wait
        while True:
            identities = {(one.pid, one.since) for one in _sessions(connection, sql.SQL("datname = %s"), [database])}
            left = [one for one in wanted if (one.pid, one.since) in identities]
            if not left or time.monotonic() > deadline:
                return sorted(left, key=lambda one: one.pid)
            command.check_stopped("PostgreSQL")
            time.sleep(0.05)


def fence(server: Server, database: str) -> None:
    """Let nobody connect to a database any more, superusers neither. Sessions that are open stay: list and end them afterwards."""
    _allow(server, database, allowed=False)


def unfence(server: Server, database: str) -> None:
    """Let everybody connect again who may."""
    _allow(server, database, allowed=True)


def fenced(server: Server, database: str) -> bool:
    """Whether nobody can connect. Raises Misfit when there is no such database."""
    with postgres.administration(server) as connection:
        row = connection.execute("SELECT NOT datallowconn FROM pg_database WHERE datname = %s", [database]).fetchone()
    if row is None:
        raise Misfit(gettext_noop("there is no database {database}"), database=database)
    return bool(row[0])


def size(server: Server, database: str) -> int | None:
    """The size of a database on disk in bytes, also of one that nobody can connect to; None when there is none."""
    with postgres.administration(server) as connection:
        row = connection.execute("SELECT pg_database_size(oid) FROM pg_database WHERE datname = %s", [database]).fetchone()
    return int(row[0]) if row is not None else None


def copy(server: Server, source: str, target: str, *, timeout: float) -> None:
    """Copy a database that nobody uses, with what a template leaves behind: owner, rights, settings, connection limit and comment.

    The copy has its name only when it is complete, and allows connections; one that is there already is left as it is, so the name must belong
    to this work alone. An unfinished one is made again. ``timeout`` in seconds. Raises Held, NotAllowed, Misfit.
    """
    unfinished = target + UNFINISHED
    _check_names(source, target, unfinished)
    with _working(server, source, target, unfinished, timeout=timeout) as connection:
        if target in _there(connection, [target]):
            return
        _drop(connection, unfinished)
        _create(connection, unfinished, source)
        with connection.transaction():
            _carry_over(connection, source, unfinished)
            connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(sql.Identifier(unfinished)))
            _rename(connection, unfinished, target)


def exchange(server: Server, current: str, new: str, kept: str) -> bool:
    """Give ``new`` the name ``current``, and what had it the name ``kept``, fenced: all of it, or nothing.

    False when it was done before. Nobody may be connected to either. Raises Held, NotAllowed, Misfit; then nothing has changed.
    """
    return _swap(server, put_away=(current, kept), brought=(new, current))


def exchange_back(server: Server, current: str, new: str, kept: str) -> bool:
    """The same in reverse: ``kept`` is ``current`` again, and what had that name is ``new`` again, fenced. False when it is so already."""
    return _swap(server, put_away=(current, new), brought=(kept, current))


def lacks(server: Server, database: str) -> list[Lack]:
    """What would keep this role from copying and exchanging a database; empty when nothing would. Production is not touched.

    Where the rights look right, it is tried with an empty database: PostgreSQL's own rules, and those about who may connect to which
    name, decide.
    """
    with _working(server, database) as connection:
        found = [*_missing_rights(connection, database), *_in_the_way(connection, database)]
        if found:
            return found
        try:
            return _try(connection, server, database)
        finally:
            _drop(connection, _trial(database))


@contextlib.contextmanager
def _working(server: Server, *names: str, timeout: float = STATEMENT_SECONDS) -> Iterator[Connection]:
    """A connection for statements about databases: bounded, stoppable, durable, with PostgreSQL's refusals told as our errors.

    Only one at a time works on the first of the names: PostgreSQL may still be busy with what a killed client of ours asked it for.
    """
    with postgres.administration(server) as connection, command.stoppable(connection.cancel):
        _limit(connection, "statement_timeout", timeout)
        # A role or a server that does not wait for the disk would lose an exchange that was reported as done.
        connection.execute("SET synchronous_commit = on")
        try:
            connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [ADVISORY, names[0]])
            _limit(connection, "lock_timeout", LOCK_SECONDS)
            # A stop that came before the first statement has cancelled nothing.
            command.check_stopped("PostgreSQL")
            yield connection
        except psycopg.errors.LockNotAvailable as error:
            raise _held(server, HOLDERS, names, error) from error
        except psycopg.errors.ObjectInUse as error:
            raise _held(server, "datname = ANY(%s)", names, error) from error
        except psycopg.errors.QueryCanceled as error:
            command.check_stopped("PostgreSQL")
            raise PostgresError(gettext_noop("PostgreSQL was stopped: it was not done within {seconds} s"), seconds=f"{timeout:g}") from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise NotAllowed(gettext_noop("{user} may not do it; PostgreSQL said: “{words}”"), user=server.user, words=_said(error)) from error
        except (psycopg.errors.InvalidCatalogName, psycopg.errors.DuplicateDatabase) as error:
            raise Misfit(said("PostgreSQL", _said(error))) from error


def _limit(connection: Connection, name: str, seconds: float) -> None:
    connection.execute("SELECT set_config(%s, %s, false)", [name, f"{int(seconds * 1000)}ms"])


def _held(server: Server, where: LiteralString, databases: Sequence[str], error: psycopg.Error) -> Held:
    with postgres.administration(server) as connection:
        seen = _sessions(connection, sql.SQL(where), [list(databases)])
    if not seen:
        return Held(gettext_noop("PostgreSQL said: “{words}”; who it was is gone by now"), sessions=seen, words=_said(error))
    names = ", ".join(str(session) for session in seen[:FIRST_SHOWN])
    return Held(gettext_noop("PostgreSQL said: “{words}”; in the way: {names}"), sessions=seen, words=_said(error), names=names)


def _said(error: psycopg.Error) -> str:
    parts = [error.diag.message_primary, error.diag.message_detail]
    return "; ".join(part.rstrip(".") for part in parts if part) or str(error)


def _sessions(connection: Connection, where: sql.SQL, values: Sequence[object]) -> list[Session]:
    return [Session(*row) for row in connection.execute(sql.SQL(SESSIONS).format(where=where), values)]


def _there(connection: Connection, names: Sequence[str]) -> set[str]:
    return {name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname = ANY(%s)", [list(names)])}


def _check_names(*names: str) -> None:
    for name in names:
        if not name or len(name.encode()) > LONGEST_NAME:
            text = gettext_noop("“{name}” cannot be the name of a database: it has {bytes} bytes, 1 to {most} are possible")
            raise Misfit(text, name=name, bytes=len(name.encode()), most=LONGEST_NAME)


def _allow(server: Server, database: str, *, allowed: bool) -> None:
    with _working(server, database) as connection:
        connection.execute(sql.SQL(f"ALTER DATABASE {{}} WITH ALLOW_CONNECTIONS {allowed}").format(sql.Identifier(database)))


def _rename(connection: Connection, old: str, new: str) -> None:
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


def _drop(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _create(connection: Connection, name: str, template: str) -> None:
    """Owned like the one of which it is to become a copy, and closed: nobody shall look at it before it is complete."""
    owner = _properties(connection, template)[1]
    statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} ALLOW_CONNECTIONS false").format(
        sql.Identifier(name), sql.Identifier(owner), sql.Identifier(template)
    )
    # Copying files and flushing them once is several times faster than writing each page to the log; older servers do only that.
    connection.execute(statement + sql.SQL(" STRATEGY file_copy") if connection.info.server_version >= 150000 else statement)


def _properties(connection: Connection, database: str) -> tuple[int, str, int, bool, str | None]:
    row = connection.execute(PROPERTIES, [database]).fetchone()
    if row is None:
        raise Misfit(gettext_noop("there is no database {database}"), database=database)
    return row[0], row[1], row[2], row[3], row[4]


def _carry_over(connection: Connection, source: str, target: str) -> None:
    """Give a copy what belongs to a database without being in it, and see that it is the same then. All rights become grants of the owner."""
    _, owner, limit, has_rights, comment = _properties(connection, source)
    name = sql.Identifier(target)
    connection.execute(sql.SQL("ALTER DATABASE {} WITH CONNECTION LIMIT {}").format(name, sql.Literal(limit)))
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(comment)))
    if has_rights:
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC, {}").format(name, sql.Identifier(owner)))
    for grantee, right, grantable in connection.execute(GRANTS, [source]).fetchall():
        statement = sql.SQL(f"GRANT {right} ON DATABASE {{}} TO {{}} {'WITH GRANT OPTION' if grantable else ''}")
        connection.execute(statement.format(name, sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC")))
    for role, settings in connection.execute(SETTINGS, [source]).fetchall():
        whose = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), name) if role else sql.SQL("DATABASE {}").format(name)
        for setting in settings:
            _set(connection, whose, *setting.split("=", 1))
    for question in (GRANTS, SETTINGS):
        before, after = (connection.execute(question, [one]).fetchall() for one in (source, target))
        if before != after:
            text = gettext_noop("rights or settings of {database} could not be given to its copy: {before} became {after}")
            raise Misfit(text, database=source, before=str(before), after=str(after))


def _set(connection: Connection, whose: sql.Composable, name: str, value: str) -> None:
    setting = sql.Identifier(*name.split("."))
    if name in NAMED_LISTS:
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])
        connection.execute(sql.SQL("ALTER {} SET {} FROM CURRENT").format(whose, setting))
    else:
        connection.execute(sql.SQL("ALTER {} SET {} TO {}").format(whose, setting, sql.Literal(value)))


def _swap(server: Server, *, put_away: tuple[str, str], brought: tuple[str, str]) -> bool:
    names = sorted({*put_away, *brought}, key=lambda name: name != put_away[0])
    _check_names(*names)
    with _working(server, *names) as connection, connection.transaction():
        there = _there(connection, names)
        if there == {put_away[1], brought[1]}:
            return False
        if there != {put_away[0], brought[0]}:
            text = gettext_noop("to exchange {one} for {other}, exactly these two of {names} have to be there; there are: {found}")
            raise Misfit(text, one=put_away[0], other=brought[0], names=", ".join(names), found=", ".join(sorted(there)) or "-")
        _rename(connection, *put_away)
        _rename(connection, *brought)
        for name, allowed in ((put_away[1], False), (brought[1], True)):
            connection.execute(sql.SQL(f"ALTER DATABASE {{}} WITH ALLOW_CONNECTIONS {allowed}").format(sql.Identifier(name)))
    return True


def _missing_rights(connection: Connection, database: str) -> Iterator[Lack]:
    owner = _properties(connection, database)[1]
    question = "SELECT rolsuper, rolcreatedb, pg_has_role(%s, 'MEMBER'), pg_has_role('pg_signal_backend', 'MEMBER') FROM pg_roles WHERE rolname = %s"
    row = connection.execute(question, [owner, connection.info.user]).fetchone()
    superuser, creates, owns, signals = row if row is not None else (False, False, False, False)
    role = connection.info.user
    me, its_owner = (sql.Identifier(name).as_string(connection) for name in (connection.info.user, owner))
    if database == connection.info.dbname:
        yield Lack(
            "name",
            message(gettext_noop("{database} is the database from which all others are administered"), database=database),
            message(gettext_noop("keep the ERP in a database of its own")),
        )
    if not superuser and not creates:
        yield Lack("create", message(gettext_noop("{role} may not create and rename databases"), role=role), f"ALTER ROLE {me} CREATEDB")
    if not owns:
        text = gettext_noop("{database} belongs to {owner}, and {role} may not act for it")
        yield Lack("own", message(text, database=database, owner=owner, role=role), f"GRANT {its_owner} TO {me}")
    if not superuser and not signals and _strange_sessions(connection, database):
        text = gettext_noop("sessions of other roles are open on {database}, and we may not end them")
        yield Lack("end", message(text, database=database), f"GRANT pg_signal_backend TO {me}")


def _strange_sessions(connection: Connection, database: str) -> bool:
    question = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND usename IS NOT NULL AND NOT pg_has_role(usesysid, 'MEMBER')"
    return connection.execute(question, [database]).fetchone() is not None


def _in_the_way(connection: Connection, database: str) -> Iterator[Lack]:
    for (gid,) in connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY gid", [database]):
        ends = sql.SQL("COMMIT PREPARED {0} or ROLLBACK PREPARED {0}").format(sql.Literal(gid)).as_string(connection)
        yield Lack("prepared", message(gettext_noop("the prepared transaction {gid} is open on {database}"), gid=gid, database=database), ends)
    for (slot,) in connection.execute("SELECT slot_name FROM pg_replication_slots WHERE database = %s ORDER BY slot_name", [database]):
        drops = sql.SQL("SELECT pg_drop_replication_slot({})").format(sql.Literal(slot)).as_string(connection)
        text = gettext_noop("the replication slot {slot} would stay with the database that is put away")
        yield Lack("replicated", message(text, slot=slot), message(gettext_noop("{command}, and make it again after"), command=drops))


def _trial(database: str) -> str:
    return database.encode()[: LONGEST_NAME - len(TRIAL)].decode(errors="ignore") + TRIAL


def _try(connection: Connection, server: Server, database: str) -> list[Lack]:
    """Make an empty database, give it what the real one has, rename it (to its own name and back would be refused), and connect to it."""
    name = _trial(database)
    owner = sql.Identifier(_properties(connection, database)[1])
    _drop(connection, name)
    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(sql.Identifier(name), owner))
    try:
        with connection.transaction():
            _carry_over(connection, database, name)
        postgres.connect(server, name).close()
    except psycopg.errors.InsufficientPrivilege as error:
        why = message(gettext_noop("rights or settings of {database} cannot be given to a copy: {reason}"), database=database, reason=_said(error))
        remedy = gettext_noop("let {role} do it (a role that gives settings to other roles needs CREATEROLE), or take the setting away")
        return [Lack("carry", why, message(remedy, role=connection.info.user))]
    except psycopg.OperationalError as error:
        quoted = said("PostgreSQL", str(error).strip())
        remedy = gettext_noop("allow {role} in pg_hba.conf to connect to databases whose names begin with {database}")
        text = gettext_noop("a database of another name cannot be reached: {reason}")
        return [Lack("connect", message(text, reason=quoted), message(remedy, role=connection.info.user, database=database))]
    return []
