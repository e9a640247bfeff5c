"""A business flow while it is being tried: who does which step, what is asserted, how long it takes, and where it ends."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from wellkept.adapters.base import AdapterError, Connection, Login, Site
from wellkept.adapters.trial import FAILED, LEFT_OUT, PASSED, Assertion, Trial, TrialStep
from wellkept.adapters.tryton.figures.source import exact
from wellkept.adapters.tryton.trials import client, queue
from wellkept.lib.text import Message, Told, gettext_noop, message, reason
from wellkept.tools import command


class LeftOut(Told):
    """The company has nothing to try this flow with; the text says what is missing."""


class Ended(Exception):
    """A step went wrong: the flow ends here."""


class Flow:
    """One flow in one company. ``logins`` are the users of the copy by role, ``connection`` reads back what the ERP wrote."""

    def __init__(self, site: Site, connection: Connection, company: int, logins: Mapping[str, Login]) -> None:
        self.site, self.connection, self.company, self.logins = site, connection, company, logins
        self.steps: list[TrialStep] = []
        self.known: dict[str, dict[str, Any]] = {}
        self.chosen: dict[str, str] = {}
        self._assertions: list[Assertion] = []
        self._mark = queue.Mark(0, 0)

    def needs_people(self, roles: Sequence[str]) -> None:
        """Leave the flow out where nobody but administrators is in one of these roles."""
        for role in roles:
            if role not in self.logins:
                raise LeftOut(gettext_noop("no active user but administrators works as “{role}”"), role=message(role))

    @contextmanager
    def step(self, name: str, role: str) -> Iterator[client.Person]:
        """Do a step as the user of a role, and wait for the tasks it leaves to the queue. Ends the flow when something in it goes wrong."""
        command.check_stopped(f"the trial {name}")
        login, seconds, confirmed = self.logins[role], 0.0, list[str]()
        error: Message | str | None = None
        self._assertions, self._mark = [], queue.mark(self.connection)
        try:
            with client.signed_in(self.site, role, login, self.company) as person:
                person.definitions = self.known.setdefault(login.user, {})
                confirmed, started = person.confirmed, time.monotonic()
                try:
                    yield person
                    self.settle()
                finally:
                    seconds = time.monotonic() - started
        except AdapterError as problem:
            error = reason(problem)
        made = TrialStep(name, role, login.user, seconds, tuple(self._assertions), tuple(confirmed), error)
        self.steps.append(made)
        if not made.holds:
            raise Ended

    def settle(self) -> None:
        """Wait until the worker has done what the step has left to it so far."""
        queue.settle(self.connection, self.site, self._mark)

    def check(self, name: str, expected: object, actual: object) -> None:
        """Assert something about what the step did."""
        self._assertions.append(Assertion(name, _text(expected), _text(actual)))

    def result(self, flow: str, problem: LeftOut | Ended | None) -> Trial:
        """What is left of the flow."""
        if isinstance(problem, LeftOut):
            return Trial(flow, LEFT_OUT, tuple(self.steps), self.chosen, problem.message)
        if problem is None:
            return Trial(flow, PASSED, tuple(self.steps), self.chosen)
        return Trial(flow, FAILED, tuple(self.steps), self.chosen, _reason(self.steps))


def _reason(steps: Sequence[TrialStep]) -> Message:
    last = steps[-1]
    if last.error is not None:
        return message(gettext_noop("{step}: {reason}"), step=message(last.name), reason=last.error)
    wrong = next(assertion for assertion in last.assertions if not assertion.holds)
    text = gettext_noop("{step}: {what}: {expected} was expected, {actual} was found")
    return message(text, step=message(last.name), what=message(wrong.name), expected=wrong.expected, actual=wrong.actual)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal | int):
        return exact(value)
    if isinstance(value, float):
        return exact(Decimal(repr(value)))
    return "nothing" if value is None else str(value)
