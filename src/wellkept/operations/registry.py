"""Which operations there are: functions marked with ``@operation`` in the modules listed here (and in ``WELLKEPT_OPERATION_MODULES``)."""

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wellkept.lib.text import Message
from wellkept.operations.models import MaintenanceType

OPERATION_MODULES = (
    "wellkept.operations.selftest",
    "wellkept.adoption.operations",
    "wellkept.backups.operations",
    "wellkept.monitoring.operations",
    "wellkept.upgrades.operations",
    "wellkept.upgrades.patch.operations",
    "wellkept.upgrades.after",
)


@dataclass(frozen=True)
class Outcome:
    """What a runbook returns: the sentence people read, and plain data for commands and pages."""

    message: Message
    result: dict[str, Any]


Body = Callable[..., Message | Outcome]
Cleanup = Callable[..., None]
NoReturn = Callable[[str], Message | None]


@dataclass(frozen=True)
class Operation:
    """An operation and what is known of it before it runs.

    ``phases`` are the names and titles of the expected steps; ``detours`` are those that are reached only when something goes wrong. ``measured_by``
    says for a phase which phase of another operation, ``(operation, phase)``, shows how long it takes as long as it has no history of its own.
    ``no_return`` says by the id of a run why it cannot be cancelled any more, None while it can. A run that succeeds settles what earlier runs of the
    same operation, and of those in ``settles``, left to a person.
    """

    name: str
    title: str
    maintenance_type: str
    phases: tuple[tuple[str, str], ...]
    changes_environment: bool
    body: Body
    cleanup: Cleanup | None
    detours: frozenset[str] = frozenset()
    measured_by: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    no_return: NoReturn | None = None
    settles: frozenset[str] = frozenset()

    def phase_title(self, name: str) -> str | None:
        """The title of a declared phase, None for another name."""
        return dict(self.phases).get(name)


_operations: dict[str, Operation] = {}


def operation(
    name: str,
    *,
    title: str,
    maintenance_type: str,
    phases: tuple[tuple[str, str], ...],
    changes_environment: bool = False,
    cleanup: Cleanup | None = None,
    detours: frozenset[str] = frozenset(),
    measured_by: Mapping[str, tuple[str, str]] | None = None,
    no_return: NoReturn | None = None,
    settles: frozenset[str] = frozenset(),
) -> Callable[[Body], Body]:
    """Register a runbook ``body(run, **arguments)`` under its dotted name.

    ``cleanup(run_id, **arguments)`` is called at the end of every run, however it ended, and may be called again: it removes what the run made
    outside its scratch folder. Raises ValueError when another function has the name or the maintenance type is unknown.
    """
    if maintenance_type not in MaintenanceType.values:
        raise ValueError(f"{maintenance_type!r} is not a maintenance type")

    def register(body: Body) -> Body:
        known = _operations.get(name)
        if known is not None and (known.body.__module__, known.body.__qualname__) != (body.__module__, body.__qualname__):
            raise ValueError(f"the operation {name} is already {known.body.__module__}.{known.body.__qualname__}")
        _operations[name] = Operation(
            name, title, maintenance_type, phases, changes_environment, body, cleanup, detours, measured_by or {}, no_return, settles
        )
        return body

    return register


def registered() -> dict[str, Operation]:
    """All operations by name; imports the modules that define them."""
    extra = os.environ.get("WELLKEPT_OPERATION_MODULES", "")
    for module in (*OPERATION_MODULES, *filter(None, extra.split(","))):
        importlib.import_module(module)
    return dict(_operations)


def get(name: str) -> Operation:
    """The operation of this name. Raises KeyError with a readable text when there is none."""
    known = registered()
    if name not in known:
        raise KeyError(f"there is no operation {name}")
    return known[name]
