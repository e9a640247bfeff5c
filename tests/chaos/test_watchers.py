"""Watchers that are killed, and a platform database that goes away: watching goes on."""

import datetime as dt
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from django.db import connection
from django.utils import timezone

from tests import people
from tests.services.installation import SRC, Installation, until
from wellkept.adapters.base import Site
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.monitoring import panels, store
from wellkept.monitoring.models import Watch
from wellkept.tools import command, postgres

SOON, LATER = 30.0, 60.0


@pytest.fixture
def watched(installation: Installation, running_company: Site) -> Iterator[list[Environment]]:
    """Two systems whose ERP is the same."""
    organisation = people.make_organisation("watched")
    made = [people.make_environment(people.make_system(organisation, name)) for name in ("one", "two")]
    for environment in made:
        connect.keep(environment, running_company)
    yield made
    Watch.objects.all().delete()


@pytest.fixture
def groups() -> Iterator[list[int]]:
    started: list[int] = []
    yield started
    for group in started:
        command.stop(group, grace=5)


def start(installation: Installation, name: str) -> int:
    args = [sys.executable, "-m", "wellkept", "watcher", "--name", name]
    return command.spawn(args, log=installation.home.logs / f"{name}.log", env=installation.environment, cwd=SRC, dies_with_us=True)


def holder(environment: Environment) -> str:
    """The first part of the name of who holds it now."""
    row = Watch.objects.filter(environment=environment, held_until__gt=timezone.now()).first()
    return row.held_by.partition("-")[0] if row is not None else ""


def count(environment: Environment, name: str, since: dt.datetime) -> int:
    found = panels.find(environment.pk, name)
    return len(store.points(*found, since, timezone.now() + dt.timedelta(seconds=1))) if found is not None else 0


def test_watching_goes_on_when_a_watcher_is_killed_and_the_database_restarts(
    installation: Installation, watched: list[Environment], groups: list[int]
) -> None:
    begun = timezone.now()
    groups += [start(installation, "first"), start(installation, "second")]
    until(lambda: {holder(one) for one in watched} == {"first", "second"}, SOON, "that each has a share")
    until(lambda: all(count(one, "erp_users_active", begun) for one in watched), SOON, "a reading of both")
    assert [one.problem for one in Watch.objects.all()] == [None, None]
    os.killpg(groups[0], signal.SIGKILL)
    killed = timezone.now()
    until(lambda: {holder(one) for one in watched} == {"second"}, SOON, "that the other takes over")
    until(lambda: all(count(one, "erp_users_active", killed) for one in watched), SOON, "a reading of both by the other")
    postgres.stop(installation.home.cluster(), "immediate")
    connection.close()
    postgres.start(installation.home.cluster())
    restarted = timezone.now()
    until(lambda: all(count(one, "erp_users_active", restarted) for one in watched), LATER, "a reading after the restart")
    command.stop(groups[1], grace=20)
    assert not Watch.objects.filter(held_until__gt=timezone.now()).exists()
    assert "Traceback" not in (installation.home.logs / "first.log").read_text()
