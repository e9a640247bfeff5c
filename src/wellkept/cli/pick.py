"""Which organisation, system or run a command means.

A system is named ``erp1``, or ``riverside/erp1`` where several organisations have one of that name. The organisation may be left out when there is
only one. The commands of this machine's user see everything (``access.Console``).
"""

import uuid
from typing import Annotated

import typer

from wellkept.estate.access import Console, actor, visible_to
from wellkept.estate.errors import NotFound
from wellkept.estate.models import Environment, Kind, Organisation, System
from wellkept.operations.models import Run

WHO = Console()
ACTOR = actor(WHO)
OrganisationOption = Annotated[
    str | None, typer.Option("--organisation", "-o", help="Short name of the organisation; optional when there is only one.")
]
SystemArgument = Annotated[str, typer.Argument(help="Name of the system, or organisation/name.")]


def organisation(slug: str | None = None) -> Organisation:
    """The organisation of a short name, or the only one. Raises NotFound."""
    rows = visible_to(WHO, Organisation)
    if slug is not None:
        found = rows.filter(slug=slug).first()
        if found is None:
            raise NotFound(f"there is no organisation {slug}")
        return found
    every = list(rows[:2])
    if not every:
        raise NotFound("there is no organisation yet; make one: wellkept organisation create")
    if len(every) > 1:
        raise NotFound("there are several organisations; say which one with --organisation")
    return every[0]


def system(name: str) -> System:
    """The system of a name (``erp1`` or ``riverside/erp1``). Raises NotFound."""
    slug, _, last = name.rpartition("/")
    rows = visible_to(WHO, System).filter(name=last).select_related("organisation")
    found = list(rows.filter(organisation__slug=slug)[:2] if slug else rows[:2])
    if not found:
        raise NotFound(f"there is no system {name}; see: wellkept system list")
    if len(found) > 1:
        raise NotFound(f"several organisations have a system {name}; write organisation/{name}")
    return found[0]


def environment(name: str) -> Environment:
    """The production environment of a system. Raises NotFound."""
    found = system(name).environments.filter(kind=Kind.PRODUCTION).select_related("system__organisation").first()
    if found is None:
        raise NotFound(f"the system {name} has no production environment")
    return found


def run(text: str) -> Run:
    """The run of an id, or of the beginning of one. Raises NotFound."""
    text = text.lower()
    rows = visible_to(WHO, Run).select_related("system")
    try:
        found = list(rows.filter(pk=uuid.UUID(text)))
    except ValueError:
        found = _beginning(text)
    if not found:
        raise NotFound(f"there is no run {text}; see: wellkept run list")
    if len(found) > 1:
        raise NotFound(f"several runs begin with {text}; write more of the id")
    return found[0]


def _beginning(text: str) -> list[Run]:
    """Up to two runs whose id begins with the text: a range of ids, so that the index answers."""
    digits = text.replace("-", "")
    if not digits or len(digits) > 32 or any(char not in "0123456789abcdef" for char in digits):
        return []
    low, high = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
    return list(visible_to(WHO, Run).select_related("system").filter(pk__gte=low, pk__lte=high)[:2])
