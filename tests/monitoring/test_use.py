"""When an ERP is used, learnt from a real Tryton."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from tests.services.sets import kept_environment
from wellkept.adapters.base import Site
from wellkept.adapters.tryton.worked import by_hour
from wellkept.estate.models import Environment, Organisation
from wellkept.monitoring import use
from wellkept.monitoring.models import Use, UsedHour
from wellkept.operations.errors import Failed
from wellkept.planning import offpeak
from wellkept.tools import postgres

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def environment(own_company: Site, organisation: Organisation) -> Environment:
    """A company in which, but for what the test writes, nobody worked lately."""
    assert own_company.server is not None
    long_ago = "now() AT TIME ZONE 'UTC' - interval '3 years'"
    with postgres.connect(own_company.server, own_company.database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        tables = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'create_date' AND table_schema = 'public'"
        ).fetchall()
        for (name,) in tables:
            connection.execute(f'UPDATE "{name}" SET create_date = {long_ago}, write_date = NULL WHERE create_date IS NOT NULL')
    return kept_environment(own_company, organisation)


def work(site: Site, moment: dt.datetime, *people: int, column: str = "write") -> None:
    """Have these people change something at a moment."""
    assert site.server is not None
    with postgres.connect(site.server, site.database, autocommit=True) as connection:
        for person in people:
            connection.execute(
                f"UPDATE party_party SET {column}_date = %s, {column}_uid = %s WHERE id = (SELECT id FROM party_party ORDER BY random() LIMIT 1)",
                [moment.astimezone(dt.UTC).replace(tzinfo=None), person],
            )


def users(site: Site) -> list[int]:
    assert site.server is not None
    with postgres.connect(site.server, site.database) as connection:
        return [
            row[0] for row in connection.execute("SELECT id FROM res_user WHERE id > 0 AND active AND login <> %s ORDER BY id", [site.login.user])
        ]  # type: ignore[union-attr]


def test_people_are_counted_by_the_hour_and_learnt_again_without_counting_twice(environment: Environment, own_company: Site) -> None:
    site, now = own_company, timezone.now().replace(minute=0, second=0, microsecond=0)
    assert site.login is not None
    assert site.server is not None
    one, two, three, *_rest = users(site)
    yesterday = now - 24 * HOUR
    work(site, yesterday + 5 * dt.timedelta(minutes=1), one, one, two)
    work(site, yesterday + HOUR, three, column="create")
    # Tryton itself, who watches, and the hour that is not over do not count.
    work(site, yesterday + 2 * HOUR, 0)
    work(site, now + dt.timedelta(seconds=1), one)
    with postgres.connect(site.server, site.database) as connection:
        ((watching,),) = connection.execute("SELECT id FROM res_user WHERE login = %s", [site.login.user]).fetchall()
        work(site, yesterday + 3 * HOUR, watching)
        found = by_hour(connection, yesterday, besides=site.login.user)
    assert {hour: people for hour, people in found.items() if hour < now} == {yesterday: 2, yesterday + HOUR: 1}
    learnt = use.learn(environment.pk)
    assert learnt["hours"] == 2
    work(site, yesterday + 4 * HOUR, one)
    use.learn(environment.pk)
    kept = dict(UsedHour.objects.filter(environment=environment).values_list("hour", "people"))
    assert kept == {yesterday: 2, yesterday + HOUR: 1, yesterday + 4 * HOUR: 1}
    row = Use.objects.get(environment=environment)
    assert (row.since, row.until) == (yesterday, now)


def test_what_is_older_than_is_kept_is_forgotten(environment: Environment) -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    UsedHour.objects.create(environment=environment, hour=now - use.BACK - HOUR, people=3)
    Use.objects.create(environment=environment, since=now - use.BACK - HOUR, until=now - HOUR)
    use.learn(environment.pk)
    assert not UsedHour.objects.exists()
    assert Use.objects.get().since == now - use.BACK


def test_a_week_is_told_in_the_time_of_the_company(environment: Environment) -> None:
    Organisation.objects.filter(pk=environment.system.organisation_id).update(time_zone="Asia/Taipei")
    monday = dt.datetime(2026, 9, 7, 1, tzinfo=dt.UTC)
    environment = Environment.objects.select_related("system__organisation").get(pk=environment.pk)
    assert use.curve(environment) is None
    Use.objects.create(environment=environment, since=monday, until=monday + dt.timedelta(weeks=8))
    UsedHour.objects.bulk_create(UsedHour(environment=environment, hour=monday + week * dt.timedelta(weeks=1), people=4) for week in range(8))
    curve: Any = use.curve(environment)
    rows = offpeak.heat_map(curve)
    assert rows[0][9] == pytest.approx(4.0)
    assert sum(sum(row) for row in rows) == pytest.approx(4.0)


def test_a_database_that_cannot_be_read_says_so(environment: Environment) -> None:
    environment.settings = {**environment.settings, "database": "nowhere"}
    environment.save()
    with pytest.raises(Failed, match="could not be read"):
        use.learn(environment.pk)
    assert not Use.objects.exists()
