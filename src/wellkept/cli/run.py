"""``wellkept run``."""

import json
from typing import Annotated, Any

import typer

from wellkept.cli import output, pick
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json, Wait
from wellkept.cli.pick import OrganisationOption
from wellkept.estate import access
from wellkept.lib.text import say
from wellkept.operations import runtime
from wellkept.operations.models import OPEN_STATES, Run

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What is being done, and what was done.")
RunArgument = Annotated[str, typer.Argument(help="Id of the run, or its beginning.")]
COLUMNS = ("run", "system", "operation", "state", "requested_at", "outcome")


@app.command("list")
def list_(
    system: Annotated[str | None, typer.Option(help="Only runs of this system.")] = None,
    operation: Annotated[str | None, typer.Option(help="Only runs of this operation, like backups.take.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only runs that wait or go on now.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest runs."""
    rows = access.visible_to(pick.WHO, Run).select_related("system").order_by("-requested_at")
    if system is not None:
        rows = rows.filter(system=pick.system(system))
    if operation is not None:
        rows = rows.filter(operation=operation)
    if only_open:
        rows = rows.filter(state__in=OPEN_STATES)
    output.emit([_plain(run) for run in rows[:limit]], as_json=as_json, table=None if as_json else COLUMNS, empty="No run yet.")


@app.command()
def show(run: RunArgument, as_json: Json = False) -> None:
    """Show one run: its phases with their times, how it ended, and what it left."""
    found = pick.run(run)
    state = runtime.events(found.pk)
    if as_json:
        output.emit({**state, "outcome": say(state["outcome"]), "error": found.error}, as_json=True)
        return
    output.emit({**_plain(found), "error": found.error.strip().splitlines()[-1:], "result": found.result}, as_json=False)
    phases = [{**phase, "seconds": _seconds(phase["seconds"]), "note": phase["error"] or say(phase["note"])} for phase in state["phases"]]
    output.emit("", as_json=False)
    output.emit(phases, as_json=False, table=("title", "state", "seconds", "note"))


@app.command()
def follow(run: RunArgument, as_json: Json = False) -> None:
    """Show the progress of a run until it ends; leaves with the exit code of its outcome."""
    output.finish(output.follow(pick.run(run)), as_json=as_json)


@app.command()
def cancel(run: RunArgument, wait: Wait = True, as_json: Json = False) -> None:
    """Ask a run to stop. What it changed until then is taken back; its outcome says so."""
    found = pick.run(run)
    if found.state not in OPEN_STATES:
        output.fail(ExitCode.INVALID, f"the run {found.pk} has ended already: {found.state}")
    runtime.cancel(found, None)
    ended = output.follow(found) if wait else found
    ended.refresh_from_db()
    output.emit(
        {"run": str(ended.pk), "state": ended.state, "outcome": say(ended.outcome)} if as_json else f"{ended.state}  (run {ended.pk})",
        as_json=as_json,
    )


@app.command()
def start(
    operation: Annotated[str, typer.Argument(help="Name of the operation, like backups.take; wellkept run operations lists them.")],
    system: Annotated[str | None, typer.Option(help="The system it works on.")] = None,
    arguments: Annotated[str, typer.Option(help='Its arguments as a JSON object, like {"repository_id": 1}.')] = "{}",
    organisation: OrganisationOption = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Start any operation by its name; the commands of each noun are easier."""
    if operation not in runtime.registered():
        output.fail(ExitCode.NOT_FOUND, f"there is no operation {operation}; see: wellkept run operations")
    environment = pick.environment(system) if system is not None else None
    place = environment.system.organisation if environment is not None else pick.organisation(organisation)
    try:
        run = runtime.submit(operation, organisation=place, environment=environment, arguments=_arguments(arguments))
    except ValueError as error:
        output.fail(ExitCode.INVALID, str(error))
    if wait:
        output.finish(output.follow(run), as_json=as_json)
    output.emit({"run": str(run.pk), "state": run.state} if as_json else f"started: run {run.pk}", as_json=as_json)


@app.command()
def operations(as_json: Json = False) -> None:
    """Show the operations there are."""
    rows = [
        {"operation": name, "title": known.title, "maintenance_type": known.maintenance_type, "changes_environment": known.changes_environment}
        for name, known in sorted(runtime.registered().items())
    ]
    output.emit(rows, as_json=as_json)


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        output.fail(ExitCode.USAGE, f"--arguments is not JSON: {error}")
    if not isinstance(given, dict):
        output.fail(ExitCode.USAGE, "--arguments must be a JSON object")
    return given


def _plain(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.pk),
        "system": run.system.name if run.system else None,
        "operation": run.operation,
        "state": run.state,
        "requested_at": run.requested_at.isoformat(timespec="seconds"),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "outcome": say(run.outcome),
    }


def _seconds(value: float | None) -> str:
    return f"{value:.1f} s" if value is not None else ""
