"""A running company with two releases beside each other, whose upgrade may be started again and again, whatever became of the last one."""

import contextlib
import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.utils import timezone

from tests.services import put_in, tryton
from tests.services.agreed import agreed
from tests.services.installation import until
from tests.services.sets import new_run
from tests.services.tryton import NEXT, SERIES
from wellkept.adapters.base import Note, Site
from wellkept.adapters.conformance.bench import content
from wellkept.adapters.tryton import control, figures, provision, releases, rpc, storage, trials
from wellkept.adapters.tryton.releases import changes
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib import links
from wellkept.operations import scratch
from wellkept.operations.models import Run, RunState
from wellkept.planning.figures import Figure
from wellkept.tools import command, databases, postgres
from wellkept.upgrades import apply, gates, notes
from wellkept.upgrades.models import Rehearsal, RehearsalState, Upgrade, UpgradeState

MIGRATED = "migrated_and_kept"
ROLES = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'wellkept_work_')"


@dataclass
class Production:
    """``original`` is what the company holds, with ``figures``; ``before`` what it has to hold when an upgrade was taken back."""

    environment: Environment
    site: Site
    cluster: postgres.Cluster
    template: str
    rehearsal: Rehearsal | None = None
    original: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    @property
    def server(self) -> postgres.Server:
        assert self.site.server is not None
        return self.site.server

    @property
    def link(self) -> Path:
        """Which release is current."""
        assert self.site.interpreter is not None
        return self.site.interpreter.parents[1]

    def shipped_notes(self) -> list[Note]:
        """The notes that come with the new release."""
        return list(releases.notes(SERIES, NEXT))

    def fresh(self) -> Site:
        """The site as the rows say it is now."""
        return connect.site(Environment.objects.get(pk=self.environment.pk))

    def version(self) -> str:
        return rpc.version(self.fresh())

    def migration(self, **wanted: Any) -> None:
        """What the new release's migration does: what put_in.py says, otherwise it just puts in the kept result."""
        folder = self.link.parent / provision.version(NEXT) / "bin"
        (folder / "put_in.json").write_text(json.dumps({"source": MIGRATED, **wanted}))

    @contextlib.contextmanager
    def really_migrating(self) -> Iterator[None]:
        """The new release has its own program while the block runs."""
        program = self.link.parent / provision.version(NEXT) / "bin" / "trytond-admin"
        _replace(program, tryton.interpreter(NEXT).with_name("trytond-admin"))
        yield
        _replace(program, Path(put_in.__file__))

    @contextlib.contextmanager
    def not_installed(self) -> Iterator[None]:
        """The new release is not there while the block runs."""
        folder = self.link.parent / provision.version(NEXT)
        away = folder.rename(self.site.config.with_name("away")) if self.site.config else folder
        yield
        away.rename(folder)

    def reset(self) -> None:
        """The company as it was, at work with the old release, and every gate open."""
        self.stop()
        self.drop()
        postgres.create_database(self.server, self.site.database, template=self.template)
        quieten(self.server, self.site.database)
        links.point(self.link, self.link.parent / provision.version(SERIES))
        Environment.objects.filter(pk=self.environment.pk).update(version=provision.version(SERIES))
        self.migration()
        control.start(self.site)
        for backup in Backup.objects.filter(environment=self.environment, state=BackupState.GOOD, drills=None):
            proven(backup)
        if self.rehearsal is not None:
            agreed(self.rehearsal)
        if not self.original:
            self.original, self.figures = content(self.site), self.read(self.site.database)
        self.before = self.original

    def drop(self) -> None:
        """Drop every database of the company."""
        for name in self.databases():
            postgres.drop_database(self.server, name)

    def stuck(self, backup: Backup) -> Upgrade:
        """An upgrade that exchanged the databases and then ended, as after a crash that nobody took over."""
        run_id = new_run(self.environment.system.organisation, "upgrades.apply")
        number = apply.begin(run_id, self.environment.pk, NEXT)["upgrade_id"]
        apply.install(number, backup.pk)
        apply.close(run_id, number)
        apply.copy_database(run_id, number)
        new = Upgrade.objects.get(pk=number).new_database
        postgres.drop_database(self.server, new)
        databases.copy(self.server, MIGRATED, new, timeout=60)
        apply.exchange(run_id, number)
        apply.clean_up(run_id)
        Run.objects.filter(pk=run_id).update(state=RunState.NEEDS_ATTENTION)
        scratch.remove(run_id)
        return Upgrade.objects.get(pk=number)

    def stop(self) -> None:
        """Stop the ERP, and what answers in its place."""
        for site in (self.fresh(), self.site):
            control.stop(site)
            control.reopen(site)

    def read(self, database: str) -> list[Figure]:
        """Books and rights of one of its databases."""
        layout = storage.storage(self.site).layout
        with postgres.connect(self.server, database, readonly=True) as connection:
            return list(figures.read(connection, self.site.files, self.site.database, layout=layout))

    def databases(self) -> list[str]:
        """Every database of this company."""
        with postgres.administration(self.server) as connection:
            question = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) OR starts_with(datname, %s) ORDER BY 1"
            return [name for (name,) in connection.execute(question, [self.site.database, put_in.PREFIX])]

    def wrong(self, upgrade: Upgrade) -> list[str]:
        """What is neither as before nor as verified after, or left over; empty for a good end."""
        upgrade.refresh_from_db()
        kept = upgrade.state == UpgradeState.KEPT
        found = [] if kept or upgrade.state in {UpgradeState.TAKEN_BACK, UpgradeState.FAILED} else [f"the upgrade is {upgrade.state}"]
        found += self._left(upgrade, kept=kept)
        if databases.fenced(self.server, self.site.database):
            return [*found, "nobody can connect"]
        found += self._content_wrong(kept=kept)
        series = NEXT if kept else f"{SERIES}."
        with contextlib.suppress(Exception):
            if self.version().startswith(series) and not any(sight.error for sight in trials.look(self.fresh(), most=1)):
                return found
        return [*found, f"the ERP does not answer as {series}"]

    def _content_wrong(self, *, kept: bool) -> list[str]:
        if not kept:
            now = content(self.site)
            changed = [name for name in sorted(self.before.keys() | now.keys()) if self.before.get(name) != now.get(name)]
            # Whoever is killed while looking around after the opening has not signed out.
            return [f"{name} was changed" for name in changed if name != "ir_session"]
        return [f"{one.figure} differs" for one in changes.unexpected(self.figures, self.read(self.site.database), SERIES, NEXT)]

    def _left(self, upgrade: Upgrade, *, kept: bool) -> list[str]:
        allowed = {self.site.database, *([upgrade.kept_database] if kept else [])}
        found = [f"left: database {name}" for name in self.databases() if name not in allowed and not name.startswith(put_in.PREFIX)]
        found += [f"missing: database {name}" for name in allowed - set(self.databases())]
        with postgres.administration(self.server) as connection:
            found += [f"left: role {name}" for (name,) in connection.execute(ROLES)]
        if kept and not databases.fenced(self.server, upgrade.kept_database):
            found.append("people can connect to the database from before")
        if control.notice(self.site) is not None:
            found.append("people are still told to wait")
        series = NEXT if kept else SERIES
        if links.direct(self.site.interpreter or Path()).parents[1].name != provision.version(series):
            found.append("the link leads to the other release")
        return found

    def own_processes(self) -> set[int]:
        """The processes of the ERP itself, which outlive a run."""
        return {process.pid for process in control.processes(self.fresh())}

    def crash_server(self) -> None:
        """Kill every process of PostgreSQL as a power cut would, and start it again."""
        postmaster = int((self.cluster.data / "postmaster.pid").read_text().split()[0])
        everybody = [postmaster, *children(postmaster)]
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # A dead one that nobody has buried yet still counts as running for the next.
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everybody), 20, "the death of PostgreSQL")
        postgres.start(self.cluster)

    def kill_everything(self) -> None:
        """Kill the ERP, what answers in its place, and its PostgreSQL, which is started again."""
        for group in {process.pid for process in control.processes(self.fresh())} | command.groups_writing_into(self.site.config.parent):
            command.kill_group(group, signal.SIGKILL)
        self.crash_server()


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def rehearsed(environment: Environment, repository: Repository) -> Rehearsal:
    """The rows of a proven backup, and of a rehearsal that has just ended well."""
    organisation = environment.system.organisation
    rows: dict[str, Any] = {"organisation": organisation, "system": environment.system, "environment": environment}
    proven(Backup.objects.create(**rows, repository=repository, run_id=uuid.UUID(new_run(organisation)), state=BackupState.GOOD))
    return Rehearsal.objects.create(
        **rows,
        run_id=uuid.UUID(new_run(organisation, "upgrades.rehearse")),
        current=SERIES,
        target=NEXT,
        version=provision.version(NEXT),
        modules=gates.active_modules(environment),
        notes_digest=notes.digest(notes.effective(environment.system, SERIES, NEXT, releases.notes(SERIES, NEXT))),
        state=RehearsalState.SUCCEEDED,
        ended_at=timezone.now(),
        rollback_seconds=3.0,
        report={"migrate": {"seconds": 60.0}},
    )


def proven(backup: Backup) -> None:
    """The row of a drill that proved a backup."""
    organisation = backup.organisation
    run_id = uuid.UUID(new_run(organisation))
    Drill.objects.create(organisation=organisation, system=backup.system, backup=backup, run_id=run_id, state=DrillState.PROVEN)


@contextlib.contextmanager
def beside(owner: postgres.Server, folder: Path, template: str, name: str) -> Iterator[Site]:
    """A company whose two releases lie beside each other, the old one current by a link; the new one's migration is put_in.py."""
    site = tryton.restored(owner, folder, name, template=template)
    code = folder / name / "code"
    code.mkdir(mode=0o755)
    for series in (SERIES, NEXT):
        shutil.copytree(tryton.resting(series).parents[1], code / provision.version(series), symlinks=True, copy_function=os.link)
    _replace(code / provision.version(NEXT) / "bin" / "trytond-admin", Path(put_in.__file__))
    links.point(code / "current", code / provision.version(SERIES))
    yield replace(site, interpreter=code / "current" / "bin" / "python")
    tryton.removed(site)


def _replace(program: Path, by: Path) -> None:
    """Put another program in its place, not into the file, which other folders share."""
    program.unlink()
    shutil.copy(by, program)


def keep_migrated(owner: postgres.Server, folder: Path, template: str) -> None:
    """The company after its real migration, once, as the database MIGRATED."""
    if postgres.database_exists(owner, MIGRATED):
        return
    postgres.create_database(owner, MIGRATED)
    postgres.restore(owner, MIGRATED, tryton.kept_upgrade(owner, folder, template) / "dump")
    quieten(owner, MIGRATED)


def quieten(owner: postgres.Server, database: str) -> None:
    """Switch scheduled jobs off: they would work on the books while these are compared."""
    with postgres.connect(owner, database) as connection:
        connection.execute("UPDATE ir_cron SET active = false")
