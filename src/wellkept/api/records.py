"""The tamper-evident history: list, verify, export."""

import datetime as dt
from typing import Any, Literal

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from ninja.pagination import paginate

from wellkept.api.auth import who, whole_organisation
from wellkept.api.shapes import RecordOut
from wellkept.estate import access
from wellkept.operations import records
from wellkept.operations.models import MaintenanceType, Record

router = Router(tags=["records"])
LOOKUPS = {"organisation": "organisation__slug", "since": "at__gte", "until": "at__lt"}
CONTENT = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


class RecordFilter(Schema):
    organisation: str | None = None
    system_id: int | None = None
    kind: str | None = None
    maintenance_type: MaintenanceType | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@router.get("/records", response=list[RecordOut], summary="Entries, newest first")
@paginate
def list_records(request: HttpRequest, filters: Query[RecordFilter]) -> Any:
    wanted = {LOOKUPS.get(name, name): value for name, value in filters.dict(exclude_none=True).items()}
    return access.visible_to(who(request), Record).filter(**wanted).order_by("-at", "-number")


@router.get("/organisations/{slug:slug}/records/verify", response=dict[str, Any], summary="Check the whole chain")
def verify_records(request: HttpRequest, slug: str) -> Any:
    return records.verify(whole_organisation(request, slug)).plain()


@router.get("/organisations/{slug:slug}/records/export", summary="All entries as JSON Lines (can be verified anywhere) or CSV")
def export_records(request: HttpRequest, slug: str, form: Literal["jsonl", "csv"] = "jsonl") -> StreamingHttpResponse:
    organisation = whole_organisation(request, slug)
    response = StreamingHttpResponse(records.export(organisation, form), content_type=CONTENT[form])
    response["Content-Disposition"] = f'attachment; filename="records-{organisation.slug}.{form}"'
    return response
