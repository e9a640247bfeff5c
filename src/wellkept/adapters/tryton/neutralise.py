"""Make a restored Tryton harmless, and prove it: nothing runs by itself, no old credential works, and mail goes to a sink.

Only ever call ``neutralise`` on a copy: it refuses a database whose own configuration does not say that it is one.
"""

import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from psycopg import sql

from wellkept.adapters.base import Connection, Invalid, Login, Proof, Refused, Site, Unreachable
from wellkept.adapters.tryton import config, passwords, rpc, schema
from wellkept.lib.text import gettext_noop, message, reason
from wellkept.tools import postgres

CHANGES: Sequence[str] = ("scheduled_jobs", "triggers", "users")
"""Jobs and triggers are switched off; the administrator is switched on for the login that proves the copy works."""

ADMINISTRATOR = "admin"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
FOREIGN_SECTIONS = ("ldap_authentication", "saml_authentication", "authentication_saml", "authentication_sms", "ssl", "bus")
SECRET_COLUMN = re.compile(
    r"password|secret|token|api_?key|access_?key|private_?key|credential|client_id|webhook_(id|identifier|endpoint)|publishable_key|merchant_id"
)
BLANK = "neutralised-"
SOCKET_LIMIT = 107
EMPTIED = {
    "sessions": ("ir_session", "true"),
    "wizard_sessions": ("ir_session_wizard", "true"),
    "visitor_sessions": ("web_user_session", "true"),
    "application_keys": ("res_user_application", "true"),
    "device_cookies": ("res_user_device", "true"),
    "queue": ("ir_queue", "finished_at IS NULL"),
}


def configure_copy(site: Site, *, original: str, sink_smtp: str) -> Site:
    """Write the copy's own trytond.conf into its state folder, and return the site with that configuration and a new login.

    ``site`` is the copy: its database, server, file folder and state folder; its ``config`` may be the restored configuration of the original,
    whose settings are kept as far as they hold no credential and no way out. ``original`` is the name of the database that was backed up;
    ``sink_smtp`` a url (``smtp://127.0.0.1:2525``). Tasks are left to a worker, which a copy does not have. The file store keeps the
    original's folder name; the copy's name becomes a link to it. The copy answers RPC on a socket in its state folder, not on a port.
    Raises Invalid when something is missing or the copy has the name of the original.
    """
    if site.server is None or site.files is None or site.state is None:
        raise Invalid("a copy needs its own server, file folder and state folder")
    if site.database == original:
        raise Invalid(f"the copy must not have the name of the original, {original}")
    if urlsplit(sink_smtp).hostname not in LOOPBACK:
        raise Invalid("the mail of a copy may only go to a sink on this machine")
    socket = site.state / "rpc.sock"
    if len(str(socket)) > SOCKET_LIMIT:
        raise Invalid(f"the path {socket} is too long for a Unix socket ({SOCKET_LIMIT} characters at most)")
    kept = _harmless(site.config) if site.config is not None else {}
    changes = {
        "database": {"uri": config.uri_of(site.server), "path": str(site.files), "list": "False"},
        "email": {"uri": sink_smtp},
        "session": {"authentications": "password"},
        "queue": {"worker": "True"},
        "wellkept": {"copy_of": original},
    }
    target = site.state / "trytond.conf"
    config.write(target, {name: {**kept.get(name, {}), **changes.get(name, {})} for name in {**kept, **changes}})
    _link(site.files, original, site.database)
    if site.os_user is not None and os.geteuid() == 0:
        shutil.chown(target, user=site.os_user)
    return replace(site, url=f"unix:{socket}", config=target, login=Login(ADMINISTRATOR, secrets.token_urlsafe(24)))


def _harmless(path: Path) -> dict[str, dict[str, str]]:
    """The settings of a configuration without its credentials, its addresses and its other ways of signing in."""
    parser = config.load(path)
    kept = {}
    for section in parser.sections():
        if section in FOREIGN_SECTIONS or section in {"web", "email"}:
            continue
        kept[section] = {name: value for name, value in parser.items(section) if not config.SECRET_OPTION.search(name) and "://" not in value}
    return kept


def _link(files: Path, original: str, copy: str) -> None:
    if (files / original).is_dir() and not (files / copy).exists():
        (files / copy).symlink_to(original, target_is_directory=True)


def neutralise(site: Site) -> Mapping[str, int]:
    """Switch off, empty and blank everything that could act or let somebody in; returns how many rows each step changed.

    All in one transaction. The password of ``site.login`` is set; nobody else has one afterwards. Raises Invalid when the site is not a copy.
    """
    _check_copy(site)
    if site.login is None:
        raise Invalid("a copy needs a login of its own: configure it first")
    (password_hash,) = passwords.hashes(site, [site.login.password])
    with _connect(site) as connection:
        tables = schema.tables(connection)
        counts = {
            "jobs": _change(connection, "UPDATE ir_cron SET active = false WHERE active"),
            "triggers": _change(connection, "UPDATE ir_trigger SET active = false WHERE active"),
            "passwords": _change(connection, "UPDATE res_user SET password_hash = NULL WHERE password_hash IS NOT NULL"),
            "password_resets": _change(
                connection, "UPDATE res_user SET password_reset = NULL, password_reset_expire = NULL WHERE password_reset IS NOT NULL"
            ),
        }
        for name, (table, condition) in EMPTIED.items():
            if table in tables:
                counts[name] = _change(connection, f"DELETE FROM {table} WHERE {condition}")
        if "password" in tables["res_user"]:
            counts["passwords"] += _change(connection, "UPDATE res_user SET password = NULL WHERE password IS NOT NULL")
        if "hostname" in tables.get("ir_configuration", {}):
            counts["hostname"] = _change(connection, "UPDATE ir_configuration SET hostname = NULL WHERE hostname IS NOT NULL")
        if "inbound_email_inbox" in tables:
            counts["inboxes"] = _change(connection, "UPDATE inbound_email_inbox SET identifier = NULL WHERE identifier IS NOT NULL")
        counts["credentials"] = sum(_blank(connection, table, column) for table, column in _credentials(tables))
        row = connection.execute(
            "UPDATE res_user SET password_hash = %s, active = true WHERE login = %s RETURNING id", [password_hash, site.login.user]
        ).fetchone()
        if row is None:
            raise Invalid(f"the copy has no user {site.login.user}")
    return counts


def prove(site: Site, *, old: Sequence[Login] = ()) -> Sequence[Proof]:
    """Read back what must hold on a harmless copy: its database and its configuration, and that logins of the original are refused.

    ``old`` logins are tried over RPC, so the copy has to run when they are given.
    """
    proofs = [*_proofs_of_settings(site)]
    with _connect(site, readonly=True) as connection:
        tables = schema.tables(connection)
        proofs += [_none(connection, *claim) for claim in _claims(tables, site)]
        left = {f"{table}.{column}": _credentials_left(connection, table, column) for table, column in _credentials(tables)}
        seen = ", ".join(f"{name}: {count}" for name, count in left.items())
        proofs.append(Proof("no_credentials", not any(left.values()), seen or message(gettext_noop("no such columns"))))
        proofs.append(_own_password(connection, site))
        name = connection.info.dbname
    original = _copy_of(site)
    whose = message(gettext_noop("{name}, a copy of {original}"), name=name, original=original or message(gettext_noop("nothing")))
    proofs.append(Proof("other_database", bool(original) and name not in {"", original}, whose))
    proofs += [_refused(site, login) for login in old]
    return proofs


def _claims(tables: schema.Tables, site: Site) -> list[tuple[str, str]]:
    user = site.login.user if site.login else ""
    login = sql.Literal(user).as_string(None)
    claims = [
        ("no_live_job", "SELECT count(*) FROM ir_cron WHERE active"),
        ("no_trigger", "SELECT count(*) FROM ir_trigger WHERE active"),
        ("no_old_password", f"SELECT count(*) FROM res_user WHERE password_hash IS NOT NULL AND login <> {login}"),
        ("no_password_reset", "SELECT count(*) FROM res_user WHERE password_reset IS NOT NULL"),
        ("no_public_address", "SELECT count(*) FROM ir_configuration WHERE hostname IS NOT NULL"),
    ]
    claims += [(f"no_{name}", f"SELECT count(*) FROM {table} WHERE {condition}") for name, (table, condition) in EMPTIED.items() if table in tables]
    if "inbound_email_inbox" in tables:
        claims.append(("no_inbound_mail", "SELECT count(*) FROM inbound_email_inbox WHERE identifier IS NOT NULL"))
    return claims


def _proofs_of_settings(site: Site) -> list[Proof]:
    if site.config is None:
        return [Proof("own_settings", holds=False, seen=message(gettext_noop("the copy has no configuration of its own")))]
    parser = config.load(site.config)
    mail = parser.get("email", "uri", fallback="smtp://localhost:25")
    files = parser.get("database", "path", fallback="")
    ways = parser.get("session", "authentications", fallback="password")
    server, _ = config.server_of(parser.get("database", "uri", fallback=""))
    same = server is not None and site.server is not None and (server.host, server.port) == (site.server.host, site.server.port)
    hidden = [f"{section}.{name}" for section in parser.sections() for name in parser[section] if config.SECRET_OPTION.search(name)]
    return [
        Proof("own_server", same, f"{server.host}:{server.port}" if server else message(gettext_noop("no PostgreSQL"))),
        Proof(
            "own_files", bool(files) and site.files is not None and Path(files) == site.files, files or message(gettext_noop("the default folder"))
        ),
        Proof("mail_to_sink", urlsplit(mail).hostname in LOOPBACK and "email" in parser, _without_login(mail)),
        Proof("own_passwords_only", ways == "password", message(gettext_noop("signing in by {ways}"), ways=ways)),
        Proof("no_secret_settings", not hidden, ", ".join(hidden) or message(gettext_noop("none"))),
    ]


def _none(connection: Connection, name: str, query: str) -> Proof:
    count = _count(connection, query)
    return Proof(name, count == 0, message(gettext_noop("{count} found"), count=count))


def _refused(site: Site, login: Login) -> Proof:
    name = f"old_password_refused:{login.user}"
    try:
        rpc.login(site, login).close()
    except Refused as error:
        return Proof(name, holds=True, seen=reason(error))
    except Unreachable as error:
        return Proof(name, holds=False, seen=message(gettext_noop("could not be tried: {reason}"), reason=reason(error)))
    return Proof(name, holds=False, seen=message(gettext_noop("{user} can sign in with the password of the original"), user=login.user))


def _credentials(tables: schema.Tables) -> list[tuple[str, str]]:
    """Columns of business modules that hold credentials: of payment providers, mail services and the like, of whatever module."""
    return sorted(
        (table, column)
        for table, columns in tables.items()
        for column, kind in columns.items()
        if SECRET_COLUMN.search(column) and kind.startswith(("character varying", "text", "bytea")) and table != "res_user"
    )


def _blank(connection: Connection, table: str, column: str) -> int:
    """Empty a column of credentials; where the table insists on a value it gets one that opens nothing."""
    required = connection.execute(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s", [f'"{table}"', column]
    ).fetchone()
    value: sql.Composable = sql.SQL("NULL")
    if required is not None and required[0]:
        value = sql.SQL("convert_to({} || id, 'UTF8')" if _binary(connection, table, column) else "{} || id").format(sql.Literal(BLANK))
    query = sql.SQL("UPDATE {table} SET {column} = {value} WHERE {column} IS NOT NULL")
    return _change(connection, query.format(table=sql.Identifier(table), column=sql.Identifier(column), value=value))


def _credentials_left(connection: Connection, table: str, column: str) -> int:
    text = sql.SQL("encode({column}, 'escape')" if _binary(connection, table, column) else "{column}").format(column=sql.Identifier(column))
    query = sql.SQL("SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND {text} NOT LIKE {blank}")
    named = {"table": sql.Identifier(table), "column": sql.Identifier(column), "text": text, "blank": sql.Literal(f"{BLANK}%")}
    return _count(connection, query.format(**named))


def _binary(connection: Connection, table: str, column: str) -> bool:
    return schema.tables(connection)[table][column] == "bytea"


def _own_password(connection: Connection, site: Site) -> Proof:
    """Whether the one password that is left is the copy's own, asked of Tryton's interpreter."""
    if site.login is None:
        return Proof("own_password", holds=False, seen=message(gettext_noop("the copy has no login of its own")))
    row = connection.execute("SELECT password_hash FROM res_user WHERE login = %s", [site.login.user]).fetchone()
    if row is None or not row[0]:
        return Proof("own_password", holds=False, seen=message(gettext_noop("{user} has no password"), user=site.login.user))
    same = passwords.same(site, site.login.password, row[0])
    text = gettext_noop("the password of {user} is new") if same else gettext_noop("the password of {user} is not the one that was set")
    return Proof("own_password", same, message(text, user=site.login.user))


def _change(connection: Connection, query: str | sql.Composed) -> int:
    return connection.execute(query).rowcount


def _count(connection: Connection, query: str | sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _check_copy(site: Site) -> None:
    original = _copy_of(site)
    if not original or original == site.database:
        raise Invalid(f"{site.database} is not marked as a copy; it was left as it is")


def _copy_of(site: Site) -> str:
    return config.load(site.config).get("wellkept", "copy_of", fallback="") if site.config is not None else ""


def _connect(site: Site, *, readonly: bool = False) -> Connection:
    if site.server is None:
        raise Invalid("the server of the copy is not known")
    return postgres.connect(site.server, site.database, readonly=readonly)


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
