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

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import psycopg

from wellkept.lib.samples import Sample
from wellkept.lib.text import Message, Told
from wellkept.planning.figures import Difference, Figure
from wellkept.tools.postgres import Server

Connection = psycopg.Connection[tuple[Any, ...]]


class AdapterError(Told):
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
class Commands:
    """How an ERP that somebody else starts is stopped and started: a program with its arguments each, run as ourselves and by no shell."""

    stop: Sequence[str]
    start: Sequence[str]


@dataclass(frozen=True)
class Site:
    """One installed ERP (one environment), with everything an adapter may need to work on it. What is unknown is None.

    ``url`` is the address of its RPC (``http://…`` or ``unix:/path/of/socket``); ``interpreter`` the Python that runs it; ``config`` its own
    configuration file; ``files`` where its attachments are; ``state`` the folder in which we keep pids and logs of processes that we started.
    ``addresses`` are those that the host of ``url`` was checked to have: connections go to one of them, whatever the name means by then.
    ``commands`` are given for an ERP that its owner's service starts; without them, what runs was started by us, or is left alone.
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
    commands: Commands | None = None


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
class Notice:
    """What people are told while the ERP is closed: the ``reason`` by language ("en", "zh-hant", "zh-hans"; a missing one is told in English), when
    it is expected to be open again (with its zone; None: not known), and whom to ask.
    """

    reason: Mapping[str, str]
    until: dt.datetime | None = None
    contact: str = ""


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
    seen: Message | str


@dataclass(frozen=True)
class Timing:
    """A user's action, timed: ``seconds`` by the monotonic clock, and why when it failed."""

    probe: str
    seconds: float
    error: Message | str | None = None


@dataclass(frozen=True)
class Release:
    """A series of an ERP ("8.0") with its newest version. The dates are None where the maker's rule says nothing about them yet."""

    series: str
    newest: str
    released: dt.date | None
    support_end: dt.date | None
    long_term: bool


@dataclass(frozen=True)
class ModulePackage:
    """A file with modules of the ERP that somebody gave: its package, the version of that, and the modules in it."""

    file: Path
    package: str
    version: str
    modules: Sequence[str]


@dataclass(frozen=True)
class Requirement:
    """Something that a series needs ("Python", ">=3.10"): the version that is there, None where it is not known, and whether it is enough."""

    name: str
    needed: str
    found: str | None
    holds: bool


@dataclass(frozen=True)
class Note:
    """A manual step of a release's migration, as data.

    It applies when all ``modules`` are active, none of ``replaced_by`` is installed for the new series, and the SQL ``condition`` (one boolean;
    empty: always) is true. ``action`` is SQL that may run again without harm; empty means that only a person can do it, as ``why`` says.
    ``check`` is SQL for one boolean: whether what the note wants is so now. ``source`` says where the maker asks for it.
    """

    id: str
    title: str
    source: str
    phase: Literal["before", "after"]
    why: str
    check: str
    action: str = ""
    condition: str = ""
    modules: Sequence[str] = ()
    replaced_by: Sequence[str] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether a note applies to a database, and the reason in words."""

    note: str
    applies: bool
    reason: str


@dataclass(frozen=True)
class Breach:
    """Rows that break a rule which the target's database enforces and this one does not.

    ``kind``: ``empty`` (``columns`` have to hold something), ``double`` (what they hold has to be there once), ``loose`` (they name something that
    is not there) or ``wrong`` (``rule`` says what has to be so). ``stops``: the migration ends at it; otherwise it warns, and people
    cannot save these rows afterwards. ``title`` is what people call the table; ``examples`` are the first rows' ids.
    """

    table: str
    title: str
    kind: Literal["empty", "double", "loose", "wrong"]
    columns: Sequence[str]
    rows: int
    examples: Sequence[int]
    stops: bool
    rule: str = ""


@dataclass(frozen=True)
class ModuleUse:
    """What the data says about the use of an active module.

    ``rows``: what people and programs wrote into its tables (settings, and what came with the module, do not count), ``last`` when the newest was
    written. ``used`` is True, too, when its fields in other tables hold something, and None when it keeps nothing, so that nobody can say.
    """

    module: str
    rows: int
    last: dt.datetime | None
    used: bool | None


@dataclass(frozen=True)
class WrittenKind:
    """What was written into a table in a time: rows ``created``, ``changed`` (they were there before) and ``deleted``, and how many by whom.

    ``title`` is what people call the table in English, ``called`` the same by language as the ERP codes it, ``people`` names who wrote a row last by
    the login in the ERP.
    """

    table: str
    title: str
    created: int
    changed: int
    deleted: int
    people: Mapping[str, int]
    called: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Migration:
    """What the ERP's own migration left: its exit code (0 is not yet success: read the log), its seconds, and its log with the last error."""

    code: int
    seconds: float
    log: Sequence[str]


@dataclass(frozen=True)
class LogEntry:
    """A warning or error of a migration's log. ``known`` is the reason why it is harmless; None when nobody has said so."""

    level: str
    source: str
    text: str
    known: str | None


@dataclass(frozen=True)
class ExpectedChange:
    """A difference of the figures that a release makes on purpose.

    ``label`` is a regular expression for the whole label of a value ("scheduled job .*"). ``kind`` says what may happen to it: ``added``,
    ``removed``, ``changed``, ``more`` (no number in it becomes smaller, one becomes larger); the old and the new value then have to match the
    regular expressions ``before`` and ``after`` where these are given. Or it is ``renamed``: where ``before`` matches in the key, the label or the
    value, ``after`` takes its place, and the value has to be the same then.
    """

    figure: str
    label: str
    kind: Literal["added", "removed", "changed", "more", "renamed"]
    why: str
    before: str = ""
    after: str = ""


OnLine = Callable[[str], None]


class Inspect(Protocol):
    """Read-only discovery. ``WORDS`` are the templates of what it says about what it could not see, and what is pending."""

    WORDS: Sequence[str]

    def discover(self, site: Site) -> Discovery: ...

    def from_config(self, config_file: Path, database: str | None = None) -> Site: ...

    def readonly_role_sql(self, database: str, *, role: str = "wellkept", owner: str | None = None) -> Sequence[str]: ...


class Control(Protocol):
    """The ERP's processes. ``prefix`` is put before each command (to enter a network namespace, for example).

    ``maintain`` stops them and answers at their address, until ``reopen`` or ``start``: people see a page with the notice, and programs are refused
    with it; called again, it changes the notice. ``notice`` is the present one, None when the site is not in maintenance; ``stop`` leaves it, so that
    after a restart of the machine the maintenance can go on. ``errors`` are those of the processes that we started, each in words without its values,
    with how often it was written down since their output is kept.
    """

    def start(self, site: Site, *, roles: Sequence[str] = ("web", "cron", "worker"), prefix: Sequence[str] = ()) -> None: ...

    def stop(self, site: Site) -> None: ...

    def maintain(self, site: Site, notice: Notice) -> None: ...

    def reopen(self, site: Site) -> None: ...

    def notice(self, site: Site) -> Notice | None: ...

    def processes(self, site: Site) -> Sequence[Process]: ...

    def alive(self, site: Site) -> bool: ...

    def errors(self, site: Site) -> Mapping[str, int]: ...


class StorageAbility(Protocol):
    """What a backup has to hold.

    ``share_files`` lets a copy of the database, of another name in the same server, find the site's files, and ``unshare_files`` ends that; the files
    are not touched. They are for a copy that the site itself does not use meanwhile.
    """

    def storage(self, site: Site) -> Storage: ...

    def references(self, connection: Connection, database: str, *, layout: Mapping[str, str] | None = None) -> Iterator[FileReference]: ...

    def newest_document(self, connection: Connection) -> str | None: ...

    def share_files(self, site: Site, copy: str) -> None: ...

    def unshare_files(self, site: Site, copy: str) -> None: ...


class Figures(Protocol):
    """Business figures, read in the snapshot of the connection that is passed in; a role that may only SELECT is enough.

    ``thorough`` reads every file to its end and checks its content, not only that it is there. ``counters`` are the figures that move on
    outside of snapshots: read before a dump and passed as ``counted``, they can never be ahead of it. ``LABELS`` are the
    templates that the labels are made of, by the name of the figure. ``RIGHTS`` are the figures about who may do what.
    """

    NAMES: Sequence[str]
    RIGHTS: Sequence[str]
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


class Activity(Protocol):
    """Which parts of the ERP are used, in the words of its data, and since when not; and what goes on now. A role that may only SELECT is enough.

    ``present`` costs so little that it may be asked every few seconds; the user ``besides`` (a login) does not count. Its names begin with
    "erp_", and "erp_users_active" is there for every ERP. ``by_hour`` says how many people worked in each hour of UTC since a moment (aware); hours
    without anybody are left out.
    """

    def modules(self, connection: Connection) -> Sequence[ModuleUse]: ...

    def present(self, connection: Connection, *, besides: str = "") -> Sequence[Sample]: ...

    def by_hour(self, connection: Connection, since: dt.datetime, *, besides: str = "") -> Mapping[dt.datetime, int]: ...


class Written(Protocol):
    """What people and programs wrote in the last ``seconds``, by the clock of the database; a role that may only SELECT is enough.

    ``rows`` gives the names of a table's columns first, then its rows, without passwords and keys. ``JOURNAL`` names the table in which the ERP notes
    what was pressed and deleted; it is no work by itself. ``files`` are those that these rows need.
    """

    JOURNAL: str

    def kinds(self, connection: Connection, seconds: float) -> Sequence[WrittenKind]: ...

    def rows(self, connection: Connection, table: str, seconds: float) -> Iterator[tuple[Any, ...]]: ...

    def files(self, connection: Connection, database: str, seconds: float, *, layout: Mapping[str, str] | None = None) -> Sequence[FileReference]: ...


class Releases(Protocol):
    """From one release to the next, without touching what runs: assess, install beside, migrate, understand the log.

    ``path`` gives the series to pass through, the target last, and raises Unsupported with the legal path for one that is not possible.
    ``missing`` names active modules that the target does not have. ``install`` returns the interpreter of an installation of its own, made of
    the list ``packages`` (see ``Packages``; empty: the one that comes with us) with the files ``wheels`` of what no index has.
    ``migrate`` works on the database of a stopped site whose ``interpreter`` is the new one. ``unexpected`` compares two readings and leaves out
    what the release changes on purpose. ``JUMPS`` are the pairs of series whose steps, log lines and changes are described.
    """

    JUMPS: Sequence[tuple[str, str]]

    def available(self, *, cache: Path) -> Sequence[Release]: ...

    def path(self, current: str, target: str, known: Collection[str]) -> Sequence[str]: ...

    def requirements(self, site: Site, series: str) -> Sequence[Requirement]: ...

    def missing(self, modules: Collection[str], series: str) -> Sequence[str]: ...

    def install(
        self, folder: Path, series: str, *, cache: Path, on_line: OnLine | None = None, packages: str = "", wheels: Sequence[Path] = ()
    ) -> Path: ...

    def migrate(self, site: Site, *, timeout: float, on_line: OnLine | None = None) -> Migration: ...

    def read_log(self, lines: Sequence[str], current: str, target: str) -> Sequence[LogEntry]: ...

    def unexpected(self, before: Sequence[Figure], after: Sequence[Figure], current: str, target: str) -> Sequence[Difference]: ...


class Notes(Protocol):
    """The manual steps of a migration. Each runs in one transaction of its own, which is rolled back when it fails."""

    def notes(self, current: str, target: str) -> Sequence[Note]: ...

    def applies(self, connection: Connection, note: Note, *, installed: Collection[str] = ()) -> Verdict: ...

    def run_note(self, connection: Connection, note: Note, *, timeout: float) -> None: ...

    def holds(self, connection: Connection, note: Note) -> bool: ...


class Outlook(Protocol):
    """What the target means for this company, before anything is done: all only ask.

    ``breaches`` names data that it would refuse, in a database of the series ``current``. ``offered`` gives for each module its newest version in
    the package index for a series, None where there is none.
    """

    def breaches(self, connection: Connection, current: str, target: str) -> Sequence[Breach]: ...

    def offered(self, modules: Collection[str], series: str, *, cache: Path) -> Mapping[str, str | None]: ...


class Packages(Protocol):
    """Exactly what a release is made of: a list of packages with their versions and hashes, as a text that ``Releases.install`` takes.

    ``resolve`` makes it for these modules; the package index is asked for what the list that comes with us lacks, with ``newest`` for the newest
    version of everything that is the ERP's. ``own`` are files of modules that no index has, as ``read_module`` understands them.
    ``build_module`` makes such a file of the folder of its source. ``pinned`` reads the versions of the modules, and of the ERP itself by the name of
    its package.
    """

    def resolve(self, series: str, modules: Collection[str], *, own: Sequence[Path] = (), newest: bool = False, cache: Path) -> str: ...

    def pinned(self, packages: str) -> Mapping[str, str]: ...

    def read_module(self, file: Path) -> ModulePackage: ...

    def build_module(self, source: Path, into: Path, *, cache: Path) -> Path: ...
