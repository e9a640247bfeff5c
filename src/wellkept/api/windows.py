"""When production may be changed: windows and freezes."""

import datetime as dt
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_noop
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from wellkept.api.auth import allowed, who, whole_organisation
from wellkept.estate import access
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Organisation, Role, System
from wellkept.lib.text import say
from wellkept.operations import windows
from wellkept.operations.models import Freeze, Window

router = Router(tags=["windows"])


class PlaceIn(Schema):
    organisation: str = Field(description="Short name of the organisation.")
    system_id: int | None = Field(None, description="Only this system of it; without it, all of them.")


class WindowIn(PlaceIn):
    days: list[int] = Field(default_factory=list, description="Every week on these days, 0 is Monday; with opens and closes.")
    opens: dt.time | None = None
    closes: dt.time | None = Field(None, description="On the next day where it is not after opens.")
    time_zone: str = Field("", description="Of opens and closes; the organisation's unless another is given.")
    starts_at: dt.datetime | None = Field(None, description="Or once, from this moment (with its offset) …")
    ends_at: dt.datetime | None = Field(None, description="… until this one.")


class FreezeIn(PlaceIn):
    starts_at: dt.datetime
    ends_at: dt.datetime
    reason: str


class PlaceOut(Schema):
    id: int
    organisation: str
    system: str | None
    author: str
    said: str

    @staticmethod
    def resolve_organisation(row: Any) -> str:
        return str(row.organisation.slug)

    @staticmethod
    def resolve_system(row: Any) -> str | None:
        return row.system.name if row.system else None

    @staticmethod
    def resolve_said(row: Any) -> str:
        return say(windows.told(row))


class WindowOut(PlaceOut):
    days: list[int]
    opens: dt.time | None
    closes: dt.time | None
    time_zone: str
    starts_at: dt.datetime | None
    ends_at: dt.datetime | None


class FreezeOut(PlaceOut):
    starts_at: dt.datetime
    ends_at: dt.datetime
    reason: str


@router.get("/windows", response=list[WindowOut], summary="When production may be changed")
@paginate
def list_windows(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Window).select_related("system", "organisation").order_by("pk")


@router.post("/windows", response={201: WindowOut}, summary="Let production be changed every week on some days, or once")
def add_window(request: HttpRequest, wish: WindowIn) -> Any:
    organisation, system = _place(request, wish)
    if wish.days and wish.opens and wish.closes:
        named = {"who": who(request), "system": system, "time_zone": wish.time_zone}
        return Status(201, windows.add_weekly(organisation, wish.days, wish.opens, wish.closes, **named))
    starts, ends = _moments(wish.starts_at, wish.ends_at)
    return Status(201, windows.add_once(organisation, starts, ends, who=who(request), system=system))


@router.delete("/windows/{int:window_id}", response={204: None}, summary="Declare a window no more")
def remove_window(request: HttpRequest, window_id: int) -> Any:
    windows.remove(allowed(request, Window, Role.ADMINISTRATOR, ("system", "organisation"), pk=window_id), who=who(request))
    return Status(204, None)


@router.get("/freezes", response=list[FreezeOut], summary="When production stays as it is, whatever its windows say")
@paginate
def list_freezes(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Freeze).select_related("system", "organisation").order_by("starts_at", "pk")


@router.post("/freezes", response={201: FreezeOut}, summary="Keep production as it is for a time")
def add_freeze(request: HttpRequest, wish: FreezeIn) -> Any:
    organisation, system = _place(request, wish)
    starts, ends = _moments(wish.starts_at, wish.ends_at)
    return Status(201, windows.freeze(organisation, starts, ends, wish.reason, who=who(request), system=system))


@router.delete("/freezes/{int:freeze_id}", response={204: None}, summary="End a freeze")
def remove_freeze(request: HttpRequest, freeze_id: int) -> Any:
    windows.remove(allowed(request, Freeze, Role.ADMINISTRATOR, ("system", "organisation"), pk=freeze_id), who=who(request))
    return Status(204, None)


def _place(request: HttpRequest, wish: PlaceIn) -> tuple[Organisation, System | None]:
    """The organisation, or the system of it, that the caller administers. Raises NotFound and Denied."""
    if wish.system_id is None:
        return whole_organisation(request, wish.organisation, Role.ADMINISTRATOR), None
    system = allowed(request, System, Role.ADMINISTRATOR, ("organisation",), pk=wish.system_id, organisation__slug=wish.organisation)
    return system.organisation, system


def _moments(starts: dt.datetime | None, ends: dt.datetime | None) -> tuple[dt.datetime, dt.datetime]:
    if starts is None or ends is None or timezone.is_naive(starts) or timezone.is_naive(ends):
        raise Invalid(gettext_noop("send days with opens and closes, or starts_at and ends_at with their offset from UTC"))
    return starts, ends
