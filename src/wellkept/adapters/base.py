"""What an adapter is made of: the site it works on, its abilities as Protocols, what they return, and their errors.

An ability is a module (of functions) that fulfils the Protocol of its name; ``registry.py`` says which adapter has which.

Errors say what the caller has to decide::

    AdapterError
    ├── Unreachable   nobody answers: try again later, or look at the network and the processes
    ├── Refused       somebody answers and says no: another user, another password, more rights
    ├── Unsupported   this version or adapter cannot do it: leave it out, and say so
    ├── Invalid       the request or the answer makes no sense: mend the settings or the data
    └── Conflicting   something else holds it: wait for it, or end it
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg

from wellkept.planning.figures import Figure
from wellkept.tools.postgres import Server

Connection = psycopg.Connection[tuple[Any, ...]]


class AdapterError(Exception):
    """An ERP could not be asked or could not do it."""


class Unreachable(AdapterError):
    """Nobody answers."""


class Refused(AdapterError):
    """The ERP or its database says no."""


class Unsupported(AdapterError):
    """The adapter, or this version of the ERP, cannot do it."""


class Invalid(AdapterError):
    """The request, the settings or the answer make no sense."""


class Conflicting(AdapterError):
    """Something else holds what is needed."""


@dataclass(frozen=True)
class Login:
    """A user of the ERP; the password never shows in a repr."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Site:
    """One installed ERP (one environment), with everything an adapter may need to work on it. What is unknown is None.

    ``url`` is the address of its RPC (``http://…`` or ``unix:/path/of/socket``); ``interpreter`` the Python that runs it; ``config`` its own
    configuration file; ``files`` where its attachments are; ``state`` the folder in which we keep pids and logs of processes that we started.
    ``addresses`` are those that the host of ``url`` was checked to have: connections go to one of them, whatever the name means by then.
    """

    database: str
    server: Server | None = None
    url: str | None = None
    login: Login | None = None
    interpreter: Path | None = None
    config: Path | None = None
    files: Path | None = None
    state: Path | None = None
    os_user: str | None = None
    addresses: Sequence[str] = ()


@dataclass(frozen=True)
class Blind:
    """Something that could not be seen, why, and the one action that would allow it."""

    what: str
    why: str
    remedy: str


@dataclass(frozen=True)
class Component:
    """A part that an ERP is made of: ``kind`` is module, package, server or interpreter; versions are None where unknown."""

    kind: str
    name: str
    installed: str | None
    active: str | None


@dataclass(frozen=True)
class Process:
    """A running process of the ERP."""

    pid: int
    role: str
    command: str


@dataclass(frozen=True)
class Discovery:
    """What was read about a site without changing anything. Sizes in bytes; ``blind`` lists what could not be seen."""

    version_on_disk: str | None
    version_in_database: str | None
    components: Sequence[Component]
    processes: Sequence[Process]
    users_active: int | None
    users_total: int | None
    database_bytes: int | None
    files: Path | None
    files_bytes: int | None
    files_count: int | None
    postgresql: str | None
    pending: Sequence[str]
    blind: Sequence[Blind]


@dataclass(frozen=True)
class FileReference:
    """A file that a database row needs: path relative to the site's file folder, and the row in words ("attachment 12 invoice.pdf")."""

    path: str
    owner: str


@dataclass(frozen=True)
class Storage:
    """What belongs in a backup of the site besides its database.

    ``layout`` is what the adapter needs to know about the order inside the file folder (empty: its usual one). It is plain text, goes into
    the backup's manifest and is passed back to ``references`` and to the figures.
    """

    files: Path | None
    settings: Sequence[Path]
    layout: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """One checked claim about a copy ("no_live_job"): whether it holds, and what was seen."""

    name: str
    holds: bool
    seen: str


@dataclass(frozen=True)
class Timing:
    """A user's action, timed: ``seconds`` by the monotonic clock, and the error text when it failed."""

    probe: str
    seconds: float
    error: str | None = None


class Inspect(Protocol):
    """Read-only discovery."""

    def discover(self, site: Site) -> Discovery: ...

    def from_config(self, config_file: Path, database: str | None = None) -> Site: ...

    def readonly_role_sql(self, database: str, *, role: str = "wellkept", owner: str | None = None) -> Sequence[str]: ...


class Control(Protocol):
    """The ERP's processes. ``prefix`` is put before each command (to enter a network namespace, for example)."""

    def start(self, site: Site, *, roles: Sequence[str] = ("web", "cron", "worker"), prefix: Sequence[str] = ()) -> None: ...

    def stop(self, site: Site) -> None: ...

    def processes(self, site: Site) -> Sequence[Process]: ...

    def alive(self, site: Site) -> bool: ...


class StorageAbility(Protocol):
    """What a backup has to hold."""

    def storage(self, site: Site) -> Storage: ...

    def references(self, connection: Connection, database: str, *, layout: Mapping[str, str] | None = None) -> Iterator[FileReference]: ...

    def newest_document(self, connection: Connection) -> str | None: ...


class Figures(Protocol):
    """Business figures, read in the snapshot of the connection that is passed in; a role that may only SELECT is enough.

    ``thorough`` reads every file to its end and checks its content, not only that it is there. ``counters`` are the figures that move on
    outside of snapshots: read before a dump and passed as ``counted``, they can never be ahead of it. ``LABELS`` are the
    templates that the labels are made of, by the name of the figure.
    """

    NAMES: Sequence[str]
    LABELS: Mapping[str, Sequence[str]]

    def counters(self, connection: Connection) -> Sequence[Figure]: ...

    def read(
        self,
        connection: Connection,
        files: Path | None,
        database: str,
        *,
        layout: Mapping[str, str] | None = None,
        thorough: bool = False,
        counted: Sequence[Figure] | None = None,
    ) -> Sequence[Figure]: ...


class Neutralise(Protocol):
    """Make a restored copy harmless, and prove it.

    The order: ``configure_copy`` writes the copy's own settings and returns the site with a new login, ``neutralise`` works on its database,
    ``prove`` reads back. ``CHANGES`` names the figures that neutralising changes on purpose.
    """

    CHANGES: Sequence[str]

    def configure_copy(self, site: Site, *, original: str, sink_smtp: str) -> Site: ...

    def neutralise(self, site: Site) -> Mapping[str, int]: ...

    def prove(self, site: Site, *, old: Sequence[Login] = ()) -> Sequence[Proof]: ...


class Probes(Protocol):
    """Actions a user takes, timed over the ERP's own RPC; what they save they put back."""

    NAMES: Sequence[str]

    def run(self, site: Site) -> Sequence[Timing]: ...
