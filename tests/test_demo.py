"""The demo's folder: whose it is, who may use it, what is removed; and what the demo plans."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.people import make_member
from tests.services.installation import processes_naming, until
from tests.upgrades.test_gates import make_rehearsal
from tests.web.estate import make_backup, make_drill, make_kept, make_repository
from wellkept import demo
from wellkept.backups import verdicts
from wellkept.estate import access
from wellkept.estate.models import Environment, Organisation, Role
from wellkept.home import Home
from wellkept.lib.text import say
from wellkept.operations import schedule, windows
from wellkept.operations.models import Record, Schedule
from wellkept.upgrades.consent import agree
from wellkept.upgrades.models import Approval


def test_a_folder_that_holds_something_else_is_neither_taken_nor_removed(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("mine")
    for action in (demo.mark, demo.reset):
        with pytest.raises(demo.DemoError, match="not made by the demo"):
            action(Home(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    assert letter.read_text() == "mine"


def test_reset_removes_what_the_demo_made_and_names_what_is_left(tmp_path: Path) -> None:
    home = Home(tmp_path / "demo")
    assert (demo.mark(home), demo.mark(home)) == (True, False)
    for name in ("config.json", "secret.key"):
        (home.path / name).write_text("{}")
    (home.path / "systems" / "demo.erp1").mkdir(parents=True)
    (home.path / "letter.txt").write_text("mine")
    assert demo.reset(home) == ["letter.txt"]
    assert [path.name for path in home.path.iterdir()] == ["letter.txt"]


def test_a_folder_in_which_a_demo_runs_is_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "demo")
    demo.mark(home)
    with demo.held(home):
        for action in (demo.reset, lambda held: demo.held(held).__enter__()):
            with pytest.raises(demo.DemoError, match="a demo runs in"):
                action(home)
        assert (home.path / demo.MARK).exists()
    assert demo.reset(home) == []
    assert not home.path.exists()


def test_what_the_demo_plans_makes_today_well_and_stays_as_people_want_it(organisation: Organisation, tmp_path: Path) -> None:
    said: list[str] = []
    shown = demo.Demo(Home(tmp_path), said.append)
    system, now = make_kept(organisation, "erp1"), timezone.now()
    make_drill(make_backup(system, make_repository(organisation), now - timedelta(hours=2)), now - timedelta(hours=1), rto=60.0)
    assert say(verdicts.verdicts([system])[system.pk].reason) == "No backups are planned"
    demo.plan(shown, system)
    assert verdicts.verdicts([system])[system.pk].level == verdicts.WELL
    planned = {row.operation: row for row in Schedule.objects.filter(system=system)}
    assert {name: row.cron for name, row in planned.items()} == {"backups.take": "30 1 * * *", "backups.drill": "0 4 * * 0"}
    assert len(said) == 2
    assert Record.objects.filter(system=system, kind="schedule.added").count() == 2
    schedule.remove(planned["backups.drill"], who=access.Console("root"))
    demo.plan(shown, system)
    assert [row.operation for row in Schedule.objects.filter(system=system)] == ["backups.take"]


def test_two_people_agree_on_the_demos_upgrade_once(environment: Environment, tmp_path: Path) -> None:
    organisation = environment.system.organisation
    make_member(organisation, Role.ADMINISTRATOR, demo.EMAIL)
    make_member(organisation, Role.APPROVER, demo.SECOND)
    rehearsal = make_rehearsal(environment)
    said: list[str] = []
    for _start in range(2):
        demo._agree(demo.Demo(Home(tmp_path), said.append), environment, rehearsal.target)
    (approval,) = Approval.objects.all()
    assert (approval.author, approval.approver) == (demo.EMAIL, demo.SECOND)
    assert approval == agree.standing(rehearsal)
    assert windows.current(environment) is not None


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that the service user can reach; pytest's own folders let nobody else in."""
    folder = Path(tempfile.mkdtemp(prefix="wkt-demo-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_reset_after_a_kill_leaves_no_process_and_no_file(reachable: Path) -> None:
    home, log = Home(reachable / "home"), reachable / "said.txt"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WELLKEPT_", "DJANGO_", "PYTEST_"))}
    args = [sys.executable, "-m", "wellkept", "demo", "--home", str(home.path)]
    with log.open("wb") as out:
        running = subprocess.Popen(args, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        until(lambda: "Make its database server done" in log.read_text() or running.poll() is not None, 180, "the provisioning")
    finally:
        running.kill()
        running.wait()
    left = [line for line in processes_naming(home.path) if "/systems/demo.erp1/postgres" in line]
    assert left, log.read_text()
    reset = subprocess.run([*args, "--reset"], env=environment, capture_output=True, text=True, check=False)
    assert (reset.returncode, "removed what the demo made" in reset.stderr) == (0, True), reset.stderr
    assert processes_naming(home.path) == []
    assert not home.path.exists()
