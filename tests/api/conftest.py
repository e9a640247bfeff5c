"""Callers of the API: programs with tokens."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache

from tests.services.clients import new_client
from wellkept.estate import tokens
from wellkept.estate.access import Console
from wellkept.estate.models import Organisation, Person, Role


@dataclass(frozen=True)
class Program:
    """A program that calls the API with a token."""

    token: str

    def call(self, method: str, path: str, data: Any = None) -> tuple[int, Any]:
        """The status and the parsed answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = "" if data is None else json.dumps(data)
        response = new_client().generic(method, f"/api{path}", body, content_type="application/json", headers=headers)
        return response.status_code, json.loads(response.content) if response.content else None

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def post(self, path: str, data: Any = None) -> tuple[int, Any]:
        return self.call("POST", path, data or {})


@pytest.fixture(autouse=True)
def _no_failures_counted() -> None:
    cache.clear()


@pytest.fixture
def program(organisation: Organisation) -> Callable[..., Program]:
    """A program that acts for a person, by default with all the person may do."""

    def make(person: Person, scope: str | None = None, place: Organisation | None = None) -> Program:
        place = place or person.memberships.first().organisation
        scope = scope or max((held.role for held in person.memberships.filter(organisation=place)), key=list(Role.values).index)
        return Program(tokens.create(person, place, "program", scope=scope, days=1, who=Console("tests"))[1])

    return make
