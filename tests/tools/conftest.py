from pathlib import Path

import pytest

from tests.services.keys import quicken
from wellkept.tools import restic


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> restic.Repository:
    """An empty repository to copy, quick to open: making one takes seconds, because restic makes its key slow to guess."""
    made = restic.Repository(str(tmp_path_factory.mktemp("empty") / "repository"), "a password with spaces & signs")
    restic.init(made)
    quicken(Path(made.location), made.password)
    return made
