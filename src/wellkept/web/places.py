"""Making a repository on a page, and changing later what leads to its place; a secret that was typed is never sent back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
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


class Kind(NamedTuple):
    """How a kind of place is offered and asked for; ``credentials`` are the names of what the fields ``user`` and ``password`` give."""

    title: Promise
    hint: Promise
    icon: str
    example: str
    fields: tuple[str, ...] = ()
    labels: Mapping[str, Promise] = {}
    credentials: tuple[str, ...] = ()


KINDS = {
    "folder": Kind(
        gettext_lazy("Folder on this machine"),
        gettext_lazy("Quick, but lost together with this machine: keep a second repository elsewhere."),
        "folder",
        "/srv/backups/erp",
        labels={"location": gettext_lazy("Folder")},
    ),
    "sftp": Kind(
        gettext_lazy("Server by sftp"),
        gettext_lazy("Any server that you reach by ssh."),
        "server",
        "sftp:user@host:/folder",
        ("ssh_key", "host_key"),
    ),
    "rest": Kind(
        gettext_lazy("REST server"),
        gettext_lazy("restic's own server; it can refuse to delete anything."),
        "cloud-up",
        "rest:https://host/path",
        ("user", "password", "ca_certificate"),
        {"user": gettext_lazy("User"), "password": gettext_lazy("Password")},
        ("REST_USER", "REST_PASSWORD"),
    ),
    "s3": Kind(
        gettext_lazy("S3 bucket"),
        gettext_lazy("An object store, your own or rented."),
        "database",
        "s3:https://host/bucket",
        ("user", "password", "ca_certificate"),
        {"user": gettext_lazy("Access key"), "password": gettext_lazy("Secret key")},
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ),
}
SECRETS = ("password", "ssh_key")
KEPT = ("name", "recipients")
"""What stays as it was typed when another kind is chosen."""


class SecretText(forms.Textarea):
    """Several secret lines: what was typed does not come back with the page."""

    def format_value(self, value: Any) -> str:  # noqa: ARG002
        return ""


class AccessForm(forms.Form):
    """What leads to a place of one kind."""

    user = forms.CharField(required=False, max_length=200)
    password = forms.CharField(required=False, max_length=200, widget=forms.PasswordInput(attrs={"autocomplete": "off"}))
    ssh_key = forms.CharField(
        label=gettext_lazy("Private ssh key"),
        required=False,
        max_length=20_000,
        widget=SecretText(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("The content of a key file without a passphrase. It is kept encrypted."),
    )
    host_key = forms.CharField(
        label=gettext_lazy("Host key of the server"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy("SHA256:… Leave it empty to be shown which one the server has."),
    )
    ca_certificate = forms.CharField(
        label=gettext_lazy("Certificate of your own authority"),
        required=False,
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("Only for an https address whose certificate this machine does not know."),
    )

    def __init__(self, given: Any, kind: str, **options: Any) -> None:
        super().__init__(given, **options)
        self.kind = kind
        for name in set(AccessForm.base_fields) - set(KINDS[kind].fields):
            del self.fields[name]
        for name in self.fields.keys() & KINDS[kind].labels:
            self.fields[name].label = str(KINDS[kind].labels[name])
        for name in SECRETS:
            if name in self.fields and self.data.get(name):
                self.fields[name].help_text = _("Give it again: what is secret does not come back with the page.")

    def access(self) -> reach.Access:
        """What was given, under the names that the place needs."""
        wish = dict.fromkeys(AccessForm.base_fields, "") | self.cleaned_data
        named = dict(zip(KINDS[self.kind].credentials, (wish["user"], wish["password"]), strict=False))
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

    def __init__(self, given: Any, kind: str, folders: Sequence[Path], typed: Mapping[str, str]) -> None:
        proposed = {"location": str(folders[0] / unused(folders[0], "local"))} if kind == "folder" else {}
        super().__init__(given, kind, initial={**proposed, **{name: typed[name] for name in KEPT if name in typed}})
        below = _("Below {places}.").format(places=", ".join(str(folder) for folder in folders))
        written = _("Written like {example}. No passwords here.").format(example=KINDS[kind].example)
        self.fields["location"].help_text = below if kind == "folder" else written

    def clean_location(self) -> str:
        """A place of the kind whose fields were asked for."""
        place = str(self.cleaned_data["location"])
        if reach.kind(place) != self.kind:
            raise forms.ValidationError(_("This is not such a place: it is written like {example}.").format(example=KINDS[self.kind].example))
        return place


@shell.page
@require_http_methods(FORM)
def add(request: shell.Request) -> HttpResponseBase:
    """Make a repository: first what kind of place it is, then what leads there."""
    access.require(request.user, Role.ADMINISTRATOR, request.organisation)
    folders = repositories.places(request.organisation)
    kind = request.GET.get("kind", "folder")
    kind = kind if kind in KINDS else "folder"
    form = RepositoryForm(request.POST or None, kind, folders, request.GET)
    if request.method == "POST" and form.is_valid():
        wish = form.cleaned_data
        try:
            made = repositories.create(
                request.organisation,
                wish["name"],
                wish["location"],
                actor=access.actor(request.user),
                recipients=wish["recipients"].split(),
                access=form.access(),
                within=folders,
            )
        except REFUSALS as error:
            form.refuse(error)
        else:
            messages.success(request, _("The repository was made. Keep its recovery key in a safe place now."))
            return redirect("settings_repository", repository_id=made.pk)
    return render(request, "settings/new_repository.html", {"form": form, "kinds": KINDS, "tab": "repositories"})


@shell.page
@require_http_methods(FORM)
def change(request: shell.Request, repository_id: int) -> HttpResponseBase:
    """Give a repository other credentials, another host key or certificate; what is left empty stays as it is."""
    one = get_object_or_404(visible_to(request.user, Repository).select_related("organisation", "key", "credentials"), pk=repository_id)
    shell.look_at(request, one.organisation)
    access.require(request.user, Role.ADMINISTRATOR, one)
    form = AccessForm(request.POST or None, reach.kind(one.location))
    if request.method == "POST" and form.is_valid():
        try:
            repositories.set_access(one, form.access(), actor=access.actor(request.user))
        except REFUSALS as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("settings_repository", repository_id=one.pk)
    title = _("Change the access to {name}").format(name=one.name)
    shown = {"form": form, "tab": "repositories", "title": title, "button": _("Try it and save"), "back": "settings_repositories"}
    return render(request, "settings/form.html", shown)
