"""The folder in which a company is filled goes with the process that made it, also when that was killed."""

import os
import tempfile
from pathlib import Path

import pytest

from wellkept.adapters.tryton.provision.workplace import workplace
from wellkept.tools import command, postgres


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    us = command.started_at(os.getpid())
    gone, other, foreign = f"wellkept-fill-{os.getpid()}-{us - 1}-a", f"wellkept-fill-{os.getpid()}-{us}-b", "wellkept-fill-of-somebody"
    for name in (gone, other, foreign):
        (tmp_path / name / "scripts").mkdir(parents=True)
    with workplace(postgres.service_user()) as folder:
        assert {path.name for path in tmp_path.iterdir()} == {other, foreign, folder.name}
        assert (folder / "scripts" / "fill.py").stat().st_uid == folder.stat().st_uid
    assert {path.name for path in tmp_path.iterdir()} == {other, foreign}
