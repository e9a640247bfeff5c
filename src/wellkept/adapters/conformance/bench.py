"""What the checks work on, and how they look at it without the adapter's help."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg import sql

from wellkept.adapters import registry
from wellkept.adapters.base import Connection, Site
from wellkept.tools import postgres

SINK = "smtp://127.0.0.1:2"
TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY c.relname
"""


class NotConforming(AssertionError):
    """A claim of an adapter that does not hold."""


@dataclass(frozen=True)
class Bench:
    """A real ERP to prove an adapter on.

    ``site`` is complete (server, configuration, files, interpreter, a login that may do everything) and nobody else uses it; its database role is a
    superuser, so that the checks can make roles and do harm on copies. ``copy`` makes a fresh copy of its database and files under another
    name, with a state folder of its own, and removes it afterwards.
    """

    adapter: str
    site: Site
    copy: Callable[[], AbstractContextManager[Site]]

    def ability(self, name: str) -> Any:
        """The module of an ability."""
        return registry.ability(self.adapter, name)

    @contextlib.contextmanager
    def harmless_copy(self) -> Iterator[Site]:
        """A copy that was configured and neutralised."""
        neutralise = self.ability("neutralise")
        with self.copy() as raw:
            made = neutralise.configure_copy(raw, original=self.site.database, sink_smtp=SINK)
            neutralise.neutralise(made)
            yield made


def require(holds: bool, claim: str) -> None:
    """Raise NotConforming with the claim unless it holds."""
    if not holds:
        raise NotConforming(claim)


@contextlib.contextmanager
def connected(site: Site, *, readonly: bool = True) -> Iterator[Connection]:
    """A connection to the site's database; what a check changes through it is rolled back unless it commits."""
    if site.server is None:
        raise NotConforming("the bench has no server")
    connection = postgres.connect(site.server, site.database, readonly=readonly)
    try:
        yield connection
    finally:
        connection.rollback()
        connection.close()


def folder(site: Site) -> Path:
    """The site's file folder."""
    if site.files is None:
        raise NotConforming("the bench has no file folder")
    return site.files


def content(site: Site) -> dict[str, str]:
    """A fingerprint of every row of every table, and of every file with its time: what must stay the same when nothing may change."""
    with connected(site) as connection:
        prints = {name: _rows(connection, name) for (name,) in connection.execute(TABLES).fetchall()}
    for path in sorted(folder(site).rglob("*")):
        prints[f"file {path}"] = f"{path.lstat().st_size} {path.lstat().st_mtime_ns}"
    if site.config is not None:
        prints["configuration"] = f"{site.config.read_text()} {site.config.stat().st_mtime_ns}"
    return prints


def _rows(connection: Connection, table: str) -> str:
    query = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {} t"
    row = connection.execute(sql.SQL(query).format(sql.Identifier(table))).fetchone()
    return str(row)


@contextlib.contextmanager
def readonly_role(bench: Bench) -> Iterator[Site]:
    """The bench's site, read through a new role that has only what the adapter says a read-only role needs."""
    site = bench.site
    if site.server is None:
        raise NotConforming("the bench has no server")
    role, password = f"conformance_{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    with postgres.connect(site.server, site.database, autocommit=True) as connection:
        try:
            for statement in bench.ability("inspect").readonly_role_sql(site.database, role=role):
                connection.execute(statement)
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
            yield replace(site, server=replace(site.server, user=role, password=password))
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=sql.Identifier(role)))
