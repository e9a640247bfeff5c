"""``wellkept watch``."""

import datetime as dt
from typing import Annotated, Any

import typer
from django.utils import timezone

from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.cli.pick import SystemArgument
from wellkept.estate import access
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment
from wellkept.lib.text import say
from wellkept.monitoring import queries, use, watched
from wellkept.monitoring.models import Panel
from wellkept.operations import runtime
from wellkept.planning import offpeak

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="How the ERPs work: now, and over time.")
COLUMNS = ("system", "works", "users", "seconds", "read", "problem")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNITS = {"m": dt.timedelta(minutes=1), "h": dt.timedelta(hours=1), "d": dt.timedelta(days=1)}


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show how every watched ERP works now."""
    rows = {one.pk: one for one in access.visible_to(pick.WHO, Environment).select_related("system__organisation").order_by("system__name", "pk")}
    found = [_plain(rows[number], now) for number, now in queries.now(rows).items()]
    empty = "Nothing is watched yet; a watcher runs with: wellkept up"
    output.emit(sorted(found, key=lambda one: str(one["system"])), as_json=as_json, table=None if as_json else COLUMNS, empty=empty)


@app.command()
def show(system: SystemArgument, as_json: Json = False) -> None:
    """Show every value that was read last."""
    environment = pick.environment(system)
    now = queries.now([environment.pk]).get(environment.pk)
    if now is None:
        output.emit([] if as_json else f"{system} is not watched.", as_json=as_json)
        return
    if as_json:
        values = [{"name": name, "part": label, "value": value} for (name, label), value in sorted(now.values.items())]
        output.emit({**_plain(environment, now), "blind": [say(one) for one in now.blind], "values": values}, as_json=True)
        return
    rows = [{"name": name, "part": label, "value": f"{value:g}"} for (name, label), value in sorted(now.values.items())]
    output.emit(rows, as_json=False, table=("name", "part", "value"), empty=f"Nothing of {system} was read lately; a watcher runs with: wellkept up")


@app.command()
def series(
    system: SystemArgument,
    name: Annotated[str, typer.Argument(help="What was read, like erp_users_active; see wellkept watch show.")],
    since: Annotated[str, typer.Option(help="How far back: 30m, 6h, 7d.")] = "1h",
    as_json: Json = False,
) -> None:
    """Show a value over time: the mean and the highest, as finely as it is kept."""
    environment, end = pick.environment(system), timezone.now()
    known = sorted({found for several in Panel.objects.filter(environment=environment).values_list("series", flat=True) for found, _label in several})
    if name not in known:
        raise Invalid(f"{name} was never read of {system}; known are: {', '.join(known) or 'none yet'}")
    curves = queries.curves(environment.pk, [name], end - _length(since), end)
    exact = [(point.at, one.label, point.mean, point.high) for one in curves for point in one.points]
    rows = [
        {"at": at, "part": part, "mean": mean if as_json else f"{mean:g}", "high": high if as_json else f"{high:g}"} for at, part, mean, high in exact
    ]
    output.emit(rows, as_json=as_json, table=None if as_json else ("at", "part", "mean", "high"), empty="Nothing was read in this time.")


@app.command()
def learn(system: SystemArgument, as_json: Json = False) -> None:
    """Read from the ERP when people work, now instead of once a day."""
    environment = pick.environment(system)
    run = runtime.submit(use.LEARN, organisation=environment.system.organisation, environment=environment)
    output.finish(output.follow(run), as_json=as_json)


@app.command()
def week(system: SystemArgument, as_json: Json = False) -> None:
    """Show how many people work in each hour of a usual week, and on which days of the month more is done."""
    curve = use.curve(pick.environment(system))
    if curve is None:
        output.emit([] if as_json else f"When {system} is used was not learnt yet; learn it with: wellkept watch learn {system}", as_json=as_json)
        return
    rows = offpeak.heat_map(curve)
    if as_json:
        peaks = [{"by": one.by, "number": one.number, "factor": one.factor, "months": one.months} for one in curve.peaks]
        output.emit({"weeks": curve.weeks, "basis": say(offpeak.basis(curve)), "hours": rows, "peaks": peaks}, as_json=True)
        return
    lines = [f"{day:<4}{''.join(f'{people:>6.1f}' for people in hours)}" for day, hours in zip(DAYS, rows, strict=True)]
    output.emit("\n".join([say(offpeak.basis(curve)), f"    {''.join(f'{hour:>6}' for hour in range(24))}", *lines]), as_json=False)


@app.command()
def pause(system: SystemArgument, as_json: Json = False) -> None:
    """Watch a system no more."""
    _choose(system, watched_=False, as_json=as_json)


@app.command()
def resume(system: SystemArgument, as_json: Json = False) -> None:
    """Watch a system again."""
    _choose(system, watched_=True, as_json=as_json)


def _choose(system: str, *, watched_: bool, as_json: bool) -> None:
    environment = pick.environment(system)
    watched.choose(environment, watched=watched_, who=pick.WHO)
    told = f"{system} is watched{'' if watched_ else ' no more'}."
    output.emit({"system": environment.system.name, "watched": watched_} if as_json else told, as_json=as_json)


def _length(text: str) -> dt.timedelta:
    unit, number = UNITS.get(text[-1:]), text[:-1]
    if unit is None or not number.isdigit() or int(number) == 0 or int(number) > 10_000:
        raise Invalid(f"“{text}” is no length of time; write one like 30m, 6h or 7d")
    return int(number) * unit


def _plain(environment: Environment, now: queries.Now) -> dict[str, Any]:
    return {
        "system": environment.system.name,
        "works": now.works if now.at else None,
        "users": now.users,
        "seconds": round(now.seconds, 3) if now.seconds is not None else None,
        "read": now.at,
        "problem": say(now.problem) or None,
    }
