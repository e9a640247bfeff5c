"""An ERP that its owner's own service starts is closed for an upgrade, and opened again, by the commands that were declared for that."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services.sets import new_run
from tests.services.tryton import SERIES
from tests.upgrades import test_patch
from tests.upgrades.test_apply import newest
from tests.upgrades.test_patch import OLDER, of_this_series
from wellkept.adapters.base import AdapterError, Commands, Site
from wellkept.adapters.tryton import control, owners, rpc
from wellkept.estate import adopt, connect, service
from wellkept.estate.access import Console, Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.home import Home
from wellkept.lib import links
from wellkept.lib.text import say
from wellkept.operations import scratch
from wellkept.operations.models import Record
from wellkept.tools import command, postgres
from wellkept.upgrades import apply, gates
from wellkept.upgrades.models import Upgrade

CONSOLE = Console("tests")
older = test_patch.older
DAEMON = """#!/bin/sh
# What a distribution's service does: a pid file, another user, and the Python behind the link.
case "$1" in
start) exec start-stop-daemon --start --oknodo --background --make-pidfile --pidfile {place}/pid {user} --startas /usr/bin/env -- \\
  TRYTOND_CONFIG={config} TRYTOND_DATABASE_NAMES={database} \\
  {python} {folder}/gunicorn --bind {address} --no-control-socket trytond.application:app ;;
stop) exec start-stop-daemon --stop --oknodo --retry 20 --pidfile {place}/pid ;;
esac
"""


@pytest.fixture
def theirs(own_company: Site, older: Path) -> Iterator[tuple[Site, Path]]:
    """A company on an older version, started by a service of its owner's, and the program of that."""
    place = postgres.throwaway_folder("wks-")
    (place / OLDER).symlink_to(older.parents[1])
    links.point(place / "current", place / OLDER)
    python = place / "current" / "bin" / "python"
    program = place / "tryton-service"
    facts = {"config": own_company.config, "database": own_company.database, "python": python, "folder": python.parent}
    user = f"--chuid {own_company.os_user}" if os.geteuid() == 0 else ""
    program.write_text(DAEMON.format(place=place, user=user, address=f"127.0.0.1:{postgres.free_port()}", **facts))
    program.chmod(0o755)
    command.run([program, "start"])
    yield replace(own_company, interpreter=python), program
    command.run([program, "stop"])
    shutil.rmtree(place)


def adopted(site: Site, organisation: Organisation) -> Environment:
    """The environment of the company, adopted by nothing but its configuration."""
    found = replace(adopt.site_from_config("tryton", site.config, site.database), login=site.login)
    system = adopt.apply(adopt.plan(organisation, "theirs", found, who=CONSOLE), who=CONSOLE)
    environment = Environment.objects.select_related("system__organisation").get(system=system)
    assert (found.state, found.commands, found.interpreter) == (None, None, site.interpreter)
    return environment


def test_what_its_owner_starts_is_closed_and_opened_by_the_declared_commands(
    theirs: tuple[Site, Path], organisation: Organisation, administrator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, program = theirs
    environment = adopted(own, organisation)
    assert "wellkept system control theirs --stop" in say(service.lacking(environment))
    commands = Commands([str(program), "stop"], [str(program), "start"])
    home = Home(postgres.throwaway_folder("wkh-"))
    with pytest.raises(Denied):
        service.declare(environment, commands, home, who=administrator)
    with pytest.raises(Invalid, match="whole path"):
        service.declare(environment, Commands(["systemctl", "stop"], ["systemctl", "start"]), home, who=CONSOLE)
    assert connect.site(environment).commands is None
    rehearsal = of_this_series(environment)
    assert [gate.name for gate in gates.look(environment, SERIES).shut] == ["control"]

    direct = links.direct(own.interpreter or Path())
    service.declare(environment, commands, home, who=CONSOLE, interpreter=direct)
    assert "through a link" in say(service.lacking(environment))
    service.declare(environment, commands, home, who=CONSOLE, interpreter=own.interpreter)
    assert service.lacking(environment) is None
    assert Record.objects.filter(kind="estate.control").count() == 2
    site = connect.site(environment)
    before = {one.pid for one in owners.running(site)}
    assert len(before) >= 2
    control.start(site)
    assert {one.pid for one in owners.running(site)} == before, "what runs already is left alone"

    run_id = new_run(organisation, "upgrades.apply_patch")
    number = apply.begin(run_id, environment.pk, SERIES)["upgrade_id"]
    apply.install(number, rehearsal.backup_id)
    apply.close(run_id, number)
    assert owners.running(site) == []
    assert control.notice(site) is not None
    with pytest.raises(AdapterError):
        rpc.version(site)
    apply.exchange(run_id, number)
    apply.reopen(run_id, number)
    apply.finish(number, {})
    assert rpc.version(site) == newest(SERIES)
    assert not {one.pid for one in owners.running(site)} & before
    other = new_run(organisation, "upgrades.take_back")
    apply.take_back_stuck(other, environment.pk, number)
    assert rpc.version(site) == OLDER
    assert links.direct(site.interpreter or Path()) == links.direct(Path(Upgrade.objects.get().old_interpreter))

    program.write_text(program.read_text().replace(str(own.interpreter), str(direct)))
    control.stop(site)
    links.point(program.parent / "current", Path(Upgrade.objects.get().new_interpreter).parents[1])
    assert "has to go through the link" in refusal(lambda: control.start(site))
    links.point(program.parent / "current", program.parent / OLDER)
    monkeypatch.setattr(owners, "GONE_SECONDS", 1.0)
    assert "still runs after “/bin/false”: web (pid" in refusal(
        lambda: control.stop(replace(site, commands=Commands(["/bin/false"], commands.start)))
    )
    for each in (run_id, other):
        scratch.remove(each)
    command.run(["rm", "-r", home.path])


def refusal(step: Callable[[], None]) -> str:
    """What an adapter's error says."""
    with pytest.raises(AdapterError) as caught:
        step()
    return str(caught.value)
