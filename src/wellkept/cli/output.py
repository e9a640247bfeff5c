"""What commands print: data as JSON on request, tables and sentences for people, progress of a run, and errors in one shape.

Results go to standard output and everything else to standard error, so that ``wellkept … --json`` can be piped. With ``--json`` an error is one
object too: ``{"error": {"code": 4, "name": "not_found", "message": "…"}}``.
"""

import contextlib
import datetime as dt
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from wellkept.cli import exit_codes
from wellkept.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from wellkept.operations.models import Run

Json = Annotated[bool, typer.Option("--json", help="Print data for programs instead of text for people.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; for scripts.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Show the progress until the end, or only start the run.")]
Rows = Sequence[Mapping[str, Any]]
CANCEL_SECONDS = 60.0
ENDED_PHASE = ("done", "failed", "cancelled")

json_wanted = False
FAILED = ExitCode.FAILED


def emit(data: Any, *, as_json: bool, table: Sequence[str] | None = None, empty: str = "Nothing yet.") -> None:
    """Print a result. ``data`` is plain data (dates and ids are made text).

    For people a list of mappings becomes a table with the columns ``table`` (default: the keys of the first row) or the sentence ``empty``; a mapping
    becomes one line a key; a text is printed as it is.
    """
    if as_json:
        typer.echo(json.dumps(data, default=_json_value, ensure_ascii=False))
    elif isinstance(data, str):
        typer.echo(plain(data))
    elif isinstance(data, Mapping):
        _print_mapping(data if table is None else {key: data.get(key) for key in table})
    elif data:
        _print_table(list(data), table or list(data[0]))
    else:
        typer.echo(empty)


def note(text: str) -> None:
    """Tell the person something that is not the result (standard error; silent with --json)."""
    if not json_wanted:
        typer.echo(plain(text), err=True)


def fail(code: ExitCode, message: str) -> NoReturn:
    """End the command with an error of the table."""
    say_error(code, message)
    raise typer.Exit(code)


def say_error(code: ExitCode, message: str) -> None:
    """Print an error in the shape that was asked for."""
    if json_wanted:
        typer.echo(json.dumps({"error": {"code": int(code), "name": code.name.lower(), "message": message}}, ensure_ascii=False))
    else:
        typer.echo(f"wellkept: {plain(message)}", err=True)


def sentence(error: BaseException) -> str:
    """The text of an error for a person."""
    from wellkept.lib.text import say

    first = error.args[0] if error.args else ""
    text = (say(first) if isinstance(first, Mapping) else str(error)).strip() or type(error).__name__
    if type(error).__module__ == "django.db.utils" and "connection" in text:
        return f"the database of this installation does not answer; start it: wellkept up ({text.splitlines()[0]})"
    return text


def plain(text: str) -> str:
    """Text from an ERP must not steer the terminal: control characters but line ends and tabs become a visible replacement."""
    return "".join(char if char in "\n\t" or (char.isprintable()) else "\N{REPLACEMENT CHARACTER}" for char in text)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something changes; without an answer nothing happens. Ends the command when the answer is not yes."""
    if yes:
        return
    if json_wanted or not sys.stdin.isatty():
        fail(ExitCode.USAGE, f"{question} Give --yes to agree.")
    if not typer.confirm(question, err=True):
        fail(ExitCode.USAGE, "nothing was done")


def confirm_name(name: str, given: str | None, consequence: str) -> None:
    """Have the name typed before something is destroyed; ``given`` is the value of --confirm for scripts."""
    if given is None and not json_wanted and sys.stdin.isatty():
        given = typer.prompt(f"{consequence}\nType {name} to do it", err=True)
    if given != name:
        fail(ExitCode.USAGE, f"nothing was done: to agree, give --confirm {name}")


def follow(run: "Run") -> "Run":
    """Show a run until it ends, with a bar for each phase, and return it as it ended.

    When no worker is alive, this process executes the run, and Ctrl-C cancels it; a run that a worker executes goes on.
    """
    from wellkept.operations import runtime

    ours = not runtime.live_workers()
    with runtime.embedded_worker(), _bars() as show:
        try:
            return runtime.wait(run.pk, on_change=show)
        except KeyboardInterrupt:
            if not ours:
                note(f"the run goes on; look at it with: wellkept run follow {run.pk}")
                raise
            runtime.cancel(run, None)
            return runtime.wait(run.pk, on_change=show, timeout=CANCEL_SECONDS)


def finish(run: "Run", *, as_json: bool, data: Mapping[str, Any] | None = None) -> NoReturn:
    """Print how a run ended and leave with the exit code of its outcome."""
    from wellkept.lib.text import say

    result = {
        "run": str(run.pk),
        "operation": run.operation,
        "state": run.state,
        "outcome": say(run.outcome),
        **(data if data is not None else run.result),
    }
    emit(result if as_json else f"{result['outcome'] or run.get_state_display()}  (run {run.pk})", as_json=as_json)
    raise typer.Exit(exit_codes.BY_RUN_STATE.get(run.state, ExitCode.FAILED))


def end(run: "Run", *, wait: bool, as_json: bool) -> None:
    """Show the run to its end and leave with its code, or only say that it was started."""
    if wait:
        finish(follow(run), as_json=as_json)
    emit({"run": str(run.pk), "state": str(run.state)} if as_json else f"started: run {run.pk}", as_json=as_json)


def size(count: int | None) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:.0f} MB" if count is not None else "unknown"


@contextlib.contextmanager
def _bars() -> Iterator[Any]:
    """A function that draws the steps of a run: live bars on a terminal, one line a finished step elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, quiet=json_wanted, markup=False, highlight=False)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        tasks: dict[str, Any] = {}
        printed: set[str] = set()

        def show(state: Mapping[str, Any]) -> None:
            for phase in state["phases"]:
                name, title = phase["name"], plain(phase["title"])
                if name not in tasks:
                    tasks[name] = progress.add_task(title, total=1.0, note="", start=False)
                if phase["state"] != "waiting" and not progress.tasks[tasks[name]].started:
                    progress.start_task(tasks[name])
                progress.update(tasks[name], completed=1.0 if phase["state"] == "done" else phase["fraction"] or 0.0, note=_phase_note(phase))
                if phase["state"] == "done":
                    progress.stop_task(tasks[name])
                if phase["state"] in ENDED_PHASE and name not in printed and not console.is_terminal:
                    printed.add(name)
                    console.print(f"{title}: {phase['state']}, {phase['seconds'] or 0.0:.1f} s")

        yield show


def _phase_note(phase: Mapping[str, Any]) -> str:
    from wellkept.lib.text import say

    return plain(say(phase["note"]))[:60]


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _print_mapping(data: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    grid = Table(show_header=False, box=None, pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for key, value in data.items():
        grid.add_row(_heading(key), _cell(value))
    Console(markup=False, highlight=False).print(grid)


def _print_table(rows: Rows, columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(_heading(column), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)


def _heading(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "\n".join(_cell(item) for item in value) or "—"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_cell(item)}" for key, item in value.items()) or "—"
    return value.strftime("%Y-%m-%d %H:%M:%S %Z") if isinstance(value, dt.datetime) else plain(str(value))
