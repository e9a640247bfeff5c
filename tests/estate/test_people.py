"""Members: invited, promoted, taken away; and what cannot be done to them."""

import pytest

from tests import people as made
from wellkept.estate import access, people
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid, NotFound, Taken
from wellkept.estate.models import ApiToken, Membership, Organisation, Person, Role, System
from wellkept.lib.text import say
from wellkept.operations.models import Record


def told(organisation: Organisation) -> list[tuple[str, str]]:
    return [(record.actor, say(record.summary)) for record in Record.objects.filter(organisation=organisation).order_by("number")]


def test_an_organisation_is_made_and_recorded(db: None) -> None:
    made_one = people.create_organisation("harbour", "Harbour Ltd", who=Console("root"), time_zone="Asia/Taipei")
    assert (made_one.name, made_one.time_zone) == ("Harbour Ltd", "Asia/Taipei")
    assert told(made_one) == [("os:root", "The organisation Harbour Ltd was created")]
    with pytest.raises(Taken):
        people.create_organisation("harbour", "Other", who=Console("root"))
    for slug, zone in (("not a slug", "UTC"), ("x", "Mars/Phobos")):
        with pytest.raises(Invalid):
            people.create_organisation(slug, "", who=Console("root"), time_zone=zone)
    assert list(Organisation.objects.values_list("slug", "name")) == [("harbour", "Harbour Ltd")]


def test_an_invited_person_signs_in_with_the_password_that_was_shown(administrator: Person, organisation: Organisation) -> None:
    person, password = people.invite(organisation, " New@Riverside.Example ", Role.OPERATOR, who=administrator, name="New")
    assert password is not None
    stored = Person.objects.get(email="new@riverside.example")
    assert stored.check_password(password)
    assert password not in stored.password
    assert access.role_on(person, organisation) == Role.OPERATOR
    assert told(organisation) == [("administrator@riverside.example", "new@riverside.example was invited as operator")]


def test_somebody_of_another_organisation_keeps_their_password(administrator: Person, organisation: Organisation, outsider: Person) -> None:
    before = outsider.password
    person, password = people.invite(organisation, outsider.email, Role.VIEWER, who=administrator)
    outsider.refresh_from_db()
    assert (person, password, outsider.password) == (outsider, None, before)
    with pytest.raises(Taken, match="is a member already"):
        people.invite(organisation, outsider.email, Role.OPERATOR, who=administrator)
    assert access.role_on(outsider, organisation) == Role.VIEWER


def test_an_invitation_that_makes_no_sense_leaves_nothing(administrator: Person, organisation: Organisation, other_system: System) -> None:
    before = Person.objects.count(), Membership.objects.count(), Record.objects.count()
    for email, role, system in (("nonsense", Role.VIEWER, None), ("a@b.example", "king", None), ("a@b.example", Role.VIEWER, other_system)):
        with pytest.raises(Invalid):
            people.invite(organisation, email, role, who=administrator, system=system)
    assert (Person.objects.count(), Membership.objects.count(), Record.objects.count()) == before


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.APPROVER])
def test_only_administrators_change_people(role: Role, organisation: Organisation, outsider: Person, administrator: Person) -> None:
    member = made.make_member(organisation, role, "m@riverside.example")
    before = list(Membership.objects.values_list("person", "role"))
    for who in (member, outsider):
        with pytest.raises(Denied):
            people.invite(organisation, "a@b.example", Role.VIEWER, who=who)
        with pytest.raises(Denied):
            people.set_role(organisation, member, Role.ADMINISTRATOR, who=who)
        with pytest.raises(Denied):
            people.set_role(organisation, administrator, None, who=who)
        with pytest.raises(Denied):
            people.reset_password(administrator, who=who)
    assert list(Membership.objects.values_list("person", "role")) == before


def test_the_last_administrator_stays(administrator: Person, organisation: Organisation) -> None:
    for role in (Role.VIEWER, None):
        with pytest.raises(Invalid, match="last administrator"):
            people.set_role(organisation, administrator, role, who=administrator)
    second = made.make_member(organisation, Role.ADMINISTRATOR, "second@riverside.example")
    people.set_role(organisation, administrator, Role.VIEWER, who=second)
    assert access.role_on(administrator, organisation) == Role.VIEWER
    second.is_active = False
    second.save()


def test_a_deactivated_administrator_does_not_count_as_the_other_one(administrator: Person, organisation: Organisation) -> None:
    gone = made.make_member(organisation, Role.ADMINISTRATOR, "gone@riverside.example")
    gone.is_active = False
    gone.save()
    with pytest.raises(Invalid, match="last administrator"):
        people.set_role(organisation, administrator, None, who=Console("root"))


def test_who_leaves_loses_their_tokens_there_only(administrator: Person, operator: Person, organisation: Organisation, outsider: Person) -> None:
    from wellkept.estate import tokens

    Membership.objects.create(person=operator, organisation=outsider.memberships.get().organisation, role=Role.VIEWER)
    tokens.create(operator, organisation, "here", scope=Role.VIEWER, days=1, who=operator)
    tokens.create(operator, outsider.memberships.get().organisation, "there", scope=Role.VIEWER, days=1, who=operator)
    people.set_role(organisation, operator, None, who=administrator)
    assert list(ApiToken.objects.values_list("name", flat=True)) == ["there"]
    with pytest.raises(NotFound):
        people.set_role(organisation, operator, None, who=administrator)


def test_an_administrator_cannot_take_over_somebody_of_two_organisations(administrator: Person, outsider: Person, organisation: Organisation) -> None:
    Membership.objects.create(person=outsider, organisation=organisation, role=Role.VIEWER)
    before = outsider.password
    with pytest.raises(Denied):
        people.reset_password(outsider, who=administrator)
    outsider.refresh_from_db()
    assert outsider.password == before


def test_a_new_password_works_and_is_on_record_without_being_in_it(administrator: Person, operator: Person, organisation: Organisation) -> None:
    password = people.reset_password(operator, who=administrator)
    operator.refresh_from_db()
    assert operator.check_password(password)
    record = Record.objects.get(organisation=organisation)
    assert (record.kind, record.actor) == ("estate.password_reset", administrator.email)
    assert password not in str(record.summary) + str(record.data)
