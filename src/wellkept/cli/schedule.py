"""``wellkept schedule``."""

import json
from typing import Annotated, Any

import typer

from wellkept.cli import output, pick
from wellkept.cli.output import Json, Yes
from wellkept.cli.pick import OrganisationOption
from wellkept.estate import access
from wellkept.estate.errors import Invalid, NotFound
from wellkept.lib.text import say
from wellkept.operations import schedule, schedule_words
from wellkept.operations.models import Schedule

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What is done again and again, and when.")
Number = Annotated[int, typer.Argument(help="Number of the schedule in wellkept schedule list.")]
Arguments = Annotated[str | None, typer.Option(help="Arguments of the operation as a JSON object.")]
TimeZone = Annotated[str | None, typer.Option(help="Time zone of the expression, like Europe/Zurich; default: the organisation's.")]
CRON_HELP = 'When: minute hour day month weekday, like "30 2 * * *" for every day at 02:30.'
COLUMNS = ("id", "operation", "system", "when", "enabled", "next", "missed", "problem")


@app.command("list")
def list_(
    system: Annotated[str | None, typer.Option(help="Only the schedules of this system.")] = None,
    as_json: Json = False,
) -> None:
    """Show the schedules with their next moment, and what was missed."""
    rows = access.visible_to(pick.WHO, Schedule).select_related("system", "organisation").order_by("organisation", "pk")
    if system is not None:
        rows = rows.filter(system=pick.system(system))
    output.emit([_plain(row) for row in rows], as_json=as_json, table=COLUMNS, empty="No schedule yet; make one: wellkept schedule add")


@app.command()
def add(
    operation: Annotated[str, typer.Argument(help="What to run, like backups.take or backups.drill.")],
    cron: Annotated[str, typer.Argument(help=CRON_HELP)],
    system: Annotated[str | None, typer.Option(help="The system to run it for.")] = None,
    time_zone: TimeZone = None,
    arguments: Arguments = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Have an operation run again and again."""
    place = pick.system(system) if system else None
    where = place.organisation if place else pick.organisation(organisation)
    made = schedule.add(where, operation, cron, who=pick.WHO, time_zone=time_zone or "", system=place, arguments=_arguments(arguments))
    _tell(made, as_json=as_json)


@app.command()
def edit(
    number: Number,
    cron: Annotated[str | None, typer.Option(help=CRON_HELP)] = None,
    time_zone: TimeZone = None,
    arguments: Arguments = None,
    as_json: Json = False,
) -> None:
    """Change when a schedule runs, or with which arguments; what is not given stays."""
    _tell(schedule.edit(_picked(number), who=pick.WHO, cron=cron, time_zone=time_zone, arguments=_arguments(arguments)), as_json=as_json)


@app.command()
def pause(number: Number, as_json: Json = False) -> None:
    """Run it no more until it is resumed."""
    _tell(schedule.pause(_picked(number), who=pick.WHO), as_json=as_json)


@app.command()
def resume(number: Number, as_json: Json = False) -> None:
    """Run it again from its next moment on."""
    _tell(schedule.resume(_picked(number), who=pick.WHO), as_json=as_json)


@app.command()
def remove(number: Number, yes: Yes = False, as_json: Json = False) -> None:
    """Forget a schedule; the runs it started stay."""
    row = _picked(number)
    output.confirm(f"{row.operation}, {schedule_words.describe(row.cron, row.time_zone)}, will no longer be run. Continue?", yes=yes)
    schedule.remove(row, who=pick.WHO)
    output.emit({"id": number, "removed": True} if as_json else f"Schedule {number} is removed.", as_json=as_json)


@app.command("next")
def next_(
    number: Number,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many moments.")] = 5,
    as_json: Json = False,
) -> None:
    """Show the next moments of a schedule, in its time zone."""
    row = _picked(number)
    moments = schedule.upcoming(row.cron, row.time_zone, count)
    words = schedule_words.describe(row.cron, row.time_zone)
    if as_json:
        output.emit({"id": number, "when": words, "moments": moments}, as_json=True)
    else:
        output.emit("\n".join([words, *(f"{moment:%a %Y-%m-%d %H:%M %z}" for moment in moments)]), as_json=False)


def _picked(number: int) -> Schedule:
    row = access.visible_to(pick.WHO, Schedule).select_related("system", "organisation").filter(pk=number).first()
    if row is None:
        raise NotFound(f"there is no schedule {number}; see: wellkept schedule list")
    return row


def _arguments(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Invalid(f"--arguments is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Invalid('--arguments is a JSON object, like {"steps": 3}')
    return data


def _tell(row: Schedule, *, as_json: bool) -> None:
    data = _plain(row)
    moment = f"next at {row.next_at:%Y-%m-%d %H:%M} UTC" if row.enabled and row.next_at else "paused"
    output.emit(data if as_json else f"Schedule {row.pk}: {row.operation}, {data['when']}, {moment}.", as_json=as_json)


def _plain(row: Schedule) -> dict[str, Any]:
    return {
        "id": row.pk,
        "operation": row.operation,
        "system": row.system.name if row.system else None,
        "organisation": row.organisation.slug,
        "arguments": row.arguments,
        "cron": row.cron,
        "time_zone": row.time_zone,
        "when": schedule_words.describe(row.cron, row.time_zone),
        "enabled": row.enabled,
        "next": row.next_at if row.enabled else None,
        "last": row.last_at,
        "missed": row.missed_count,
        "missed_at": row.missed_at,
        "problem": say(row.problem) or None,
    }
