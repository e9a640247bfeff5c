"""An installation whose workers and whose database may be killed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import people
from tests.services.installation import Installation, installed
from wellkept.estate.models import Environment

TAKEOVER_SECONDS = "4"


@pytest.fixture(scope="module")
def installation(django_db_setup: None, django_db_blocker: Any) -> Iterator[Installation]:
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setenv("WELLKEPT_OPERATION_MODULES", "tests.operations.samples")
        patch.setenv("WELLKEPT_TAKEOVER_SECONDS", TAKEOVER_SECONDS)
        with installed("ch-", polling=0.25) as made:
            yield made


@pytest.fixture(scope="module")
def place(installation: Installation) -> Environment:
    """The production of a system in the installation's own database."""
    return people.make_environment(people.make_system(people.make_organisation("works")))


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "lines.txt"
    path.touch()
    return str(path)
