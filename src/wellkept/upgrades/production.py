"""Production as an upgrade finds it: what is worked on, where its new release lies, which one is in use, and what people are told meanwhile."""

import shutil
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext, gettext_noop

from wellkept.adapters.base import Notice, Site
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib import links
from wellkept.lib.hashing import sha256
from wellkept.operations import scratch
from wellkept.upgrades import work
from wellkept.upgrades.models import Upgrade
from wellkept.upgrades.work import Work

LANGUAGES = ("en", "zh-hant", "zh-hans")
REASON = gettext_noop("A new release is being installed.")
SPARE = 1.5
"""How much longer than in the rehearsal people are told that it takes."""


def upgrade(upgrade_id: int) -> Upgrade:
    """The upgrade with all that it belongs to."""
    return Upgrade.objects.select_related("environment__system__organisation", "system__organisation", "rehearsal").get(pk=upgrade_id)


def work_of(run_id: str, one: Upgrade) -> Work:
    """The upgrade as a run works on production's database, as its owner and with the old release."""
    site = replace(work.owner_site(one.environment), database=one.database, interpreter=Path(one.old_interpreter))
    layout = connect.ability(one.environment, "storage").storage(site).layout
    names = (one.current, one.target, one.new_database, one.kept_database, one.database)
    kept = books(one)
    return Work(one.environment, site, *names, layout, kept if kept.exists() else scratch.folder(run_id) / "upgrade")


def books(one: Upgrade) -> Path:
    """The folder with the books from before, for as long as the upgrade can be taken back by a later run; it may not be there."""
    place: Path = settings.HOME.path / "upgrades" / str(one.pk)
    return place


def keep_books(one: Upgrade) -> None:
    """Keep the books from before beyond the end of the upgrade's own run, so that they can be compared whenever it is taken back."""
    read = scratch.path(str(one.run_id)) / "upgrade" / work.BEFORE
    if read.exists():
        books(one).mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = books(one) / f"{work.BEFORE}.part"
        shutil.copy2(read, fresh)
        fresh.replace(books(one) / work.BEFORE)


def forget_books(one: Upgrade) -> None:
    """Remove them: there is no way back any more, or it was taken."""
    shutil.rmtree(books(one), ignore_errors=True)


def code(one: Upgrade, site: Site) -> Path:
    """Where the new release goes: beside the old one where a link says which is current, otherwise into our own home."""
    link = links.of(site.interpreter) if site.interpreter is not None else None
    place: Path = link.parent if link is not None else settings.HOME.path / "releases" / str(one.environment_id)
    listed = one.rehearsal.packages
    return place / (f"{one.version}-{sha256(listed.encode())[:8]}" if listed else one.version)


def use(one: Upgrade, interpreter: str) -> None:
    """Have everything that starts from now on use this release: by the link, or, where there is none, by the setting."""
    environment = Environment.objects.select_related("system__organisation").get(pk=one.environment_id)
    site = connect.site(environment)
    if site.interpreter is None or links.exchange(site.interpreter, Path(interpreter)):
        return
    environment.settings = {**environment.settings, "interpreter": interpreter}
    environment.save(update_fields=["settings"])


def note_version(one: Upgrade) -> str | None:
    """Keep which exact version the ERP has now, as it is seen; None where that cannot be seen, and what was known stays."""
    site = connect.site(Environment.objects.select_related("system__organisation").get(pk=one.environment_id))
    seen = connect.ability(one.environment, "inspect").discover(site).version_on_disk
    if seen:
        Environment.objects.filter(pk=one.environment_id).update(version=seen)
    return str(seen) if seen else None


def notice(one: Upgrade) -> Notice:
    """What people are told while the ERP is closed, with the end that is expected."""
    words = {}
    for language in LANGUAGES:
        with translation.override(language):
            words[language] = gettext(REASON)
    migrated = one.rehearsal.report.get("migrate", {}).get("seconds") or 600.0
    began = one.closed_at or timezone.now()
    return Notice(words, began + timedelta(seconds=migrated * SPARE + 60))


def name(database: str, what: str, run_id: str) -> str:
    """A name of its own for one upgrade; PostgreSQL allows 63 bytes."""
    ending = f"_{what}_{uuid.UUID(run_id).hex[:8]}"
    return database.encode()[: 63 - len(ending) - 25].decode(errors="ignore") + ending
