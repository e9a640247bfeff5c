"""``wellkept window``."""

import datetime as dt
from typing import Annotated, Any

import typer

from wellkept.cli import output, pick
from wellkept.cli.agree import moment
from wellkept.cli.output import Json, Yes
from wellkept.cli.pick import OrganisationOption
from wellkept.estate import access
from wellkept.estate.errors import Invalid, NotFound
from wellkept.lib.text import say
from wellkept.operations import windows
from wellkept.operations.models import Window

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="When production may be changed.")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COLUMNS = ("id", "organisation", "system", "when")
SystemOption = Annotated[str | None, typer.Option(help="Only this system; default: all of the organisation.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the windows."""
    rows = access.visible_to(pick.WHO, Window).select_related("system", "organisation").order_by("organisation", "pk")
    empty = "No window yet, so nothing that needs one can be done; declare one: wellkept window add"
    output.emit([_plain(row) for row in rows], as_json=as_json, table=None if as_json else COLUMNS, empty=empty)


@app.command()
def add(
    start: Annotated[str, typer.Option(help='When it opens: "22:00" with --days, or once like "2026-11-28 22:00".')],
    end: Annotated[str, typer.Option(help='When it closes: "04:00" is on the next day after 22:00, or once like "2026-11-29 04:00".')],
    days: Annotated[str | None, typer.Option(help="Days of the week on which it opens, like sat,sun.")] = None,
    system: SystemOption = None,
    time_zone: Annotated[str | None, typer.Option(help="Time zone of the times, like Europe/Zurich; default: the organisation's.")] = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Let production be changed every week on some days, or once."""
    place = pick.system(system) if system else None
    where = place.organisation if place else pick.organisation(organisation)
    zone = time_zone or where.time_zone
    if days is None:
        made = windows.add_once(where, moment(start, zone), moment(end, zone), who=pick.WHO, system=place)
    else:
        made = windows.add_weekly(where, _numbers(days), _clock(start), _clock(end), who=pick.WHO, system=place, time_zone=zone)
    output.emit(_plain(made) if as_json else f"Window {made.pk}: {say(windows.told(made))}.", as_json=as_json)


@app.command()
def remove(
    number: Annotated[int, typer.Argument(help="Number of the window in wellkept window list.")], yes: Yes = False, as_json: Json = False
) -> None:
    """Declare a window no more."""
    row = access.visible_to(pick.WHO, Window).select_related("system", "organisation").filter(pk=number).first()
    if row is None:
        raise NotFound(f"there is no window {number}; see: wellkept window list")
    output.confirm(f"This will count no more: {say(windows.told(row))}. Continue?", yes=yes)
    windows.remove(row, who=pick.WHO)
    output.emit({"id": number, "removed": True} if as_json else f"Window {number} is removed.", as_json=as_json)


def _numbers(days: str) -> list[int]:
    named = [day.strip().lower()[:3] for day in days.split(",")]
    if not set(named) <= set(DAYS):
        raise Invalid(f"{days!r} are not days of the week; write them like sat,sun")
    return [DAYS.index(day) for day in named]


def _clock(text: str) -> dt.time:
    try:
        return dt.time.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f'{text!r} is not a time of the day; write one like "22:00"') from error


def _plain(row: Window) -> dict[str, Any]:
    weekly = {"days": [DAYS[day] for day in row.days], "opens": f"{row.opens:%H:%M}", "closes": f"{row.closes:%H:%M}"} if row.opens else {}
    return {
        "id": row.pk,
        "organisation": row.organisation.slug,
        "system": row.system.name if row.system else None,
        "days": [],
        "opens": None,
        "closes": None,
        **weekly,
        "time_zone": row.time_zone,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "when": say(windows.told(row)),
    }
