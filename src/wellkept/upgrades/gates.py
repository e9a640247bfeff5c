"""What has to hold before production is upgraded: each gate with whether it is open, and why.

Half of the gates Wellkept knows by itself (``known``); for the others the ERP, its database and the disks are asked (``look``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import Unsupported
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate import connect, service
from wellkept.estate.models import Environment, Person
from wellkept.lib.text import Message, message
from wellkept.operations import windows
from wellkept.operations.errors import Failed
from wellkept.operations.models import OPEN_STATES, Run
from wellkept.tools import databases
from wellkept.upgrades import assess, needs, notes, packages, patch, work
from wellkept.upgrades.consent import accept, agree, waivers
from wellkept.upgrades.expect import Expected, expected
from wellkept.upgrades.models import Approval, Rehearsal, RehearsalState, Waiver

REHEARSAL_DAYS = 14
SHOWN = 3
ROOM = {
    True: gettext_noop("There is room enough in {place}"),
    False: gettext_noop("{place} has too little room"),
    None: gettext_noop("How much room there is for {place} cannot be seen from here; look yourself"),
}


@dataclass(frozen=True)
class Gate:
    """One condition by name: whether it holds, why as a stored sentence, and who waived it, if anybody did."""

    name: str
    holds: bool
    why: Message
    waiver: Waiver | None = None

    @property
    def open(self) -> bool:
        """Whether it keeps nobody from going on."""
        return self.holds or self.waiver is not None

    @property
    def waivable(self) -> bool:
        """Whether an administrator may waive it."""
        return self.name in waivers.WAIVABLE


@dataclass(frozen=True)
class Seen:
    """The gates in their order, the rehearsal that counts (None where there is none) and the approval of it, waiting or given."""

    gates: list[Gate]
    rehearsal: Rehearsal | None
    approval: Approval | None

    @property
    def open(self) -> bool:
        """Whether production may be upgraded now, as far as was looked."""
        return self.rehearsal is not None and all(gate.open for gate in self.gates)

    @property
    def shut(self) -> list[Gate]:
        """The gates that are in the way."""
        return [gate for gate in self.gates if not gate.open]

    @property
    def waived(self) -> list[dict[str, Any]]:
        """The gates that do not hold and are waived, as plain data to be kept with the upgrade."""
        return [
            {"gate": gate.name, "reason": gate.waiver.reason, "author": gate.waiver.author, "until": gate.waiver.ends_at.isoformat()}
            for gate in self.gates
            if gate.waiver is not None and not gate.holds
        ]


def look(environment: Environment, target: str, *, starter: Person | None = None, run_id: str = "") -> Seen:
    """Every gate as it is now, for whoever wants to start it (None: this machine's console); its own run, if there is one, is not in the way.

    Only reads, but for an empty database that is made and dropped to see what the role may do.
    """
    current = assess.current_series(environment)
    seen = known(environment, target, starter=starter, run_id=run_id, current=current)
    asked = list(same(environment, seen.rehearsal)) if seen.rehearsal is not None else []
    if current == target and seen.rehearsal is not None:
        why = patch.lacking(environment, target, seen.rehearsal.packages)
        asked.append(Gate("newer", why is None, why or message(gettext_noop("A newer version of the same series can be installed"))))
    asked.append(_control(environment))
    if current != target and asked[-1].holds:
        asked += [*_room(environment), _allowed(environment)]
    return replace(seen, gates=[*seen.gates, *asked])


def known(
    environment: Environment,
    target: str,
    *,
    starter: Person | None = None,
    run_id: str = "",
    current: str = "",
    at: datetime | None = None,
) -> Seen:
    """The gates that Wellkept knows by itself, without asking the ERP; those about time as they will be ``at`` a moment, if one is given."""
    moment = at or timezone.now()
    newest = agree.rehearsed(environment, target, current)
    good = newest if newest is not None and newest.state == RehearsalState.SUCCEEDED else None
    approval = agree.standing(good) if good is not None else None
    found = [_rehearsed(newest, target)]
    if good is not None:
        found += [_young(good, moment), *_accepted(good), _approved(approval, starter)]
    takes = expected(good) if good is not None else None
    found += [_proven(environment), *plans(environment, takes, now=moment), _alone(environment, run_id)]
    standing: Mapping[str, Waiver] = waivers.standing(good) if good is not None else {}
    waived = {name: waiver for name, waiver in standing.items() if waiver.ends_at > moment}
    return Seen([replace(gate, waiver=waived.get(gate.name)) if gate.waivable else gate for gate in found], good, approval)


def plans(environment: Environment, takes: Expected | None, *, closed: bool = False, now: datetime | None = None) -> Iterator[Gate]:
    """The window that is needed and the freeze that is not; with ``closed`` for what is left when the ERP is about to be closed."""
    moment = now or timezone.now()
    yield _window(environment, takes, moment, closed=closed)
    freeze = windows.frozen(environment, moment)
    if freeze is None:
        yield Gate("freeze", True, message(gettext_noop("Nothing is frozen")))
    else:
        text = gettext_noop("It stays as it is until {until}: {reason}")
        yield Gate("freeze", False, message(text, until=freeze.ends_at.isoformat(timespec="minutes"), reason=freeze.reason))


def same(environment: Environment, rehearsal: Rehearsal) -> Iterator[Gate]:
    """Whether the notes and the active modules are still those that were rehearsed; the ERP is asked."""
    current, target = rehearsal.current, rehearsal.target
    try:
        shipped = connect.ability(environment, "releases").notes(current, target)
    except Unsupported:
        shipped = []
    fits = notes.digest(notes.effective(environment.system, current, target, shipped)) == rehearsal.notes_digest
    fit = gettext_noop("The approved notes are those that were rehearsed")
    yield Gate("notes", fits, message(fit if fits else gettext_noop("The approved notes are not those that were rehearsed")))
    changed = sorted(set(active_modules(environment)) ^ set(rehearsal.modules))
    text = gettext_noop("Modules were changed since the rehearsal: {names}") if changed else gettext_noop("The modules are those that were rehearsed")
    yield Gate("modules", not changed, message(text, names=", ".join(changed)))
    others = packages.changed(rehearsal)
    if others:
        text = gettext_noop("Modules of your own were given or taken away since the rehearsal: {names}; rehearse again")
        yield Gate("given", False, message(text, names=", ".join(others)))


def active_modules(environment: Environment) -> list[str]:
    """The modules that are active now, sorted. Raises Failed where none can be seen: every ERP has some, and none would look like all removed."""
    seen = connect.ability(environment, "inspect").discover(connect.site(environment))
    active = sorted(part.name for part in seen.components if part.kind == "module" and part.active)
    if not active:
        why = "; ".join(f"{one.what}: {one.why}" for one in seen.blind)
        raise Failed(message(gettext_noop("Which modules are active cannot be seen now ({reason})"), reason=why), retryable=True)
    return active


def _rehearsed(newest: Rehearsal | None, target: str) -> Gate:
    if newest is None or newest.ended_at is None:
        return Gate("rehearsal", False, message(gettext_noop("The upgrade to {target} was never rehearsed with success"), target=target))
    good = newest.state == RehearsalState.SUCCEEDED
    text = gettext_noop("Rehearsed on {day}") if good else gettext_noop("The newest rehearsal, of {day}, failed")
    return Gate("rehearsal", good, message(text, day=newest.ended_at.date().isoformat()))


def _young(rehearsal: Rehearsal, now: datetime) -> Gate:
    young = rehearsal.ended_at is not None and rehearsal.ended_at > now - timedelta(days=REHEARSAL_DAYS)
    text = gettext_noop("The rehearsal is not older than {days} days") if young else gettext_noop("The rehearsal is older than {days} days")
    return Gate("age", young, message(text, days=REHEARSAL_DAYS))


def _accepted(rehearsal: Rehearsal) -> Iterator[Gate]:
    """What the rehearsal was judged by has to count for production, too; no gate where nothing was accepted."""
    missing = accept.missing(rehearsal)
    if missing:
        text = gettext_noop("The rehearsal took what production would not: {finding} ({author}) is not approved, or revoked")
        yield Gate("acceptances", False, message(text, finding=accept.said(missing[0].finding), author=missing[0].author))
    elif accept.used(rehearsal):
        yield Gate("acceptances", True, message(gettext_noop("What was accepted is approved")))


def _approved(approval: Approval | None, starter: Person | None) -> Gate:
    if approval is None:
        text = gettext_noop("Nobody has asked for an approval yet, or something has changed since")
        return Gate("approval", False, message(text))
    if approval.approved_at is None:
        return Gate("approval", False, message(gettext_noop("{author} has asked for it; a second person has to approve"), author=approval.author))
    if approval.approver_person_id == (starter.pk if starter is not None else None):
        text = gettext_noop("{approver} approved it, so somebody else has to start it")
        return Gate("approval", False, message(text, approver=approval.approver))
    text = gettext_noop("{approver} approved it at {at}")
    return Gate("approval", True, message(text, approver=approval.approver, at=approval.approved_at.isoformat(timespec="minutes")))


def _window(environment: Environment, takes: Expected | None, now: datetime, *, closed: bool) -> Gate:
    opening = windows.current(environment, now)
    if opening is None:
        if not windows.declared(environment.system):
            text = gettext_noop("Nobody has declared when it may be changed: under Settings, Plans, or by wellkept window add --system {system}")
            return Gate("window", False, message(text, system=environment.system.name))
        later = windows.upcoming(environment, now)
        if later is None:
            return Gate("window", False, message(gettext_noop("No window is open, and none is to come")))
        text = gettext_noop("No window is open; the next one opens at {at}")
        return Gate("window", False, message(text, at=later.starts.isoformat(timespec="minutes")))
    facts = {"until": opening.ends.isoformat(timespec="minutes")}
    if takes is not None:
        longest = (takes.closed if closed else takes.whole).p90 + takes.back.p90
        facts |= {"minutes": f"{longest / 60:.1f}"}
        if now + timedelta(seconds=longest) > opening.ends:
            text = gettext_noop("The window closes at {until}, and the upgrade with taking it back may need {minutes} minutes")
            return Gate("window", False, message(text, **facts))
    return Gate("window", True, message(gettext_noop("The window is open until {until}"), **facts))


def _alone(environment: Environment, run_id: str) -> Gate:
    others = Run.objects.filter(environment=environment, state__in=OPEN_STATES).select_related("requested_by").order_by("requested_at")
    other = next((run for run in others if str(run.pk) != run_id), None)
    if other is None:
        return Gate("run", True, message(gettext_noop("Nothing else is being done with it")))
    text = gettext_noop("{operation} is being done, started by {person} at {since}")
    person = str(other.requested_by) if other.requested_by else "wellkept"
    since = other.requested_at.isoformat(timespec="seconds")
    return Gate("run", False, message(text, operation=other.operation, person=person, since=since))


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


def _control(environment: Environment) -> Gate:
    why = service.lacking(environment)
    return Gate("control", why is None, why or message(gettext_noop("It can be stopped, and started with another release")))


def _allowed(environment: Environment) -> Gate:
    site = work.owner_site(environment)
    lacks = databases.lacks(site.server, site.database) if site.server is not None else []
    if not lacks:
        return Gate("role", True, message(gettext_noop("The database may be copied and exchanged")))
    said = [message("{why} ({remedy})", why=lack.why, remedy=lack.remedy) for lack in lacks[:SHOWN]]
    return Gate("role", False, message(gettext_noop("The database cannot be copied and exchanged: {why}"), why=said))
