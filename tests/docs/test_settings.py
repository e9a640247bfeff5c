"""The reference of the settings is complete and names nothing that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"WELLKEPT_[A-Z_]*[A-Z]")


def test_every_variable_that_is_read_is_documented_and_no_other() -> None:
    read = {name for path in (ROOT / "src").rglob("*.py") for name in VARIABLE.findall(path.read_text())}
    told = set(re.findall(r"^\| `(WELLKEPT_[A-Z_]+)` \|", (ROOT / "docs" / "reference" / "settings.md").read_text(), re.MULTILINE))
    assert "WELLKEPT_HOME" in read
    assert told == read
