"""Making a repository on a page, and changing later what leads to its place; a secret that was typed is never sent back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from wellkept.backups import reach, repositories
from wellkept.backups.models import Repository
from wellkept.estate import access
from wellkept.estate.access import visible_to
from wellkept.estate.errors import EstateError
from wellkept.estate.models import Role
from wellkept.lib.paths import unused
from wellkept.tools import command, restic
from wellkept.web import shell
from wellkept.web.told import refusal

FORM = ["GET", "HEAD", "POST"]
REFUSALS = (EstateError, restic.ResticError, command.CommandError)
FIELDS = {"sftp": ("ssh_key", "host_key"), "s3": ("user", "password", "ca_certificate"), "rest": ("user", "password", "ca_certificate")}
"""What can lead to a place of each kind."""
NAMES = {"s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "rest": ("REST_USER", "REST_PASSWORD")}


class SecretText(forms.Textarea):
    """Several secret lines: what was typed does not come back with the page."""

    def format_value(self, value: Any) -> str:  # noqa: ARG002
        return ""


class AccessForm(forms.Form):
    """What leads to a place."""

    user = forms.CharField(label=gettext_lazy("User or access key"), required=False, max_length=200, help_text=gettext_lazy("Only for S3 and REST."))
    password = forms.CharField(
        label=gettext_lazy("Password or secret key"), required=False, max_length=200, widget=forms.PasswordInput(attrs={"autocomplete": "off"})
    )
    ssh_key = forms.CharField(
        label=gettext_lazy("Private ssh key"),
        required=False,
        max_length=20_000,
        widget=SecretText(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("Only for sftp: the content of a key file without a passphrase. It is kept encrypted."),
    )
    host_key = forms.CharField(
        label=gettext_lazy("Host key of the server"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy("Only for sftp: SHA256:… Leave it empty to be shown which one the server has."),
    )
    ca_certificate = forms.CharField(
        label=gettext_lazy("Certificate of your own authority"),
        required=False,
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("Only for an https address whose certificate this machine does not know."),
    )

    def ask_for(self, place: str) -> None:
        """Leave out what leads to places of other kinds only."""
        for name in set(self.fields) - set(FIELDS.get(place.partition(":")[0], self.fields)):
            del self.fields[name]

    def access(self, place: str) -> reach.Access:
        """What was given, under the names that the place needs."""
        wish = dict.fromkeys(AccessForm.base_fields, "") | self.cleaned_data
        named = dict(zip(NAMES.get(place.partition(":")[0], NAMES["rest"]), (wish["user"], wish["password"]), strict=True))
        given = {name: value for name, value in {**named, reach.SSH_KEY: wish["ssh_key"]}.items() if value}
        return reach.Access(given, wish["host_key"], wish["ca_certificate"])

    def refuse(self, error: Exception) -> None:
        """Show why it was refused, at the field that helps."""
        self.add_error("host_key" if isinstance(error, reach.Unconfirmed) else None, refusal(error))


class RepositoryForm(AccessForm):
    """A new place for backups."""

    name = forms.SlugField(label=gettext_lazy("Short name"), max_length=60)
    location = forms.CharField(label=gettext_lazy("Place"), max_length=500)
    recipients = forms.CharField(
        label=gettext_lazy("Further age public keys"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("One a line. Whoever has one of these keys can open the backups when this installation is lost."),
    )
    field_order = ("name", "location")

    def __init__(self, given: Any, folders: Sequence[Path]) -> None:
        super().__init__(given, initial={"location": str(folders[0] / unused(folders[0], "local"))})
        self.fields["location"].help_text = _(
            "A folder on this machine below {places}, or sftp:user@host:/path, s3:https://host/bucket, rest:https://host/path. No passwords here."
        ).format(places=", ".join(str(folder) for folder in folders))


@shell.page
@require_http_methods(FORM)
def add(request: shell.Request) -> HttpResponseBase:
    """Make a repository."""
    access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    folders = repositories.places(request.organisation)
    form = RepositoryForm(request.POST or None, folders)
    if request.method == "POST" and form.is_valid():
        wish = form.cleaned_data
        try:
            made = repositories.create(
                request.organisation,
                wish["name"],
                wish["location"],
                actor=access.actor(request.user),
                recipients=wish["recipients"].split(),
                access=form.access(wish["location"]),
                within=folders,
            )
        except REFUSALS as error:
            form.refuse(error)
        else:
            messages.success(request, _("The repository was made. Keep its recovery key in a safe place now."))
            return redirect("settings_repository", repository_id=made.pk)
    shown = {"form": form, "tab": "repositories", "title": _("New repository"), "button": _("Make it"), "back": "settings_repositories"}
    return render(request, "settings/form.html", shown)


@shell.page
@require_http_methods(FORM)
def change(request: shell.Request, repository_id: int) -> HttpResponseBase:
    """Give a repository other credentials, another host key or certificate; what is left empty stays as it is."""
    one = get_object_or_404(visible_to(request.user, Repository).select_related("organisation", "key", "credentials"), pk=repository_id)
    shell.look_at(request, one.organisation)
    access.require(request.user, Role.ADMINISTRATOR, one)
    form = AccessForm(request.POST or None)
    form.ask_for(one.location)
    if request.method == "POST" and form.is_valid():
        try:
            repositories.set_access(one, form.access(one.location), actor=access.actor(request.user))
        except REFUSALS as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("settings_repository", repository_id=one.pk)
    title = _("Change the access to {name}").format(name=one.name)
    shown = {"form": form, "tab": "repositories", "title": title, "button": _("Try it and save"), "back": "settings_repositories"}
    return render(request, "settings/form.html", shown)
