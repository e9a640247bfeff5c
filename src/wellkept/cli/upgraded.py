"""``wellkept upgrade history`` and ``result``."""

from typing import Annotated

import typer

from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.estate import access
from wellkept.estate.errors import NotFound
from wellkept.upgrades import results
from wellkept.upgrades.consent import findings
from wellkept.upgrades.models import Upgrade

COLUMNS = ("upgrade", "system", "from", "to", "state", "figures_equal", "rights_equal", "unavailable_seconds", "ended_at")
LONG = ("findings", "phases", "log")


def history(
    system: Annotated[str | None, typer.Option(help="Only of this system.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="How many, newest first.")] = 30,
    as_json: Json = False,
) -> None:
    """Show the newest upgrades of production, kept or taken back."""
    rows = access.visible_to(pick.WHO, Upgrade)
    if system is not None:
        rows = rows.filter(system=pick.system(system))
    plain = [results.brief(one) for one in results.upgrades(rows)[:limit]]
    empty = "No upgrade yet: wellkept upgrade apply SYSTEM --to SERIES"
    output.emit(plain, as_json=as_json, table=None if as_json else COLUMNS, empty=empty)


def result(number: Annotated[int, typer.Argument(help="Number of the upgrade in wellkept upgrade history.")], as_json: Json = False) -> None:
    """Show one upgrade: how it ended and why, its phases, what was found and who means it so, and who agreed to it."""
    one = access.visible_to(pick.WHO, Upgrade).select_related("system", "run", "approval").filter(pk=number).first()
    if one is None:
        raise NotFound(f"there is no upgrade {number}; wellkept upgrade history shows them")
    told = results.plain(one)
    if as_json:
        output.emit(told, as_json=True)
        return
    output.emit({name: value for name, value in told.items() if name not in LONG}, as_json=False)
    output.emit(told["phases"], as_json=False, table=("title", "state", "seconds", "p50", "p90"), empty="")
    shown = [{**one, "by": one["by"] or "nobody"} for one in told["findings"] if one["by"] != findings.RELEASE]
    output.emit(shown, as_json=False, table=("by", "said"), empty="Nothing was found that the release does not mean.")
