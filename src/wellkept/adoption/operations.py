"""How a system comes into keeping, as runs: provision one, and look at one again."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext_noop

from wellkept.adapters.base import AdapterError
from wellkept.estate import access, adopt, provision
from wellkept.estate.access import Who
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Environment, Organisation, Role
from wellkept.lib.text import Message, message, reason
from wellkept.operations import progress, runtime
from wellkept.operations.models import Run
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation

MINUTE = 60.0


def _take_away(run_id: str, *, name: str, **_arguments: Any) -> None:
    """After each provisioning: remove whatever did not end in an adopted system."""
    provision.take_away(Run.objects.get(pk=run_id).organisation_id, name, run_id)


@operation(
    "estate.provision",
    title=gettext_noop("Provision an ERP"),
    maintenance_type="adaptive",
    phases=(
        ("begin", gettext_noop("Choose its place")),
        ("install", gettext_noop("Install Tryton")),
        ("cluster", gettext_noop("Make its database server")),
        ("database", gettext_noop("Make the database with its modules")),
        ("company", gettext_noop("Fill the company")),
        ("start", gettext_noop("Start it")),
        ("adopt", gettext_noop("Take it into keeping")),
    ),
    cleanup=_take_away,
)
def provision_system(run: Runbook, *, name: str, size: str = "small", seed: int = 1) -> Outcome:
    """Install a Tryton, make its company, start it and adopt it; an end before that leaves nothing behind."""
    place = (run.organisation_id, name)
    run.step("begin", _told, provision.begin, *place, run.id, size, seed, limit=MINUTE)
    run.step("install", _installing, *place, limit=20 * MINUTE)
    run.step("cluster", _told, provision.make_cluster, *place, limit=5 * MINUTE)
    run.step("database", _making, *place, limit=30 * MINUTE)
    run.step("company", _filling, *place, limit=120 * MINUTE)
    run.step("start", _told, provision.start, *place, limit=5 * MINUTE)
    adopted = run.step("adopt", _told, provision.take_over, *place, run.requested_by_id, limit=5 * MINUTE)
    told = message(gettext_noop("Provisioned {name}: Tryton {version}, size {size}"), name=name, version=adopted["version"], size=size)
    return Outcome(told, adopted)


@operation(
    "estate.discover",
    title=gettext_noop("Look at a system again"),
    maintenance_type="preventive",
    phases=(("discover", gettext_noop("Look")),),
)
def discover(run: Runbook) -> Message:
    """Read the version, the modules, the users and the sizes of an environment."""
    seen = run.step("discover", _told, _discover, run.environment_id, limit=5 * MINUTE)
    return message(gettext_noop("Saw version {version}, {components} components; {blind} things could not be seen"), **seen)


def request(organisation: Organisation, name: str, *, size: str, seed: int, who: Who) -> Run:
    """Ask for a system to be provisioned; returns the run. Raises Denied, Invalid and Taken."""
    access.require(who, Role.ADMINISTRATOR, organisation)
    provision.check_wish(organisation, name, size)
    arguments = {"name": name, "size": size, "seed": seed}
    return runtime.submit("estate.provision", organisation=organisation, arguments=arguments, requested_by=access.person_of(who))


def _discover(environment_id: int) -> dict[str, Any]:
    environment = Environment.objects.select_related("system__organisation").get(pk=environment_id)
    seen = adopt.discover(environment)
    progress.report(drivers={"components": len(seen.components)})
    return {"version": environment.version or "?", "components": len(seen.components), "blind": len(seen.blind)}


def _installing(organisation_id: int, name: str) -> Any:
    return _told(provision.install, organisation_id, name, _say_line)


def _making(organisation_id: int, name: str) -> Any:
    return _told(provision.make_database, organisation_id, name, _say_line)


def _filling(organisation_id: int, name: str) -> Any:
    return _told(provision.make_company, organisation_id, name, _say_line)


def _say_line(line: str) -> None:
    """Show what a program says as the note of the step, in its own words."""
    progress.report(note=message("{line}", line=line.strip()[:200]))


def _told(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function whose errors are sentences for people: they become the outcome instead of a traceback."""
    try:
        return function(*args)
    except (AdapterError, EstateError) as error:
        raise Failed(reason(error)) from error
