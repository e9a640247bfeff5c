"""The ability to try an ERP, and what it leaves: business flows done step by step with what was asserted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from wellkept.adapters.base import Connection, Site
from wellkept.lib.text import Message

Outcome = Literal["passed", "failed", "left out"]
PASSED: Outcome = "passed"
FAILED: Outcome = "failed"
LEFT_OUT: Outcome = "left out"


@dataclass(frozen=True)
class Assertion:
    """A claim about the effect of a step, with the expected and the actual value as exact text. ``name`` is the same in every run."""

    name: str
    expected: str
    actual: str

    @property
    def holds(self) -> bool:
        """Whether what was expected is what was found."""
        return self.expected == self.actual


@dataclass(frozen=True)
class TrialStep:
    """One thing that one person did: seconds by the monotonic clock, what was asserted, the warnings that were confirmed, the error that ended it."""

    name: str
    role: str
    user: str
    seconds: float
    assertions: Sequence[Assertion] = ()
    warnings: Sequence[str] = ()
    error: Message | str | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing went wrong in it."""
        return self.error is None and all(assertion.holds for assertion in self.assertions)


@dataclass(frozen=True)
class Trial:
    """One business flow on a copy. ``chosen`` are the records of the company it was done with, in words.

    A flow that could not be tried is left out, with the ``reason``; that is no success. The ``reason`` of a failed one begins with its last step.
    """

    flow: str
    outcome: Outcome
    steps: Sequence[TrialStep] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)
    reason: Message | str = ""

    @property
    def seconds(self) -> float:
        """The seconds of all steps."""
        return sum(step.seconds for step in self.steps)


@dataclass(frozen=True)
class Sight:
    """Something that was looked at without changing anything: the kind of record, how (``new``: begun and thrown away), and how it went."""

    what: str
    way: Literal["login", "list", "record", "new"]
    seconds: float
    error: Message | str | None = None


class Trials(Protocol):
    """Business flows through the ERP's own RPC, as the users whose work they are and never as an administrator.

    ``WORDS`` are the names of flows, steps, roles and assertions, marked for translation: results hold them in plain English.

    ``run`` works on a copy that runs with everything that does its work (web server, queue) and is proven harmless, and on nothing else; it leaves
    the copy proven harmless. ``look`` may be used in production: as the site's own login it opens what there is to open (``most`` so many kinds of
    record, ``at_once`` so many beside each other), and changes nothing. ``titles`` are what people call kinds of record, by language (``en``,
    ``zh_CN``); one that is not known is left out.
    """

    NAMES: Sequence[str]
    WORDS: Sequence[str]

    def run(self, site: Site, *, only: Collection[str] = ()) -> Sequence[Trial]: ...

    def look(self, site: Site, *, most: int | None = None, at_once: int = 1, rounds: int = 1) -> Sequence[Sight]: ...

    def titles(self, connection: Connection, kinds: Collection[str]) -> Mapping[str, Mapping[str, str]]: ...
