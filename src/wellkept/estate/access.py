"""Who may see and do what. Every page, command and API call asks here; nobody else looks at memberships.

Somebody who asks is a person, an API token (which can do what its person can, no more than its scope, in its one organisation), the console (whoever
may run commands on this machine as the installation's own user, and therefore administers all of it), or nobody (an anonymous visitor).
"""

import getpass
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate.models import ApiToken, Membership, Organisation, Person, Role, System
from wellkept.lib.text import Message, message, say

M = TypeVar("M", bound=Model)
CONSOLE = "os:"
"""How the console's names begin in records; no e-mail address does."""
ORDER = [Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMINISTRATOR]


class Denied(PermissionDenied):
    """The role is not enough; ``message`` is the stored sentence that says which one is needed."""

    def __init__(self, template: str, /, **params: object) -> None:
        self.message: Message = message(template, **params)
        super().__init__(say(self.message))


@dataclass(frozen=True)
class Console:
    """The operating system's user who runs a command on this machine."""

    user: str = field(default_factory=getpass.getuser)


Who = Person | ApiToken | Console | AnonymousUser


@dataclass(frozen=True)
class Place:
    """How a model hangs on its organisation and its system, as Django lookups; ``several`` when the lookup may find a row more than once.

    A row without a system belongs to the whole organisation, and members of only one system do not see it. ``floor`` is the least role that sees it;
    ``removed`` the lookup that says when the row was given up: nobody sees it since, though its history stays.
    """

    organisation: str
    system: str | None = None
    several: bool = False
    floor: Role = Role.VIEWER
    removed: str | None = None


PLACES: dict[str, Place] = {
    "Organisation": Place("pk", "systems", several=True),
    "Person": Place("memberships__organisation", several=True),
    "Membership": Place("organisation", "system", floor=Role.ADMINISTRATOR),
    "ApiToken": Place("organisation", floor=Role.ADMINISTRATOR),
    "Secret": Place("organisation", floor=Role.ADMINISTRATOR),
    "Host": Place("organisation", "environments__system", several=True),
    "System": Place("organisation", "pk", removed="removed_at"),
    "Environment": Place("system__organisation", "system", removed="system__removed_at"),
    "Component": Place("environment__system__organisation", "environment__system"),
    "Watch": Place("environment__system__organisation", "environment__system"),
    "Use": Place("environment__system__organisation", "environment__system"),
    "UsedHour": Place("environment__system__organisation", "environment__system"),
    "Panel": Place("environment__system__organisation", "environment__system"),
    "Run": Place("organisation", "system"),
    "Step": Place("run__organisation", "run__system"),
    "Lease": Place("environment__system__organisation", "environment__system"),
    "Schedule": Place("organisation", "system"),
    "Window": Place("organisation", "system"),
    "Freeze": Place("organisation", "system"),
    "Record": Place("organisation", "system"),
    "Checkpoint": Place("organisation"),
    "Repository": Place("organisation", "backups__system", several=True),
    "Backup": Place("organisation", "system"),
    "Drill": Place("organisation", "system"),
    "Assessment": Place("organisation", "system"),
    "NoteVersion": Place("organisation", "system"),
    "GivenModule": Place("organisation", "system"),
    "Acceptance": Place("organisation", "system"),
    "Rehearsal": Place("organisation", "system"),
    "Approval": Place("organisation", "system"),
    "Waiver": Place("organisation", "system"),
    "Upgrade": Place("organisation", "system"),
    "Measurement": Place("upgrade__organisation", "upgrade__system"),
    "Opinion": Place("upgrade__organisation", "upgrade__system"),
}
OWN: dict[str, str] = {"Person": "pk", "ApiToken": "person", "Membership": "person"}
"""What a person sees of their own, whatever their role: the lookup that leads to the person."""
INSTALLATION = {"Worker", "Watcher", "Release"}
"""Models that belong to the installation and to no organisation: every member of any organisation sees them."""


def at_least(role: str) -> list[Role]:
    """The roles that include ``role``."""
    return ORDER[ORDER.index(Role(role)) :]


def visible_to(who: Who, model: type[M], role: str = Role.VIEWER) -> QuerySet[M]:
    """The rows that ``who`` may see, or on which they have at least ``role``. Costs no query of its own.

    Raises LookupError for a model that nobody said where it belongs.
    """
    rows = model._default_manager.all()  # noqa: SLF001 - Django's documented way to the manager of any model
    name = model.__name__
    if name not in PLACES and name not in INSTALLATION:
        raise LookupError(f"estate.access does not say who may see a {name}")
    place = PLACES.get(name)
    if place is not None and place.removed is not None:
        rows = rows.filter(**{place.removed: None})
    if isinstance(who, Console):
        return rows
    person = _person(who)
    if person is None:
        return rows.none()
    needed = role if place is None else max(role, place.floor, key=_rank)
    if isinstance(who, ApiToken) and _rank(who.scope) < _rank(needed):
        return rows.none()
    members = _memberships(who, person).filter(role__in=at_least(needed))
    if place is None:
        return rows if members.exists() else rows.none()
    seen = _condition(members, place)
    if name in OWN and not isinstance(who, ApiToken) and role == Role.VIEWER:
        seen |= Q(**{OWN[name]: person.pk})
    if place.several:
        return rows.filter(pk__in=model._default_manager.filter(seen).values("pk"))  # noqa: SLF001
    return rows.filter(seen)


def role_on(who: Who, organisation: Organisation, system: System | None = None) -> Role | None:
    """The highest role of ``who`` in the organisation, or on one system of it; None when they are not a member."""
    if isinstance(who, Console):
        return Role.ADMINISTRATOR
    person = _person(who)
    if person is None:
        return None
    where = Q(system=None) if system is None else Q(system=None) | Q(system=system)
    roles = _memberships(who, person).filter(where, organisation=organisation).values_list("role", flat=True)
    best = max((Role(role) for role in roles), key=_rank, default=None)
    return min(best, Role(who.scope), key=_rank) if best is not None and isinstance(who, ApiToken) else best


def require(who: Who, role: str, thing: Model) -> None:
    """Let ``who`` pass when they have at least ``role`` where ``thing`` belongs. Raises Denied otherwise."""
    organisation, system = whereabouts(thing)
    held = role_on(who, organisation, system)
    if held is None or _rank(held) < _rank(role):
        if held is None:
            raise Denied(gettext_noop("this needs the role {role}"), role=Role(role).value)
        raise Denied(gettext_noop("this needs the role {role}; yours is {held}"), role=Role(role).value, held=held.value)


def whereabouts(thing: Model) -> tuple[Organisation, System | None]:
    """The organisation and the system (None: the whole organisation) that a row belongs to. Raises LookupError where that is not declared."""
    if isinstance(thing, Organisation):
        return thing, None
    name = type(thing).__name__
    if name not in PLACES or name == "Person":
        raise LookupError(f"estate.access does not say where a {name} belongs")
    place = PLACES[name]
    system = None if place.several or place.system is None else _follow(thing, place.system)
    organisation = _follow(thing, place.organisation)
    return organisation, system


def actor(who: Who) -> str:
    """How ``who`` is named in records: an e-mail address, a token with its person, or ``os:name``."""
    if isinstance(who, Console):
        return f"{CONSOLE}{who.user}"
    if isinstance(who, ApiToken):
        return f"{who.person.email} (token {who.name})"
    return who.email if isinstance(who, Person) else "nobody"


def person_of(who: Who) -> Person | None:
    """The person behind ``who``; None for the console and for nobody."""
    return None if isinstance(who, Console) else _person(who)


def _person(who: Person | ApiToken | AnonymousUser) -> Person | None:
    """The person who may act now: not a deactivated one, not by an expired token."""
    if isinstance(who, ApiToken):
        return who.person if who.expires_at > timezone.now() and who.person.is_active else None
    return who if isinstance(who, Person) and who.is_active else None


def _memberships(who: Who, person: Person) -> QuerySet[Membership]:
    members = Membership.objects.filter(person=person)
    return members.filter(organisation=who.organisation_id) if isinstance(who, ApiToken) else members


def _condition(members: QuerySet[Membership], place: Place) -> Q:
    seen = Q(**{f"{place.organisation}__in": members.filter(system=None).values("organisation")})
    if place.system is not None:
        seen |= Q(**{f"{place.system}__in": members.exclude(system=None).values("system")})
    return seen


def _rank(role: str) -> int:
    return ORDER.index(Role(role))


def _follow(thing: Model, lookup: str) -> Any:
    if lookup == "pk":
        return thing
    for name in lookup.split("__"):
        thing = getattr(thing, name)
    return thing
