"""Change the notes of a system: add one, correct or leave out one that comes with the release, and have a second person approve it.

A change makes a new version; what was before stays. Production takes approved versions only, a rehearsal tries the newest.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop

from wellkept.adapters import registry
from wellkept.adapters.base import Note
from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid, NotFound, Taken
from wellkept.estate.models import Role, System
from wellkept.lib.hashing import canonical_json, sha256
from wellkept.lib.text import Message, message
from wellkept.operations import records
from wellkept.upgrades import releases
from wellkept.upgrades.consent import signing
from wellkept.upgrades.models import NoteVersion

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
TEXTS = ("title", "source", "phase", "why", "check", "action", "condition")
LISTS = ("modules", "replaced_by")
NEEDED = ("title", "why", "check")
LONGEST = 20_000


@dataclass(frozen=True)
class Jump:
    """From which series of a system to which: what a note belongs to."""

    system: System
    current: str
    target: str

    def shipped(self) -> dict[str, Note]:
        """The notes that come with the release, by name."""
        return {note.id: note for note in registry.ability(self.system.adapter, "releases").notes(self.current, self.target)}

    def versions(self) -> list[NoteVersion]:
        """All versions of the system's own notes, the newest of each first."""
        return list(NoteVersion.objects.filter(system=self.system, current=self.current, target=self.target).order_by("name", "-version"))


@dataclass(frozen=True)
class Standing:
    """Where one note of a jump stands: its text now (approved or not), whether it comes with the release, and its newest own version."""

    note: Note
    shipped: bool
    own: NoteVersion | None = None

    @property
    def state(self) -> str:
        """``as_shipped``, ``own``, ``left_out``, or ``waiting`` for the approval of its newest version."""
        if self.own is None:
            return "as_shipped"
        if self.own.approved_at is None:
            return "waiting"
        return "left_out" if self.own.disabled else "own"


def jump(system: System, current: str, target: str) -> Jump:
    """The jump of these two series. Raises Invalid when they are none or the second is not after the first, Unsupported when it is not described."""
    for series in (current, target):
        if not re.fullmatch(r"\d{1,3}(\.\d{1,3}){0,2}", series):
            raise Invalid(gettext_noop("{series} is not a series, which looks like 8.0"), series=series)
    if releases.order(target) <= releases.order(current):
        raise Invalid(gettext_noop("{target} is not after {current}"), target=target, current=current)
    way = Jump(system, current, target)
    way.shipped()
    return way


def standings(way: Jump) -> list[Standing]:
    """Every note of a jump with where it stands, in the order in which they run; one query."""
    shipped = way.shipped()
    newest: dict[str, NoteVersion] = {}
    for version in way.versions():
        newest.setdefault(version.name, version)
    found = [Standing(_note(newest[name]) if name in newest else note, shipped=True, own=newest.get(name)) for name, note in shipped.items()]
    found += [Standing(_note(version), shipped=False, own=version) for name, version in newest.items() if name not in shipped]
    return sorted(found, key=lambda one: one.note.phase != "before")


def standing(way: Jump, name: str) -> Standing:
    """One note of a jump. Raises NotFound."""
    found = next((one for one in standings(way) if one.note.id == name), None)
    if found is None:
        raise NotFound(gettext_noop("there is no note {name} from {current} to {target}"), name=name, current=way.current, target=way.target)
    return found


def write(way: Jump, name: str, content: Mapping[str, Any], *, reason: str, who: Who) -> NoteVersion:
    """A new version of a note: of a new one, of the system's own, or in place of a shipped one. ``content``: the fields of Note but its id.

    Raises Denied, Invalid for content that makes no sense, Taken when somebody else made a version at the same time.
    """
    told = gettext_noop("Note {name}, version {version}, was written for {system}, from {current} to {target}: {reason}")
    return _version(way, name, checked(name, content), disabled=False, reason=reason, who=who, told=told)


def leave_out(way: Jump, name: str, *, reason: str, who: Who) -> NoteVersion:
    """Have a note not run for this system. Raises Denied, NotFound, Invalid, Taken."""
    found = standing(way, name)
    content = {key: value for key, value in asdict(found.note).items() if key != "id"}
    told = gettext_noop("Note {name}, version {version}, is left out for {system}, from {current} to {target}: {reason}")
    return _version(way, name, checked(name, content), disabled=True, reason=reason, who=who, told=told)


def approve(version: NoteVersion, *, who: Who) -> NoteVersion:
    """Let production take this version, which has to be the newest of its note.

    Raises Denied to its author and to whoever may not approve, Taken when it was approved or followed by a newer one meanwhile.
    """
    access.require(who, Role.APPROVER, version)
    signing.refuse_author(version, who)
    with transaction.atomic():
        siblings = NoteVersion.objects.filter(system=version.system, current=version.current, target=version.target, name=version.name)
        newest = siblings.select_for_update().order_by("-version").first()
        if newest is None or newest.pk != version.pk or newest.approved_at is not None:
            raise Taken(gettext_noop("nothing was approved: there is a newer version of this note, or it is approved already"))
        signing.sign(newest, who)
        told = gettext_noop("Note {name}, version {version}, was approved for {system}, from {current} to {target}")
        _record(newest, told, who)
    return newest


def checked(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a note as it is stored. Raises Invalid that says what is missing or wrong."""
    if not NAME.fullmatch(name):
        raise Invalid(gettext_noop("the name of a note has small letters, digits, points and hyphens: {name}"), name=name)
    unknown = sorted(set(content) - {field.name for field in fields(Note)} | set(content) & {"id"})
    if unknown:
        raise Invalid(gettext_noop("a note has no {names}; it has {known}"), names=", ".join(unknown), known=", ".join((*TEXTS, *LISTS)))
    made: dict[str, Any] = {key: str(content.get(key, "")).strip() for key in TEXTS}
    made |= {key: [str(module).strip() for module in content.get(key, ())] for key in LISTS}
    missing = [key for key in NEEDED if not made[key]]
    if missing:
        raise Invalid(gettext_noop("a note needs its {names}"), names=", ".join(missing))
    if made["phase"] not in {"before", "after"}:
        raise Invalid(gettext_noop("the phase of a note is before or after"))
    if any(len(made[key]) > LONGEST for key in TEXTS):
        raise Invalid(gettext_noop("a text of a note has at most {count} letters"), count=LONGEST)
    return made


def _version(way: Jump, name: str, content: dict[str, Any], *, disabled: bool, reason: str, who: Who, told: str) -> NoteVersion:
    access.require(who, Role.ADMINISTRATOR, way.system)
    why = signing.reason(reason)
    latest = NoteVersion.objects.filter(system=way.system, current=way.current, target=way.target, name=name).order_by("-version").first()
    try:
        with transaction.atomic():
            made = NoteVersion.objects.create(
                organisation=way.system.organisation,
                system=way.system,
                current=way.current,
                target=way.target,
                name=name,
                version=latest.version + 1 if latest else 1,
                content=content,
                disabled=disabled,
                reason=why,
                **signing.written(who),
            )
            _record(made, told, who)
    except IntegrityError as error:
        raise Taken(gettext_noop("somebody else changed this note at the same moment; look at it again")) from error
    return made


def _record(version: NoteVersion, told: str, who: Who) -> None:
    names: dict[str, Any] = {"name": version.name, "version": version.version, "current": version.current, "target": version.target}
    said: Message = message(told, system=version.system.name, reason=version.reason, **names)
    data = {**names, "disabled": version.disabled, "sha256": sha256(canonical_json(version.content))}
    records.append(version.organisation, "upgrades.note", said, actor=access.actor(who), system=version.system, data=data)


def _note(version: NoteVersion) -> Note:
    return Note(id=version.name, **version.content)
