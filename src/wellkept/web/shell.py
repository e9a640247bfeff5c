"""The frame around every page: who looks, at which organisation, what the menu shows."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from wellkept.estate.models import Membership, Organisation, Person, Role
from wellkept.web.told import refusal

P = ParamSpec("P")

MENU = (
    ("today", "layout-dashboard", _("Today")),
    ("systems", "stack-2", _("Systems")),
    ("runs", "player-play", _("Runs")),
    ("backups", "archive", _("Backups")),
    ("upgrades", "arrow-up-circle", _("Upgrades")),
    ("records", "history", _("Records")),
    ("settings", "settings", _("Settings")),
)


class Request(HttpRequest):
    """A request of somebody who has signed in and belongs to an organisation (only for type checks)."""

    user: Person
    organisation: Organisation
    htmx: Any


def memberships_of(request: HttpRequest) -> list[Membership]:
    """The person's memberships with their organisations, read once per request."""
    known = getattr(request, "_memberships", None)
    if known is None:
        person = request.user
        known = (
            list(Membership.objects.filter(person=person).select_related("organisation"))
            if isinstance(person, Person) or person.is_authenticated
            else []
        )
        request._memberships = known  # type: ignore[attr-defined]  # noqa: SLF001
    return cast("list[Membership]", known)


def organisations_of(request: HttpRequest) -> list[Organisation]:
    """The organisations that the person belongs to, by name."""
    found = {membership.organisation_id: membership.organisation for membership in memberships_of(request)}
    return sorted(found.values(), key=lambda organisation: (organisation.name.casefold(), organisation.pk))


def organisation_of(request: HttpRequest) -> Organisation | None:
    """The organisation that the person looks at: the one chosen in this session, or the first."""
    organisations = organisations_of(request)
    chosen = request.session.get("organisation")
    return next((one for one in organisations if one.pk == chosen), organisations[0] if organisations else None)


def may(request: HttpRequest, role: Role, system_id: int | None = None) -> bool:
    """Whether the person has at least this role in the organisation looked at, or on the given system of it."""
    organisation = getattr(request, "organisation", None) or organisation_of(request)
    order = list(Role)
    return any(
        order.index(Role(membership.role)) >= order.index(role)
        for membership in memberships_of(request)
        if organisation and membership.organisation_id == organisation.pk and membership.system_id in {None, system_id}
    )


def signed_in(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A page for everybody who has signed in, member of an organisation or not."""
    return login_required(view)


def page(view: Callable[Concatenate[Request, P], HttpResponseBase]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page for people who have signed in and belong somewhere: gives the view ``request.organisation``."""

    @wraps(view)
    @login_required
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        organisation = organisation_of(request)
        if organisation is None:
            return render(request, "nowhere.html", status=403)
        request.organisation = organisation  # type: ignore[attr-defined]
        return view(cast("Request", request), *args, **kwargs)

    return cast("Callable[Concatenate[HttpRequest, P], HttpResponseBase]", guarded)


def look_at(request: Request, organisation: Organisation) -> None:
    """Show the frame for the organisation of the thing on the page (a link may lead into another one)."""
    request.organisation = organisation
    if request.session.get("organisation") != organisation.pk:
        request.session["organisation"] = organisation.pk


def context(request: HttpRequest) -> dict[str, Any]:
    """For every template: the menu, the organisations, and what the person may do in this one."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"menu": ()}
    organisation = getattr(request, "organisation", None) or organisation_of(request)
    here = request.resolver_match.url_name if request.resolver_match else ""
    return {
        "menu": [{"name": name, "icon": icon, "title": title, "here": (here or "").startswith(name.rstrip("s"))} for name, icon, title in MENU],
        "organisation": organisation,
        "organisations": organisations_of(request),
        "may_operate": may(request, Role.OPERATOR),
        "may_approve": may(request, Role.APPROVER),
        "may_administer": may(request, Role.ADMINISTRATOR),
    }


def link(name: str, **keywords: Any) -> str:
    """The address of a page."""
    return reverse(name, kwargs=keywords)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403 with the reason and the way on."""
    return render(request, "403.html", {"reason": refusal(exception) if exception else ""}, status=403)
