"""``wellkept token``."""

from typing import Annotated

import typer
from django.utils import timezone

from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.cli.pick import OrganisationOption
from wellkept.estate import access, tokens
from wellkept.estate.errors import NotFound
from wellkept.estate.models import ApiToken, Person, Role

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Keys for programs that use the API.")


@app.command("list")
def list_(organisation: OrganisationOption = None, as_json: Json = False) -> None:
    """Show the tokens of an organisation: whose they are, what they may do and until when. The tokens themselves are nowhere."""
    rows = ApiToken.objects.filter(organisation=pick.organisation(organisation)).select_related("person").order_by("pk")
    output.emit([_plain(row) for row in rows], as_json=as_json, empty="No token yet; make one: wellkept token create")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What uses it, like nightly-report.")],
    person: Annotated[str, typer.Option(help="E-mail address of the person that the token acts for.")],
    scope: Annotated[str, typer.Option(help=f"What it may do at most: {', '.join(Role.values)}.")] = Role.VIEWER.value,
    days: Annotated[int, typer.Option(help=f"How long it is valid, up to {tokens.LONGEST_DAYS}.")] = 90,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Make a token and print it once. It can do what its person may do, and no more than its scope."""
    holder = access.visible_to(pick.WHO, Person).filter(email=person.strip().lower()).first()
    if holder is None:
        raise NotFound(f"nobody signs in as {person}; see: wellkept person list")
    made, text = tokens.create(holder, pick.organisation(organisation), name, scope=scope, days=days, who=pick.WHO)
    if as_json:
        output.emit({**_plain(made), "token": text}, as_json=True)
    else:
        output.note(f"Token {made.pk} for {holder.email} as {scope}, valid until {made.expires_at:%Y-%m-%d}; it is shown only now:")
        output.emit(text, as_json=False)


@app.command()
def revoke(
    number: Annotated[int, typer.Argument(help="Number of the token in wellkept token list.")],
    as_json: Json = False,
) -> None:
    """End a token at once."""
    token = access.visible_to(pick.WHO, ApiToken).select_related("person", "organisation").filter(pk=number).first()
    if token is None:
        raise NotFound(f"there is no token {number}; see: wellkept token list")
    tokens.revoke(token, who=pick.WHO)
    output.emit({"id": number, "revoked": True} if as_json else f"Token {number} is ended.", as_json=as_json)


def _plain(token: ApiToken) -> dict[str, object]:
    return {
        "id": token.pk,
        "name": token.name,
        "person": token.person.email,
        "scope": token.scope,
        "expires_at": token.expires_at,
        "expired": token.expires_at <= timezone.now(),
        "used_at": token.used_at,
    }
