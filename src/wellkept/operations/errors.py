"""How a run ends when it does not simply succeed, and why a run may not start.

A step or a runbook raises one of the first four; anything else that escapes counts as Failed, with its text.

::

    Ending
    ├── Failed           nothing was changed (or all of it was put back without a trace)
    │   └── Unexpected   an error nobody planned for; ``kind`` is its class, ``trace`` where it came from
    ├── RolledBack       something was changed and is back in its verified former state
    ├── NeedsAttention   a person must decide; the sentence says what
    └── Cancelled        somebody cancelled the run
    Conflict             the environment is being changed by another run; ``lease`` says which
    Abandoned            this process may no longer work on the run (not an Exception: no runbook may catch it)
"""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_noop

from wellkept.lib.text import Message, Told, message, say

if TYPE_CHECKING:
    from wellkept.operations.models import Lease


class Ending(Told):
    """A run ends other than by success; ``message`` is a stored sentence, ``retryable`` says that the same step may work a moment later."""

    state = "failed"

    def __init__(self, text: Message | str, *, retryable: bool = False) -> None:
        self.retryable = retryable
        super().__init__(text)


class Failed(Ending):
    """It did not work and nothing was changed."""


class Unexpected(Failed):
    """An error that nobody planned for."""

    def __init__(self, text: Message | str, *, kind: str = "", trace: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.trace = trace


class RolledBack(Ending):
    """It did not work and what was changed is as before."""

    state = "rolled_back"


class NeedsAttention(Ending):
    """A person must decide how to go on."""

    state = "needs_attention"


class Cancelled(Ending):
    """Somebody cancelled the run."""

    state = "cancelled"

    def __init__(self, text: Message | str | None = None) -> None:
        super().__init__(text if text is not None else message(gettext_noop("Cancelled on request")))


ENDINGS = {ending.__name__: ending for ending in (Failed, Unexpected, RolledBack, NeedsAttention, Cancelled)}


class Conflict(Exception):
    """Another run holds the lease of the environment."""

    def __init__(self, lease: "Lease") -> None:
        run = lease.run
        person = run.requested_by
        self.lease = lease
        self.run = run
        self.message = message(
            gettext_noop("{environment} is being changed by {operation}, started by {person} at {since}"),
            environment=str(lease.environment),
            operation=run.operation,
            person=str(person) if person else "wellkept",
            since=lease.taken_at.isoformat(timespec="seconds"),
        )
        super().__init__(say(self.message))


class Abandoned(BaseException):
    """Another worker owns the run now, or this one is stopping: let go at once and record nothing."""
