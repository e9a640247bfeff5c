"""A folder for work that passes goes with its process, also when that was killed."""

import signal
import sys
from pathlib import Path

import pytest

from wellkept.tools import command, passing

KILLED = """
import os, signal, sys
from pathlib import Path
from wellkept.tools import passing
with passing.folder("coming", within=Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with pytest.raises(command.CommandFailed) as died:
        command.run([sys.executable, "-c", KILLED, tmp_path])
    assert died.value.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert (left / "half").exists()
    (tmp_path / "coming-of-somebody-else").mkdir()
    with passing.folder("coming", within=tmp_path) as first, passing.folder("coming", within=tmp_path) as second:
        assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name, "coming-of-somebody-else"}
        assert first.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["coming-of-somebody-else"]


def test_it_goes_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), passing.folder("coming", within=tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
