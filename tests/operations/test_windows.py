from datetime import UTC, datetime, time, timedelta

import pytest
from django.utils import translation
from django.utils.translation import gettext

from tests.people import make_environment, make_system
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.lib.text import say
from wellkept.operations import records, windows
from wellkept.operations.models import Freeze, Record, Window

WHO = Console("root")
SATURDAY = datetime(2030, 6, 1, 22, tzinfo=UTC)
NIGHT = (time(22), time(4))


def test_windows_of_the_system_and_of_everything_count_and_freezes_end_them(environment: Environment) -> None:
    organisation, system = environment.system.organisation, environment.system
    assert (windows.declared(system), windows.current(environment, SATURDAY), windows.upcoming(environment, SATURDAY)) == (False, None, None)
    windows.add_weekly(organisation, [5], *NIGHT, who=WHO, time_zone="UTC")
    later = SATURDAY + timedelta(hours=5)
    windows.add_once(organisation, later, later + timedelta(hours=1), who=WHO, system=system)
    opening = windows.current(environment, SATURDAY)
    assert opening is not None
    assert (opening.starts, opening.ends) == (SATURDAY, SATURDAY + timedelta(hours=6))
    assert windows.current(environment, SATURDAY - timedelta(seconds=1)) is None
    upcoming = windows.upcoming(environment, SATURDAY + timedelta(hours=6))
    assert upcoming is not None
    assert upcoming.starts == SATURDAY + timedelta(days=7)
    frozen = windows.freeze(organisation, SATURDAY + timedelta(hours=2), SATURDAY + timedelta(days=9), "year end", who=WHO, system=system)
    opening = windows.current(environment, SATURDAY)
    assert opening is not None
    assert opening.ends == frozen.starts_at
    assert windows.frozen(environment, SATURDAY) is None
    assert windows.frozen(environment, frozen.starts_at) == frozen
    assert windows.frozen(environment, frozen.ends_at) is None
    opening = windows.current(environment, frozen.starts_at)
    assert opening is not None
    assert opening.starts == SATURDAY, "whether it is frozen now is the other question"
    upcoming = windows.upcoming(environment, frozen.starts_at)
    assert upcoming is not None
    assert upcoming.starts == SATURDAY + timedelta(days=14)
    other = make_environment(make_system(organisation, "other"))
    assert windows.frozen(other, frozen.starts_at) is None
    opening = windows.current(other, SATURDAY)
    assert opening is not None
    assert opening.ends == SATURDAY + timedelta(hours=6)


def test_another_organisation_s_windows_open_nothing(environment: Environment, other_environment: Environment) -> None:
    windows.add_weekly(environment.system.organisation, range(7), time(0), time(0), who=WHO)
    windows.freeze(environment.system.organisation, SATURDAY, SATURDAY + timedelta(days=1), "x", who=WHO)
    assert windows.current(environment) is not None
    assert windows.current(other_environment, SATURDAY) is None
    assert windows.frozen(other_environment, SATURDAY) is None


def test_they_are_said_in_words_and_recorded(organisation: Organisation, environment: Environment) -> None:
    week = windows.add_weekly(organisation, [6, 5], *NIGHT, who=WHO, time_zone="Asia/Taipei")
    assert say(windows.told(week)) == "every system may be changed every week: Saturday, Sunday, 22:00 to 04:00 (Asia/Taipei)"
    with translation.override("zh-hant"):
        assert say(windows.told(week), gettext) == "每個系統每週可以變更：星期六、星期日，22:00 到 04:00（Asia/Taipei）"
    frozen = windows.freeze(organisation, SATURDAY, SATURDAY + timedelta(days=1), "year end", who=WHO, system=environment.system)
    windows.remove(week, who=WHO)
    windows.remove(frozen, who=WHO)
    told = [(entry.kind, entry.actor, entry.system) for entry in Record.objects.order_by("number")]
    assert told == [
        ("window.added", "os:root", None),
        ("freeze.added", "os:root", environment.system),
        ("window.removed", "os:root", None),
        ("freeze.removed", "os:root", environment.system),
    ]
    assert "Saturday" in say(Record.objects.get(kind="window.removed").summary)
    assert records.verify(organisation).ok
    assert not Window.objects.exists()
    assert not Freeze.objects.exists()


def test_what_makes_no_sense_is_refused(organisation: Organisation) -> None:
    with pytest.raises(Invalid, match="at least one day"):
        windows.add_weekly(organisation, [], *NIGHT, who=WHO)
    with pytest.raises(Invalid, match="at least one day"):
        windows.add_weekly(organisation, [7], *NIGHT, who=WHO)
    with pytest.raises(Invalid, match="not a time zone"):
        windows.add_weekly(organisation, [1], *NIGHT, who=WHO, time_zone="Mars/Olympus")
    with pytest.raises(Invalid, match="after the beginning"):
        windows.add_once(organisation, SATURDAY, SATURDAY, who=WHO)
    with pytest.raises(Invalid, match="past already"):
        windows.freeze(organisation, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC), "x", who=WHO)
    with pytest.raises(Invalid, match="say why"):
        windows.freeze(organisation, SATURDAY, SATURDAY + timedelta(days=1), " ", who=WHO)
    assert not Window.objects.exists()
    assert not Freeze.objects.exists()
    assert not Record.objects.exists()


def test_only_administrators_declare_them(organisation: Organisation, environment: Environment, approver: Person, administrator: Person) -> None:
    system = environment.system
    with pytest.raises(Denied):
        windows.add_weekly(organisation, [5], *NIGHT, who=approver, system=system)
    with pytest.raises(Denied):
        windows.freeze(organisation, SATURDAY, SATURDAY + timedelta(days=1), "x", who=approver)
    made = windows.add_weekly(organisation, [5], *NIGHT, who=administrator, system=system)
    with pytest.raises(Denied):
        windows.remove(made, who=approver)
    assert (Window.objects.get(), made.author, made.time_zone) == (made, administrator.email, organisation.time_zone)
