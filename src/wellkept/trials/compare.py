"""Two runs of the same flows side by side: what passes no more, what is asserted no more, and how the times have changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from wellkept.adapters.trial import PASSED, Trial
from wellkept.lib.text import Message, gettext_noop, message
from wellkept.trials.run import Report


@dataclass(frozen=True)
class Pace:
    """The seconds of one step before and after, and the ratio after ÷ before; None where the step is missing in one of the runs."""

    step: str
    before: float | None
    after: float | None

    @property
    def ratio(self) -> float | None:
        """After ÷ before."""
        return self.after / self.before if self.before and self.after is not None else None


@dataclass(frozen=True)
class Compared:
    """One flow in both runs. ``lost`` names what was asserted, and held, before and does not after; an outcome is None where the flow is missing."""

    flow: str
    before: str | None
    after: str | None
    reason: Message | str
    lost: Sequence[str]
    paces: Sequence[Pace]

    @property
    def worse(self) -> bool:
        """Whether what passed before does not pass now, or proves less."""
        return self.before == PASSED and (self.after != PASSED or bool(self.lost))


def compare(before: Report, after: Report) -> Sequence[Compared]:
    """Every flow of either run, in the order of the first."""
    first, second = {trial.flow: trial for trial in before.flows}, {trial.flow: trial for trial in after.flows}
    return [_compared(name, first.get(name), second.get(name)) for name in dict.fromkeys([*first, *second])]


def _compared(name: str, before: Trial | None, after: Trial | None) -> Compared:
    lost = [claim for claim in _holding(before) if claim not in _holding(after)]
    reason = after.reason if after is not None else message(gettext_noop("it was not tried again"))
    return Compared(name, before.outcome if before else None, after.outcome if after else None, reason, lost, _paces(before, after))


def _holding(trial: Trial | None) -> list[str]:
    """What was asserted and holds, each with its step, once."""
    steps = trial.steps if trial is not None else ()
    return list(dict.fromkeys(f"{step.name}: {one.name}" for step in steps for one in step.assertions if one.holds))


def _paces(before: Trial | None, after: Trial | None) -> Sequence[Pace]:
    first = {step.name: step.seconds for step in before.steps} if before else {}
    second = {step.name: step.seconds for step in after.steps} if after else {}
    return [Pace(name, first.get(name), second.get(name)) for name in dict.fromkeys([*first, *second])]
