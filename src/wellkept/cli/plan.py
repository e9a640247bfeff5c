"""``wellkept upgrade plan``: when an upgrade starts by itself."""

from typing import Annotated

import typer

from wellkept.cli import agree, output, pick
from wellkept.cli.agree import To
from wellkept.cli.output import Json
from wellkept.cli.pick import SystemArgument
from wellkept.cli.repository import pick_repository
from wellkept.estate.errors import Invalid
from wellkept.operations import windows
from wellkept.upgrades import planned


def plan(
    system: SystemArgument,
    to: To,
    start: Annotated[
        str | None, typer.Option(help='When, like "2026-11-28 22:00" (the organisation\'s time); default: when the next window opens.')
    ] = None,
    repository: Annotated[
        str | None, typer.Option(help="Where the backup goes that it begins with; optional when there is only one repository.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="Have it not start by itself instead.")] = False,
    confirm: Annotated[str | None, typer.Option(help="The name of the system again, for scripts.")] = None,
    as_json: Json = False,
) -> None:
    """Have an approved upgrade start by itself at a moment inside a window, if every gate is open then; Today says it if it did not."""
    environment = pick.environment(system)
    if end:
        planned.call_off(environment, who=pick.WHO)
        output.emit({"system": environment.system.name, "to": to, "start": None} if as_json else "It does not start by itself.", as_json=as_json)
        return
    if start is None:
        opening = windows.upcoming(environment)
        if opening is None:
            raise Invalid("no window is to come: declare one with wellkept window add, or give --start")
        at = opening.starts
    else:
        at = agree.moment(start, environment.system.organisation.time_zone)
    consequence = f"{environment.system.name} is closed for everybody from {at:%Y-%m-%d %H:%M %Z} on, until it is upgraded"
    output.confirm_name(environment.system.name, confirm, consequence)
    chosen = pick_repository(repository).pk if repository is not None else None
    one = planned.plan(environment, to, at, who=pick.WHO, repository_id=chosen)
    told = f"It starts by itself at {one.next_at:%Y-%m-%d %H:%M} UTC, if every gate is open then."
    output.emit(planned.plain(one) if as_json else told, as_json=as_json)
