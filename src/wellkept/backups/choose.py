"""Which repository, environment or backup a run means when it was not told."""

from dataclasses import dataclass

from django.utils.translation import gettext_noop

from wellkept.backups.models import Backup, BackupState, Repository
from wellkept.estate.models import Environment, Kind
from wellkept.lib.text import message
from wellkept.operations.errors import Failed


@dataclass(frozen=True)
class Wish:
    """What a run was told: None is for it to choose."""

    system_id: int | None
    environment_id: int | None
    repository_id: int | None


def place(wish: Wish) -> tuple[Environment, Repository]:
    """The environment (the system's production one by default) and the repository (the organisation's only one by default)."""
    chosen = Environment.objects.select_related("system__organisation")
    if wish.environment_id is not None:
        environment = chosen.filter(pk=wish.environment_id).first()
    else:
        environment = chosen.filter(system=wish.system_id, kind=Kind.PRODUCTION).first()
    if environment is None:
        raise Failed(message(gettext_noop("This system has no environment to work on")))
    owned = Repository.objects.filter(organisation=environment.system.organisation_id)
    rows = list(owned.filter(pk=wish.repository_id) if wish.repository_id is not None else owned[:2])
    if not rows:
        raise Failed(message(gettext_noop("There is no such repository to keep backups in; make one first")))
    if len(rows) > 1:
        raise Failed(message(gettext_noop("There are several repositories; say which one")))
    return environment, rows[0]


def backup(system_id: int | None, backup_id: int | None) -> Backup:
    """The named backup when it is of the system, or the newest good one of the system's production environment."""
    rows = Backup.objects.select_related("repository", "system", "organisation", "environment")
    if system_id is not None:
        rows = rows.filter(system=system_id)
    if backup_id is not None:
        found = rows.filter(pk=backup_id).first()
    else:
        found = rows.filter(state=BackupState.GOOD, environment__kind=Kind.PRODUCTION, system=system_id).order_by("-snapshot_at").first()
    if found is None:
        raise Failed(message(gettext_noop("There is no such backup of this system; back it up first")))
    return found
