"""How people sign in (django-allauth), and what is their own: name, language, time zone, password, second factor."""

from typing import Any
from zoneinfo import available_timezones

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from wellkept.estate.models import Person
from wellkept.web import shell

YEAR = 365 * 86400


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves: an administrator invites."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False


def zones() -> list[tuple[str, str]]:
    """The time zones to choose from, UTC first."""
    named = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/", "right/", "SystemV/", "US/")))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in named)]


class MeForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person's own settings."""

    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=lambda: [("", _("Like the browser")), *settings.LANGUAGES], required=False)
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=lambda: [("", _("Like the organisation")), *zones()], required=False)

    class Meta:
        model = Person
        fields = ("name", "language", "time_zone")


@require_http_methods(["GET", "HEAD", "POST"])
@shell.signed_in
def me(request: HttpRequest) -> HttpResponseBase:
    """What a person decides for themselves."""
    assert not isinstance(request.user, AnonymousUser)
    form = MeForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        response = redirect("settings_me")
        remember(response, form.cleaned_data["language"])
        messages.success(request, _("Saved."))
        return response
    return render(request, "settings/me.html", {"form": form, "second_factor": is_mfa_enabled(request.user), "tab": "me"})


@require_POST
@shell.signed_in
def choose(request: HttpRequest) -> HttpResponseBase:
    """Look at another organisation."""
    wanted = request.POST.get("organisation", "")
    chosen = next((one for one in shell.organisations_of(request) if one.slug == wanted), None)
    if chosen is not None:
        request.session["organisation"] = chosen.pk
    return redirect("today")


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Speak another language: kept with the person, and in a cookie for the sign-in page."""
    wanted = request.POST.get("language", "")
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    response = redirect(target if safe else "today")
    if wanted in dict(settings.LANGUAGES):
        remember(response, wanted)
        if isinstance(request.user, Person):
            Person.objects.filter(pk=request.user.pk).update(language=wanted)
    return response


def remember(response: HttpResponse, wanted: str) -> None:
    """Keep the language in the browser, so that the sign-in page speaks it too."""
    if wanted:
        translation.activate(wanted)
        options: dict[str, Any] = {"max_age": YEAR, "samesite": "Lax", "secure": settings.SECURE_COOKIES, "httponly": True}
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, wanted, **options)
