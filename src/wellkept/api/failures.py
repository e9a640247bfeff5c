"""Errors of the API, all in one shape: ``{"error": {"name": "not_found", "message": "…"}}``; ``name`` as in the table of exit codes."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from wellkept.adapters import base
from wellkept.estate import errors
from wellkept.operations.errors import Conflict, Ending
from wellkept.tools import restic

logger = logging.getLogger(__name__)
STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.NotFound: (404, "not_found"),
    errors.Taken: (409, "conflict"),
    errors.Invalid: (422, "invalid"),
    Conflict: (409, "conflict"),
    Ending: (422, "invalid"),
    PermissionDenied: (403, "refused"),
    base.Unreachable: (502, "unreachable"),
    base.Refused: (422, "refused"),
    base.Unsupported: (422, "invalid"),
    base.Invalid: (422, "invalid"),
    base.Conflicting: (409, "conflict"),
    restic.Unreachable: (502, "unreachable"),
    restic.Refused: (422, "refused"),
    restic.ResticError: (422, "failed"),
}
HTTP_NAMES = {400: "usage", 401: "not_signed_in", 403: "refused", 404: "not_found", 429: "too_many"}


def register(api: NinjaAPI) -> None:
    """Have every error answered in this shape."""
    for kind, (status, name) in STATUS.items():
        api.add_exception_handler(kind, _handler(api, status, name))
    api.add_exception_handler(AuthenticationError, _not_signed_in(api))
    api.add_exception_handler(HttpError, lambda request, error: _http(api, request, error))
    api.add_exception_handler(Http404, _handler(api, 404, "not_found"))
    api.add_exception_handler(ValidationError, lambda request, error: _validation(api, request, error))
    api.add_exception_handler(Exception, lambda request, error: _unexpected(api, request, error))


def answer(api: NinjaAPI, request: HttpRequest, status: int, name: str, message: str, **more: Any) -> HttpResponse:
    """One error."""
    return api.create_response(request, {"error": {"name": name, "message": message, **more}}, status=status)


def _handler(api: NinjaAPI, status: int, name: str) -> Any:
    return lambda request, error: answer(api, request, status, name, str(error) or name)


def _not_signed_in(api: NinjaAPI) -> Any:
    return lambda request, _error: answer(api, request, 401, "not_signed_in", "Send a token (Authorization: Bearer …), or sign in.")


def _http(api: NinjaAPI, request: HttpRequest, error: Any) -> HttpResponse:
    return answer(api, request, error.status_code, HTTP_NAMES.get(error.status_code, "failed"), str(error))


def _validation(api: NinjaAPI, request: HttpRequest, error: Any) -> HttpResponse:
    """What is wrong with the request, without repeating what was sent: it may hold a password."""
    details = [{"where": [str(part) for part in entry["loc"]], "what": entry["msg"]} for entry in error.errors]
    said = "; ".join(f"{detail['where'][-1]}: {detail['what']}" for detail in details)
    return answer(api, request, 422, "usage", said, details=details)


def _unexpected(api: NinjaAPI, request: HttpRequest, error: Any) -> HttpResponse:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(api, request, 500, "failed", "Something went wrong in Wellkept; its log says what.")
