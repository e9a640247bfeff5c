"""What every adapter has to prove on a real ERP: plain functions, one list per ability, for any test runner.

A check takes a ``Bench`` and raises NotConforming with the claim that does not hold. Nothing an adapter says about itself is believed::

    @pytest.mark.parametrize("check", [check for ability in CHECKS for check in CHECKS[ability]])
    def test_conformance(check, bench):
        check(bench)
"""

from collections.abc import Callable, Mapping, Sequence

from wellkept.adapters.conformance import activity, control, figures, inspect, neutralise, probes, releases, storage, trials, written
from wellkept.adapters.conformance.bench import Bench, NotConforming

Check = Callable[[Bench], None]

CHECKS: Mapping[str, Sequence[Check]] = {
    "inspect": inspect.CHECKS,
    "storage": storage.CHECKS,
    "figures": figures.CHECKS,
    "neutralise": neutralise.CHECKS,
    "control": control.CHECKS,
    "probes": probes.CHECKS,
    "releases": releases.CHECKS,
    "trials": trials.CHECKS,
    "activity": activity.CHECKS,
    "written": written.CHECKS,
}

__all__ = ["CHECKS", "Bench", "Check", "NotConforming"]
