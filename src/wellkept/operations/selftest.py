"""An operation that does nothing of use: it shows that runs work here, and what a step costs."""

import time

from django.utils.translation import gettext_noop

from wellkept.lib.text import Message, message
from wellkept.operations import progress, scratch
from wellkept.operations.registry import operation
from wellkept.operations.runbook import Runbook
from wellkept.tools import command


def wait(run_id: str, number: int, seconds: float) -> int:
    """Leave a file in the run's scratch folder and let a program run for some seconds; without seconds do nothing. Returns the number."""
    if seconds > 0:
        progress.report(0.1, note=message(gettext_noop("Waiting {seconds} s"), seconds=seconds), drivers={"seconds": seconds})
        (scratch.folder(run_id) / f"{number}.txt").write_text(time.strftime("%H:%M:%S"))
        progress.milestone("inside")
        command.run(["sleep", str(seconds)])
    return number


@operation(
    "operations.selftest",
    title=gettext_noop("Self-test"),
    maintenance_type="preventive",
    phases=(("wait", gettext_noop("Wait")),),
)
def selftest(run: Runbook, *, steps: int = 3, seconds: float = 0.0) -> Message:
    """``steps`` steps of ``seconds`` each."""
    done = [run.step("wait", wait, run.id, number, seconds, limit=seconds + 30) for number in range(steps)]
    return message(gettext_noop("{steps} steps done"), steps=len(done))
