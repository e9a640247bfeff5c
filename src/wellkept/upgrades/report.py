"""What an assessment concludes: the risks in order, each with what to do, and the verdict."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import Message, message, recognised
from wellkept.upgrades.models import Assessment, Level

SUPPORT_SOON = 180
NAMES_SHOWN = 8
RANK = {Level.ACT: 0, Level.WATCH: 1, Level.WELL: 2}
Facts = dict[str, Any]
BREACHES = {
    "empty": gettext_noop("{table}: {columns} is empty where {target} wants it filled (rows: {rows}, first: {examples})"),
    "double": gettext_noop("{table}: {columns} is there more than once, and {target} wants it to be unique (rows: {rows}, first: {examples})"),
    "loose": gettext_noop("{table}: {columns} names something that is not there, and {target} refuses that (rows: {rows}, first: {examples})"),
    "wrong": gettext_noop("{table} breaks a rule of {target}: {rule} (rows: {rows}, first: {examples})"),
}
PLACES = {
    "copy": gettext_noop("the copy of the database in which the upgrade works"),
    "release": gettext_noop("the new release beside the old one"),
    "rehearsal": gettext_noop("the backup and the copy of the rehearsal"),
}


@dataclass(frozen=True)
class Risk:
    """Something that an upgrade meets, how bad it is, and what to do about it; both are stored sentences."""

    level: str
    text: Message
    remedy: Message


def store(run_id: str, environment_id: int, target: str, facts: Facts) -> Facts:
    """Keep the assessment with its conclusions. Repeated for the same run, it is the same one. Returns its number and verdict."""
    environment = Environment.objects.select_related("system__organisation").get(pk=environment_id)
    found = risks(target, facts, connect.ability(environment, "inspect").WORDS)
    level = found[0].level if found else Level.WELL
    used = [module for module in facts["modules"] if module["used"]]
    report = {**facts, "target": target, "used": len(used), "risks": [asdict(risk) for risk in found]}
    with transaction.atomic():
        made, _ = Assessment.objects.update_or_create(
            run_id=run_id,
            defaults={
                "organisation": environment.system.organisation,
                "system": environment.system,
                "environment": environment,
                "current": facts["current"],
                "target": target,
                "level": level,
                "made_at": timezone.now(),
                "report": report,
            },
        )
    counts = {level: sum(risk.level == level for risk in found) for level in (Level.ACT, Level.WATCH)}
    return {"assessment": made.pk, "verdict": str(level), "in_the_way": counts[Level.ACT], "to_look_at": counts[Level.WATCH]}


def risks(target: str, facts: Facts, words: Sequence[str]) -> list[Risk]:
    """The risks, the worst first; ``words`` are the templates of what discovery says."""
    found = [
        *_way(target, facts),
        *_modules(target, facts, words),
        *_requirements(target, facts, words),
        *_data(target, facts),
        *_room_and_time(facts),
    ]
    return sorted(found, key=lambda risk: RANK[Level(risk.level)])


def _act(text: Message, remedy: Message) -> Risk:
    return Risk(str(Level.ACT), text, remedy)


def _watch(text: Message, remedy: Message) -> Risk:
    return Risk(str(Level.WATCH), text, remedy)


def _way(target: str, facts: Facts) -> Iterator[Risk]:
    """The jump itself, the index, and how long the releases are maintained."""
    if not facts["described"]:
        text = gettext_noop("The manual steps from {current} to {target} are not described here, so nobody can say what they do to this database")
        remedy = gettext_noop("Choose a release whose steps are described")
        yield _act(message(text, current=facts["current"], target=target), message(remedy))
    if facts["problem"]:
        known = message(gettext_noop("what is said about releases is from {at}"), at=facts["seen_at"]) if facts["seen_at"] else None
        unknown = message(gettext_noop("none is known from before"))
        text = gettext_noop("The package index does not say which releases there are: {known}")
        remedy = gettext_noop("Let this machine reach the package index, then assess again: the new release is downloaded from it")
        yield _watch(message(text, known=known or unknown), message(remedy))
    for one in facts["releases"]:
        end = dt.date.fromisoformat(one["support_end"]) if one["support_end"] else None
        left = (end - timezone.localdate()).days if end else None
        if one["series"] == facts["current"] and left is not None and left <= SUPPORT_SOON:
            text = gettext_noop("{series} is maintained until {day}") if left >= 0 else gettext_noop("{series} is not maintained since {day}")
            yield _watch(message(text, series=one["series"], day=one["support_end"]), message(gettext_noop("Plan the upgrade soon")))
        if one["series"] == target and left is not None and left <= SUPPORT_SOON:
            text = gettext_noop("{series} itself is maintained only until {day}")
            yield _watch(
                message(text, series=target, day=one["support_end"]), message(gettext_noop("Choose a release that is maintained for longer"))
            )


def _modules(target: str, facts: Facts, words: Sequence[str]) -> Iterator[Risk]:
    unknown = [one for one in facts["missing"] if one["given"] is None]
    lost = [one for one in unknown if one["asked"] and one["offered"] is None]
    unsure = [one for one in unknown if not one["asked"]]
    more = [one for one in facts["missing"] if one["offered"] is not None]
    used = {one["module"] for one in facts["modules"] if one["used"]}
    if lost:
        text = gettext_noop("Active modules that do not exist for {target}: {names}")
        remedy = gettext_noop(
            "Give each for the new release (wellkept upgrade modules add SYSTEM FILE --to {target}), replace it, or take it out before the upgrade; "
            "in use are: {used}"
        )
        in_use = ", ".join(one["module"] for one in lost if one["module"] in used) or "–"
        yield _act(message(text, target=target, names=_names(lost)), message(remedy, used=in_use, target=target))
    if unsure:
        text = gettext_noop("Active modules that do not come with our packages of {target}, while the package index cannot be asked: {names}")
        yield _act(message(text, target=target, names=_names(unsure)), message(gettext_noop("Assess again when it answers")))
    if more:
        text = gettext_noop("Modules that do not come with our packages of {target} and are taken from the package index: {names}")
        remedy = gettext_noop("Nothing to do: they are pinned and tried in the rehearsal")
        yield _watch(message(text, target=target, names=_names(more)), message(remedy))
    if facts["pending"]:
        text = gettext_noop("The ERP has unfinished work of its own: {what}")
        remedy = gettext_noop("Let it finish, or end it, before the upgrade")
        yield _watch(message(text, what=[recognised(one, words) for one in facts["pending"][:NAMES_SHOWN]]), message(remedy))


def _requirements(target: str, facts: Facts, words: Sequence[str]) -> Iterator[Risk]:
    if facts["requirements"] is None:
        text = gettext_noop("Wellkept has no pinned packages of {target}, so it cannot install it")
        yield _act(message(text, target=target), message(gettext_noop("Choose another release, or update Wellkept")))
    for one in facts["requirements"] or []:
        if one["holds"]:
            continue
        if one["found"] is None:
            text = gettext_noop("{target} needs {name} {needed}; which one is here is not known")
            yield _watch(message(text, target=target, name=one["name"], needed=one["needed"]), message(gettext_noop("Find out before the upgrade")))
        else:
            text = gettext_noop("{target} needs {name} {needed}, and here is {found}")
            told = message(text, target=target, name=one["name"], needed=one["needed"], found=one["found"])
            yield _act(told, message(gettext_noop("Upgrade {name} first"), name=one["name"]))
    if facts["blind"]:
        text = gettext_noop("Something could not be seen: {what}")
        told = message(text, what=[recognised(one["what"], words) for one in facts["blind"]])
        remedies = [recognised(one, words) for one in dict.fromkeys(one["remedy"] for one in facts["blind"])]
        yield _watch(told, message(gettext_noop("Allow it: {how}"), how=remedies))


def _data(target: str, facts: Facts) -> Iterator[Risk]:
    for note in facts["notes"]:
        told = {"id": note["title"], "params": {}}
        if note["applies"] == "unknown":
            text = gettext_noop("Whether the step “{title}” applies cannot be said: {reason}")
            yield _act(message(text, title=told, reason=note["reason"]), message(gettext_noop("Correct the condition of this note")))
        elif note["applies"] in {"yes", "later"} and note["by_hand"]:
            text = gettext_noop("Only a person can do this: {title}")
            yield _act(message(text, title=told), {"id": note["why"], "params": {}})
    if facts["described"] and not facts["approved"]:
        text = gettext_noop("Notes of this system wait for the approval of a second person")
        yield _watch(message(text), message(gettext_noop("Have somebody read and approve them: production takes only approved notes")))
    for one in facts["breaches"]:
        told = message(
            BREACHES[one["kind"]],
            rows=one["rows"],
            table=one["title"],
            columns=", ".join(one["columns"]),
            target=target,
            examples=", ".join(str(number) for number in one["examples"]),
            rule=one["rule"],
        )
        if one["stops"]:
            yield _act(told, message(gettext_noop("Correct these rows in the ERP: the migration would end there")))
        else:
            yield _watch(told, message(gettext_noop("Correct these rows in the ERP: nobody could save them afterwards")))


def _room_and_time(facts: Facts) -> Iterator[Risk]:
    for one in facts["space"]:
        place = {"id": PLACES[one["what"]], "params": {}}
        if one["enough"] is False:
            text = gettext_noop("The disk at {place} has {free} MB for {what}, and {needed} MB are needed")
            sizes = {"free": one["free"] // 1_000_000, "needed": -(-one["needed"] // 1_000_000)}
            yield _act(message(text, place=one["place"], what=place, **sizes), message(gettext_noop("Make room there first")))
        elif one["enough"] is None:
            text = gettext_noop("Whether there is room for {what} cannot be seen from here")
            yield _watch(message(text, what=place), _look_yourself(one["needed"]))
    if not facts["backup_proven"]:
        text = gettext_noop("No backup of this system was ever restored")
        yield _watch(message(text), message(gettext_noop("Run a restore drill: an upgrade needs a backup that is proven")))
    if any(part["what"] == "migration" and part["p50"] is None and part["last"] is None for part in facts["time"]):
        text = gettext_noop("How long the migration takes is not known yet")
        yield _watch(message(text), message(gettext_noop("A rehearsal on a copy measures it")))


def _look_yourself(needed: int | None) -> Message:
    if needed is None:
        return message(gettext_noop("Look yourself: how much is needed cannot be seen either"))
    return message(gettext_noop("Look yourself: about {needed} MB are needed"), needed=-(-needed // 1_000_000))


def _names(modules: list[Facts]) -> str:
    names = [one["module"] for one in modules]
    return ", ".join(names[:NAMES_SHOWN]) + (f" … ({len(names)})" if len(names) > NAMES_SHOWN else "")
