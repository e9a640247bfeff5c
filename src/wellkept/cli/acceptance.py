"""``wellkept upgrade acceptance``."""

from typing import Annotated

import typer

from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.cli.pick import SystemArgument
from wellkept.estate import access
from wellkept.estate.errors import Invalid, NotFound
from wellkept.upgrades import rehearsals
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.models import Acceptance, Rehearsal

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What people accept of a rehearsal: lines of the log, differences of the books.")
Number = Annotated[int, typer.Argument(help="Number of the acceptance in wellkept upgrade acceptance list.")]
COLUMNS = ("acceptance", "from", "to", "finding", "rule", "author", "approver", "revoked_at")
SHORTEST = 8


@app.command("list")
def list_(system: SystemArgument, as_json: Json = False) -> None:
    """Show what was accepted for a system, also what was revoked."""
    rows = access.visible_to(pick.WHO, Acceptance).filter(system=pick.system(system)).select_related("system").order_by("pk")
    plain = [rehearsals.plain_acceptance(one) for one in rows]
    empty = "Nothing was accepted: wellkept upgrade acceptance add REHEARSAL FINDING --reason …"
    output.emit(plain, as_json=as_json, table=None if as_json else COLUMNS, empty=empty)


@app.command()
def add(
    rehearsal: Annotated[int, typer.Argument(help="Number of the rehearsal that found it.")],
    finding: Annotated[str, typer.Argument(help="The finding in wellkept upgrade rehearsal; the first letters are enough.")],
    reason: Annotated[str, typer.Option(help="Why this is meant to be so; kept with it and in the record.")],
    rule: Annotated[str, typer.Option(help="exact, or same_change: the number moves by exactly as much.")] = findings.EXACT,
    as_json: Json = False,
) -> None:
    """Accept one finding of a rehearsal; a second person has to approve it for production."""
    one = access.visible_to(pick.WHO, Rehearsal).select_related("system", "organisation").filter(pk=rehearsal).first()
    if one is None:
        raise NotFound(f"there is no rehearsal {rehearsal}; wellkept upgrade rehearsals shows them")
    _say(accept.accept(one, _digest(one, finding), rule=rule, reason=reason, who=pick.WHO), as_json=as_json)


@app.command()
def approve(number: Number, as_json: Json = False) -> None:
    """Let production take it; its author cannot."""
    _say(accept.approve(_acceptance(number), who=pick.WHO), as_json=as_json)


@app.command()
def revoke(number: Number, as_json: Json = False) -> None:
    """Have it count no more."""
    _say(accept.revoke(_acceptance(number), who=pick.WHO), as_json=as_json)


def _digest(one: Rehearsal, start: str) -> str:
    known = [findings.digest(found) for found in accept.open_findings(one)]
    fitting = [digest for digest in known if digest.startswith(start)]
    if len(start) < SHORTEST or len(fitting) != 1:
        raise Invalid(f"{start} names {len(fitting)} of {len(known)} findings; give at least {SHORTEST} letters of exactly one")
    return fitting[0]


def _acceptance(number: int) -> Acceptance:
    one = access.visible_to(pick.WHO, Acceptance).select_related("system", "organisation").filter(pk=number).first()
    if one is None:
        raise NotFound(f"there is no acceptance {number}; wellkept upgrade acceptance list shows them")
    return one


def _say(one: Acceptance, *, as_json: bool) -> None:
    plain = rehearsals.plain_acceptance(one)
    state = "revoked" if one.revoked_at else "approved" if one.approved_at else "waits for the approval of a second person"
    output.emit(plain if as_json else f"{one.pk}: {plain['finding']} – {state}.", as_json=as_json)
