"""Run the business flows of an environment's ERP on a copy of it, and write down what came of them."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils import timezone

from wellkept.adapters.base import Site
from wellkept.adapters.trial import FAILED, LEFT_OUT, PASSED, Assertion, Sight, Trial, TrialStep
from wellkept.estate import connect
from wellkept.estate.models import Environment


@dataclass(frozen=True)
class Report:
    """One run of the flows: ``at`` an ISO time in UTC, ``seconds`` with what was needed to let the people in, by the monotonic clock."""

    at: str
    seconds: float
    flows: Sequence[Trial]

    @property
    def holds(self) -> bool:
        """Whether something was tried and nothing failed. What was left out is no failure, and no success."""
        outcomes = {trial.outcome for trial in self.flows}
        return PASSED in outcomes and FAILED not in outcomes

    def count(self) -> Mapping[str, int]:
        """How many flows came to which outcome."""
        return {outcome: sum(trial.outcome == outcome for trial in self.flows) for outcome in (PASSED, FAILED, LEFT_OUT)}


def run(environment: Environment, copy: Site, *, only: Collection[str] = ()) -> Report:
    """Try the flows (or ``only`` those) on ``copy``, a harmless copy of the environment whose processes run.

    Raises Unsupported when its adapter has no flows, Refused for a copy that is not proven harmless, Invalid when it does not run.
    """
    began, at = time.monotonic(), timezone.now().isoformat()
    flows = connect.ability(environment, "trials").run(copy, only=only)
    return Report(at, time.monotonic() - began, tuple(flows))


def look(environment: Environment) -> Sequence[Sight]:
    """Look around in the environment itself with its own login, changing nothing. Raises Unsupported, and Refused for a forbidden address."""
    sights: Sequence[Sight] = connect.ability(environment, "trials").look(connect.site(environment))
    return sights


def to_json(report: Report) -> dict[str, Any]:
    """Plain data for a record."""
    return asdict(report)


def from_json(data: Mapping[str, Any]) -> Report:
    """The report of ``to_json``. Raises KeyError or TypeError when the data is of another shape."""
    return Report(data["at"], data["seconds"], tuple(_trial(flow) for flow in data["flows"]))


def _trial(data: Mapping[str, Any]) -> Trial:
    return Trial(**{**data, "steps": tuple(_step(step) for step in data["steps"])})


def _step(data: Mapping[str, Any]) -> TrialStep:
    assertions = tuple(Assertion(**assertion) for assertion in data["assertions"])
    return TrialStep(**{**data, "assertions": assertions, "warnings": tuple(data["warnings"])})
