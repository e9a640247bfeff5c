"""The database: Tryton's configuration, the tables of all modules, and the administrator's password."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from wellkept.adapters.base import Conflicting, Invalid, Site
from wellkept.adapters.tryton import config
from wellkept.adapters.tryton.provision.install import OnLine, modules, requirements
from wellkept.adapters.tryton.provision.workplace import give_to, workplace
from wellkept.lib.hashing import sha256
from wellkept.lib.text import gettext_noop
from wellkept.tools import command, postgres

T = TypeVar("T")
CREATE_SECONDS = 1200.0
QUICK = {"PGOPTIONS": "-c synchronous_commit=off -c jit=off"}
"""For making a database that counts only when it is complete: no commit waits for the disk, and PostgreSQL compiles no query. Tryton asks the
information schema a hundred times per module, and each of these queries looks expensive enough to be compiled."""
NO_MAIL = "smtp://127.0.0.1:9"
"""The discard port: a provisioned ERP sends no mail until somebody says through which server."""


def create_database(
    site: Site, series: str, *, admin_password: str, admin_email: str = "admin@example.com", cache: Path | None = None, on_line: OnLine | None = None
) -> None:
    """Make the ERP's database with all modules active, its configuration, its folder for files, and the administrator's password.

    The tables come from ``cache``/tryton when an equal installation was made before (seconds); otherwise Tryton makes them (a minute) and they
    are kept there, without any password. An existing empty database is used. Raises Conflicting when it is already a Tryton.
    """
    server = _needs(site, "server", site.server)
    write_config(site)
    if not postgres.database_exists(server, site.database):
        postgres.create_database(server, site.database)
    elif _has_tables(server, site.database):
        raise Conflicting(
            gettext_noop("the database {database} holds tables already; choose another name or remove it first"), database=site.database
        )
    kept = cache / "tryton" / f"{_key(server, series)}.dump" if cache is not None else None
    if kept is not None and kept.exists():
        postgres.restore(server, site.database, kept, timeout=CREATE_SECONDS)
    else:
        _make_tables(site, series, admin_email, on_line)
        if kept is not None:
            _keep(server, site.database, kept)
    set_admin_password(site, admin_password, email=admin_email)


def write_config(site: Site, *, smtp: str = NO_MAIL, more: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Write trytond.conf (readable by the service user only, since it holds the database password) and make the folder for files."""
    server, path, files = _needs(site, "server", site.server), _needs(site, "config", site.config), _needs(site, "files", site.files)
    user = site.os_user or postgres.service_user()
    postgres.owned_folder(files, user)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    listen = {"listen": site.url.split("://", 1)[1].rstrip("/")} if site.url is not None and site.url.startswith("http") else {}
    sections: dict[str, dict[str, str]] = {
        "database": {"uri": config.uri_of(server), "path": str(files), "list": "False", "language": "en"},
        "web": listen,
        "queue": {"worker": "True"},
        "session": {"timeout": "1800", "max_attempt": "5"},
        "email": {"uri": smtp, "from": "erp@example.com"},
    }
    for section, options in (more or {}).items():
        sections.setdefault(section, {}).update(options)
    config.write(path, {name: options for name, options in sections.items() if options})
    give_to(path, user)


def set_admin_password(site: Site, password: str, *, email: str | None = None) -> None:
    """Set the password of Tryton's administrator (at least 8 characters), and the mail address when given."""
    with secret_file(site, password) as file:
        admin(site, ["--password", *(["--email", email] if email is not None else [])], env={"TRYTONPASSFILE": str(file)})


def admin(
    site: Site, args: list[str], *, env: Mapping[str, str] | None = None, timeout: float = CREATE_SECONDS, on_line: OnLine | None = None
) -> command.Completed:
    """Run Tryton's own ``trytond-admin`` on the site's database, as its user."""
    return _run(site, _needs(site, "interpreter", site.interpreter).parent / "trytond-admin", args, env=env, timeout=timeout, on_line=on_line)


def _run(
    site: Site, program: Path, args: list[str], *, env: Mapping[str, str] | None, timeout: float = CREATE_SECONDS, on_line: OnLine | None = None
) -> command.Completed:
    python, path = _needs(site, "interpreter", site.interpreter), _needs(site, "config", site.config)
    # trytond logs with -v only; warnings of the interpreter about its own packages are no news for anybody.
    quiet = {"PYTHONWARNINGS": "ignore", **(env or {})}
    user = site.os_user or postgres.service_user()
    return command.run(
        [python, program, "--config", path, "--database", site.database, *args], env=quiet, user=user, timeout=timeout, on_line=on_line
    )


@contextlib.contextmanager
def secret_file(site: Site, text: str) -> Iterator[Path]:
    """A file with a secret that only the site's user can read, while the block runs."""
    path = _needs(site, "config", site.config).with_name(f".secret-{secrets.token_hex(8)}")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        give_to(path, site.os_user or postgres.service_user())
        yield path
    finally:
        path.unlink(missing_ok=True)


def _needs(site: Site, name: str, value: T | None) -> T:
    if value is None:
        raise Invalid(gettext_noop("the site of database {database} does not say its {name}"), database=site.database, name=name)
    return value


def _has_tables(server: postgres.Server, database: str) -> bool:
    with postgres.connect(server, database, readonly=True) as connection:
        return connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1").fetchone() is not None


def _make_tables(site: Site, series: str, email: str, on_line: OnLine | None) -> None:
    """Create the base and activate all modules in one run of Tryton: 66 s where base first and modules after took 88 s."""
    if on_line is not None:
        on_line(f"creating the tables of {len(modules(series))} modules")
    user = site.os_user or postgres.service_user()
    with secret_file(site, secrets.token_urlsafe(24)) as file, workplace(user) as folder:
        env = {"TRYTONPASSFILE": str(file), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", **QUICK}
        args = ["--all", "--email", email, "--update", *modules(series), "--activate-dependencies"]
        _run(site, folder / "scripts" / "tables.py", args, env=env)


def _key(server: postgres.Server, series: str) -> str:
    with postgres.administration(server) as connection:
        major = postgres.server_version(connection)
    return f"{series}-pg{major}-{sha256(requirements(series).read_bytes())[:16]}"


def _keep(server: postgres.Server, database: str, kept: Path) -> None:
    with postgres.connect(server, database) as connection:
        connection.execute("UPDATE res_user SET password_hash = NULL")
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    postgres.dump(server, database, fresh, compress=3)
    if kept.exists():
        shutil.rmtree(fresh)
    else:
        fresh.rename(kept)
