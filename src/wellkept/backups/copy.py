"""The copy that a drill makes of a set: its own cluster, its own files, its own settings, behind a wall. All of it is in the run's scratch folder."""

import dataclasses
import json
import os
import pwd
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_noop

from wellkept.adapters.base import Login, Process, Site
from wellkept.backups import sets
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import message
from wellkept.operations import progress, scratch
from wellkept.operations.errors import Failed
from wellkept.tools import command, netns, postgres

DATABASE = "wellkept_copy"
OWNER = "wellkept_copy"
PORT = 5432
RESTORED, CLUSTER, SOCKETS, STATE, WALL = "set", "db", "s", "state", "wall"


@dataclass(frozen=True)
class Place:
    """The folders of a copy."""

    run_id: str
    folder: Path

    @property
    def restored(self) -> Path:
        return self.folder / RESTORED

    @property
    def state(self) -> Path:
        return self.folder / STATE

    @property
    def rpc(self) -> Path:
        return self.state / "rpc"

    def manifest(self) -> sets.Manifest:
        """The manifest of the restored set. Ends the run when this machine does not have it (the run was taken over by another one)."""
        if not (self.restored / sets.FOLDER / sets.MANIFEST).exists():
            raise Failed(message(gettext_noop("The machine that restored the backup is gone with what it restored; start the drill again")))
        return sets.load(self.restored)

    def cluster(self) -> postgres.Cluster:
        """The throwaway cluster, of the same major version as the set's."""
        version = int(self.manifest()["postgresql"]["major"])
        return postgres.Cluster(self.folder / CLUSTER, self.folder / SOCKETS, PORT, postgres.service_user(), version=version)

    def files(self) -> Path | None:
        """The restored file folder."""
        return sets.files_root(self.restored, self.manifest())


def place(run_id: str) -> Place:
    """The folders of the copy that a run makes."""
    return Place(run_id, scratch.folder(run_id))


def start_cluster(here: Place) -> postgres.Cluster:
    """The throwaway cluster, running; it listens on a Unix socket only. A repeated call finds it running."""
    cluster = here.cluster()
    postgres.create_cluster(cluster, durable=False, settings={"max_connections": "50", "shared_buffers": "128MB", "maintenance_work_mem": "128MB"})
    postgres.start(cluster)
    return cluster


def connection(here: Place) -> Any:
    """A read-only connection to the copy's database."""
    return postgres.connect(here.cluster().server(), DATABASE, readonly=True)


def hand_over(root: Path) -> None:
    """Give restored files to the user who runs the copy; restic restored them with the owner they had."""
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(postgres.service_user())
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            os.chown(Path(folder, name), entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    os.chown(root, entry.pw_uid, entry.pw_gid)


def bare_site(here: Place, environment: Environment) -> Site:
    """The copy as a site, before it has settings and a login of its own; its ``config`` is the restored one of the original."""
    manifest = here.manifest()
    original = connect.site(environment)
    postgres.owned_folder(here.state, postgres.service_user(), 0o700)
    settings = manifest["settings"]
    restored = here.restored / sets.FOLDER / sets.SETTINGS / settings[0]["name"] if settings else None
    return Site(
        database=DATABASE,
        server=postgres.Server(str(here.folder / SOCKETS), PORT, OWNER),
        url=f"unix:{here.rpc}",
        interpreter=original.interpreter,
        config=restored,
        files=here.files(),
        state=here.state,
        os_user=postgres.service_user(),
    )


def keep_site(here: Place, site: Site) -> None:
    """Keep what is known of the copy for later steps, in its scratch folder: its throwaway password must not stand in the database."""
    plain = {field.name: getattr(site, field.name) for field in dataclasses.fields(site) if field.name not in {"server", "login"}}
    data = {name: str(value) if value is not None else None for name, value in plain.items()}
    login = [site.login.user, site.login.password] if site.login else None
    _write_private(here.folder / "copy.json", {"site": data, "login": login})


def kept_site(here: Place) -> Site:
    """The copy as a site, as ``keep_site`` noted it."""
    noted = _read(here.folder / "copy.json")
    paths: dict[str, Any] = {name: Path(noted["site"][name]) if noted["site"][name] else None for name in ("interpreter", "config", "files", "state")}
    return Site(
        database=noted["site"]["database"],
        server=postgres.Server(str(here.folder / SOCKETS), PORT, OWNER),
        url=noted["site"]["url"],
        login=Login(*noted["login"]),
        os_user=noted["site"]["os_user"],
        **paths,
    )


def seal(here: Place) -> netns.Sealed:
    """Build the wall with its sink and keep what is known of it; an older one of this run is taken down first."""
    folder = here.folder / WALL
    open_wall(here)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    sealed = netns.seal(folder, on_start=lambda group: scratch.keep(here.run_id, f"wall-{group}", group))
    _write_private(folder / "sealed.json", {**dataclasses.asdict(sealed), "folder": str(folder), "started": command.started_at(sealed.pid)})
    return sealed


def sealed(here: Place) -> netns.Sealed:
    """The wall of this run."""
    noted = _read(here.folder / WALL / "sealed.json")
    noted.pop("started")
    return netns.Sealed(**{**noted, "folder": Path(noted["folder"])})


def open_wall(here: Place) -> None:
    """Take the wall down with all that runs behind it, if there is one.

    While its sink lives nothing else can have the same namespace; when the sink is gone the wall's processes are found by their groups.
    """
    path = here.folder / WALL / "sealed.json"
    if not path.exists():
        return
    if command.started_at(_read(path)["pid"]) == _read(path)["started"]:
        netns.clear(sealed(here))
    path.unlink()


def start_erp(here: Place, control: Any, site: Site, *, roles: Sequence[str] = ("web",)) -> Sequence[Process]:
    """Start processes of the copy behind its wall; the end of the run ends them, whatever becomes of the step. Returns all that run."""
    control.start(site, roles=roles, prefix=netns.prefix(sealed(here)))
    progress.milestone("start:started")
    processes: Sequence[Process] = control.processes(site)
    for process in processes:
        scratch.keep(here.run_id, f"erp-{process.pid}", process.pid)
    return processes


def clock() -> dict[str, Any]:
    """A moment that a later step of the same run can measure from, also in another process: monotonic since the start of the machine."""
    return {"monotonic": time.monotonic(), "wall": time.time(), "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip()}


def since(moment: dict[str, Any]) -> float:
    """Seconds since a moment of ``clock``; by the wall clock only when the machine was restarted in between."""
    now = clock()
    return float(now["monotonic"] - moment["monotonic"] if now["boot"] == moment["boot"] else now["wall"] - moment["wall"])


def _write_private(path: Path, data: dict[str, Any]) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(data))


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise Failed(message(gettext_noop("The machine that restored the backup is gone with what it restored; start the drill again")))
    return dict(json.loads(path.read_text()))
