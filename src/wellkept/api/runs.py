"""Runs: list, look, follow, start, cancel."""

import uuid
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status
from ninja.pagination import paginate

from wellkept.api.auth import allowed, seen, who
from wellkept.api.shapes import RunOut
from wellkept.backups.models import Backup, Repository
from wellkept.estate import access
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Kind, Role, System
from wellkept.lib.text import say
from wellkept.operations import runtime
from wellkept.operations.models import OPEN_STATES, Run, RunState

router = Router(tags=["runs"])
STARTABLE: dict[str, dict[str, type[Model] | type]] = {
    "backups.take": {"repository_id": Repository},
    "backups.drill": {"backup_id": Backup},
    "backups.verify": {"backup_id": Backup, "whole": bool},
    "estate.discover": {},
    "upgrades.assess": {"target": str},
    "upgrades.look": {},
}
"""What may be started here, with its arguments; one that names a row must name a row that the caller sees."""


class StartIn(Schema):
    operation: str = Field(description=f"One of {', '.join(STARTABLE)}.")
    system_id: int
    arguments: dict[str, Any] = Field(default_factory=dict)


class RunFilter(Schema):
    system_id: int | None = None
    operation: str | None = None
    state: RunState | None = None
    open: bool | None = None


@router.get("/runs", response=list[RunOut], summary="Runs, newest first")
@paginate
def list_runs(request: HttpRequest, filters: Query[RunFilter]) -> Any:
    rows = access.visible_to(who(request), Run).select_related("system").order_by("-requested_at")
    wanted = filters.dict(exclude_none=True)
    if wanted.pop("open", False):
        rows = rows.filter(state__in=OPEN_STATES)
    return rows.filter(**wanted)


@router.get("/runs/{uuid:run_id}", response=RunOut, summary="One run")
def get_run(request: HttpRequest, run_id: uuid.UUID) -> Any:
    return seen(request, Run, ("system",), pk=run_id)


@router.get("/runs/{uuid:run_id}/events", response=dict[str, Any], summary="A run as it stands now, with its phases and what remains")
def run_events(request: HttpRequest, run_id: uuid.UUID) -> Any:
    state = runtime.events(seen(request, Run, pk=run_id).pk)
    phases = [{**phase, "note": say(phase["note"])} for phase in state["phases"]]
    return {**state, "phases": phases, "note": say(state["note"]), "outcome": say(state["outcome"])}


@router.post("/runs", response={202: RunOut}, summary="Start an operation on a system")
def start_run(request: HttpRequest, wish: StartIn) -> Any:
    system = allowed(request, System, Role.OPERATOR, pk=wish.system_id)
    environment = Environment.objects.filter(system=system, kind=Kind.PRODUCTION).first()
    if environment is None:
        raise Invalid("the system has no production environment")
    arguments = checked_arguments(request, wish.operation, wish.arguments, system)
    person = access.person_of(who(request))
    run = runtime.submit(wish.operation, organisation=system.organisation, environment=environment, arguments=arguments, requested_by=person)
    return Status(202, run)


@router.post("/runs/{uuid:run_id}/cancel", response={202: RunOut}, summary="Ask a run to stop")
def cancel_run(request: HttpRequest, run_id: uuid.UUID) -> Any:
    run = allowed(request, Run, Role.OPERATOR, ("system",), pk=run_id)
    if run.state not in OPEN_STATES:
        raise Invalid(f"the run has ended already: {run.state}")
    runtime.cancel(run, access.person_of(who(request)))
    run.refresh_from_db()
    return Status(202, run)


def checked_arguments(request: HttpRequest, operation: str, given: dict[str, Any], system: System | None) -> dict[str, Any]:
    """The arguments when the operation takes them, and when the rows they name are the caller's and of the same organisation (or system).

    Raises Invalid and NotFound.
    """
    if operation not in STARTABLE:
        raise Invalid(f"{operation!r} cannot be started here; possible are {', '.join(STARTABLE)}")
    known = STARTABLE[operation]
    for name, value in given.items():
        kind = known.get(name)
        if kind is None:
            raise Invalid(f"{operation} has no argument {name!r}; it has {', '.join(known) or 'none'}")
        if not issubclass(kind, Model):
            if not isinstance(value, kind):
                raise Invalid(f"the argument {name} must be {kind.__name__}")
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise Invalid(f"the argument {name} must be a number")
        lookup: dict[str, Any] = {"pk": value}
        if system is not None:
            lookup |= {"organisation": system.organisation_id, **({"system": system} if kind is Backup else {})}
        seen(request, kind, **lookup)
    return given
