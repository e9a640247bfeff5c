"""Organisations and the people in them: invite, give roles, take them away, set passwords."""

import secrets
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug
from django.db import transaction
from django.utils.translation import gettext_noop

from wellkept.estate import access, history
from wellkept.estate.access import Console, Who
from wellkept.estate.errors import Invalid, NotFound, Taken
from wellkept.estate.models import Membership, Organisation, Person, Role, System
from wellkept.lib.text import message

PASSWORD_BYTES = 15


@transaction.atomic
def create_organisation(slug: str, name: str, *, who: Who, time_zone: str = "UTC", language: str = "en") -> Organisation:
    """Make an organisation. Raises Taken when the short name is in use, Invalid for a value that makes no sense."""
    _check(validate_slug, slug, gettext_noop("“{value}” is not a short name: use letters, digits, hyphens and underscores"))
    if time_zone not in available_timezones():
        raise Invalid(gettext_noop("“{time_zone}” is not a time zone; write one like Asia/Taipei"), time_zone=time_zone)
    made, fresh = Organisation.objects.get_or_create(slug=slug, defaults={"name": name or slug, "time_zone": time_zone, "language": language})
    if not fresh:
        raise Taken(gettext_noop("there is an organisation {slug} already"), slug=slug)
    history.note(made, "estate.organisation_created", message(gettext_noop("The organisation {name} was created"), name=made.name), who=who)
    return made


@transaction.atomic
def invite(organisation: Organisation, email: str, role: str, *, who: Who, name: str = "", system: System | None = None) -> tuple[Person, str | None]:
    """Make somebody a member and return the person with their first password, which is nowhere else.

    The password is None for somebody who signs in here already. Raises Taken for a member, Invalid for an address or a role that makes no sense,
    and Denied.
    """
    access.require(who, Role.ADMINISTRATOR, organisation)
    email = email.strip().lower()
    _check(validate_email, email, gettext_noop("“{value}” is not an e-mail address"))
    _check_place(organisation, role, system)
    person = Person.objects.filter(email=email).first()
    password = None
    if person is None:
        password = new_password()
        person = Person.objects.create_user(email, password, name=name, language=organisation.language, time_zone=organisation.time_zone)
    elif person.memberships.filter(organisation=organisation, system=system).exists():
        raise Taken(gettext_noop("{email} is a member already; change the role instead"), email=email)
    Membership.objects.create(person=person, organisation=organisation, system=system, role=role)
    _note_role(organisation, gettext_noop("{email} was invited as {role}"), person, role, who=who, system=system)
    return person, password


@transaction.atomic
def set_role(organisation: Organisation, person: Person, role: str | None, *, who: Who, system: System | None = None) -> None:
    """Give a member another role, or none (they are no member any more; their tokens here end). Raises NotFound, Invalid and Denied.

    The last administrator keeps the role: without one nobody could give it back.
    """
    access.require(who, Role.ADMINISTRATOR, organisation)
    # Locking the organisation makes two administrators who demote each other take turns.
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    held = Membership.objects.filter(organisation=organisation, person=person, system=system).first()
    if role is not None:
        _check_place(organisation, role, system)
    if role is None and held is None:
        raise NotFound(gettext_noop("{email} has no role there"), email=person.email)
    if held is not None and held.role == Role.ADMINISTRATOR and role != Role.ADMINISTRATOR and system is None:
        _check_not_last(organisation, person)
    if role is None:
        Membership.objects.filter(organisation=organisation, person=person, system=system).delete()
        if not person.memberships.filter(organisation=organisation).exists():
            person.tokens.filter(organisation=organisation).delete()
        _note_role(organisation, gettext_noop("{email} lost the role {role}"), person, held.role if held else "", who=who, system=system)
    else:
        Membership.objects.update_or_create(organisation=organisation, person=person, system=system, defaults={"role": role})
        _note_role(organisation, gettext_noop("{email} has the role {role}"), person, role, who=who, system=system)


@transaction.atomic
def reset_password(person: Person, *, who: Who) -> str:
    """Give somebody a new random password and return it; it ends their sessions. Raises Denied.

    An administrator may do it only for people whose every organisation they administer: otherwise they could sign in elsewhere as somebody else.
    """
    memberships = list(person.memberships.select_related("organisation"))
    if not isinstance(who, Console) and not memberships:
        raise access.Denied(gettext_noop("only the console may set the password of somebody who is no member"))
    for held in memberships:
        access.require(who, Role.ADMINISTRATOR, held.organisation)
    password = new_password()
    person.set_password(password)
    person.save(update_fields=["password"])
    for organisation in {held.organisation for held in memberships}:
        history.note(organisation, "estate.password_reset", message(gettext_noop("{email} was given a new password"), email=person.email), who=who)
    return password


def new_password() -> str:
    """A random password of 20 characters."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _check(validate: object, value: str, template: str) -> None:
    try:
        validate(value)  # type: ignore[operator]
    except ValidationError as error:
        raise Invalid(template, value=value) from error


def _check_place(organisation: Organisation, role: str, system: System | None) -> None:
    if role not in Role.values:
        raise Invalid(gettext_noop("“{role}” is not a role; the roles are {known}"), role=role, known=", ".join(Role.values))
    if system is not None and system.organisation_id != organisation.pk:
        raise Invalid(gettext_noop("the system {system} belongs to another organisation"), system=system.name)


def _check_not_last(organisation: Organisation, person: Person) -> None:
    others = Membership.objects.filter(organisation=organisation, system=None, role=Role.ADMINISTRATOR, person__is_active=True).exclude(person=person)
    if not others.exists():
        raise Invalid(
            gettext_noop("{email} is the last administrator of {organisation}: give somebody else the role first"),
            email=person.email,
            organisation=organisation.slug,
        )


def _note_role(organisation: Organisation, template: str, person: Person, role: str, *, who: Who, system: System | None) -> None:
    history.note(organisation, "estate.role", message(template, email=person.email, role=role), who=who, system=system)
