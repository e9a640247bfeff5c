"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest
from django.utils import timezone, translation

_SERVICES = ["committed", "counts", "index", "order", "reports", "tryton", "sets", "turns"]
pytest_plugins: list[str] = ["tests.people", *(f"tests.services.{name}" for name in _SERVICES)]


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A page that is read in another language, or by another clock, leaves that in its thread: it is not for the next test."""
    yield
    translation.deactivate()
    timezone.deactivate()
