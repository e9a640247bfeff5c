"""Who sees what, and who may do what."""

import datetime as dt

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from tests import people
from wellkept.estate import access
from wellkept.estate.models import ApiToken, Environment, Membership, Organisation, Person, Role, Secret, System
from wellkept.operations.models import Record, Run


def test_every_model_says_where_it_belongs() -> None:
    declared = set(access.PLACES) | access.INSTALLATION
    assert {model.__name__ for model in apps.get_app_config("wellkept").get_models()} == declared


@pytest.mark.parametrize("name", sorted(access.PLACES))
def test_the_lookups_of_every_model_run(name: str, viewer: Person, outsider: Person) -> None:
    model = apps.get_model("wellkept", name)
    rows = set(access.visible_to(viewer, model))
    assert rows <= {row for row in model.objects.all() if row != outsider}
    assert not list(access.visible_to(AnonymousUser(), model))


def test_members_see_their_own_organisation_only(viewer: Person, outsider: Person, environment: Environment, other_environment: Environment) -> None:
    assert list(access.visible_to(viewer, System)) == [environment.system]
    assert list(access.visible_to(viewer, Environment)) == [environment]
    assert list(access.visible_to(outsider, Environment)) == [other_environment]
    assert list(access.visible_to(viewer, Organisation)) == [environment.system.organisation]
    assert set(access.visible_to(viewer, Person)) == {viewer}
    assert list(access.visible_to(access.Console(), System).order_by("pk")) == [environment.system, other_environment.system]


def test_a_member_of_one_system_sees_only_what_belongs_to_it(organisation: Organisation, system: System) -> None:
    other = people.make_system(organisation, "erp2")
    person = people.make_member(organisation, Role.OPERATOR, "one@riverside.example", system)
    runs = {
        kept: Run.objects.create(organisation=organisation, system=kept, operation="x", maintenance_type="preventive")
        for kept in (system, other, None)
    }
    assert list(access.visible_to(person, System)) == [system]
    assert list(access.visible_to(person, Run)) == [runs[system]]
    assert list(access.visible_to(person, Organisation)) == [organisation]
    assert access.role_on(person, organisation) is None
    assert access.role_on(person, organisation, system) == Role.OPERATOR
    assert access.role_on(person, organisation, other) is None
    access.require(person, Role.OPERATOR, runs[system])
    for refused in (runs[other], runs[None], organisation):
        with pytest.raises(access.Denied):
            access.require(person, Role.VIEWER, refused)


def test_the_role_on_a_system_adds_to_the_one_in_the_organisation(viewer: Person, system: System) -> None:
    Membership.objects.create(person=viewer, organisation=system.organisation, system=system, role=Role.APPROVER)
    assert access.role_on(viewer, system.organisation) == Role.VIEWER
    assert access.role_on(viewer, system.organisation, system) == Role.APPROVER
    assert list(access.visible_to(viewer, System, Role.APPROVER)) == [system]
    assert not access.visible_to(viewer, System, Role.ADMINISTRATOR).exists()


@pytest.mark.parametrize("needed", access.ORDER)
@pytest.mark.parametrize("held", access.ORDER)
def test_each_role_includes_the_ones_before_it(held: Role, needed: Role, organisation: Organisation, system: System) -> None:
    person = people.make_member(organisation, held)
    allowed = access.ORDER.index(held) >= access.ORDER.index(needed)
    assert access.visible_to(person, System, needed).exists() is allowed
    if allowed:
        access.require(person, needed, system)
    else:
        with pytest.raises(access.Denied, match=f"needs the role {needed.value}; yours is {held.value}"):
            access.require(person, needed, system)


def token(person: Person, organisation: Organisation, scope: str, days: float = 1) -> ApiToken:
    end = timezone.now() + dt.timedelta(days=days)
    return ApiToken.objects.create(person=person, organisation=organisation, name="t", scope=scope, digest=f"{scope}{days}", expires_at=end)


def test_a_token_can_do_no_more_than_its_scope_its_person_and_its_organisation(
    administrator: Person, viewer: Person, organisation: Organisation, other_system: System, system: System
) -> None:
    Membership.objects.create(person=administrator, organisation=other_system.organisation, role=Role.ADMINISTRATOR)
    made = token(administrator, organisation, Role.OPERATOR)
    assert access.role_on(made, organisation) == Role.OPERATOR
    assert access.role_on(made, other_system.organisation) is None
    assert list(access.visible_to(made, System)) == [system]
    assert access.role_on(token(viewer, organisation, Role.ADMINISTRATOR), organisation) == Role.VIEWER
    assert access.role_on(token(administrator, organisation, Role.OPERATOR, days=-1), organisation) is None
    assert not access.visible_to(token(administrator, organisation, Role.OPERATOR, days=-2), System).exists()


def test_the_scope_of_a_token_limits_what_its_administrator_sees(administrator: Person, organisation: Organisation) -> None:
    secret = Secret.objects.create(organisation=organisation, name="s", ciphertext="c")
    assert list(access.visible_to(administrator, Secret)) == [secret]
    assert not access.visible_to(token(administrator, organisation, Role.VIEWER), Secret).exists()
    assert not access.visible_to(token(administrator, organisation, Role.OPERATOR), System, Role.APPROVER).exists()


def test_a_deactivated_person_sees_nothing(viewer: Person, system: System) -> None:
    viewer.is_active = False
    assert not access.visible_to(viewer, System).exists()
    assert access.role_on(viewer, system.organisation) is None


def test_secrets_and_memberships_are_for_administrators(administrator: Person, approver: Person, organisation: Organisation) -> None:
    Secret.objects.create(organisation=organisation, name="s", ciphertext="c")
    assert not access.visible_to(approver, Secret).exists()
    assert list(access.visible_to(approver, Membership)) == list(approver.memberships.all())
    assert access.visible_to(administrator, Membership).count() == 2


def test_deciding_what_is_visible_costs_no_query_of_its_own(viewer: Person, system: System, django_assert_num_queries: pytest.FixtureRequest) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        list(access.visible_to(viewer, Record))
