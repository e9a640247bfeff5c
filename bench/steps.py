"""What a step of a run costs beyond its work."""

import time

from bench.place import peak_rss, worker
from bench.result import Result, median
from wellkept.home import Home

STEPS = 200
GOAL_MS = 10.0


def measure(home: Home, runs: int) -> list[Result]:
    """Runs of 200 empty steps by a real worker, from their start to their end, against 200 plain calls."""
    from wellkept.estate.models import Organisation
    from wellkept.operations import runtime, selftest

    organisation, _made = Organisation.objects.get_or_create(slug="steps", defaults={"name": "Steps"})
    details = []
    with worker(home):
        for _ in range(runs + 1):
            began = time.perf_counter()
            for number in range(STEPS):
                selftest.wait("", number, 0.0)
            plain = time.perf_counter() - began
            run = runtime.submit("operations.selftest", organisation=organisation, arguments={"steps": STEPS})
            run = runtime.wait(run.pk, timeout=300)
            if run.started_at is None or run.ended_at is None or run.state != "succeeded":
                raise RuntimeError(f"the run ended as {run.state}: {run.error}")
            whole = (run.ended_at - run.started_at).total_seconds()
            details.append({"seconds": whole, "plain_seconds": plain, "step_ms": round((whole - plain) / STEPS * 1000, 3)})
    details = details[1:]  # the first one warms the connections of the worker
    value = median([detail["step_ms"] for detail in details])
    return [Result("step_overhead", f"A step of a run beyond its work, {STEPS} empty steps", value, GOAL_MS, "ms", [*details, peak_rss()])]
