"""What every page gets: the person's language and time zone, and a policy that lets the browser load nothing from elsewhere."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation

from wellkept.web import shell

Respond = Callable[[HttpRequest], HttpResponseBase]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def ContentSecurityPolicy(respond: Respond) -> Respond:  # noqa: N802 - named like the other middleware in the settings
    """Adds the policy to every response that has none of its own."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = respond(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware


def Preferences(respond: Respond) -> Respond:  # noqa: N802
    """Shows the page in the language and the time zone that the person chose; without a choice the organisation's time zone holds."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            if request.user.language:
                translation.activate(request.user.language)
                request.LANGUAGE_CODE = translation.get_language()
            timezone.activate(zone_of(request))
        else:
            timezone.deactivate()
        return respond(request)

    return middleware


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The person's time zone, or the organisation's, or UTC when neither is known to this machine."""
    organisation = shell.organisation_of(request)
    for name in (getattr(request.user, "time_zone", ""), organisation.time_zone if organisation else ""):
        if name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError):
                continue
    return ZoneInfo("UTC")
