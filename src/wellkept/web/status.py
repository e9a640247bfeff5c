"""The status page: what the people who use an ERP are told of its upgrade, for whoever has the link; and the texts to copy from."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from wellkept.estate import access
from wellkept.estate.models import Organisation, Role
from wellkept.planning import cron
from wellkept.upgrades import notices
from wellkept.upgrades.planned import Planned
from wellkept.upgrades.production import LANGUAGES
from wellkept.web import shell
from wellkept.web.told import told

TONES = {
    notices.PLANNED: ("calm", "clock"),
    notices.CLOSED: ("watch", "lock"),
    notices.LATE: ("act", "clock"),
    notices.WAITS: ("act", "alert-triangle"),
    notices.DONE: ("well", "check"),
    notices.BACK: ("well", "arrow-back-up"),
}


@require_safe
def status(request: HttpRequest) -> HttpResponseBase:
    """What there is to tell, in the reader's language and the organisation's time; the same for a wrong key as for none."""
    found = notices.shared(request.GET.get("key", ""))
    told_now = notices.notices(found) if found is not None else []
    with timezone.override(cron.zone(found.time_zone) if found is not None else None):
        rows = [{"text": told(one.said), "tone": TONES[one.state][0], "icon": TONES[one.state][1]} for one in told_now]
        response = render(request, "status.html", {"company": found, "rows": rows, "now": timezone.now()})
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@shell.page
@require_POST
def share(request: shell.Request) -> HttpResponseBase:
    """Make the link, make another one, or have it lead nowhere; back to where the person was."""
    access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    notices.share(request.organisation, who=request.user, on="end" not in request.POST)
    return redirect("settings")


def address(request: HttpRequest, organisation: Organisation) -> str:
    """The whole address of the status page; empty where nobody made a link."""
    return request.build_absolute_uri(f"{reverse('status')}?key={organisation.status_key}") if organisation.status_key else ""


def texts(request: HttpRequest, one: Planned) -> list[dict[str, str]]:
    """The announcement of an upgrade in every language, with the link, to be copied into a mail or a message."""
    organisation = one.system.organisation
    made = []
    with timezone.override(cron.zone(organisation.time_zone)):
        for language in LANGUAGES:
            with translation.override(language):
                link = address(request, organisation)
                said = told(notices.of_plan(one).said)
                made.append({"language": language, "text": said + (f" {_('How it goes:')} {link}" if link else "")})
    return made
