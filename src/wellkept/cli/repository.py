"""``wellkept repository``."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from wellkept.backups import queries, reach, repositories
from wellkept.backups.models import Repository
from wellkept.cli import output, pick
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json, Yes
from wellkept.cli.pick import OrganisationOption
from wellkept.estate import access
from wellkept.estate.errors import NotFound
from wellkept.planning import retention

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The places where backups are kept.")
escrow = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The copy of the key that survives the loss of this installation.")
app.add_typer(escrow, name="escrow")
NameArgument = Annotated[str, typer.Argument(help="Name of the repository, or organisation/name.")]
Recipients = Annotated[list[str], typer.Option("--recipient", help="A further age public key (age1…) that shall open the escrow; may be repeated.")]
Credentials = Annotated[
    Path | None, typer.Option(help="A file with AWS_ACCESS_KEY_ID=… (or REST_USER=…) lines; secrets never stand on the command line.")
]
SshKey = Annotated[Path | None, typer.Option(help="The private key for an sftp server, without a passphrase; it is kept encrypted.")]
HostKey = Annotated[
    str, typer.Option(help="The host key of an sftp server, as SHA256:… or ssh-ed25519 AAAA…; without it you are shown the one it has, and asked.")
]
CaCertificate = Annotated[Path | None, typer.Option(help="The certificate (PEM) of your own authority, for an https address.")]
COLUMNS = ("repository", "place", "good_backups", "newest", "recovery_downloaded_at")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the repositories and how many good backups each holds."""
    rows = queries.repositories(access.visible_to(pick.WHO, Repository))
    output.emit(
        [queries.plain_repository(row) for row in rows],
        as_json=as_json,
        table=None if as_json else COLUMNS,
        empty="No repository yet; make one: wellkept repository create",
    )


@app.command()
def show(name: NameArgument, as_json: Json = False) -> None:
    """Show one repository: its place, its rules, and who can open its escrow."""
    row = queries.repositories(Repository.objects.filter(pk=pick_repository(name).pk)).get()
    output.emit({**queries.plain_repository(row), "retention": asdict(retention.rules(row.retention))}, as_json=as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it shall be called, like off-site.")],
    place: Annotated[str, typer.Argument(help="An absolute folder, sftp:user@host:/folder, s3:https://host/bucket or rest:https://host/path.")],
    recipients: Recipients = [],  # noqa: B006 - Typer copies it
    credentials: Credentials = None,
    ssh_key: SshKey = None,
    host_key: HostKey = "",
    ca_certificate: CaCertificate = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Make a repository with a random key. Download its recovery key next: without it the backups are lost when this machine is."""
    owner = pick.organisation(organisation)
    made = _confirmed(
        _given(credentials, ssh_key, host_key, ca_certificate),
        lambda given: repositories.create(owner, name, place, actor=pick.ACTOR, recipients=recipients, access=given),
    )
    if as_json:
        output.emit(queries.plain_repository(made), as_json=True)
    else:
        output.emit(f"Repository {made.name} is ready at {made.location}.", as_json=False)
        output.note(f"Next: wellkept repository recovery-key {made.name} --out FILE, and keep that file and the escrow outside of this machine.")


@app.command("credentials")
def credentials_(
    name: NameArgument,
    credentials: Credentials = None,
    ssh_key: SshKey = None,
    host_key: HostKey = "",
    ca_certificate: CaCertificate = None,
    as_json: Json = False,
) -> None:
    """Change what leads to the place: what is given replaces the old, after proof that it reads and writes the same repository."""
    found, given = pick_repository(name), _given(credentials, ssh_key, host_key, ca_certificate)
    if given == reach.Access():
        output.fail(ExitCode.USAGE, "nothing was given; see: wellkept repository credentials --help")
    changed = _confirmed(given, lambda wish: repositories.set_access(found, wish, actor=pick.ACTOR))
    done = f"The repository {changed.name} is reached with this from now on."
    output.emit(queries.plain_repository(changed) if as_json else done, as_json=as_json)


@app.command("recovery-key")
def recovery_key(
    name: NameArgument,
    out: Annotated[Path | None, typer.Option(help="Write it into this new file (readable by you only) instead of showing it.")] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Give out the private recovery key, once: afterwards it is kept nowhere here."""
    found = pick_repository(name)
    output.confirm(f"The recovery key of {found.name} is given out only once. Is there a safe place for it?", yes=yes)
    if out is not None and out.exists():
        output.fail(ExitCode.CONFLICT, f"{out} exists; nothing was given out")
    text = repositories.recovery_key(found, actor=pick.ACTOR)
    if out is not None:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        output.emit({"repository": found.name, "file": str(out)} if as_json else f"Written to {out}.", as_json=as_json)
    else:
        output.emit({"repository": found.name, "identity": text} if as_json else text.rstrip(), as_json=as_json)


@app.command()
def rules(
    name: NameArgument,
    last: Annotated[int | None, typer.Option(help="How many of the newest are kept.")] = None,
    daily: Annotated[int | None, typer.Option(help="Of how many days one is kept.")] = None,
    weekly: Annotated[int | None, typer.Option(help="Of how many weeks one is kept.")] = None,
    monthly: Annotated[int | None, typer.Option(help="Of how many months one is kept.")] = None,
    yearly: Annotated[int | None, typer.Option(help="Of how many years one is kept.")] = None,
    as_json: Json = False,
) -> None:
    """Show or change the retention rules. Nothing is forgotten by this: see wellkept backup forget --preview."""
    found = pick_repository(name)
    given = {"last": last, "daily": daily, "weekly": weekly, "monthly": monthly, "yearly": yearly}
    changed = {key: value for key, value in given.items() if value is not None}
    if changed:
        repositories.set_rules(found, {**found.retention, **changed}, actor=pick.ACTOR)
    output.emit(asdict(retention.rules(found.retention)), as_json=as_json)


@escrow.command("show")
def escrow_show(name: NameArgument, as_json: Json = False) -> None:
    """Print the escrow: an age file that opens with the recovery key and holds the place and the key of the repository."""
    found = pick_repository(name)
    output.emit({"repository": found.name, "recipients": found.recipients, "escrow": found.escrow} if as_json else found.escrow, as_json=as_json)


@escrow.command("test")
def escrow_test(
    name: NameArgument,
    identity: Annotated[Path, typer.Option(help="Your age identity file, the one with the AGE-SECRET-KEY line.")],
    as_json: Json = False,
) -> None:
    """Prove that your own key opens the escrow, and that what is in it opens the repository."""
    found = pick_repository(name)
    if not identity.is_file():
        raise NotFound(f"there is no file {identity}")
    repositories.test_escrow(found, identity.read_text(), actor=pick.ACTOR)
    output.emit({"repository": found.name, "works": True} if as_json else f"This key opens the backups in {found.name}.", as_json=as_json)


@escrow.command("renew")
def escrow_renew(name: NameArgument, recipients: Recipients = [], yes: Yes = False, as_json: Json = False) -> None:  # noqa: B006 - Typer copies it
    """Make a fresh recovery key and seal the escrow again, when the old recovery key was lost. The repository's own key stays."""
    found = pick_repository(name)
    output.confirm(f"Seal the escrow of {found.name} again? The old recovery key does not open the new one.", yes=yes)
    renewed = repositories.renew_escrow(found, actor=pick.ACTOR, recipients=recipients)
    done = f"Renewed; get the new key: wellkept repository recovery-key {found.name}"
    output.emit({"repository": renewed.name, "recipients": renewed.recipients} if as_json else done, as_json=as_json)


def pick_repository(name: str) -> Repository:
    """The repository of a name, ``local`` or ``riverside/local``. Raises NotFound."""
    slug, _, last = name.rpartition("/")
    rows = access.visible_to(pick.WHO, Repository).select_related("organisation").filter(name=last)
    found = list(rows.filter(organisation__slug=slug)[:2] if slug else rows[:2])
    if not found:
        raise NotFound(f"there is no repository {name}; see: wellkept repository list")
    if len(found) > 1:
        raise NotFound(f"several organisations have a repository {name}; write organisation/{name}")
    return found[0]


def _given(credentials: Path | None, ssh_key: Path | None, host_key: str, ca_certificate: Path | None) -> reach.Access:
    """The access that the options say. Raises NotFound for a file that is not there."""
    for path in (credentials, ssh_key, ca_certificate):
        if path is not None and not path.is_file():
            raise NotFound(f"there is no file {path}")
    named = _variables(credentials.read_text()) if credentials is not None else {}
    keys = {reach.SSH_KEY: ssh_key.read_text()} if ssh_key is not None else {}
    return reach.Access({**named, **keys}, host_key, ca_certificate.read_text() if ca_certificate is not None else "")


def _confirmed(given: reach.Access, do: Callable[[reach.Access], Repository]) -> Repository:
    """Do it; when nobody has confirmed the server yet, ask the person at the terminal. A program is refused: it names the host key."""
    try:
        return do(given)
    except reach.Unconfirmed as unknown:
        if output.json_wanted or not sys.stdin.isatty():
            raise
        output.note(f"{unknown}.")
        output.confirm(f"Is {unknown.shown} the right one?", yes=False)
        return do(replace(given, host_key=unknown.shown.text))


def _variables(text: str) -> dict[str, str]:
    """``NAME=value`` lines, or a JSON object."""
    if text.lstrip().startswith("{"):
        return {str(name): str(value) for name, value in json.loads(text).items()}
    lines = [line.partition("=") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in lines}
