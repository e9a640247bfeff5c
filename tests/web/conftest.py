"""Browsers without a browser: Django's test client, signed in."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.services.clients import new_client
from wellkept.estate.models import Person

SignIn = Callable[[Person], Client]


@pytest.fixture
def sign_in() -> SignIn:
    def signed_in(person: Person) -> Client:
        client = new_client()
        client.force_login(person)
        return client

    return signed_in
