"""Windows and freezes among the plans of an organisation."""

from datetime import UTC, datetime, time, timedelta

from django.utils import timezone

from tests.web.conftest import SignIn
from tests.web.test_upgrades import text
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.operations.models import Freeze, Window

PLANS = "/settings/schedules/"
WEEK = {"days": ["5", "6"], "opens": "22:00", "closes": "04:00", "time_zone": "Europe/Zurich"}


def test_a_window_and_a_freeze_are_declared_shown_and_removed(
    sign_in: SignIn, administrator: Person, viewer: Person, environment: Environment
) -> None:
    client = sign_in(administrator)
    assert "No window yet" in text(client.get(PLANS))
    client.post("/settings/windows/add/", {**WEEK, "system": environment.system_id})
    week = Window.objects.get()
    assert (week.days, week.opens, week.closes, week.time_zone, week.system) == ([5, 6], time(22), time(4), "Europe/Zurich", environment.system)
    client.post("/settings/windows/add/", {"starts": "2099-07-04T22:00", "ends": "2099-07-05T04:00", "time_zone": "Asia/Taipei"})
    once = Window.objects.exclude(pk=week.pk).get()
    assert (once.starts_at, once.ends_at, once.system) == (datetime(2099, 7, 4, 14, tzinfo=UTC), datetime(2099, 7, 4, 20, tzinfo=UTC), None)
    client.post("/settings/freezes/add/", {"starts": "2099-12-20T00:00", "ends": "2100-01-10T00:00", "reason": "Closing <of> the year"})
    said = client.get(PLANS).content.decode()
    assert "Saturday, Sunday, 22:00 to 04:00 (Europe/Zurich)" in said
    assert "Closing &lt;of&gt; the year" in said
    seen = sign_in(viewer).get(PLANS).content.decode()
    assert "Saturday, Sunday" in seen
    assert "/remove/" not in seen
    assert sign_in(viewer).post(f"/settings/windows/{week.pk}/remove/").status_code == 403
    freeze = Freeze.objects.get()
    for address in (f"windows/{week.pk}", f"windows/{once.pk}", f"freezes/{freeze.pk}"):
        client.post(f"/settings/{address}/remove/")
    assert not Window.objects.exists()
    assert not Freeze.objects.exists()


def test_what_makes_no_sense_is_said_and_not_stored(sign_in: SignIn, administrator: Person, environment: Environment) -> None:
    client = sign_in(administrator)
    once = {"starts": "2099-07-04T22:00", "ends": "2099-07-05T04:00"}
    for wish, why in (
        ({**WEEK, **once}, "not both"),
        ({"time_zone": "UTC"}, "not both"),
        ({**WEEK, "opens": ""}, "when it opens"),
        ({"time_zone": "UTC", "starts": once["ends"], "ends": once["starts"]}, "after the beginning"),
    ):
        assert why in text(client.post("/settings/windows/add/", wish))
    assert not Window.objects.exists()


def test_a_freeze_that_is_past_is_left_out(sign_in: SignIn, viewer: Person, organisation: Organisation) -> None:
    now = timezone.now()
    Freeze.objects.create(
        organisation=organisation, starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1), reason="long ago", author="x"
    )
    assert "long ago" not in text(sign_in(viewer).get(PLANS))
