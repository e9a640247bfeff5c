"""What an upgrade leaves beside production: the database from before (or the migrated one, where it was taken back), and the release nobody uses.

It is the way back, so it stays until somebody removes it on purpose; after KEEP_DAYS that is proposed.
"""

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.backups.failures import told
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib import links
from wellkept.lib.text import message
from wellkept.operations.errors import Failed
from wellkept.tools import databases, postgres
from wellkept.upgrades import production, work
from wellkept.upgrades.models import Upgrade, UpgradeState

KEEP_DAYS = 14
Facts = dict[str, Any]


@dataclass(frozen=True)
class Leftover:
    """What one upgrade left; sizes in bytes. ``way_back``: the upgrade could still be taken back with it. ``due``: kept for long enough."""

    upgrade_id: int
    release: str
    since: datetime
    database: str | None
    database_bytes: int
    folder: str | None
    folder_bytes: int
    way_back: bool
    due: bool


def keeping(rows: QuerySet[Upgrade]) -> QuerySet[Upgrade]:
    """Of these upgrades those that keep something aside, as far as we know without looking at the ERP; the oldest first."""
    aside = Q(state=UpgradeState.KEPT) | Q(state=UpgradeState.TAKEN_BACK) & ~Q(discarded={})
    return rows.filter(aside, removed_at=None, ended_at__isnull=False).order_by("ended_at")


def due(rows: QuerySet[Upgrade]) -> QuerySet[Upgrade]:
    """Of these upgrades those whose leftovers may go."""
    return keeping(rows).filter(ended_at__lt=timezone.now() - timedelta(days=KEEP_DAYS))


def leftovers(environment: Environment) -> list[Leftover]:
    """What the upgrades of an environment left, the oldest first, with its sizes. Reads PostgreSQL and the disk."""
    return [_leftover(production.upgrade(one.pk)) for one in keeping(Upgrade.objects.filter(environment=environment))]


def remove(environment_id: int, upgrade_ids: Iterable[int], *, early: bool) -> Facts:
    """Remove what these upgrades left. Repeated, it goes on. Raises Failed, before anything is removed, for what is not due unless ``early``."""
    rows = Upgrade.objects.filter(environment_id=environment_id, pk__in=list(upgrade_ids))
    with told():
        found = [_leftover(production.upgrade(one.pk)) for one in keeping(rows)]
        young = [one for one in found if not one.due]
        if young and not early:
            text = gettext_noop("What the upgrade to {release} left is the way back, and is kept for {days} days unless it is said otherwise")
            raise Failed(message(text, release=young[0].release, days=KEEP_DAYS))
        for one in found:
            _remove(one)
    return {
        "removed": [{**asdict(one), "since": one.since.isoformat()} for one in found],
        "bytes": sum(one.database_bytes + one.folder_bytes for one in found),
    }


def _remove(one: Leftover) -> None:
    upgrade = production.upgrade(one.upgrade_id)
    server = work.owner_site(upgrade.environment).server
    if one.database is not None and server is not None:
        if not databases.fenced(server, one.database):
            text = gettext_noop("The database {database} is open, so somebody may work with it; it was not removed")
            raise Failed(message(text, database=one.database))
        postgres.drop_database(server, one.database)
    if one.folder is not None:
        shutil.rmtree(one.folder)
    production.forget_books(upgrade)
    Upgrade.objects.filter(pk=one.upgrade_id, removed_at=None).update(removed_at=timezone.now())


def _leftover(upgrade: Upgrade) -> Leftover:
    back = upgrade.state == UpgradeState.TAKEN_BACK
    server = work.owner_site(upgrade.environment).server
    name = upgrade.new_database if back else upgrade.kept_database
    size = databases.size(server, name) if server is not None and name else None
    folder = _unused(upgrade, upgrade.new_interpreter if back else upgrade.old_interpreter)
    since = upgrade.ended_at or upgrade.started_at
    return Leftover(
        upgrade_id=upgrade.pk,
        release=upgrade.version,
        since=since,
        database=name if size is not None else None,
        database_bytes=size or 0,
        folder=str(folder) if folder is not None else None,
        folder_bytes=_size(folder),
        way_back=not back and (size is not None or upgrade.is_patch),
        due=since < timezone.now() - timedelta(days=KEEP_DAYS),
    )


def _unused(upgrade: Upgrade, interpreter: str) -> Path | None:
    """The folder of a release, where it lies where we put releases, and no environment and no other way back needs it."""
    if not interpreter or not Path(interpreter).exists():
        return None
    place = production.code(upgrade, connect.site(upgrade.environment)).parent
    folder = next((parent for parent in Path(interpreter).parents if parent.parent == place), None)
    if folder is None or folder.is_symlink():
        return None
    here = {links.direct(Path(one)) for one in Environment.objects.values_list("settings__interpreter", flat=True) if one}
    others = keeping(Upgrade.objects.exclude(pk=upgrade.pk)) | Upgrade.objects.filter(state__in=(UpgradeState.RUNNING, UpgradeState.STUCK))
    here |= {Path(one) for pair in others.values_list("old_interpreter", "new_interpreter") for one in pair if one}
    return None if any(path.is_relative_to(folder) for path in here) else folder


def _size(folder: Path | None) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) if folder is not None else 0
