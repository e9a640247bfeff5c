"""The runbooks of upgrades: only the order of their steps."""

from django.utils.translation import gettext_noop

from wellkept.lib.text import message
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation
from wellkept.upgrades import assess, needs, report
from wellkept.upgrades.models import Level

MINUTE = 60.0
OUTCOMES = {
    Level.ACT: gettext_noop("From {current} to {target}: {in_the_way} things are in the way, {to_look_at} more to look at"),
    Level.WATCH: gettext_noop("From {current} to {target}: nothing is in the way, {to_look_at} things to look at"),
    Level.WELL: gettext_noop("From {current} to {target}: nothing is in the way"),
}


@operation(
    "upgrades.assess",
    title=gettext_noop("Assess an upgrade"),
    maintenance_type="adaptive",
    phases=(
        ("releases", gettext_noop("Ask for releases and the way to the target")),
        ("modules", gettext_noop("Look at modules and their use")),
        ("data", gettext_noop("Check manual steps and data")),
        ("needs", gettext_noop("Count room and time")),
        ("report", gettext_noop("Draw the conclusions")),
    ),
)
def assess_upgrade(run: Runbook, *, target: str) -> Outcome:
    """What an upgrade to another series would meet; the ERP is only read."""
    environment_id = run.environment_id
    if environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    way = run.step("releases", assess.ask_index, environment_id, target, limit=10 * MINUTE)
    modules = run.step("modules", assess.look_at_modules, environment_id, target, limit=20 * MINUTE)
    data = run.step("data", assess.check_data, environment_id, way["current"], target, limit=30 * MINUTE)
    room = run.step("needs", needs.needs, environment_id, modules["database_bytes"], modules["files_bytes"], limit=5 * MINUTE)
    result = run.step("report", report.store, run.id, environment_id, target, {**way, **modules, **data, **room}, limit=MINUTE)
    facts = {name: result[name] for name in ("in_the_way", "to_look_at")}
    return Outcome(message(OUTCOMES[Level(result["verdict"])], current=way["current"], target=target, **facts), result)


@operation(
    "upgrades.look",
    title=gettext_noop("Look for new releases"),
    maintenance_type="preventive",
    phases=(("releases", gettext_noop("Ask for releases")),),
)
def look_for_releases(run: Runbook) -> Outcome:
    """Ask the package index which releases there are of a system's ERP."""
    found = run.step("releases", assess.look, run.system_id, limit=10 * MINUTE)
    return Outcome(message(gettext_noop("{count} releases are there, the newest is {newest}"), count=found["count"], newest=found["newest"]), found)
