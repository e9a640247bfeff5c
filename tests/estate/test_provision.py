"""Provisioning: refused wishes, a run that is killed and cancelled and leaves nothing, and the life of what was provisioned."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.services.installation import Installation, installed, leftovers, processes_naming, until
from tests.services.tryton import TINY
from wellkept.adapters.base import Notice
from wellkept.adapters.tryton import provision as tryton
from wellkept.adoption import operations
from wellkept.estate import access, connect, provision, systems
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Organisation, Person, Secret, System
from wellkept.operations import runtime
from wellkept.operations.models import OPEN_STATES, Record, Run
from wellkept.tools import postgres


def test_wishes_that_are_refused(administrator: Person, approver: Person, organisation: Organisation, system: System) -> None:
    console = access.Console("root")
    for name, size, error in (("no good", "small", Invalid), ("erp9", "huge", Invalid), (system.name, "small", Taken)):
        with pytest.raises(error):
            operations.request(organisation, name, size=size, seed=1, who=console)
    with pytest.raises(access.Denied):
        operations.request(organisation, "erp9", size="small", seed=1, who=approver)
    assert not Run.objects.exists()
    run = operations.request(organisation, "erp9", size="small", seed=7, who=administrator)
    assert (run.arguments, run.requested_by) == ({"name": "erp9", "size": "small", "seed": 7}, administrator)


def test_two_runs_do_not_share_a_folder(organisation: Organisation, settings: object) -> None:
    first, second = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
    known = provision.begin(organisation.pk, "erp1", first, "small", 1)
    folder = systems.folder(settings.HOME, organisation, "erp1")  # type: ignore[attr-defined]
    try:
        assert provision.begin(organisation.pk, "erp1", first, "small", 1) == known
        with pytest.raises(Taken):
            provision.begin(organisation.pk, "erp1", second, "small", 1)
        provision.take_away(organisation.pk, "erp1", second)
        assert json.loads((folder / "provision.json").read_text()) == known
    finally:
        provision.take_away(organisation.pk, "erp1", first)
    assert not folder.exists()


def test_what_somebody_else_installed_is_neither_started_nor_destroyed(system: System, environment: object, settings: object) -> None:
    home = settings.HOME  # type: ignore[attr-defined]
    for action in (systems.start, systems.stop):
        with pytest.raises(Invalid, match="installed by somebody else"):
            action(environment, home)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="was not provisioned here"):
        provision.destroy(system, home, who=access.Console("root"))
    assert System.objects.get(pk=system.pk).removed_at is None


@pytest.fixture(scope="module")
def installation(django_db_setup: None, django_db_blocker: object) -> Iterator[Installation]:
    modules = {"WELLKEPT_OPERATION_MODULES": "tests.services.sizes"}
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), installed("provision-", polling=0.5, **modules) as made:  # type: ignore[attr-defined]
        patch.setattr(provision, "SIZES", ("tiny",))
        call_command("check", verbosity=0)
        yield made


def phase(run: Run) -> str | None:
    return next((phase["name"] for phase in runtime.events(run.pk)["phases"] if phase["state"] == "running"), None)


def reached(run: Run, step: str) -> bool:
    """Whether the run is in this step; a short one may be over already. Fails when the run has ended."""
    run.refresh_from_db()
    assert run.state in OPEN_STATES, run.outcome
    return phase(run) == step or runtime.events(run.pk)["phases"][4]["state"] == "running"


@pytest.mark.slow
def test_a_killed_and_cancelled_provisioning_leaves_nothing(installation: Installation) -> None:
    organisation = Organisation.objects.create(slug="riverside", name="Riverside")
    run = operations.request(organisation, "erp1", size="tiny", seed=1, who=access.Console("root"))
    folder = systems.folder(installation.home, organisation, "erp1")
    killed = []
    for step in ("install", "cluster", "database", "company"):
        worker = installation.start_worker(WELLKEPT_TAKEOVER_SECONDS="2")
        until(lambda step=step: reached(run, step), 300, step)  # type: ignore[misc]
        if step == "company":
            time.sleep(3)
        killed.append(phase(run))
        installation.kill(worker)
    installation.start_worker(WELLKEPT_TAKEOVER_SECONDS="2")
    until(lambda: phase(run) == "company", 120, "the company after the takeover")
    assert (folder / "postgres" / "data" / "PG_VERSION").exists()
    runtime.cancel(run, None)
    ended = runtime.wait(run.pk, timeout=120)
    assert (ended.state, killed[-1]) == ("cancelled", "company")
    assert not folder.exists()
    assert processes_naming(folder) == []
    assert not System.objects.exists()
    assert not Secret.objects.exists()
    assert [record.kind for record in Record.objects.all()] == ["estate.provision"]
    assert leftovers(installation) == []


@pytest.mark.slow
def test_a_provisioned_system_is_stopped_started_and_destroyed(installation: Installation) -> None:
    organisation, _made = Organisation.objects.get_or_create(slug="harbour", defaults={"name": "Harbour"})
    # A worker that counts as dead after two seconds without a sign would be given up on a busy machine.
    installation.kill_all()
    installation.start_worker()
    run = operations.request(organisation, "erp1", size="tiny", seed=1, who=access.Console("root"))
    ended = runtime.wait(run.pk, timeout=900)
    assert ended.state == "succeeded", ended.outcome
    system = System.objects.get(organisation=organisation)
    environment = system.environments.get()
    home, folder = installation.home, systems.folder(installation.home, organisation, "erp1")
    assert (environment.seen["users_active"], environment.seen["files_count"], environment.seen["blind"]) == (15, TINY["attachments"], [])
    assert systems.running(environment, home)
    site = connect.site(environment)
    assert site.interpreter == folder / "code" / "current" / "bin" / "python"
    control = connect.ability(environment, "control")
    started_by = {Path(process.command.split()[0]) for process in control.processes(site)}
    assert started_by == {folder / "code" / tryton.version("7.0") / "bin" / "python"}
    systems.stop(environment, home)
    assert processes_naming(folder) == []
    assert systems.ensure_running(home) == []
    assert processes_naming(folder) == []
    systems.start(environment, home)
    systems.stop_all(home)
    assert processes_naming(folder) == []
    assert systems.ensure_running(home) == []
    assert systems.running(environment, home)
    control.maintain(site, Notice({"en": "a test"}))
    systems.stop_all(home)
    assert processes_naming(folder) == []
    assert systems.ensure_running(home) == []
    assert (systems.running(environment, home), control.notice(site)) == (False, Notice({"en": "a test"}))
    assert len(processes_naming(folder / "state" / "maintenance")) == 1
    systems.start(environment, home)
    assert (systems.running(environment, home), control.notice(site)) == (True, None)
    server = provision.Place(home, organisation, "erp1").server(provision.READER)
    with postgres.connect(server, "erp") as connection, pytest.raises(Exception, match="read-only transaction"):
        connection.execute("UPDATE res_user SET active = false")
    assert "password" not in (folder / "provision.json").read_text()
    with pytest.raises(Invalid, match="was provisioned here"):
        systems.forget(system, who=access.Console("root"))
    plan = provision.destruction(system, home)
    assert (plan["paths"], plan["bytes"] > 100_000_000) == ([str(folder)], True)
    provision.destroy(system, home, who=access.Console("root"))
    assert not folder.exists()
    assert processes_naming(folder) == []
    assert not Secret.objects.filter(organisation=organisation).exists()
    assert Run.objects.filter(pk=run.pk).exists()
