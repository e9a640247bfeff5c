"""The address that says whether the pages answer, for supervisors and load balancers."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Answer without asking the database: a restart of the pages would not mend that."""
    return HttpResponse("ok\n", content_type="text/plain")
