"""Tokens of the API: made, found, ended. Only the SHA-256 of a token is stored; a token has 256 random bits, so that needs no salt."""

import datetime as dt
import secrets

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access, history
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import ApiToken, Organisation, Person, Role
from wellkept.lib.hashing import sha256
from wellkept.lib.text import message

PREFIX = "wk_"
LONGEST_DAYS = 366
USED_EVERY = dt.timedelta(minutes=1)


@transaction.atomic
def create(person: Person, organisation: Organisation, name: str, *, scope: str, days: int, who: Who) -> tuple[ApiToken, str]:
    """Make a token that acts as ``person`` in one organisation, for ``days`` days, and return it with its text, which is nowhere else.

    Raises Invalid when the scope is more than the person's role or the time makes no sense; Denied for a token on behalf of somebody else.
    """
    if not name.strip():
        raise Invalid(gettext_noop("a token needs a name that says what uses it"))
    if not 1 <= days <= LONGEST_DAYS:
        raise Invalid(gettext_noop("a token is valid for 1 to {days} days"), days=LONGEST_DAYS)
    if who != person and not isinstance(who, access.Console):
        raise access.Denied(gettext_noop("a token can only be made by the person it acts for, signed in"))
    held = _highest(person, organisation)
    if held is None or scope not in Role.values or access.ORDER.index(Role(scope)) > access.ORDER.index(held):
        raise Invalid(
            gettext_noop("the scope {scope} is more than the role of {email} in {organisation} ({role})"),
            scope=scope,
            email=person.email,
            organisation=organisation.slug,
            role=held.value if held else "none",
        )
    text = PREFIX + secrets.token_urlsafe(32)
    end = timezone.now() + dt.timedelta(days=days)
    made = ApiToken.objects.create(
        person=person, organisation=organisation, name=name.strip()[:100], scope=scope, digest=digest(text), expires_at=end
    )
    told = message(
        gettext_noop("{email} has a token {name} as {role} until {until}"),
        email=person.email,
        name=made.name,
        role=scope,
        until=end.date().isoformat(),
    )
    history.note(organisation, "estate.token_created", told, who=who)
    return made, text


def find(text: str) -> ApiToken | None:
    """The valid token of this text, None when there is none or it has ended; remembers (to the minute) that it was used."""
    now = timezone.now()
    token = ApiToken.objects.select_related("person", "organisation").filter(digest=digest(text), expires_at__gt=now, person__is_active=True).first()
    if token is not None:
        ApiToken.objects.filter(pk=token.pk).filter(Q(used_at=None) | Q(used_at__lt=now - USED_EVERY)).update(used_at=now)
    return token


@transaction.atomic
def revoke(token: ApiToken, *, who: Who) -> None:
    """End a token now: one's own, or as an administrator. A token itself counts as its own. Raises Denied."""
    if who not in (token, token.person):
        access.require(who, Role.ADMINISTRATOR, token.organisation)
    told = message(gettext_noop("The token {name} of {email} was revoked"), name=token.name, email=token.person.email)
    history.note(token.organisation, "estate.token_revoked", told, who=who)
    token.delete()


def digest(text: str) -> str:
    """What is stored of a token."""
    return sha256(text.encode())


def _highest(person: Person, organisation: Organisation) -> Role | None:
    """The highest role the person has anywhere in the organisation; on each system the token is limited by the role there anyway."""
    roles = person.memberships.filter(organisation=organisation).values_list("role", flat=True)
    return max((Role(role) for role in roles), key=access.ORDER.index, default=None)
