"""When an upgrade starts by itself."""

import datetime as dt
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_noop
from ninja import Field, Router, Schema, Status

from wellkept.api.agree import PLACE
from wellkept.api.auth import agreed, allowed, seen, who
from wellkept.backups.models import Repository
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Role, System
from wellkept.upgrades import path as paths
from wellkept.upgrades import planned

router = Router(tags=["upgrades"])


class PlanIn(Schema):
    start: dt.datetime = Field(description="When it starts, inside a window, with its offset from UTC.")
    confirm: str = Field(description="The name of the system again.")
    repository_id: int | None = Field(None, description="Where the backup goes that it begins with; optional when there is only one repository.")


@router.put(f"{PLACE}/plan", response=dict[str, Any], summary="Have an approved upgrade start by itself, if every gate is open then")
def plan_upgrade(request: HttpRequest, system_id: int, target: str, wish: PlanIn) -> Any:
    environment = paths.production(allowed(request, System, Role.ADMINISTRATOR, ("organisation",), pk=system_id))
    agreed(wish.confirm, environment.system.name)
    if timezone.is_naive(wish.start):
        raise Invalid(gettext_noop("send the planned start with its offset from UTC"))
    if wish.repository_id is not None:
        seen(request, Repository, pk=wish.repository_id, organisation=environment.system.organisation_id)
    return planned.plain(planned.plan(environment, target, wish.start, who=who(request), repository_id=wish.repository_id))


@router.delete(f"{PLACE}/plan", response={204: None}, summary="Have it not start by itself")
def call_upgrade_off(request: HttpRequest, system_id: int, target: str) -> Any:  # noqa: ARG001
    planned.call_off(paths.production(allowed(request, System, Role.APPROVER, ("organisation",), pk=system_id)), who=who(request))
    return Status(204, None)
