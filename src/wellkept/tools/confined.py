"""A role for one piece of work on one database: it owns what is in it, and can do nothing to any other.

What the owner of the tables has in the database is handed to a role made for the work, and is handed back afterwards with what the work made. A
role that owns nothing else cannot rename, drop or read another database, whatever it is told to do. For databases that nobody else works on.
"""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from wellkept.lib.hashing import sha256
from wellkept.tools import postgres
from wellkept.tools.postgres import PostgresError, Server

Connection = psycopg.Connection[tuple[Any, ...]]
PREFIX = "wellkept_work_"
SELF = "SELECT rolsuper, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
OWNER = """
    SELECT pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1
"""
# What an extension brought belongs to it, and the sequence of a column follows its table.
RELATIONS = """
    SELECT c.relkind::text, c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'
      AND pg_get_userbyid(c.relowner) = %s
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'a', 'i'))
"""
ROUTINES = """
    SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%' AND pg_get_userbyid(p.proowner) = %s
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
"""
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'"
LEFT = """
    SELECT r.rolname, shobj_description(r.oid, 'pg_authid') FROM pg_roles r
    WHERE starts_with(r.rolname, %s) AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.usename = r.rolname)
      AND (r.rolname = %s OR EXISTS (
          SELECT 1 FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
          AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())))
"""
KINDS = {"r": "TABLE", "p": "TABLE", "f": "FOREIGN TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE"}


class NotPossible(PostgresError):
    """The login may not make a role, or the server does not let the new one in; the text says why. Nothing was changed."""


@contextlib.contextmanager
def confined(server: Server, database: str) -> Iterator[Server]:
    """The server as a new role that owns the content of ``database`` reaches it, while the block runs; then the role is gone.

    Raises NotPossible before anything is changed. What a killed block left is put right by the next one on the same database, or by ``forget``.
    """
    role, password = _role(database), secrets.token_urlsafe(24)
    inside = Server(server.host, server.port, role, password, server.addresses)
    with postgres.connect(server, database, autocommit=True) as connection:
        owner = _prepared(connection, database, role)
        _make(connection, role, password, owner)
        try:
            _let_in(inside, database)
            _hand_over(connection, owner, role)
            yield inside
        finally:
            _hand_back(connection, role, owner)


def forget(server: Server, database: str) -> None:
    """Drop the role that a killed block left, once the database is gone."""
    role = _role(database)
    with postgres.administration(server) as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _role(database: str) -> str:
    """One name per database, so that whoever drops that knows which role may be left."""
    return f"{PREFIX}{sha256(database.encode())[:12]}"


def _prepared(connection: Connection, database: str, own: str) -> str:
    """Put right what was left here, and return the owner of the tables."""
    _, may_make = connection.execute(SELF).fetchone() or (False, False)
    if not may_make:
        raise NotPossible(f"the role {connection.info.user} may not make roles (CREATEROLE), so no role for this work alone can be made")
    for role, owner in connection.execute(LEFT, [PREFIX, own]).fetchall():
        _hand_back(connection, role, owner)
    row = connection.execute(OWNER).fetchone()
    if row is None:
        raise NotPossible(f"there is no table in {database}")
    return str(row[0])


def _make(connection: Connection, role: str, password: str, owner: str) -> None:
    """A role that may sign in; its comment remembers whose things it gets. Only the hash of its password goes to the server."""
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    name = sql.Identifier(role)
    with connection.transaction():
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN NOINHERIT PASSWORD {}").format(name, sql.Literal(hashed)))
        connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(owner)))
        is_super, _ = connection.execute(SELF).fetchone() or (False, False)
        if not is_super:
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))


def _let_in(inside: Server, database: str) -> None:
    try:
        postgres.connect(inside, database).close()
    except psycopg.OperationalError as error:
        text = str(error).strip().splitlines()[-1]
        raise NotPossible(f"the server does not let a role for this work alone in (pg_hba.conf): {text}") from error


def _hand_over(connection: Connection, owner: str, role: str) -> None:
    with connection.transaction():
        for (schema,) in connection.execute(SCHEMAS).fetchall():
            connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(sql.Identifier(schema), sql.Identifier(role)))
        for kind, name in connection.execute(RELATIONS, [owner]).fetchall():
            connection.execute(sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(KINDS[kind]), sql.SQL(name), sql.Identifier(role)))
        for (signature,) in connection.execute(ROUTINES, [owner]).fetchall():
            connection.execute(sql.SQL("ALTER ROUTINE {} OWNER TO {}").format(sql.SQL(signature), sql.Identifier(role)))


def _hand_back(connection: Connection, role: str, owner: str) -> None:
    """Everything of the role in this database belongs to the owner again, and the role is dropped, in one transaction."""
    names = {"role": sql.Identifier(role), "owner": sql.Identifier(owner)}
    with connection.transaction():
        for statement in ("REASSIGN OWNED BY {role} TO {owner}", "DROP OWNED BY {role}", "DROP ROLE {role}"):
            connection.execute(sql.SQL(statement).format(**names))
