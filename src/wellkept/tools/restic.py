"""restic: encrypted, deduplicated repositories of snapshots. Written for 0.14, the version of Debian 12; its errors are in ``restic_errors``.

The password, the location and access keys go in by the environment, an ssh key by a file in memory, nothing by arguments. A local cache is
used only to write faster: what proves something is always read from the repository itself (``ls`` with a cache shows a snapshot whose packs are
gone).
"""

import contextlib
import errno
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wellkept.lib import memory
from wellkept.lib.text import gettext_noop
from wellkept.tools import command, ssh
from wellkept.tools.restic_errors import (
    IN_VAIN,
    Damaged,
    Full,
    Incomplete,
    KeepsAll,
    Locked,
    NoRepository,
    Refused,
    ResticError,
    Unreachable,
    WrongKey,
    understand,
)
from wellkept.tools.restic_messages import Progress, Summary, Told, parsed

__all__ = [
    "Damaged",
    "Full",
    "Incomplete",
    "KeepsAll",
    "Locked",
    "NoRepository",
    "Progress",
    "Refused",
    "ResticError",
    "Summary",
    "Unreachable",
    "WrongKey",
]

HOST = "wellkept"
FRAMES_PER_SECOND = "2"
SOME_UNREADABLE = 3
PIPE, LOG = "restic.pipe", "restic.log"
LOOK_SECONDS = 0.02
ROOM_BYTES = 32 * 2**20
"""Two of the files that it writes: with less it may fail in any way, and has been seen to crash."""
NO_VARIABLES = {"REST_USER", "REST_PASSWORD", "SSH_PRIVATE_KEY"}
LOCATION = re.compile(r"(s3|rest|sftp):.+")
CREDENTIALS_IN_URL = re.compile(r"^(rest:https?://)([^/@]+)@(.+)$")


@dataclass(frozen=True)
class Repository:
    """Where snapshots are and what opens them.

    ``credentials`` are environment variables for S3, or ``REST_USER`` and ``REST_PASSWORD``, or ``SSH_PRIVATE_KEY``. ``cache`` is a folder that
    speeds up writing. ``host_key`` is the public key of an sftp server ("ssh-ed25519 AAAA…"), ``ca`` the PEM of the certificate authority of a
    server with TLS, when it is not one of the system's.
    """

    location: str
    password: str = field(repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    cache: Path | None = None
    host_key: str = ""
    ca: str = ""

    def env(self) -> dict[str, str]:
        """The variables that restic reads."""
        others = {name: value for name, value in self.credentials.items() if name not in NO_VARIABLES}
        place = self.location
        if "REST_PASSWORD" in self.credentials and place.startswith("rest:"):
            scheme, rest = place.split("://", 1)
            place = f"{scheme}://{self.credentials.get('REST_USER', '')}:{self.credentials['REST_PASSWORD']}@{rest}"
        return {**others, "RESTIC_REPOSITORY": place, "RESTIC_PASSWORD": self.password, "RESTIC_PROGRESS_FPS": FRAMES_PER_SECOND}


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of the repository; ``time`` is ISO 8601."""

    id: str
    time: str
    tags: Sequence[str]
    paths: Sequence[str]


@dataclass(frozen=True)
class Entry:
    """A node of a snapshot; ``size`` in bytes is 0 for folders."""

    path: str
    kind: str
    size: int


def parse_location(text: str) -> tuple[str, dict[str, str]]:
    """A location as a person types it, split into the location without secrets and the credentials that stood in it.

    Accepted are an absolute folder, ``sftp:``, ``s3:`` and ``rest:``. Raises ValueError for anything else: some kinds that restic knows start
    programs of the caller's choice.
    """
    place = text.strip()
    if any(ord(letter) < 32 for letter in place) or not (place.startswith("/") or LOCATION.fullmatch(place)):
        raise ValueError(gettext_noop("a repository is an absolute folder, or starts with sftp:, s3: or rest:"))
    if place.startswith("/"):
        return str(Path(place)), {}
    if is_sftp(place):
        ssh.target(place)
    found = CREDENTIALS_IN_URL.match(place)
    if found is None:
        if "@" in place and not place.startswith("sftp:"):
            raise ValueError(gettext_noop("user and password do not belong in this address: give them as credentials"))
        return place, {}
    user, _, password = found.group(2).partition(":")
    return found.group(1) + found.group(3), {"REST_USER": user, "REST_PASSWORD": password}


def is_folder(location: str) -> bool:
    """Whether the repository is a folder of this machine."""
    return location.startswith("/")


def is_sftp(location: str) -> bool:
    """Whether the repository is reached by ssh."""
    return location.startswith("sftp:")


def version() -> str:
    """The installed version, "0.14.0". Raises command.CommandMissing when restic is not installed."""
    words = command.run(["restic", "version"], timeout=30).stdout.split()
    return words[1] if len(words) > 1 else ""


def init(repository: Repository) -> str:
    """Create the repository and return its id. Raises ResticError when one is there already."""
    _run(repository, ["init"], cached=False, timeout=120)
    return identity(repository)


def identity(repository: Repository, *, writing: bool = False, timeout: float = 120) -> str:
    """The repository's id; reading it proves that the place answers and the password is right, ``writing`` (a lock) that it may be written too."""
    done = _run(repository, [*([] if writing else ["--no-lock"]), "cat", "config"], cached=False, timeout=timeout)
    return str(json.loads(done.stdout)["id"])


def backup(
    repository: Repository,
    paths: Sequence[str | Path],
    *,
    cwd: Path,
    tags: Sequence[str],
    parent: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_item: Callable[[str], object] | None = None,
    timeout: float | None = None,
) -> Summary:
    """Store the paths as one snapshot. Relative ones are taken from ``cwd`` and stand at the top of the snapshot, absolute ones keep their path.

    Files that look the same as in ``parent`` are not read again. ``on_item`` gets the path in the snapshot of everything that was put into it.
    Raises Incomplete, naming one, when a file could not be read: the snapshot exists then, but is not whole.
    """
    told = Told(on_progress, on_item)
    args = _backup_args(tags, parent, paths, items=on_item is not None)
    done = _run(repository, args, cwd=cwd, on_line=told.read, timeout=timeout, accept=(0, SOME_UNREADABLE))
    for line in done.stderr.splitlines():
        told.read(line)
    return told.summary(done.seconds, unreadable=done.returncode == SOME_UNREADABLE)


def begin_backup(repository: Repository, paths: Sequence[str | Path], *, place: Path, tags: Sequence[str], parent: str | None = None) -> int:
    """Begin a backup whose data is still being made: restic opens the repository, for half a second of a processor, and waits for ``end_backup``.

    For a repository in a folder of this machine. The paths must be there; relative ones are taken from ``place``, where restic writes its log and
    waits at a pipe. Returns its process group, which outlives the caller: to be ended with ``give_up`` when nobody wants it any more.
    """
    pipe, log = place / PIPE, place / LOG
    pipe.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    # restic reads its exclude file when it has opened the repository and before it looks at what it is to store.
    args = ["--exclude-file", pipe, *_backup_args(tags, parent, paths, items=True)[1:]]
    return command.spawn(["restic", *_cache(repository), "backup", *args], log=log, env=repository.env(), cwd=place)


def end_backup(
    repository: Repository, group: int, *, place: Path, on_progress: Callable[[Progress], None], on_item: Callable[[str], object]
) -> Summary:
    """Let the backup of ``begin_backup`` go on, and wait for its end. Raises as ``backup`` does."""
    began, told = time.monotonic(), Told(on_progress, on_item)
    known = command.started_at(group)
    with command.stoppable(lambda: command.kill_group(group, signal.SIGKILL)), (place / LOG).open() as log:
        running, waiting, rest = True, True, ""
        while running:
            running = known is not None and command.started_at(group) == known
            waiting = waiting and not _let_go(place / PIPE)
            *lines, rest = (rest + log.read()).split("\n")
            for line in lines:
                told.read(line)
            command.check_stopped("restic")
            if running:
                time.sleep(LOOK_SECONDS)
    if not told.numbers:
        raise _wrong(repository, "\n".join(told.others))
    return told.summary(time.monotonic() - began)


def give_up(repository: Repository, group: int) -> None:
    """End a backup that was begun and take its lock out of the repository."""
    command.stop(group, grace=0)
    unlock(repository)


def _let_go(pipe: Path) -> bool:
    """Open and close the pipe, when restic has come to read it."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return False
    return True


def _backup_args(tags: Sequence[str], parent: str | None, paths: Sequence[str | Path], *, items: bool) -> list[str | Path]:
    chosen: list[str | Path] = ["backup", "--json", "--host", HOST, *(["--verbose=2"] if items else [])]
    for tag in tags:
        chosen += ["--tag", tag]
    return [*chosen, *(["--parent", parent] if parent is not None else []), "--", *paths]


def snapshots(repository: Repository, *, tags: Sequence[str] = ()) -> list[Snapshot]:
    """The snapshots that carry all of the tags, oldest first."""
    chosen = ["--tag", ",".join(tags)] if tags else []
    done = _run(repository, ["--no-lock", "snapshots", "--json", *chosen], cached=False, timeout=300)
    rows = json.loads(done.stdout or "null") or []
    found = [Snapshot(row["id"], row["time"], tuple(row.get("tags") or ()), tuple(row.get("paths") or ())) for row in rows]
    return sorted(found, key=lambda snapshot: snapshot.time)


def entries(repository: Repository, snapshot: str, each: Callable[[Entry], object], *, timeout: float | None = None) -> str:
    """Call ``each`` with every node of a snapshot, read from the repository itself (its whole tree is decrypted and authenticated).

    Returns the snapshot's full id.
    """
    full: list[str] = []

    def read(line: str) -> None:
        node = parsed(line)
        if node.get("struct_type") == "node":
            each(Entry(str(node["path"]), str(node["type"]), int(str(node.get("size", 0)))))
        elif node.get("struct_type") == "snapshot":
            full.append(str(node["id"]))

    _run(repository, ["--no-lock", "ls", "--json", snapshot], cached=False, on_line=read, keep=False, timeout=timeout)
    return full[0] if full else snapshot


def read_text(repository: Repository, snapshot: str, path: str, *, timeout: float | None = None) -> str:
    """The content of a text file of a snapshot."""
    return _run(repository, ["--no-lock", "dump", snapshot, path], cached=False, timeout=timeout).stdout


def restore(repository: Repository, snapshot: str, target: Path, *, include: Sequence[str] = (), timeout: float | None = None) -> None:
    """Write a snapshot (or only what ``include`` names) under ``target`` and read every written file back. Raises Damaged when any differs."""
    args: list[str | Path] = ["--no-lock", "restore", snapshot, "--target", target, "--verify"]
    for pattern in include:
        args += ["--include", pattern]
    _run(repository, args, cached=False, timeout=timeout)


def check(repository: Repository, *, read: str = "", timeout: float | None = None) -> None:
    """Check the structure: every pack is there in its size, every tree can be read. ``read`` is "all", or a part such as "5%" or "1/10" whose
    content is read too.

    It holds no lock, so that backups can go on meanwhile; what then looks like damage is confirmed by a second check under a lock.
    Raises Damaged, or Locked when it cannot be confirmed now.
    """
    extra = {"": [], "all": ["--read-data"]}.get(read, [f"--read-data-subset={read}"])
    try:
        _run(repository, ["--no-lock", "check", *extra], cached=False, timeout=timeout)
    except Damaged:
        unlock(repository)
        _run(repository, ["check", *extra], cached=False, timeout=timeout)


def forget(repository: Repository, ids: Sequence[str]) -> None:
    """Remove snapshots; their data stays until ``prune``. Ids that are gone already are fine: restic ignores them."""
    named = sorted(filter(None, ids))
    if named:
        _run(repository, ["forget", *named], timeout=600)


def prune(repository: Repository, *, timeout: float | None = None) -> None:
    """Remove data that no snapshot needs. Never call it for one system while another one's backup is being listed as new."""
    _run(repository, ["prune"], timeout=timeout)


def unlock(repository: Repository) -> None:
    """Remove stale locks: of processes of this machine that are gone, or older than half an hour. Living ones stay."""
    _run(repository, ["unlock"], timeout=120)


def stored_bytes(repository: Repository, *, timeout: float = 600) -> int:
    """What all snapshots together take in the repository, in bytes."""
    done = _run(repository, ["--no-lock", "stats", "--json", "--mode", "raw-data"], timeout=timeout)
    return int(json.loads(done.stdout)["total_size"])


def _run(
    repository: Repository,
    args: Sequence[str | Path],
    *,
    cached: bool = True,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    keep: bool = True,
    timeout: float | None = None,
    accept: Sequence[int] = (0,),
) -> command.Completed:
    with _way(repository) as (way, log):
        line = ["restic", *way, *(_cache(repository) if cached else ["--no-cache"]), *args]
        try:
            return command.run(line, env=repository.env(), cwd=cwd, on_line=on_line, keep=keep, timeout=timeout, give_up=IN_VAIN, accept=accept)
        except command.CommandFailed as error:
            raise _wrong(repository, log.read_text() + error.stderr) from error


def _wrong(repository: Repository, words: str) -> ResticError:
    """What went wrong, by restic's words; where these say nothing, as when it crashes, by whether there is room for what it writes."""
    error = understand(words, [repository.password, *repository.credentials.values()])
    if type(error) is ResticError and is_folder(repository.location) and Path(repository.location).exists():
        room = os.statvfs(repository.location)
        if room.f_bavail * room.f_frsize < ROOM_BYTES:
            return Full(error.message)
    return error


def _cache(repository: Repository) -> list[str | Path]:
    return ["--cache-dir", repository.cache] if repository.cache is not None else ["--no-cache"]


@contextlib.contextmanager
def _way(repository: Repository) -> Iterator[tuple[list[str | Path], Path]]:
    """The options that lead restic to the place and no other, and the file in which ssh says what went wrong."""
    with contextlib.ExitStack() as files:
        log = files.enter_context(memory.file())
        if repository.ca:
            yield ["--cacert", files.enter_context(memory.file(repository.ca))], log
        elif is_sftp(repository.location):
            key = files.enter_context(memory.file(repository.credentials.get("SSH_PRIVATE_KEY", "")))
            known = files.enter_context(memory.file(ssh.known_host(ssh.host_key(repository.host_key))))
            opened = ssh.sftp_command(ssh.target(repository.location), key=key, known=known, log=log)
            yield ["--option", f"sftp.command={' '.join(opened)}"], log
        else:
            yield [], log
