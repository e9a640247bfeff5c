"""Systems: list, look, look again, adopt, give up."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from wellkept.adapters.base import Login, Site
from wellkept.api.auth import agreed, allowed, seen, who, whole_organisation
from wellkept.api.shapes import RunOut, SystemDetail, SystemOut
from wellkept.estate import access, adopt, systems
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Kind, Role, System
from wellkept.operations import runtime
from wellkept.tools.postgres import Server

router = Router(tags=["systems"])


class AdoptIn(Schema):
    """How an ERP is reached over the network; what is on Wellkept's own disk can only be named by a command."""

    name: str
    title: str = ""
    adapter: str = "tryton"
    url: str
    database: str
    database_host: str = Field("", description="Host of its PostgreSQL; empty: it cannot be reached.")
    database_port: int = Field(5432, ge=1, le=65535)
    database_user: str = "wellkept"
    database_password: str = ""
    login: str = ""
    login_password: str = ""


class RemoveIn(Schema):
    confirm: str = Field(description="The name of the system again.")


@router.get("/systems", response=list[SystemOut], summary="The systems that are kept")
@paginate
def list_systems(request: HttpRequest) -> Any:
    return (
        access.visible_to(who(request), System).select_related("organisation").prefetch_related("environments").order_by("organisation__slug", "name")
    )


@router.get("/systems/{int:system_id}", response=SystemDetail, summary="One system with its components and what was last seen of it")
def get_system(request: HttpRequest, system_id: int) -> Any:
    system: Any = seen(request, System, ("organisation",), pk=system_id)
    place = system.environments.filter(kind=Kind.PRODUCTION).first()
    system.components = list(place.components.order_by("kind", "name")) if place else []
    system.seen = place.seen if place else {}
    return system


@router.post("/organisations/{slug:slug}/systems", response={201: SystemOut}, summary="Adopt an ERP over the network")
def adopt_system(request: HttpRequest, slug: str, wish: AdoptIn) -> Any:
    organisation = whole_organisation(request, slug, Role.ADMINISTRATOR)
    if wish.database_host.startswith("/") or wish.url.startswith("unix:"):
        raise Invalid("a socket of Wellkept's own machine can only be named by a command")
    server = Server(wish.database_host, wish.database_port, wish.database_user, wish.database_password or None) if wish.database_host else None
    login = Login(wish.login, wish.login_password) if wish.login else None
    site = Site(database=wish.database, server=server, url=wish.url, login=login)
    plan = adopt.plan(organisation, wish.name, site, who=who(request), adapter=wish.adapter, title=wish.title)
    return Status(201, adopt.apply(plan, who=who(request)))


@router.post("/systems/{int:system_id}/discover", response={202: RunOut}, summary="Look at a system again")
def discover_system(request: HttpRequest, system_id: int) -> Any:
    system = allowed(request, System, Role.OPERATOR, pk=system_id)
    environment = system.environments.filter(kind=Kind.PRODUCTION).first()
    if environment is None:
        raise Invalid("the system has no production environment")
    run = runtime.submit("estate.discover", organisation=system.organisation, environment=environment, requested_by=access.person_of(who(request)))
    return Status(202, run)


@router.delete("/systems/{int:system_id}", response=dict[str, int], summary="Give a system up; its history stays")
def remove_system(request: HttpRequest, system_id: int, wish: RemoveIn) -> Any:
    system = allowed(request, System, Role.ADMINISTRATOR, pk=system_id)
    agreed(wish.confirm, system.name)
    return systems.forget(system, who=who(request))
