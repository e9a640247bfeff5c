"""The API: its routers, and its page at /api/docs (Swagger, served from this machine) for people who signed in."""

from django.contrib.auth.decorators import login_required
from ninja import NinjaAPI

from wellkept import __version__
from wellkept.api import auth, backups, failures, people, records, runs, schedules, systems

api = NinjaAPI(
    title="Wellkept",
    version=__version__,
    description="Keeps ERP systems well. Send a token: `Authorization: Bearer wk_…`.",
    auth=auth.AUTH,
    docs_decorator=login_required,
    urls_namespace="api",
)
failures.register(api)
for module in (systems, runs, backups, records, schedules, people):
    api.add_router("", module.router)
