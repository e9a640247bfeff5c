"""The API: its routers, and its page at /api/docs (Swagger, served from this machine) for people who signed in."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import HttpResponseBase
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from wellkept import __version__
from wellkept.api import (
    aftercare,
    agree,
    auth,
    backups,
    failures,
    modules,
    monitoring,
    opinions,
    people,
    planned,
    records,
    rehearsals,
    runs,
    schedules,
    systems,
    upgrades,
    windows,
)


def for_people(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The documentation is for whoever has signed in, to read."""
    return require_safe(login_required(view))


api = NinjaAPI(
    title="Wellkept",
    version=__version__,
    description="Keeps ERP systems well. Send a token: `Authorization: Bearer wk_…`.",
    auth=auth.AUTH,
    docs_decorator=for_people,
    urls_namespace="api",
)
failures.register(api)
for module in (
    systems,
    monitoring,
    runs,
    backups,
    upgrades,
    rehearsals,
    aftercare,
    opinions,
    agree,
    planned,
    modules,
    records,
    schedules,
    windows,
    people,
):
    api.add_router("", module.router)
