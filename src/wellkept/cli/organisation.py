"""``wellkept organisation``."""

from typing import Annotated

import typer

from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.estate import access, people
from wellkept.estate.models import Organisation

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Companies whose systems are kept here; nothing of one shows in another.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the organisations."""
    rows = [_plain(organisation) for organisation in access.visible_to(pick.WHO, Organisation).order_by("slug")]
    output.emit(rows, as_json=as_json, empty="No organisation yet; make one: wellkept organisation create")


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="Short name for commands and addresses, like riverside.")],
    name: Annotated[str, typer.Option(help="Full name; default: the short one.")] = "",
    time_zone: Annotated[str, typer.Option(help="Time zone of its working day, like Asia/Taipei.")] = "UTC",
    language: Annotated[str, typer.Option(help="Language of new members: en, zh-hant or zh-hans.")] = "en",
    as_json: Json = False,
) -> None:
    """Make an organisation. Nothing is a member of it yet: invite its administrator with wellkept person invite."""
    made = people.create_organisation(slug, name, who=pick.WHO, time_zone=time_zone, language=language)
    output.emit(_plain(made) if as_json else f"The organisation {made.slug} is made.", as_json=as_json)


def _plain(organisation: Organisation) -> dict[str, object]:
    return {
        "organisation": organisation.slug,
        "name": organisation.name,
        "time_zone": organisation.time_zone,
        "language": organisation.language,
    }
