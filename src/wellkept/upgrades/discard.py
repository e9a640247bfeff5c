"""Taking an upgrade back after people have worked with the new release: what they wrote since is exported first, and somebody agrees to its loss.

The export is made while nobody can work, before anything is exchanged. The migrated database is kept, too, under the name that the copy had.
"""

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import Connection, FileReference, Site, WrittenKind
from wellkept.backups import checks
from wellkept.backups.failures import told
from wellkept.estate import connect
from wellkept.estate.errors import Invalid, NotFound
from wellkept.estate.models import Environment
from wellkept.lib import csvsafe
from wellkept.lib.hashing import file_sha256
from wellkept.lib.text import message
from wellkept.operations import progress, records
from wellkept.operations.errors import Failed
from wellkept.operations.models import Step
from wellkept.tools import command, databases, postgres
from wellkept.upgrades import production, work
from wellkept.upgrades.models import Upgrade, UpgradeState

SPARE_SECONDS = 1.0
"""The moment at which the new release was opened and the time of the first row come from two programs."""
Facts = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What would be lost: the rows that were written since, by kind, and the files that they need."""

    upgrade: Upgrade
    since: datetime
    kinds: list[WrittenKind]
    files: int

    @property
    def rows(self) -> int:
        """How many rows were made, changed or deleted."""
        return sum(kind.created + kind.changed + kind.deleted for kind in self.kinds)


def candidate(environment: Environment) -> Upgrade:
    """The upgrade that can be taken back though people worked with it: the newest, opened, its earlier database still kept.

    Raises NotFound where there is none, Invalid where the way back is gone.
    """
    rows = Upgrade.objects.filter(environment=environment, opened_at__isnull=False, state__in=(UpgradeState.KEPT, UpgradeState.STUCK))
    newest = rows.order_by("-started_at").first()
    if newest is None:
        raise NotFound(gettext_noop("no upgrade of {system} was opened and can be taken back"), system=environment.system.name)
    if newest.is_patch:
        raise Invalid(gettext_noop("taking a patch back loses nothing: take it back without discarding anything"))
    if not connect.has(environment, "written"):
        raise Invalid(gettext_noop("what people wrote cannot be told of this kind of ERP, so its upgrade is not taken back"))
    if not way_back(newest):
        raise Invalid(gettext_noop("the database or the release from before the upgrade is gone, so only a backup leads back"))
    return newest


def way_back(upgrade: Upgrade) -> bool:
    """Whether the database and the release from before are still there."""
    server = work.owner_site(upgrade.environment).server
    return server is not None and postgres.database_exists(server, upgrade.kept_database) and Path(upgrade.old_interpreter).exists()


def plan(upgrade: Upgrade) -> Plan:
    """Count what was written since the new release was opened; the ERP is only read."""
    ability, seconds = connect.ability(upgrade.environment, "written"), _seconds(upgrade)
    site = connect.site(upgrade.environment)
    with checks.database(site) as connection, command.stoppable(connection.cancel):
        kinds = list(ability.kinds(connection, seconds))
        files = ability.files(connection, site.database, seconds, layout=_layout(upgrade))
    return Plan(upgrade, opened(upgrade), kinds, len(files))


def opened(upgrade: Upgrade) -> datetime:
    """When people may have worked for the first time: when the ERP was about to be opened. ``opened_at`` is when it was seen to work."""
    step = Step.objects.filter(run=upgrade.run_id, name="open").order_by("started_at").first()
    moments = [moment for moment in (upgrade.opened_at, step.started_at if step is not None else None) if moment is not None]
    return min(moments)


def close(run_id: str, environment_id: int, upgrade_id: int) -> Facts:
    """Close the ERP for its users, and see that nobody is left. Raises Failed for an upgrade that cannot be taken back; nothing is touched."""
    environment = Environment.objects.select_related("system__organisation").get(pk=environment_id)
    if exchanged(upgrade_id):
        return {"closed": False}
    with told():
        try:
            upgrade = candidate(environment)
        except (NotFound, Invalid) as error:
            raise Failed(error.message) from error
        if upgrade.pk != upgrade_id:
            raise Failed(message(gettext_noop("This upgrade is not the newest that can be taken back, so nothing was done")))
        made = production.work_of(run_id, upgrade)
        made.ability("control").maintain(connect.site(environment), production.notice(upgrade))
        left = databases.end(made.server, upgrade.database, databases.sessions(made.server, upgrade.database))
        if left:
            text = gettext_noop("Somebody is still connected to {database} and could not be ended: {who}")
            raise Failed(message(text, database=upgrade.database, who="; ".join(str(one) for one in left)))
    return {"closed": True}


def export(run_id: str, upgrade_id: int, actor: str) -> Facts:
    """Write everything that was written since into one archive, and put its place and checksum on record. Repeated, it is written anew."""
    upgrade = production.upgrade(upgrade_id)
    if exchanged(upgrade_id):
        return dict(upgrade.discarded)
    with told():
        made = production.work_of(run_id, upgrade)
        target = _target(upgrade, run_id)
        facts = _write(upgrade, made.site, target)
    facts |= {"path": str(target), "sha256": file_sha256(target), "bytes": target.stat().st_size, "by": actor}
    with transaction.atomic():
        Upgrade.objects.filter(pk=upgrade_id).update(discarded=facts)
        text = gettext_noop(
            "What was written since the upgrade to {version} was exported ({rows} rows, {files} files), and {actor} agreed to its loss"
        )
        said = message(text, version=upgrade.version, rows=facts["rows"], files=facts["files"], actor=actor)
        records.append(upgrade.organisation, "upgrades.exported", said, actor=actor, system=upgrade.system, run_id=run_id, data=facts)
    return facts


def reopen(run_id: str, upgrade_id: int) -> Facts:
    """Open the new release again, as it was not taken back. Nothing where that cannot be any more."""
    if exchanged(upgrade_id):
        return {"opened": False}
    Upgrade.objects.filter(pk=upgrade_id).update(discarded={})
    upgrade = production.upgrade(upgrade_id)
    with told():
        control, site = production.work_of(run_id, upgrade).ability("control"), connect.site(upgrade.environment)
        if control.notice(site) is not None or not control.alive(site):
            control.stop(site)
            control.start(site)
    return {"opened": True}


def settle(upgrade_id: int) -> Facts:
    """Note which release is there now, and what was kept; the last thing."""
    upgrade = production.upgrade(upgrade_id)
    with told():
        version = production.note_version(upgrade)
    return {"export": upgrade.discarded.get("path"), "kept_database": upgrade.new_database, "version": version}


def _write(upgrade: Upgrade, site: Site, target: Path) -> Facts:
    ability, seconds = connect.ability(upgrade.environment, "written"), _seconds(upgrade)
    layout = _layout(upgrade)
    fresh = target.with_suffix(".part")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive, postgres.connect(_server(site), site.database, readonly=True) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with command.stoppable(connection.cancel):
            kinds = list(ability.kinds(connection, seconds))
            tables = [kind.table for kind in kinds if kind.created or kind.changed]
            for table in [*tables, *([ability.JOURNAL] if kinds else [])]:
                progress.report(note=message("{table}", table=table))
                _table(archive, ability, connection, table, seconds)
            files = ability.files(connection, site.database, seconds, layout=layout)
        lost = _files(archive, site.files, files)
        facts = {
            "since": opened(upgrade).isoformat(),
            "until": timezone.now().isoformat(),
            "rows": sum(kind.created + kind.changed + kind.deleted for kind in kinds),
            "kinds": {kind.table: [kind.created, kind.changed, kind.deleted] for kind in kinds},
            "files": len(files) - len(lost),
            "files_missing": lost,
        }
        about = {"system": upgrade.system.name, "upgrade": upgrade.pk, "release": upgrade.version, "kinds_in_full": [asdict(kind) for kind in kinds]}
        archive.writestr("contents.json", json.dumps({**about, **facts}, indent=1, ensure_ascii=False))
    fresh.replace(target)
    return facts


def _table(archive: zipfile.ZipFile, ability: Any, connection: Connection, table: str, seconds: float) -> None:
    with archive.open(f"rows/{table}.csv", "w", force_zip64=True) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        for row in ability.rows(connection, table, seconds):
            writer.writerow([_cell(value) for value in row])


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "\\x" + bytes(value).hex() if isinstance(value, bytes | memoryview) else csvsafe.cell(value)


def _files(archive: zipfile.ZipFile, store: Path | None, files: Sequence[FileReference]) -> list[str]:
    """Copy the files into the archive; returns those that are not in the store."""
    lost = []
    for one in files:
        path = store / one.path if store is not None else None
        if path is None or not path.is_file():
            lost.append(one.path)
        else:
            archive.write(path, f"files/{one.path}")
    return lost


def _target(upgrade: Upgrade, run_id: str) -> Path:
    """A file that only the installation's own user may read, outside of the ERP's folders."""
    folder: Path = settings.HOME.path / "exports" / upgrade.organisation.slug
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.parent.chmod(0o700)
    return folder / f"{upgrade.system.name}-{upgrade.version}-{run_id[:8]}.zip"


def _seconds(upgrade: Upgrade) -> float:
    return (timezone.now() - opened(upgrade)).total_seconds() + SPARE_SECONDS


def _layout(upgrade: Upgrade) -> dict[str, str]:
    site = connect.site(upgrade.environment)
    return dict(connect.ability(upgrade.environment, "storage").storage(site).layout)


def _server(site: Site) -> postgres.Server:
    if site.server is None:
        raise Failed(message(gettext_noop("The database of this ERP cannot be reached from here: its server and a login for it are not known")))
    return site.server


def exchanged(upgrade_id: int) -> bool:
    """Whether the database from before has its name again already, after what was written was exported: then there is nothing left to export."""
    one = production.upgrade(upgrade_id)
    server = work.owner_site(one.environment).server
    return bool(one.discarded) and server is not None and not postgres.database_exists(server, one.kept_database)
