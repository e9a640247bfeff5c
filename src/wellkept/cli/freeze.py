"""``wellkept freeze``."""

from typing import Annotated, Any

import typer
from django.utils import timezone

from wellkept.cli import output, pick, window
from wellkept.cli.agree import moment
from wellkept.cli.output import Json, Yes
from wellkept.cli.pick import OrganisationOption
from wellkept.cli.window import SystemOption
from wellkept.estate import access
from wellkept.lib.text import say
from wellkept.operations import windows
from wellkept.operations.models import Freeze

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="When production stays as it is, whatever its windows say.")
COLUMNS = ("id", "organisation", "system", "starts_at", "ends_at", "reason")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the freezes that hold or are to come."""
    rows = access.visible_to(pick.WHO, Freeze).filter(ends_at__gt=timezone.now()).select_related("system", "organisation").order_by("starts_at")
    output.emit([_plain(row) for row in rows], as_json=as_json, table=None if as_json else COLUMNS, empty="Nothing is frozen.")


@app.command()
def add(
    start: Annotated[str, typer.Option(help='From when, like "2026-12-20 00:00".')],
    end: Annotated[str, typer.Option(help='Until when, like "2027-01-10 00:00".')],
    reason: Annotated[str, typer.Option(help="Why; shown to everybody it stops.")],
    system: SystemOption = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Keep production as it is for a time, such as the closing of the year. Times go by the organisation's clock."""
    place, where = window.area(system, organisation)
    made = windows.freeze(where, moment(start, where.time_zone), moment(end, where.time_zone), reason, who=pick.WHO, system=place)
    output.emit(_plain(made) if as_json else f"Freeze {made.pk}: {say(windows.told(made))}.", as_json=as_json)


@app.command()
def remove(
    number: Annotated[int, typer.Argument(help="Number of the freeze in wellkept freeze list.")], yes: Yes = False, as_json: Json = False
) -> None:
    """End a freeze."""
    window.end_(Freeze, "freeze", number, yes=yes, as_json=as_json)


def _plain(row: Freeze) -> dict[str, Any]:
    return {**window.plain(row), "reason": row.reason}
