"""Repositories (without any secret), backups and drills."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.pagination import paginate

from wellkept.api.auth import seen, who
from wellkept.api.shapes import BackupOut, DrillDetail, DrillOut, RepositoryOut
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import access

router = Router(tags=["backups"])


class BackupFilter(Schema):
    system_id: int | None = None
    repository_id: int | None = None
    state: BackupState | None = None


class DrillFilter(Schema):
    system_id: int | None = None
    state: DrillState | None = None


@router.get("/repositories", response=list[RepositoryOut], summary="Places where backups are kept")
@paginate
def list_repositories(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Repository).order_by("name", "pk")


@router.get("/backups", response=list[BackupOut], summary="Backups, newest first")
@paginate
def list_backups(request: HttpRequest, filters: Query[BackupFilter]) -> Any:
    rows = access.visible_to(who(request), Backup).select_related("system", "repository")
    return rows.filter(**filters.dict(exclude_none=True)).order_by("-made_at")


@router.get("/backups/{int:backup_id}", response=BackupOut, summary="One backup")
def get_backup(request: HttpRequest, backup_id: int) -> Any:
    return seen(request, Backup, ("system", "repository"), pk=backup_id)


@router.get("/drills", response=list[DrillOut], summary="Drills, newest first")
@paginate
def list_drills(request: HttpRequest, filters: Query[DrillFilter]) -> Any:
    rows = access.visible_to(who(request), Drill).select_related("system")
    return rows.filter(**filters.dict(exclude_none=True)).order_by("-started_at")


@router.get("/drills/{int:drill_id}", response=DrillDetail, summary="One drill with its certificate")
def get_drill(request: HttpRequest, drill_id: int) -> Any:
    return seen(request, Drill, ("system",), pk=drill_id)
