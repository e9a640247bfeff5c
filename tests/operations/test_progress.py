import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wellkept.lib.text import message
from wellkept.operations import progress
from wellkept.tools import command


def test_reporting_outside_a_run_does_nothing() -> None:
    progress.report(0.5, note=message("x"), drivers={"rows": 1})


def test_only_news_are_written_and_drivers_add_up() -> None:
    latest = progress.Progress(1)
    with progress.reporting(latest):
        progress.report(0.25, drivers={"rows": 1})
        progress.report(note=message("reading"), drivers={"bytes": 2})
    assert latest.taken() == {"fraction": 0.25, "note": message("reading"), "drivers": {"rows": 1, "bytes": 2}}
    assert latest.taken() is None


@pytest.mark.parametrize(("said", "kept"), [(-1.0, 0.0), (0.5, 0.5), (7.0, 1.0)])
def test_a_fraction_stays_between_nothing_and_all(said: float, kept: float) -> None:
    latest = progress.Progress(1)
    latest.update(said, None, None)
    assert latest.fraction == kept


def keep_reporting() -> None:
    while True:
        progress.report(0.2)


def test_reporting_in_a_stopped_step_ends_it() -> None:
    latest = progress.Progress(1)
    with command.scope() as scope, progress.reporting(latest):
        progress.report(0.1)
        threading.Thread(target=scope.stop).start()
        with pytest.raises(command.CommandStopped):
            keep_reporting()


PASSER_BY = "from wellkept.operations import progress\nfor name in ('a', 'b', 'a', 'c'):\n    progress.milestone(name)\nprint('alive')"


@pytest.mark.parametrize(("at", "passed", "code"), [("a#2", ["a#1", "b#1", "a#2"], -9), ("a#9", ["a#1", "b#1", "a#2", "c#1"], 0)])
def test_a_process_kills_itself_at_the_named_milestone(tmp_path: Path, at: str, passed: list[str], code: int) -> None:
    log = tmp_path / "points"
    environment = {"WELLKEPT_KILL_AT": at, "WELLKEPT_MILESTONES": str(log)}
    ended = subprocess.run([sys.executable, "-c", PASSER_BY], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, log.read_text().splitlines()) == (code, passed)
    assert ended.stdout == ("alive\n" if code == 0 else "")
