"""What the product itself says of upgrades that tests played, kept as files: one for each fault, when ``WELLKEPT_REPORTS`` names a folder."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.installation import Installation
from wellkept.operations.models import Run
from wellkept.tools import command
from wellkept.upgrades.models import Upgrade

KeepReport = Callable[[Run, str], None]


@pytest.fixture
def keep_report(installation: Installation) -> KeepReport:
    """Call it with a run that has ended and what went wrong there."""

    def keep(run: Run, what: str) -> None:
        folder = os.environ.get("WELLKEPT_REPORTS")
        if folder:
            number = str(Upgrade.objects.get(run=run).pk)
            show = [sys.executable, "-m", "wellkept", "upgrade", "result", number, "--json"]
            shown = command.run(show, env=installation.environment, timeout=120)
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{re.sub('[^a-z0-9]+', '-', what.lower())}.json").write_text(shown.stdout)

    return keep
