"""Tokens of the API."""

import datetime as dt

import pytest
from django.utils import timezone

from wellkept.estate import tokens
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import ApiToken, Organisation, Person, Role
from wellkept.operations.models import Record


def test_a_token_is_found_by_its_text_and_stored_as_a_hash(operator: Person, organisation: Organisation) -> None:
    made, text = tokens.create(operator, organisation, "nightly", scope=Role.VIEWER, days=30, who=operator)
    assert tokens.find(text) == made
    assert tokens.find(text + "x") is None
    assert text.removeprefix("wk_") not in str(list(ApiToken.objects.values()))
    assert text.removeprefix("wk_") not in str(list(Record.objects.values()))
    assert abs(made.expires_at - timezone.now() - dt.timedelta(days=30)) < dt.timedelta(minutes=1)


def test_an_ended_token_and_one_of_a_deactivated_person_are_not_found(operator: Person, viewer: Person, organisation: Organisation) -> None:
    ended, first = tokens.create(operator, organisation, "a", scope=Role.VIEWER, days=1, who=operator)
    ApiToken.objects.filter(pk=ended.pk).update(expires_at=timezone.now())
    _made, second = tokens.create(viewer, organisation, "b", scope=Role.VIEWER, days=1, who=viewer)
    viewer.is_active = False
    viewer.save()
    assert (tokens.find(first), tokens.find(second)) == (None, None)


def test_use_is_noted_at_most_once_a_minute(operator: Person, organisation: Organisation) -> None:
    made, text = tokens.create(operator, organisation, "a", scope=Role.VIEWER, days=1, who=operator)
    tokens.find(text)
    made.refresh_from_db()
    first = made.used_at
    tokens.find(text)
    made.refresh_from_db()
    assert first is not None
    assert made.used_at == first
    ApiToken.objects.filter(pk=made.pk).update(used_at=first - dt.timedelta(minutes=2))
    tokens.find(text)
    made.refresh_from_db()
    assert made.used_at is not None
    assert made.used_at >= first


@pytest.mark.parametrize(
    ("scope", "days", "name"), [(Role.APPROVER, 1, "x"), ("king", 1, "x"), (Role.VIEWER, 0, "x"), (Role.VIEWER, 367, "x"), (Role.VIEWER, 1, " ")]
)
def test_a_token_beyond_the_role_the_time_or_without_a_name_is_refused(
    scope: str, days: int, name: str, operator: Person, organisation: Organisation
) -> None:
    with pytest.raises(Invalid):
        tokens.create(operator, organisation, name, scope=scope, days=days, who=operator)
    assert not ApiToken.objects.exists()


def test_nobody_makes_a_token_for_somebody_else_but_the_console(
    administrator: Person, operator: Person, outsider: Person, organisation: Organisation
) -> None:
    with pytest.raises(Denied):
        tokens.create(operator, organisation, "x", scope=Role.VIEWER, days=1, who=administrator)
    with pytest.raises(Invalid):
        tokens.create(outsider, organisation, "x", scope=Role.VIEWER, days=1, who=outsider)
    made, _text = tokens.create(operator, organisation, "x", scope=Role.VIEWER, days=1, who=Console("root"))
    with pytest.raises(Denied):
        tokens.create(operator, organisation, "y", scope=Role.VIEWER, days=366, who=made)
    assert list(ApiToken.objects.all()) == [made]


def test_who_may_revoke(administrator: Person, operator: Person, viewer: Person, outsider: Person, organisation: Organisation) -> None:
    made = [tokens.create(operator, organisation, str(number), scope=Role.VIEWER, days=1, who=operator)[0] for number in range(4)]
    for who in (viewer, outsider, made[1]):
        with pytest.raises(Denied):
            tokens.revoke(made[0], who=who)
    assert ApiToken.objects.count() == 4
    for token, who in zip(made, (administrator, operator, made[2], Console("root")), strict=True):
        tokens.revoke(token, who=who)
    assert not ApiToken.objects.exists()
