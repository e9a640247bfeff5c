"""What was read, as commands, the API and OpenMetrics show it."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.people import make_environment, make_member, make_organisation, make_system
from wellkept.estate import tokens
from wellkept.estate.access import Denied
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.lib.text import message
from wellkept.monitoring import openmetrics, panels, queries, store, watched
from wellkept.monitoring.models import Watch
from wellkept.operations.models import Lease, Record, Run, RunState

pytestmark = pytest.mark.django_db
ODD = 'a "b" \\ c\nd'


@pytest.fixture
def read(organisation: Organisation) -> Environment:
    """A system of which two readings are kept."""
    environment = make_environment(make_system(organisation))
    Watch.objects.create(environment=environment)
    now = timezone.now()
    store.prepare(now)
    for seconds, users in ((50, 2.0), (0, 3.0)):
        at = now - dt.timedelta(seconds=seconds)
        often: dict[Any, float | None] = {("erp_users_active", ""): users, ("database_up", ""): 1.0, ("postgres_commits", ""): None}
        sometimes: dict[Any, float | None] = {
            ("erp_up", ""): 1.0,
            ("probe_seconds", "login"): 0.25,
            ("probe_seconds", "save"): 0.5,
            ("postgres_table_bytes", ODD): 8192.0,
        }
        for rhythm, values in (("often", often), ("sometimes", sometimes)):
            number, row, _left_out = panels.row({}, environment.pk, rhythm, values)
            store.write([(number, at, row)])
    return environment


def test_now_is_what_was_read_last_and_nothing_when_that_is_long_ago(read: Environment) -> None:
    (now,) = queries.now([read.pk]).values()
    assert (now.users, now.seconds, now.works, now.problem) == (3, 0.75, True, None)
    assert ("postgres_commits", "") not in now.values
    other = make_environment(make_system(read.system.organisation, "erp2"))
    assert queries.now([other.pk]) == {}
    Watch.objects.create(environment=other)
    (unread,) = queries.now([other.pk]).values()
    assert (unread.at, unread.users, unread.seconds, unread.works) == (None, None, None, False)


def test_so_many_queries_whatever_the_number_of_systems(read: Environment, django_assert_num_queries: Any) -> None:
    more = [make_environment(make_system(read.system.organisation, f"more{n}")) for n in range(5)]
    Watch.objects.bulk_create([Watch(environment=one) for one in more])
    with django_assert_num_queries(3):
        assert len(queries.now([read.pk, *(one.pk for one in more)])) == 6


def test_openmetrics_is_read_back_as_it_was_meant(read: Environment) -> None:
    rows = Environment.objects.select_related("system__organisation")
    plain = {family.name: family.samples for family in text_string_to_metric_families(openmetrics.text(rows))}
    (users,) = plain["wellkept_erp_users_active"]
    assert users.value == 3.0
    assert users.labels == {"organisation": read.system.organisation.slug, "system": "erp1", "environment": "production"}
    assert {sample.labels["part"] for sample in plain["wellkept_probe_seconds"]} == {"login", "save"}
    assert "wellkept_postgres_table_bytes" not in plain
    every = {family.name: family.samples for family in text_string_to_metric_families(openmetrics.text(rows, tables=True))}
    assert every["wellkept_postgres_table_bytes"][0].labels["part"] == ODD
    assert list(text_string_to_metric_families(openmetrics.text([]))) == []


def test_the_api_tells_only_what_its_owner_may_see(read: Environment, client: Client) -> None:
    organisation = read.system.organisation

    def ask(path: str, of: Organisation) -> Any:
        person = Person.objects.filter(memberships__organisation=of).first() or make_member(of, "viewer")
        _row, token = tokens.create(person, of, "reader", scope="viewer", days=1, who=person)
        return client.get(f"/api/{path}", headers={"Authorization": f"Bearer {token}"})

    now = ask(f"systems/{read.system_id}/now", organisation).json()
    assert (now["works"], now["users"], now["seconds"]) == (True, 3, 0.75)
    series = ask(f"systems/{read.system_id}/series/erp_users_active?hours=1", organisation).json()
    assert [point["mean"] for point in series] == [2.0, 3.0]
    metrics = ask("metrics", organisation)
    assert metrics.headers["Content-Type"] == openmetrics.CONTENT_TYPE
    assert b"wellkept_erp_users_active" in metrics.content
    elsewhere = make_organisation("elsewhere")
    assert ask("metrics", elsewhere).content == b"# EOF\n"
    assert ask(f"systems/{read.system_id}/now", elsewhere).status_code == 404


def test_who_watches_decides_and_it_is_recorded(read: Environment) -> None:
    organisation = read.system.organisation
    with pytest.raises(Denied):
        watched.choose(read, watched=False, who=make_member(organisation, "operator"))
    Watch.objects.update(problem=message("away"), problem_since=timezone.now())
    administrator = make_member(organisation, "administrator")
    assert watched.choose(read, watched=False, who=administrator)
    assert not watched.choose(read, watched=False, who=administrator)
    assert queries.now([read.pk]) == {}
    assert Watch.objects.get().problem is None
    assert [row.kind for row in Record.objects.filter(kind="monitoring.watched")] == ["monitoring.watched"]


def test_commands_say_the_same(read: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    from wellkept.cli import main

    def run(*args: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main.main([*args, "--json"])
        return ended.value.code, capsys.readouterr()

    code, said = run("watch", "list")
    (one,) = json.loads(said.out)
    assert (code, one["system"], one["users"], one["works"]) == (0, "erp1", 3, True)
    assert {row["name"] for row in json.loads(run("watch", "show", "erp1")[1].out)["values"]} >= {"erp_up", "erp_users_active"}
    assert [row["mean"] for row in json.loads(run("watch", "series", "erp1", "erp_users_active")[1].out)] == [2.0, 3.0]
    for wrong in (("erp_nothing",), ("erp_users_active", "--since", "soon"), ("erp_users_active", "--since", "0d")):
        code, said = run("watch", "series", "erp1", *wrong)
        assert code != 0
        assert "Traceback" not in said.err
    assert json.loads(run("watch", "pause", "erp1")[1].out) == {"system": "erp1", "watched": False}
    assert json.loads(run("watch", "list")[1].out) == []


def test_the_page_says_why_nothing_is_known_of_the_present_and_keeps_the_curves(read: Environment, client: Client) -> None:
    client.force_login(make_member(read.system.organisation, "viewer"))
    address = f"/systems/{read.system_id}/performance/"

    def page() -> str:
        return client.get(address).content.decode()

    assert "Users can sign in, search, open and save." in page()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wellkept_reading SET at = at - interval '1 hour'")
    silent = page()
    assert "No watcher has read it for some minutes" in silent
    run = Run.objects.create(organisation=read.system.organisation, operation="upgrades.apply", maintenance_type="adaptive", state=RunState.RUNNING)
    Lease.objects.create(environment=read, run=run)
    changing = page()
    assert "A run is changing it" in changing
    assert f"/runs/{run.pk}/" in changing
    Watch.objects.update(enabled=False)
    paused = page()
    assert "wellkept watch resume erp1" in paused
    assert all("data-chart" in one and "Nothing was read yet" not in one for one in (silent, changing, paused))
