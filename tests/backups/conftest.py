from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.sets import RESTORED
from wellkept.adapters.base import Site
from wellkept.estate.models import Organisation
from wellkept.tools import postgres


@pytest.fixture
def place(company: Site, organisation: Organisation, tmp_path: Path, settings: Any) -> Iterator[Path]:
    """The only place that pages and programs may restore to, not there yet; the database RESTORED is removed afterwards."""
    settings.RESTORE_FOLDERS = [str(tmp_path / "allowed")]
    yield tmp_path / "allowed" / organisation.slug
    assert company.server is not None
    postgres.drop_database(company.server, RESTORED)
