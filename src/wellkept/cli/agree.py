"""``wellkept upgrade ask``, ``approve``, ``withdraw`` and ``waive``: what people say before production is upgraded."""

import datetime as dt
from typing import Annotated, NoReturn

import typer
from django.utils import timezone

from wellkept.cli import output, pick
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json
from wellkept.cli.pick import SystemArgument
from wellkept.estate.errors import Invalid
from wellkept.lib.text import say
from wellkept.upgrades import queries
from wellkept.upgrades.consent import agree, waivers
from wellkept.upgrades.gates import Seen
from wellkept.upgrades.models import Approval

To = Annotated[str, typer.Option(help="The series to go to, like 8.0.")]
COLUMNS = ("gate", "open", "waived", "why")
DAY_HOURS = 24.0


def ask(
    system: SystemArgument,
    to: To,
    start: Annotated[
        str | None, typer.Option(help='When it is to begin, like "2026-11-28 22:00" (the organisation\'s time); people are told.')
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask for the approval of an upgrade as it was rehearsed; another person has to give it."""
    environment = pick.environment(system)
    planned = moment(start, environment.system.organisation.time_zone) if start is not None else None
    _tell(agree.ask(environment, to, who=pick.WHO, planned_for=planned), as_json=as_json)


def approve(system: SystemArgument, to: To, as_json: Json = False) -> None:
    """Approve an upgrade for production, once, exactly as it was rehearsed; whoever asked cannot, and whoever approves cannot start it."""
    _tell(agree.approve(agree.open_approval(pick.environment(system), to), who=pick.WHO), as_json=as_json)


def withdraw(system: SystemArgument, to: To, as_json: Json = False) -> None:
    """Withdraw the approval of an upgrade; possible until a run has closed the ERP by it."""
    _tell(agree.withdraw(agree.open_approval(pick.environment(system), to), who=pick.WHO), as_json=as_json)


def waive(
    system: SystemArgument,
    gate: Annotated[str, typer.Argument(help=f"One of {', '.join(waivers.WAIVABLE)}; the others protect the data.")],
    to: To,
    reason: Annotated[str | None, typer.Option(help="Why; kept with it, in the record and with the upgrade.")] = None,
    hours: Annotated[float, typer.Option(help=f"For how long, at most {waivers.LONGEST_HOURS}.")] = DAY_HOURS,
    end: Annotated[bool, typer.Option("--end", help="End the waiver instead.")] = False,
    as_json: Json = False,
) -> None:
    """Have a gate count as open for a while, for exactly what was rehearsed."""
    environment = pick.environment(system)
    if end:
        made = waivers.revoke(waivers.of_gate(environment, to, gate), who=pick.WHO)
    else:
        made = waivers.waive(environment, to, gate, reason=reason or "", hours=hours, who=pick.WHO)
    until = "no longer waived" if end else f"waived until {made.ends_at:%Y-%m-%d %H:%M} UTC"
    output.emit(queries.plain_waiver(made) if as_json else f"The gate {gate} is {until}.", as_json=as_json)


def show(seen: Seen, *, as_json: bool) -> NoReturn:
    """Show every gate, and leave with the code that says whether all of them are open."""
    plain = queries.plain_gates(seen)
    output.emit(plain if as_json else plain["gates"], as_json=as_json, table=None if as_json else COLUMNS)
    raise typer.Exit(ExitCode.SUCCEEDED if seen.open else ExitCode.NOT_PROVEN)


def refusal(seen: Seen) -> str:
    """What is in the way."""
    return f"nothing was started: {'; '.join(say(gate.why) for gate in seen.shut)}"


def moment(text: str, time_zone: str) -> dt.datetime:
    """A moment that somebody typed, by the clock of a time zone unless it names its own. Raises Invalid."""
    from wellkept.planning.cron import zone

    try:
        typed = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f'{text!r} is not a moment; write one like "2026-11-28 22:00"') from error
    return typed if timezone.is_aware(typed) else typed.replace(tzinfo=zone(time_zone))


def _tell(one: Approval, *, as_json: bool) -> None:
    plain = queries.plain_approval(one)
    words = {
        "waiting": f"Asked for by {one.author}; a second person has to approve it.",
        "approved": f"Approved by {one.approver}: {one.rehearsal.current} to {one.rehearsal.version}, once.",
        "withdrawn": "The approval is withdrawn.",
    }
    output.emit(plain if as_json else words[plain["state"]], as_json=as_json)
