"""Repositories (without any secret), backups and drills."""

import datetime as dt
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja import Field, Query, Router, Schema, Status
from ninja.pagination import paginate

from wellkept.api.auth import agreed, allowed, seen, who, whole_organisation
from wellkept.api.shapes import BackupOut, DrillDetail, DrillOut, RepositoryOut, RunOut
from wellkept.backups import forget, reach, repositories, restore
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import access
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Environment, Kind, Role
from wellkept.lib.text import say
from wellkept.operations import runtime

router = Router(tags=["backups"])
BACKUP_ROWS = ("organisation", "system", "environment", "repository")


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
    location: str = Field(max_length=500, description="A folder below those that the installation allows for this, sftp:…, s3:… or rest:…")
    recipients: list[str] = Field(default=[], description="Further age public keys that open the escrow.")


class RestoreIn(Schema):
    """Where a backup is restored to; names only, so that nothing leads out of the allowed places."""

    folder: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}$", description="New or empty folder below the place.")
    place: str = Field("", description="One of the folders that the installation allows for this; empty: the first of them.")
    database: str = Field("", pattern=r"^([A-Za-z0-9_][A-Za-z0-9_-]{0,62})?$", description="New database; empty: only its dump.")
    environment_id: int | None = Field(None, description="On whose server the database is made; empty: on that of the backup's environment.")

    def arguments(self, backup: Any, request: HttpRequest) -> dict[str, Any]:
        """The arguments of the operation. Raises Invalid for another place, NotFound for an environment that the caller may not use."""
        places = [str(place) for place in restore.places(backup.organisation)]
        if self.place and self.place not in places:
            raise Invalid(gettext_noop("the place must be one of: {places}"), places=", ".join(places))
        if self.environment_id is not None:
            allowed(request, Environment, Role.OPERATOR, pk=self.environment_id, system__organisation=backup.organisation)
        environment_id = (self.environment_id or backup.environment_id) if self.database else None
        folder = str(Path(self.place or places[0]) / self.folder)
        return {"backup_id": backup.pk, "folder": folder, "database": self.database, "environment_id": environment_id}


class RestoreStartIn(RestoreIn):
    confirm: str = Field("", description="For a backup of production: the name of the system again.")


class RestorePlanOut(Schema):
    backup: int
    system: str
    moment: str
    folder: str
    needed_bytes: int
    free_bytes: int
    database: str | None
    server: str | None


class ForgetLineOut(Schema):
    backup_id: int
    system: str
    at: dt.datetime
    keep: bool
    reasons: list[str]

    @staticmethod
    def resolve_reasons(line: Any) -> list[str]:
        return [say(reason) for reason in line.reasons]


class ForgetPlanOut(Schema):
    token: str
    backups: list[ForgetLineOut]


class ForgetIn(Schema):
    token: str = Field(description="Of the plan.")
    confirm: str = Field(description="The name of the repository again.")


@router.get("/repositories", response=list[RepositoryOut], summary="Places where backups are kept")
@paginate
def list_repositories(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Repository).order_by("name", "pk")


@router.post("/organisations/{slug:slug}/repositories", response={201: RepositoryOut}, summary="Make a repository; an sftp server needs its host key")
def add_repository(request: HttpRequest, slug: str, wish: RepositoryIn) -> Any:
    organisation = whole_organisation(request, slug, Role.ADMINISTRATOR)
    made = repositories.create(
        organisation,
        wish.name,
        wish.location,
        actor=access.actor(who(request)),
        recipients=wish.recipients,
        access=wish.access(),
        within=repositories.places(organisation),
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


@router.post("/backups/{int:backup_id}/restore/plan", response=RestorePlanOut, summary="What a restore would do, after every check; writes nothing")
def plan_restore(request: HttpRequest, backup_id: int, wish: RestoreIn) -> Any:
    return restore.plan(**wish.arguments(allowed(request, Backup, Role.OPERATOR, BACKUP_ROWS, pk=backup_id), request))


@router.post("/backups/{int:backup_id}/restore", response={202: RunOut}, summary="Restore beside what runs: a new folder and a new database")
def start_restore(request: HttpRequest, backup_id: int, wish: RestoreStartIn) -> Any:
    found = allowed(request, Backup, Role.ADMINISTRATOR, BACKUP_ROWS, pk=backup_id)
    arguments = wish.arguments(found, request)
    if found.environment.kind == Kind.PRODUCTION:
        agreed(wish.confirm, found.system.name)
    restore.plan(**arguments)
    run = runtime.submit(
        "backups.restore",
        organisation=found.organisation,
        environment=found.environment,
        arguments=arguments,
        requested_by=access.person_of(who(request)),
    )
    return Status(202, run)


@router.get(
    "/repositories/{int:repository_id}/forget", response=ForgetPlanOut, summary="What the retention rules would forget, and why the rest stays"
)
def plan_forget(request: HttpRequest, repository_id: int) -> Any:
    found: Any = seen(request, Repository, ("organisation",), pk=repository_id)
    plan = forget.preview(found)
    known = set(access.visible_to(who(request), Backup).filter(repository=found).values_list("pk", flat=True))
    return {"token": plan.token, "backups": [line for line in plan.lines if line.backup_id in known]}


@router.post("/repositories/{int:repository_id}/forget", response={202: RunOut}, summary="Forget exactly the backups that a plan named")
def start_forget(request: HttpRequest, repository_id: int, wish: ForgetIn) -> Any:
    found: Any = allowed(request, Repository, Role.ADMINISTRATOR, ("organisation",), pk=repository_id)
    agreed(wish.confirm, found.name)
    if wish.token != forget.preview(found).token:
        raise Taken(gettext_noop("nothing was forgotten: what the rules would forget has changed since the plan; ask for it again"))
    arguments = {"repository_id": found.pk, "token": wish.token}
    run = runtime.submit("backups.forget", organisation=found.organisation, arguments=arguments, requested_by=access.person_of(who(request)))
    return Status(202, run)


@router.get("/drills", response=list[DrillOut], summary="Drills, newest first")
@paginate
def list_drills(request: HttpRequest, filters: Query[DrillFilter]) -> Any:
    rows = access.visible_to(who(request), Drill).select_related("system")
    return rows.filter(**filters.dict(exclude_none=True)).order_by("-started_at")


@router.get("/drills/{int:drill_id}", response=DrillDetail, summary="One drill with its certificate")
def get_drill(request: HttpRequest, drill_id: int) -> Any:
    return seen(request, Drill, ("system",), pk=drill_id)
