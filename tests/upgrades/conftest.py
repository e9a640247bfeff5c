"""A kept company whose upgrade is assessed, and an index that knows the releases."""

from pathlib import Path

import pytest

from tests.people import make_environment, make_system
from tests.services.index import Index
from wellkept.adapters.base import Site
from wellkept.estate import connect
from wellkept.estate.models import Environment, Organisation
from wellkept.operations.models import Run, RunState
from wellkept.upgrades import assess, needs, report
from wellkept.upgrades.models import Assessment


@pytest.fixture
def series(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index with the releases of Tryton, and a cache of the test's own beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for version in ("6.0.70", "7.0.59", "7.2.20", "8.0.12", "8.2.1"):
        index.add("trytond", version)
    return index


@pytest.fixture
def kept(small_company: Site, organisation: Organisation) -> Environment:
    """The shared company, which is only read."""
    return keep(small_company, organisation)


def keep(site: Site, organisation: Organisation, name: str = "erp1") -> Environment:
    environment = make_environment(make_system(organisation, name))
    connect.keep(environment, site)
    return environment


def assessed(environment: Environment, target: str = "8.0") -> Assessment:
    """Every step of an assessment, one after the other, as its run would do them."""
    organisation = environment.system.organisation
    run = Run.objects.create(organisation=organisation, operation="upgrades.assess", maintenance_type="adaptive", state=RunState.RUNNING)
    way = assess.ask_index(environment.pk, target)
    modules = assess.look_at_modules(environment.pk, target)
    data = assess.check_data(environment.pk, way["current"], target)
    room = needs.needs(environment.pk, modules["database_bytes"], modules["files_bytes"])
    done = report.store(str(run.pk), environment.pk, target, {**way, **modules, **data, **room})
    return Assessment.objects.get(pk=done["assessment"])


def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the index not answer any more."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
