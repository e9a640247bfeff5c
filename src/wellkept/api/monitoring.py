"""How systems work: now, over time, and for Prometheus."""

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema

from wellkept.api.auth import seen, who
from wellkept.estate import access
from wellkept.estate.errors import NotFound
from wellkept.estate.models import Environment, Kind, System
from wellkept.lib.text import say
from wellkept.monitoring import openmetrics, queries

router = Router(tags=["monitoring"])


class NowOut(Schema):
    """``seconds`` is what signing in, searching, opening and saving took together; null where nobody knows."""

    works: bool | None
    users: int | None
    seconds: float | None
    read: dt.datetime | None
    problem: str | None
    values: list[dict[str, Any]]


class Span(Schema):
    hours: float = Field(1.0, gt=0, le=200_000, description="How far back.")


class PointOut(Schema):
    at: dt.datetime
    part: str
    count: int
    low: float
    mean: float
    high: float


@router.get("/systems/{int:system_id}/now", response=NowOut, summary="How a system works now")
def get_now(request: HttpRequest, system_id: int) -> Any:
    now = queries.now([_production(request, system_id)])
    for found in now.values():
        values = [{"name": name, "part": label, "value": value} for (name, label), value in sorted(found.values.items())]
        works = found.works if found.at else None
        return NowOut(works=works, users=found.users, seconds=found.seconds, read=found.at, problem=say(found.problem) or None, values=values)
    raise NotFound("the system is not watched")


@router.get("/systems/{int:system_id}/series/{slug:name}", response=list[PointOut], summary="A value of a system over time")
def get_series(request: HttpRequest, system_id: int, name: str, span: Query[Span]) -> Any:
    end = timezone.now()
    curves = queries.curves(_production(request, system_id), [name], end - dt.timedelta(hours=span.hours), end)
    return [
        PointOut(at=point.at, part=one.label, count=point.count, low=point.low, mean=point.mean, high=point.high)
        for one in curves
        for point in one.points
    ]


@router.get("/metrics", summary="The newest values of all systems as OpenMetrics text; tables=true adds every table")
def get_metrics(request: HttpRequest, *, tables: bool = False) -> HttpResponse:
    rows = access.visible_to(who(request), Environment).select_related("system__organisation")
    return HttpResponse(openmetrics.text(rows, tables=tables), content_type=openmetrics.CONTENT_TYPE)


def _production(request: HttpRequest, system_id: int) -> int:
    system = seen(request, System, ("organisation",), pk=system_id)
    found = system.environments.filter(kind=Kind.PRODUCTION).first()
    if found is None:
        raise NotFound("the system has no production environment")
    return int(found.pk)
