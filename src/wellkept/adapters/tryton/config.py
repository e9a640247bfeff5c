"""trytond.conf, read and written from outside: the same defaults and rules as Tryton's own parser, without importing it."""

import configparser
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from wellkept.adapters.base import Invalid, Refused
from wellkept.lib.text import gettext_noop
from wellkept.tools.postgres import Server

SECRET_OPTION = re.compile(r"passw|secret|token|api_?key|access_?key|private_?key|credential|bind_pass|client_id", re.IGNORECASE)
PREFIX_OPTIONS = {
    "ir_attachment": ("attachment", "store_prefix"),
    "ir_avatar": ("database", "avatar_prefix"),
    "account_invoice": ("account_invoice", "store_prefix"),
    "account_invoice_report_revision": ("account_invoice", "store_prefix"),
    "account_statement": ("account_statement", "store_prefix"),
    "inbound_email": ("inbound_email", "store_prefix"),
}


def load(path: Path) -> configparser.ConfigParser:
    """Read a trytond.conf. Raises Refused when we may not read it, Invalid when it is not there or is not such a file."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except PermissionError as error:
        raise Refused(gettext_noop("{path} cannot be read: {reason}"), path=str(path), reason=error.strerror or "") from error
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise Invalid(gettext_noop("{path} is not a configuration of Tryton: {reason}"), path=str(path), reason=str(error)) from error
    if not parser.has_section("database"):
        raise Invalid(gettext_noop("{path} is not a configuration of Tryton: it has no section [database]"), path=str(path))
    return parser


def server_of(uri: str) -> tuple[Server | None, str | None]:
    """The PostgreSQL server and the database that a ``[database] uri`` names; (None, None) for another engine, for SQLite for instance.

    A uri without host means the default socket, as for libpq. Raises Invalid for a uri that makes no sense.
    """
    try:
        parts = urllib.parse.urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise Invalid(gettext_noop("the database uri makes no sense: {reason}"), reason=str(error)) from error
    if parts.scheme.split("+")[0] not in {"postgresql", "postgres"}:
        return None, None
    query = dict(urllib.parse.parse_qsl(parts.query))
    host = query.get("host") or urllib.parse.unquote(parts.hostname or "") or "/var/run/postgresql"
    number = query.get("port") or port or 5432
    if not str(number).isdecimal():
        raise Invalid(gettext_noop("the database uri makes no sense: the port is “{port}”"), port=str(number))
    user = urllib.parse.unquote(parts.username or query.get("user", "")) or "postgres"
    password = urllib.parse.unquote(parts.password) if parts.password is not None else query.get("password")
    return Server(host, int(number), user, password), urllib.parse.unquote(parts.path).strip("/") or None


def uri_of(server: Server) -> str:
    """The ``[database] uri`` that makes Tryton reach a server, through a socket directory or TCP."""
    login = urllib.parse.quote(server.user, safe="")
    if server.password is not None:
        login += ":" + urllib.parse.quote(server.password, safe="")
    if server.host.startswith("/"):
        return f"postgresql://{login}@/?{urllib.parse.urlencode({'host': server.host, 'port': server.port}, safe='/')}"
    return f"postgresql://{login}@{server.host}:{server.port}/"


def layout(parser: configparser.ConfigParser) -> dict[str, str]:
    """Per table the folder of its files, where the configuration names one; elsewhere Tryton uses the name of the database."""
    found = {table: parser.get(section, option, fallback="") for table, (section, option) in PREFIX_OPTIONS.items()}
    return {table: prefix for table, prefix in found.items() if prefix}


def listening(parser: configparser.ConfigParser) -> str | None:
    """The address of the RPC as a url, from ``[web] listen``; None when the file does not say."""
    first = parser.get("web", "listen", fallback="").split(",")[0].strip()
    if not first:
        return None
    host, _, port = first.rpartition(":")
    scheme = "https" if parser.get("ssl", "certificate", fallback="") else "http"
    return f"{scheme}://{host if host not in {'', '*', '0.0.0.0', '[::]'} else '127.0.0.1'}:{port}"  # noqa: S104 - read, not bound


def write(path: Path, sections: Mapping[str, Mapping[str, str]]) -> None:
    """Write a configuration that only its owner can read; the name appears when it is complete."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(sections)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    with fresh.open("w", encoding="utf-8") as file:
        parser.write(file)
    fresh.replace(path)
