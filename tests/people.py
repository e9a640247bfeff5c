"""The people of every test: an administrator, an operator, an approver and a viewer of one organisation, and an outsider from another one."""

from typing import Any

import pytest

from wellkept.estate.models import Environment, Membership, Organisation, Person, Role, System

PASSWORD = "correct horse battery staple"


def make_organisation(slug: str = "riverside", **fields: Any) -> Organisation:
    return Organisation.objects.create(slug=slug, name=fields.pop("name", slug.title()), **fields)


def make_person(email: str, password: str | None = None, **fields: Any) -> Person:
    return Person.objects.create_user(email, password, **fields)


def make_member(organisation: Organisation, role: str, email: str = "", system: System | None = None, password: str | None = None) -> Person:
    person = make_person(email or f"{role}@{organisation.slug}.example", password)
    Membership.objects.create(person=person, organisation=organisation, role=role, system=system)
    return person


def make_system(organisation: Organisation, name: str = "erp1", **fields: Any) -> System:
    return System.objects.create(organisation=organisation, name=name, adapter=fields.pop("adapter", "tryton"), **fields)


def make_environment(system: System, **fields: Any) -> Environment:
    return Environment.objects.create(system=system, **{"version": "7.0.59", "settings": {"database": system.name}, **fields})


@pytest.fixture
def organisation(db: None) -> Organisation:
    return make_organisation()


@pytest.fixture
def other_organisation(db: None) -> Organisation:
    return make_organisation("elsewhere")


@pytest.fixture
def administrator(organisation: Organisation) -> Person:
    return make_member(organisation, Role.ADMINISTRATOR, password=PASSWORD)


@pytest.fixture
def approver(organisation: Organisation) -> Person:
    return make_member(organisation, Role.APPROVER)


@pytest.fixture
def operator(organisation: Organisation) -> Person:
    return make_member(organisation, Role.OPERATOR)


@pytest.fixture
def viewer(organisation: Organisation) -> Person:
    return make_member(organisation, Role.VIEWER)


@pytest.fixture
def outsider(other_organisation: Organisation) -> Person:
    """An administrator, but of another organisation."""
    return make_member(other_organisation, Role.ADMINISTRATOR)


@pytest.fixture
def system(organisation: Organisation) -> System:
    return make_system(organisation)


@pytest.fixture
def environment(system: System) -> Environment:
    return make_environment(system)


@pytest.fixture
def other_system(other_organisation: Organisation) -> System:
    return make_system(other_organisation)


@pytest.fixture
def other_environment(other_system: System) -> Environment:
    return make_environment(other_system)
