"""What monitoring does as runs."""

from django.utils.translation import gettext_noop

from wellkept.lib.text import message
from wellkept.monitoring import use
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation

MINUTE = 60.0


@operation(
    "monitoring.learn",
    title=gettext_noop("Learn when it is used"),
    maintenance_type="preventive",
    phases=(("learn", gettext_noop("Read who worked in which hour")),),
)
def learn_use(run: Runbook) -> Outcome:
    """Read from the ERP when people worked, and keep it for the calendar."""
    if run.environment_id is None:
        raise Failed(message(gettext_noop("This system has no environment to look at")))
    found = run.step("learn", use.learn, run.environment_id, limit=30 * MINUTE)
    return Outcome(message(gettext_noop("In {count} hours somebody worked"), count=found["hours"]), found)
