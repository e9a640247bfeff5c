"""Read-only discovery of a Tryton that somebody else installed. Nothing is written, started or logged in to.

What cannot be seen becomes a Blind that says how to allow it.
"""

import json
import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from wellkept.adapters.base import AdapterError, Blind, Component, Connection, Discovery, Invalid, Process, Refused, Site
from wellkept.adapters.tryton import config, manifest, processes, rpc, schema, storage, words
from wellkept.lib.text import said, say
from wellkept.tools import command, postgres

STATEMENT_SECONDS = 60.0
VERSIONS = """
import json, os, platform, sys

def lines(*path):
    if not os.path.isfile(os.path.join(*path)):
        return []
    with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()

def version(folder, parts):  # the folder of a module that is being developed has none in its name
    return parts[1] if len(parts) > 1 else next((line[8:].strip() for line in lines(folder, "PKG-INFO") if line.startswith("Version:")), "")

found, named = {}, {}
for place in filter(lambda path: os.path.isdir(path) and os.access(path, os.R_OK), sys.path):
    for entry in os.listdir(place):
        stem, kind = os.path.splitext(entry)
        if kind not in (".dist-info", ".egg-info"):
            continue
        folder, parts = os.path.join(place, entry), stem.split("-")
        own = found.setdefault(parts[0].lower(), version(folder, parts))
        group = ""
        for line in lines(folder, "entry_points.txt"):
            group = line.strip() if line.startswith("[") else group
            if group == "[trytond.modules]" and "=" in line:
                named[line.split("=")[0].strip()] = own
tryton = {name: told for name, told in found.items() if name.startswith("trytond")}
for name, told in named.items():
    tryton.setdefault("trytond_" + name, told)
print(json.dumps({"python": platform.python_version(), "packages": tryton}))
"""
"""Names and versions are read from the names of the folders: importlib.metadata takes seven times as long."""
WORDS = words.WORDS
PROGRAMS = ("trytond-admin", "trytond", "trytond-cron")
BASE_MODULES = ("ir", "res")
PENDING_STATES = {"to activate": "waits to be activated", "to upgrade": "waits to be upgraded", "to remove": "waits to be removed"}
UNREADABLE = """
    SELECT c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'S') AND NOT has_table_privilege(c.oid, 'SELECT')
"""
QUEUE = """
    SELECT count(*) FILTER (WHERE dequeued_at IS NULL AND coalesce(scheduled_at, enqueued_at) < (now() AT TIME ZONE 'UTC')),
           count(*) FILTER (WHERE dequeued_at < (now() AT TIME ZONE 'UTC') - interval '1 hour' AND finished_at IS NULL)
    FROM ir_queue
"""
OVERDUE = "SELECT method FROM ir_cron WHERE active AND next_call < (now() AT TIME ZONE 'UTC') - interval '1 hour' ORDER BY next_call, id"
ERRORS = "SELECT count(*) FROM ir_error WHERE state IN ('open', 'processing')"


@dataclass
class _Seen:
    """What has been seen so far."""

    versions: dict[str, str] = field(default_factory=dict)
    python: str | None = None
    version_in_database: str | None = None
    modules: dict[str, str] = field(default_factory=dict)
    users: tuple[int | None, int | None] = (None, None)
    database_bytes: int | None = None
    postgresql: str | None = None
    files_bytes: int | None = None
    files_count: int | None = None
    pending: list[str] = field(default_factory=list)
    blind: list[Blind] = field(default_factory=list)


def from_config(config_file: Path, database: str | None = None) -> Site:
    """The site that a trytond.conf describes, completed by the processes that run with it.

    ``database`` is needed when neither the file, nor a running process, nor the server (only one Tryton on it) tells. Raises Refused or Invalid.
    """
    path = config_file.absolute()
    parser = config.load(path)
    running = processes.of_config(path)
    for found in running:
        for (section, option), value in found.settings().items():
            if not parser.has_section(section):
                parser.add_section(section)
            parser.set(section, option, value)
    server, named = config.server_of(parser.get("database", "uri", fallback="sqlite://"))
    if server is None:
        raise Invalid(f"{path} does not use PostgreSQL; Wellkept keeps Tryton on PostgreSQL only")
    user = running[0].user if running else path.owner()
    return Site(
        database=database or _only(path, [name for found in running for name in found.databases()], named, server),
        server=server,
        url=next((url for url in (found.url() for found in running) if url), None) or config.listening(parser),
        interpreter=next((found.interpreter() for found in running if found.interpreter()), None) or _installed_interpreter(),
        config=path,
        files=storage.folder(parser) or _default_files(user),
        os_user=user,
    )


def _only(path: Path, running: Sequence[str], named: str | None, server: postgres.Server) -> str:
    """The one database that is meant; several or none is for a person to say."""
    candidates = sorted(set(running)) or ([named] if named else _databases(server))
    if len(candidates) == 1:
        return candidates[0]
    found = f"found: {', '.join(candidates)}" if candidates else "none was found on its server"
    raise Invalid(f"{path} does not say which database to keep ({found}); name one with --database")


def _databases(server: postgres.Server) -> list[str]:
    try:
        with postgres.connect(server, "postgres", readonly=True) as connection:
            names = [row[0] for row in connection.execute("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1")]
    except psycopg.OperationalError:
        return []
    return [name for name in names if _is_tryton(server, name)]


def _is_tryton(server: postgres.Server, database: str) -> bool:
    try:
        with postgres.connect(server, database, readonly=True) as connection:
            return {"ir_module", "ir_model", "res_user"} <= schema.tables(connection).keys()
    except psycopg.OperationalError:
        return False


def _installed_interpreter() -> Path | None:
    """The Python in the first line of Tryton's own programs on the path."""
    for name in PROGRAMS:
        program = shutil.which(name)
        if program is None:
            continue
        with Path(program).open("rb") as file:
            first = file.readline(512).decode(errors="replace").strip()
        if first.startswith("#!/") and "python" in first and "env " not in first:
            return Path(first.removeprefix("#!").split()[0])
    return None


def _default_files(user: str) -> Path | None:
    try:
        return Path(pwd.getpwnam(user).pw_dir) / "db"
    except KeyError:
        return None


def discover(site: Site) -> Discovery:
    """Everything that can be read about a site; never raises for what it cannot see."""
    seen = _Seen()
    _read_disk(site, seen)
    _read_database(site, seen)
    _read_files(site, seen)
    running = _processes(site, seen)
    answered = _ask_version(site, seen)
    on_disk = seen.versions.get(manifest.DISTRIBUTION) or answered
    _compare_versions(on_disk, seen)
    return Discovery(
        version_on_disk=on_disk,
        version_in_database=seen.version_in_database,
        components=_components(seen),
        processes=running,
        users_active=seen.users[0],
        users_total=seen.users[1],
        database_bytes=seen.database_bytes,
        files=site.files,
        files_bytes=seen.files_bytes,
        files_count=seen.files_count,
        postgresql=seen.postgresql,
        pending=seen.pending,
        blind=seen.blind,
    )


def _read_disk(site: Site, seen: _Seen) -> None:
    if site.interpreter is None:
        remedy = "start Tryton, or name the Python of its virtual environment (--interpreter)"
        seen.blind.append(Blind("installed packages", "the Python that runs Tryton is not known", remedy))
        return
    try:
        done = command.run([site.interpreter, "-I", "-B", "-c", VERSIONS], user=site.os_user, timeout=60)
        told = json.loads(done.stdout)
    except (command.CommandError, ValueError, KeyError) as error:
        remedy = f"let the user {site.os_user or 'who runs Wellkept'} execute {site.interpreter}"
        seen.blind.append(Blind("installed packages", f"{site.interpreter} could not be asked: {error}", remedy))
        return
    seen.versions, seen.python = told["packages"], told["python"]
    if manifest.DISTRIBUTION not in seen.versions:
        remedy = "name the Python of Tryton's own virtual environment (--interpreter)"
        seen.blind.append(Blind("installed packages", f"{site.interpreter} has no trytond", remedy))


def _read_database(site: Site, seen: _Seen) -> None:
    if site.server is None:
        seen.blind.append(
            Blind(
                "database",
                "its address is not known",
                "adopt with --tryton-config FILE, or make a role that may read: " + readonly_role_sql(site.database)[0],
            )
        )
        return
    try:
        with postgres.connect(site.server, site.database, readonly=True, statement_timeout=STATEMENT_SECONDS) as connection:
            _read_tables(connection, seen)
    except psycopg.OperationalError as error:
        seen.blind.append(Blind("database", _quoted(_first_line(error)), _connection_remedy(site, str(error))))


def _read_tables(connection: Connection, seen: _Seen) -> None:
    seen.postgresql = str(connection.info.parameter_status("server_version"))
    seen.database_bytes = postgres.database_size(connection)
    tables = schema.tables(connection)
    if not {"ir_module", "res_user"} <= tables.keys():
        seen.blind.append(
            Blind("modules and users", f"the database {connection.info.dbname} has no tables of Tryton", "name the right one with --database")
        )
        return
    seen.blind += _missing_rights(connection)
    seen.modules = dict(_try(connection, seen, "modules", "SELECT name, state FROM ir_module ORDER BY name"))
    for active, total in _try(connection, seen, "users", "SELECT count(*) FILTER (WHERE active), count(*) FROM res_user WHERE id <> 0"):
        seen.users = (active, total)
    seen.version_in_database = "old" if "model" in tables["ir_model"] else "new"
    if "series" in tables.get("ir_configuration", {}):
        for (series,) in _try(connection, seen, "series", "SELECT series FROM ir_configuration WHERE series > ''"):
            seen.version_in_database = series
    for waiting, stuck in _try(connection, seen, "task queue", QUEUE):
        seen.pending += [f"{waiting} tasks wait in the queue"] if waiting else []
        seen.pending += [f"{stuck} tasks have run for more than an hour"] if stuck else []
    late = [method for (method,) in _try(connection, seen, "scheduled jobs", OVERDUE)]
    seen.pending += [f"{len(late)} scheduled jobs are more than an hour late: {', '.join(late)}"] if late else []
    for (errors,) in _try(connection, seen, "errors", ERRORS) if "ir_error" in tables else ():
        seen.pending += [f"{errors} errors of jobs and tasks are open"] if errors else []


def _try(connection: Connection, seen: _Seen, what: str, query: str) -> Sequence[tuple[Any, ...]]:
    """The rows, or a Blind; a savepoint keeps the transaction usable after a refusal."""
    try:
        with connection.transaction():
            return list(schema.rows(connection, query))
    except Refused as error:
        text, _, remedy = str(error).partition("; allow it with: ")
        seen.blind.append(Blind(what, _quoted(text), remedy))
    except psycopg.Error as error:
        seen.blind.append(Blind(what, _quoted(_first_line(error)), "this series may keep it elsewhere: look at it in Tryton"))
    return []


def _missing_rights(connection: Connection) -> list[Blind]:
    """Tables and counters that the role may not read: a backup through this role would not be complete."""
    found: dict[bool, list[str]] = {}
    for name, kind in schema.rows(connection, UNREADABLE):
        found.setdefault(kind == "S", []).append(name)
    role = connection.info.user
    blind = []
    for is_counter, names in sorted(found.items()):
        word = "SEQUENCES" if is_counter else "TABLES"
        statement = sql.SQL(f"GRANT SELECT ON ALL {word} IN SCHEMA public TO {{}};").format(sql.Identifier(role)).as_string(None)
        shown = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        blind.append(Blind(f"{len(names)} {word.lower()}", f"the role {role} may not read {shown}", statement))
    return blind


def _connection_remedy(site: Site, text: str) -> str:
    user, where = (site.server.user, f"{site.server.host}:{site.server.port}") if site.server else ("", "")
    if "password" in text:
        return f"give the password of the role {user}, or make a role of our own: " + " ".join(readonly_role_sql(site.database))
    if "no pg_hba.conf entry" in text or "authentication failed" in text:
        return f"let the role {user} connect to {site.database} from this machine in pg_hba.conf"
    if "does not exist" in text:
        return f"name the right database with --database, or make the role: {' '.join(readonly_role_sql(site.database))}"
    return f"see that PostgreSQL runs and answers at {where}"


def _read_files(site: Site, seen: _Seen) -> None:
    if site.files is None:
        seen.blind.append(Blind("attachments", "their folder is not known", "adopt with --tryton-config FILE on the machine where Tryton runs"))
        return
    size = count = 0
    refused: list[str] = []
    for prefix in _prefixes(site):
        for folder, _, names in os.walk(site.files / prefix, onerror=lambda error: refused.append(str(error.filename))):
            size += sum((Path(folder) / name).lstat().st_size for name in names)
            count += len(names)
    refused = [path for path in refused if os.path.lexists(path) or not os.access(Path(path).parent, os.X_OK)]
    if refused:
        remedy = f"setfacl -R -m u:{pwd.getpwuid(os.geteuid()).pw_name}:rX {site.files}"
        seen.blind.append(Blind("attachments", f"{refused[0]} and what is below cannot be read", remedy))
        return
    seen.files_bytes, seen.files_count = size, count


def _prefixes(site: Site) -> set[str]:
    """The folders of the file store that belong to this database."""
    named = config.layout(config.load(site.config)).values() if site.config is not None and os.access(site.config, os.R_OK) else ()
    return {site.database, *named}


def _processes(site: Site, seen: _Seen) -> list[Process]:
    if site.config is None:
        seen.blind.append(
            Blind("processes", "the configuration file is not known", "adopt with --tryton-config FILE on the machine where Tryton runs")
        )
        return []
    if os.geteuid() != 0 and any(found.environment is None and not found.configs() for found in processes.everywhere()):
        seen.blind.append(
            Blind("processes", "the environment of some processes cannot be read", f"run Wellkept as the user {site.os_user} or as root")
        )
    return [Process(found.pid, found.role, found.command) for found in processes.of_config(site.config)]


def _ask_version(site: Site, seen: _Seen) -> str | None:
    """The version that the running server tells everybody."""
    if site.url is None:
        return None
    try:
        return rpc.version(site)
    except AdapterError as error:
        seen.blind.append(Blind("running server", str(error), f"start Tryton's server, or correct its address {site.url}"))
        return None


def _compare_versions(on_disk: str | None, seen: _Seen) -> None:
    """Tryton 8.0 keeps its series in the database; of series before it the tables tell whether they fit the series on disk."""
    shape = seen.version_in_database
    named = shape if shape not in {"old", "new"} else None
    seen.version_in_database = named
    if shape is None:
        return
    if on_disk is None and named is None:
        seen.blind.append(
            Blind("version in the database", "Tryton keeps none; without the version on disk its tables cannot be judged", "name its Python")
        )
        return
    series = ".".join((on_disk or shape).split(".")[:2])
    expected = series if named is not None else {"7.0": "old", "8.0": "new"}.get(series)
    if expected is None:
        seen.blind.append(Blind("version in the database", f"the tables of series {series} are not known", "ask Tryton's administrator"))
    elif expected != shape:
        seen.pending.append(f"the tables do not fit series {series}: the database waits to be updated (trytond-admin --all)")
    else:
        seen.version_in_database = series
    for name, state in seen.modules.items():
        if state in PENDING_STATES:
            seen.pending.append(f"module {name} {PENDING_STATES[state]}")
        elif state == "activated" and seen.versions and name not in BASE_MODULES and f"trytond_{name}" not in seen.versions:
            seen.pending.append(f"module {name} is activated but not installed")


def _components(seen: _Seen) -> list[Component]:
    made = [Component("interpreter", "python", seen.python, None)] if seen.python else []
    if seen.postgresql:
        made.append(Component("server", "postgresql", seen.postgresql, seen.postgresql))
    if manifest.DISTRIBUTION in seen.versions:
        made.append(Component("package", manifest.DISTRIBUTION, seen.versions[manifest.DISTRIBUTION], seen.version_in_database))
    on_disk = {name.removeprefix("trytond_"): version for name, version in seen.versions.items() if name != manifest.DISTRIBUTION}
    on_disk |= dict.fromkeys(BASE_MODULES, seen.versions[manifest.DISTRIBUTION]) if manifest.DISTRIBUTION in seen.versions else {}
    for name in sorted({*on_disk, *seen.modules}):
        active = seen.modules.get(name) not in {None, "not activated"}
        made.append(Component("module", name, on_disk.get(name), (seen.version_in_database or "unknown") if active else None))
    return made


def readonly_role_sql(database: str, *, role: str = "wellkept", owner: str | None = None) -> list[str]:
    """The statements that make a role which may read everything in a database and change nothing.

    ``owner`` is the role that Tryton uses: what it makes later can then be read, too, and an upgrade may end our sessions. The password is set
    apart, with psql's command password, so that it stands in no history.
    """
    names = {"role": sql.Identifier(role), "database": sql.Identifier(database), "owner": sql.Identifier(owner or "tryton")}
    statements = [
        "CREATE ROLE {role} LOGIN;",
        "ALTER ROLE {role} SET default_transaction_read_only = on;",
        "GRANT CONNECT ON DATABASE {database} TO {role};",
        "GRANT USAGE ON SCHEMA public TO {role};",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};",
        "GRANT pg_read_all_stats TO {role};",
    ]
    if owner is not None:
        statements += [
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT ON TABLES TO {role};",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT ON SEQUENCES TO {role};",
            "GRANT {role} TO {owner};",
        ]
    return [sql.SQL(statement).format(**names).as_string(None) for statement in statements]


def with_login(site: Site, user: str, password: str) -> Site:
    """The same site read through another database role, our own read-only one for instance."""
    if site.server is None:
        raise Invalid("the server of the site is not known")
    return replace(site, server=replace(site.server, user=user, password=password))


def _quoted(text: str) -> str:
    return say(said("PostgreSQL", text))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
