"""Repositories (without any secret), backups and drills."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status
from ninja.pagination import paginate

from wellkept.api.auth import allowed, seen, who, whole_organisation
from wellkept.api.shapes import BackupOut, DrillDetail, DrillOut, RepositoryOut
from wellkept.backups import reach, repositories
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import access
from wellkept.estate.models import Role

router = Router(tags=["backups"])


class BackupFilter(Schema):
    system_id: int | None = None
    repository_id: int | None = None
    state: BackupState | None = None


class DrillFilter(Schema):
    system_id: int | None = None
    state: DrillState | None = None


class AccessIn(Schema):
    credentials: dict[str, str] = Field(default={}, description="AWS_ACCESS_KEY_ID and so on, REST_USER and REST_PASSWORD, or SSH_PRIVATE_KEY.")
    host_key: str = Field("", description="Of an sftp server: SHA256:… or ssh-ed25519 AAAA…; without it you are told the one that the server shows.")
    ca_certificate: str = Field("", description="PEM, for an https address whose certificate the machine does not know.")

    def access(self) -> reach.Access:
        return reach.Access(self.credentials, self.host_key, self.ca_certificate)


class RepositoryIn(AccessIn):
    name: str
    location: str
    recipients: list[str] = Field(default=[], description="Further age public keys that open the escrow.")


@router.get("/repositories", response=list[RepositoryOut], summary="Places where backups are kept")
@paginate
def list_repositories(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Repository).order_by("name", "pk")


@router.post("/organisations/{slug:slug}/repositories", response={201: RepositoryOut}, summary="Make a repository; an sftp server needs its host key")
def add_repository(request: HttpRequest, slug: str, wish: RepositoryIn) -> Any:
    organisation = whole_organisation(request, slug, Role.ADMINISTRATOR)
    made = repositories.create(
        organisation, wish.name, wish.location, actor=access.actor(who(request)), recipients=wish.recipients, access=wish.access()
    )
    return Status(201, made)


@router.put("/repositories/{int:repository_id}/access", response=RepositoryOut, summary="Change what leads to a repository, after proof")
def change_repository_access(request: HttpRequest, repository_id: int, wish: AccessIn) -> Any:
    found = allowed(request, Repository, Role.ADMINISTRATOR, ("organisation", "key", "credentials"), pk=repository_id)
    return repositories.set_access(found, wish.access(), actor=access.actor(who(request)))


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
