"""Assess an upgrade: what there is, what is used, what the target asks for, what it would refuse, and how much room and time it takes.

Everything here only reads the ERP. Each function is a step of the operation and gives plain data; ``report.py`` draws the conclusions.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from django.utils.translation import gettext_noop

from wellkept import home
from wellkept.adapters.base import AdapterError, Component, Connection, Discovery, Invalid, Site, Unreachable, Unsupported
from wellkept.backups import checks
from wellkept.backups.failures import told
from wellkept.estate import adopt, connect
from wellkept.estate.models import Environment, System
from wellkept.lib.text import message
from wellkept.operations import progress
from wellkept.operations.errors import Failed
from wellkept.tools import command
from wellkept.upgrades import notes, packages, releases

STATEMENT_SECONDS = 300
Facts = dict[str, Any]


def look(system_id: int) -> Facts:
    """Ask the index for the releases of a system's ERP. Raises Failed when it does not answer."""
    adapter = System.objects.get(pk=system_id).adapter
    with told():
        known = releases.look(adapter)
    if known.problem:
        raise Failed(message(gettext_noop("The package index does not say which releases there are: {known}"), known=known.problem))
    found = releases.kept(adapter)
    return {"count": len(found), "newest": found[-1].series if found else None}


def ask_index(environment_id: int, target: str) -> Facts:
    """Which releases there are, and whether there is a way to the target. Raises Failed with the legal path when there is none."""
    environment = _environment(environment_id)
    adapter = environment.system.adapter
    with told():
        known = releases.look(adapter)
        current = current_series(environment)
        way = legal_path(environment, current, target)
    return {
        "current": current,
        "path": [current, *way],
        "seen_at": known.seen_at.isoformat() if known.seen_at else None,
        "problem": known.problem,
        "releases": [
            {"series": one.series, "newest": one.newest, "support_end": _text(one.support_end), "long_term": one.long_term}
            for one in releases.kept(adapter)
            if releases.order(one.series) >= releases.order(current)
        ],
    }


def legal_path(environment: Environment, current: str, target: str) -> list[str]:
    """The series to go through. When nothing is known of any release, the target is believed to exist. Raises Failed with the legal path."""
    ability = connect.ability(environment, "releases")
    known = [one.series for one in releases.kept(environment.system.adapter)] or [target]
    try:
        return list(ability.path(current, target, known))
    except (Unsupported, Invalid) as error:
        raise Failed(message(gettext_noop("This upgrade is not possible: {reason}"), reason=str(error))) from error


def current_series(environment: Environment) -> str:
    """The series in the database now, or on the disk. Raises Failed when neither can be seen."""
    seen = connect.ability(environment, "inspect").discover(connect.site(environment))
    version = seen.version_in_database or seen.version_on_disk
    if version is None:
        reasons = adopt.not_seen(environment.system.adapter, seen)
        raise Failed(message(gettext_noop("The release of this ERP cannot be seen: {reason}"), reason=reasons))
    return releases.series_of(version)


def look_at_modules(environment_id: int, target: str) -> Facts:
    """What is installed and used, what the target lacks, and what it needs."""
    environment = _environment(environment_id)
    ability = connect.ability(environment, "releases")
    with told():
        site = connect.site(environment)
        seen: Discovery = connect.ability(environment, "inspect").discover(site)
        active = [part for part in seen.components if part.kind == "module" and part.active]
        with reading(site) as connection:
            uses = connect.ability(environment, "activity").modules(connection) if connect.has(environment, "activity") else []
    progress.report(drivers={"modules": len(active)})
    return {
        "installed": len(active),
        "modules": [{**asdict(use), "last": use.last.isoformat() if use.last else None} for use in uses],
        "missing": _missing(environment, active, target),
        "requirements": _requirements(ability, site, target),
        "pending": list(seen.pending),
        "blind": [asdict(one) for one in seen.blind],
        "database_bytes": seen.database_bytes,
        "files_bytes": seen.files_bytes,
    }


def check_data(environment_id: int, current: str, target: str) -> Facts:
    """Which manual steps apply and why the others do not, and which rows the target would refuse."""
    environment = _environment(environment_id)
    ability = connect.ability(environment, "releases")
    try:
        shipped = ability.notes(current, target)
    except Unsupported as error:
        return {"described": False, "why": str(error), "notes": [], "digest": None, "breaches": []}
    system = environment.system
    tried = notes.effective(system, current, target, shipped, pending=True)
    counted = notes.effective(system, current, target, shipped)
    with told(), reading(connect.site(environment)) as connection:
        judged = [_judged(ability, connection, one) for one in tried]
        breaches = [asdict(one) for one in ability.breaches(connection, current, target)]
    approved = notes.digest(counted) == notes.digest(tried)
    return {"described": True, "why": "", "notes": judged, "digest": notes.digest(tried), "approved": approved, "breaches": breaches}


def _judged(ability: Any, connection: Connection, one: notes.Effective) -> Facts:
    """A note and whether it applies: ``yes``, ``no``, ``later`` or ``unknown``, when this database does not understand its condition.

    The condition of a note after the migration is about the new schema, so only its modules can be looked at now.
    """
    note = one.note
    later = note.phase == "after" and bool(note.condition)
    try:
        verdict = ability.applies(connection, replace(note, condition="") if later else note)
        applies = ("later" if later else "yes") if verdict.applies else "no"
        reason = verdict.reason
    except AdapterError as error:
        applies, reason = "unknown", str(error)
    plain = {"id": note.id, "title": note.title, "source": note.source, "phase": note.phase, "why": note.why, "by_hand": not note.action}
    return {**plain, "applies": applies, "reason": reason if applies != "later" else "", "own": one.own.version if one.own else None}


def _missing(environment: Environment, active: list[Component], target: str) -> list[Facts]:
    """The active modules that we have no pinned package of: with what the index offers for the series (``asked`` False: it did not answer).

    ``given`` is the version of what somebody gave for the series instead; for these the index is not asked.
    """
    ability = connect.ability(environment, "releases")
    given = {name: one.version for one in packages.given(environment.system, target) for name in one.modules}
    try:
        names = list(ability.missing([part.name for part in active], target))
    except Unsupported:
        names = [part.name for part in active if part.installed]
    installed = {part.name: part.installed for part in active}
    try:
        offered, asked = ability.offered([name for name in names if name not in given], target, cache=home.cache()), True
    except Unreachable:
        offered, asked = {}, False
    return [
        {"module": name, "installed": installed.get(name), "offered": offered.get(name), "given": given.get(name), "asked": asked} for name in names
    ]


def _requirements(ability: Any, site: Site, target: str) -> list[Facts] | None:
    """What the target needs compared with what is there; None where we cannot install the target, so that nothing is known."""
    try:
        return [asdict(one) for one in ability.requirements(site, target)]
    except Unsupported:
        return None


@contextlib.contextmanager
def reading(site: Site) -> Iterator[Connection]:
    """A connection that can only read, in one snapshot, with a limit for each statement; it ends with the step."""
    with checks.database(site) as connection, command.stoppable(connection.cancel):
        connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
        yield connection


def _environment(environment_id: int) -> Environment:
    return Environment.objects.select_related("system__organisation").get(pk=environment_id)


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
