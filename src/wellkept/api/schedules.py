"""Schedules: list, add, change, remove."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from wellkept.api.auth import allowed, who
from wellkept.api.runs import checked_arguments
from wellkept.api.shapes import ScheduleOut
from wellkept.estate import access
from wellkept.estate.models import Role, System
from wellkept.operations import schedule as schedules
from wellkept.operations.models import Schedule

router = Router(tags=["schedules"])


class ScheduleIn(Schema):
    operation: str
    system_id: int
    cron: str
    time_zone: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)


class ScheduleChange(Schema):
    cron: str | None = None
    time_zone: str | None = None
    arguments: dict[str, Any] | None = None
    enabled: bool | None = None


@router.get("/schedules", response=list[ScheduleOut], summary="What is done again and again")
@paginate
def list_schedules(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Schedule).select_related("system").order_by("pk")


@router.post("/schedules", response={201: ScheduleOut}, summary="Have an operation started again and again")
def add_schedule(request: HttpRequest, wish: ScheduleIn) -> Any:
    system = allowed(request, System, Role.OPERATOR, ("organisation",), pk=wish.system_id)
    arguments = checked_arguments(request, wish.operation, wish.arguments, system)
    caller = who(request)
    return Status(
        201, schedules.add(system.organisation, wish.operation, wish.cron, who=caller, time_zone=wish.time_zone, system=system, arguments=arguments)
    )


@router.patch("/schedules/{int:schedule_id}", response=ScheduleOut, summary="Change, pause or resume a schedule")
def change_schedule(request: HttpRequest, schedule_id: int, wish: ScheduleChange) -> Any:
    schedule = allowed(request, Schedule, Role.OPERATOR, ("system", "organisation"), pk=schedule_id)
    arguments = None if wish.arguments is None else checked_arguments(request, schedule.operation, wish.arguments, schedule.system)
    if wish.cron is not None or wish.time_zone is not None or arguments is not None:
        schedule = schedules.edit(schedule, who=who(request), cron=wish.cron, time_zone=wish.time_zone, arguments=arguments)
    if wish.enabled is not None:
        schedule = (schedules.resume if wish.enabled else schedules.pause)(schedule, who=who(request))
    return schedule


@router.delete("/schedules/{int:schedule_id}", response={204: None}, summary="Forget a schedule")
def remove_schedule(request: HttpRequest, schedule_id: int) -> Any:
    schedules.remove(allowed(request, Schedule, Role.OPERATOR, ("system", "organisation"), pk=schedule_id), who=who(request))
    return Status(204, None)
