"""The flows of an environment, run on a copy of its company and written down."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from wellkept.adapters.base import Refused, Site
from wellkept.adapters.tryton import neutralise, server
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import say
from wellkept.tools import postgres
from wellkept.trials.compare import compare
from wellkept.trials.run import from_json, look, run, to_json

pytestmark = pytest.mark.django_db
SINK = "smtp://127.0.0.1:2"


@pytest.fixture
def copy(own_company: Site) -> Iterator[Site]:
    """The company itself, declared to be a copy: harmless, and running with all that it needs."""
    assert own_company.state is not None
    state = postgres.owned_folder(own_company.state / "copy", own_company.os_user or "")
    made = neutralise.configure_copy(replace(own_company, state=state), original="company", sink_smtp=SINK)
    neutralise.neutralise(made)
    server.start(made, roles=("web", "worker"))
    yield made
    server.stop(made)
    shutil.rmtree(state)


def test_a_run_is_written_down_and_compares_with_itself(environment: Environment, copy: Site) -> None:
    report = run(environment, copy, only=["timesheet"])
    assert report.holds
    assert report.count() == {"passed": 1, "failed": 0, "left out": 0}
    assert report.seconds > report.flows[0].seconds > 0
    again = from_json(json.loads(json.dumps(to_json(report))))
    assert again == report
    (one,) = compare(again, report)
    assert (one.worse, one.paces[0].step, one.paces[0].ratio) == (False, "enter the time", 1.0)


def test_production_is_never_tried_but_may_be_looked_at(environment: Environment, own_company: Site) -> None:
    connect.keep(environment, own_company)
    with pytest.raises(Refused, match="proven harmless"):
        run(environment, connect.site(environment))
    (sight,) = look(environment)
    assert sight.way == "login"
    assert "does not answer" in say(sight.error)
