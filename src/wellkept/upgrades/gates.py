"""What has to hold before production is upgraded: each gate with whether it is open, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import Unsupported
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import Message, message
from wellkept.tools import databases
from wellkept.upgrades import assess, needs, notes, work
from wellkept.upgrades.models import Rehearsal, RehearsalState

REHEARSAL_DAYS = 14
SHOWN = 3
ROOM = {
    True: gettext_noop("There is room enough in {place}"),
    False: gettext_noop("{place} has too little room"),
    None: gettext_noop("How much room there is for {place} cannot be seen from here; look yourself"),
}


@dataclass(frozen=True)
class Gate:
    """One condition, by name, with why it is open or shut as a stored sentence."""

    name: str
    open: bool
    why: Message


@dataclass(frozen=True)
class Seen:
    """All gates in their order, and the rehearsal that counts, None where there is none."""

    gates: list[Gate]
    rehearsal: Rehearsal | None

    @property
    def open(self) -> bool:
        """Whether production may be upgraded now."""
        return self.rehearsal is not None and all(gate.open for gate in self.gates)


def look(environment: Environment, target: str) -> Seen:
    """Every gate as it is now. Only reads, but for an empty database that is made and dropped to see what the role may do."""
    current = assess.current_series(environment)
    rehearsal = (
        Rehearsal.objects.filter(environment=environment, current=current, target=target, state=RehearsalState.SUCCEEDED)
        .order_by("-ended_at")
        .first()
    )
    found = [_rehearsed(rehearsal, target), *_same(environment, current, rehearsal), _proven(environment), *_room(environment), _allowed(environment)]
    return Seen(found, rehearsal)


def active_modules(environment: Environment) -> list[str]:
    """The modules that are active now, sorted."""
    seen = connect.ability(environment, "inspect").discover(connect.site(environment))
    return sorted(part.name for part in seen.components if part.kind == "module" and part.active)


def _rehearsed(rehearsal: Rehearsal | None, target: str) -> Gate:
    if rehearsal is None or rehearsal.ended_at is None:
        return Gate("rehearsal", False, message(gettext_noop("The upgrade to {target} was never rehearsed with success"), target=target))
    ended = rehearsal.ended_at
    young = ended > timezone.now() - timedelta(days=REHEARSAL_DAYS)
    text = gettext_noop("Rehearsed on {day}") if young else gettext_noop("The newest rehearsal is of {day}, more than {days} days ago")
    return Gate("rehearsal", young, message(text, day=ended.date().isoformat(), days=REHEARSAL_DAYS))


def _same(environment: Environment, current: str, rehearsal: Rehearsal | None) -> Iterator[Gate]:
    if rehearsal is None:
        return
    try:
        shipped = connect.ability(environment, "releases").notes(current, rehearsal.target)
    except Unsupported:
        shipped = []
    counted = notes.digest(notes.effective(environment.system, current, rehearsal.target, shipped))
    same = counted == rehearsal.notes_digest
    fit = gettext_noop("The approved notes are those that were rehearsed")
    yield Gate("notes", same, message(fit if same else gettext_noop("The approved notes are not those that were rehearsed")))
    changed = sorted(set(active_modules(environment)) ^ set(rehearsal.modules))
    text = gettext_noop("Modules were changed since the rehearsal: {names}") if changed else gettext_noop("The modules are those that were rehearsed")
    yield Gate("modules", not changed, message(text, names=", ".join(changed)))


def _proven(environment: Environment) -> Gate:
    newest = Backup.objects.filter(environment=environment, state=BackupState.GOOD).order_by("-made_at").first()
    proven = newest is not None and Drill.objects.filter(backup=newest, state=DrillState.PROVEN).exists()
    text = gettext_noop("The newest backup was restored and proven") if proven else gettext_noop("The newest backup was not proven by a drill yet")
    return Gate("backup", proven, message(text))


def _room(environment: Environment) -> Iterator[Gate]:
    sizes = environment.seen.get("database_bytes"), environment.seen.get("files_bytes")
    for place in needs.needs(environment.pk, *sizes)["space"]:
        if place["what"] == "rehearsal":
            continue
        text = ROOM[place["enough"]]
        yield Gate(f"room-{place['what']}", place["enough"] is not False, message(text, place=place["place"] or "PostgreSQL"))


def _allowed(environment: Environment) -> Gate:
    site = work.owner_site(environment)
    lacks = databases.lacks(site.server, site.database) if site.server is not None else []
    if not lacks:
        return Gate("role", True, message(gettext_noop("The database may be copied and exchanged")))
    said = "; ".join(f"{lack.why} ({lack.remedy})" for lack in lacks[:SHOWN])
    return Gate("role", False, message(gettext_noop("The database cannot be copied and exchanged: {why}"), why=said))
