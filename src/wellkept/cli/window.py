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
from wellkept.estate.models import Organisation, System
from wellkept.lib.text import say
from wellkept.operations import windows
from wellkept.operations.models import Freeze, Window

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
    place, where = area(system, organisation)
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
    end_(Window, "window", number, yes=yes, as_json=as_json)


def area(system: str | None, organisation: str | None) -> tuple[System | None, Organisation]:
    """What a window or a freeze is for: one system (None: all) of an organisation. Raises NotFound."""
    one = pick.system(system) if system else None
    return one, one.organisation if one else pick.organisation(organisation)


def end_(model: type[Window] | type[Freeze], word: str, number: int, *, yes: bool, as_json: bool) -> None:
    """Have a window or a freeze count no more, once somebody said yes. Raises NotFound."""
    row = access.visible_to(pick.WHO, model).select_related("system", "organisation").filter(pk=number).first()
    if row is None:
        raise NotFound(f"there is no {word} {number}; see: wellkept {word} list")
    output.confirm(f"This will count no more: {say(windows.told(row))}. Continue?", yes=yes)
    windows.remove(row, who=pick.WHO)
    output.emit({"id": number, "removed": True} if as_json else f"{word.capitalize()} {number} is removed.", as_json=as_json)


def plain(row: Window | Freeze) -> dict[str, Any]:
    """What a window and a freeze have in common, as data for programs."""
    return {
        "id": row.pk,
        "organisation": row.organisation.slug,
        "system": row.system.name if row.system else None,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }


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
    when = {"time_zone": row.time_zone, "when": say(windows.told(row))}
    return {**plain(row), "days": [], "opens": None, "closes": None, **weekly, **when}
