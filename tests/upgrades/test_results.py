"""What is told of an upgrade of production that has ended."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.upgrades.test_api import api
from tests.upgrades.test_limits import upgrade_row
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.lib.text import message, say
from wellkept.operations import progress
from wellkept.operations.models import Run, RunState
from wellkept.upgrades import work
from wellkept.upgrades.models import UpgradeState

DIFFERS = {"kind": "books", "figure": "account.balance", "key": "600", "before": "2", "after": "0", "rights": False, "by": "", "acceptance": None}
HARMLESS = {"kind": "log", "level": "WARNING", "source": "trytond", "pattern": "gone", "text": "gone", "why": "", "count": 1, "by": "release"}


@pytest.mark.django_db
def test_an_upgrade_is_told_with_why_it_was_taken_back(
    organisation: Organisation, administrator: Person, outsider: Person, other_organisation: Organisation, environment: Environment
) -> None:
    now = timezone.now()
    said = message("Account {key}: {before} became {after}", key="600", before="2", after="0")
    one = upgrade_row(
        environment,
        state=UpgradeState.TAKEN_BACK,
        closed_at=now - timedelta(seconds=90),
        ended_at=now,
        differences=[said],
        judged=[HARMLESS],
        compared=[{**DIFFERS, "said": said}],
    )
    Run.objects.filter(pk=one.run_id).update(state=RunState.ROLLED_BACK, outcome=message("It was taken back"), phases=[])
    code, page = api(administrator, organisation, "GET", "/upgrades?state=taken_back")
    assert (code, page["count"]) == (200, 1)
    code, told = api(administrator, organisation, "GET", f"/upgrades/{one.pk}")
    assert code == 200
    assert {name: told[name] for name in page["items"][0]} == page["items"][0]
    assert (told["state"], told["outcome"], told["unavailable_seconds"]) == ("taken_back", "It was taken back", 90.0)
    assert told["differences"] == ["Account 600: 2 became 0"]
    assert [(found["by"], found["said"]) for found in told["findings"]] == [("release", "WARNING trytond: gone"), ("", "Account 600: 2 became 0")]
    assert api(administrator, organisation, "GET", "/upgrades?state=kept")[1]["count"] == 0
    assert api(outsider, other_organisation, "GET", f"/upgrades/{one.pk}")[0] == 404
    assert api(outsider, other_organisation, "GET", "/upgrades")[1]["count"] == 0


def test_a_migration_that_was_killed_at_once_said_nothing() -> None:
    killed = {"code": -9, "new": [], "others": []}
    assert say(work.migration_failed(killed, [])) == "The migration ended with code -9: it said nothing"
    assert say(work.migration_failed(killed, ["a line", "the last one"])) == "The migration ended with code -9: the last one"
    traced = {**killed, "code": 1, "new": [{"level": "CRITICAL", "source": "trytond-admin", "text": "ValueError: no\n  Traceback\n  x", "count": 1}]}
    assert say(work.migration_failed(traced, [])) == "The migration ended with code 1: trytond-admin: ValueError: no"
    assert work.migration_failed({**killed, "code": 0}, []) is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-23 00:04:29,000 INFO trytond.modules updating erp1_next", "trytond.modules updating erp1_next"),
        ("2026-11-23 00:04:29,000 WARNING trytond.backend x", "2026-11-23 00:04:29,000 WARNING trytond.backend x"),
        ("downloading Tryton and its modules", "downloading Tryton and its modules"),
        ("x" * 300, "x" * 200),
    ],
)
def test_an_ordinary_line_of_the_migration_is_shown_without_its_time(line: str, shown: str) -> None:
    step = progress.Progress(1)
    with progress.reporting(step):
        work.say(line)
    assert say(step.note) == shown
