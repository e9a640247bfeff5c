"""``wellkept record``. Checking an export needs no home, so what needs Django is imported inside the commands."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wellkept import platform
from wellkept.cli import output
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json
from wellkept.operations.verification import Verification, of_export

if TYPE_CHECKING:
    from wellkept.operations.models import Record

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The tamper-evident history.")
OrganisationOption = Annotated[
    str | None, typer.Option("--organisation", "-o", help="Short name of the organisation; optional when there is only one.")
]
COLUMNS = ("number", "at", "kind", "type", "system", "actor", "summary")


@app.command("list")
def list_(
    system: Annotated[str | None, typer.Option(help="Only entries about this system.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only entries of this kind, like backups.drill.")] = None,
    maintenance_type: Annotated[str | None, typer.Option("--type", help="Only corrective, adaptive, perfective or preventive.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many entries, the newest first.")] = 30,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Show entries of the record, the newest first."""
    platform.setup_django(quiet=True)
    from wellkept.cli import pick
    from wellkept.estate import access
    from wellkept.operations.models import Record

    wanted = {"kind": kind, "maintenance_type": maintenance_type, "system": pick.system(system) if system else None}
    rows = access.visible_to(pick.WHO, Record).filter(**{name: value for name, value in wanted.items() if value is not None})
    if system is None:
        rows = rows.filter(organisation=pick.organisation(organisation))
    output.emit([_line(row, as_json=as_json) for row in rows.order_by("-number")[:limit]], as_json=as_json, table=COLUMNS, empty="No entry yet.")


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="Number of the entry.")],
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Show one entry with its data and its hashes."""
    platform.setup_django(quiet=True)
    from wellkept.cli import pick
    from wellkept.estate import access
    from wellkept.estate.errors import NotFound
    from wellkept.operations.models import Record

    row = access.visible_to(pick.WHO, Record).filter(organisation=pick.organisation(organisation), number=number).first()
    if row is None:
        raise NotFound(f"there is no entry {number}")
    hashes = {"run": str(row.run_id) if row.run_id else None, "data": row.data, "previous_hash": row.previous_hash, "hash": row.hash}
    output.emit({**_line(row, as_json=as_json), **hashes}, as_json=as_json)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="An export (JSON Lines) to check instead of the database.")] = None,
    public_key: Annotated[list[str] | None, typer.Option(help="A key from wellkept record public-key, or a file with keys; with --file.")] = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Check that no entry was edited, removed, moved or cut off; names the first broken one, and then ends with code 14."""
    found = _verify_file(file, public_key or []) if file is not None else _verify_database(organisation)
    output.emit(found.plain() if as_json else _sentence(found), as_json=as_json)
    if not found.ok:
        raise typer.Exit(ExitCode.NOT_PROVEN)


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", help="jsonl: can be checked anywhere; csv: for a spreadsheet.")] = "jsonl",
    to: Annotated[Path | None, typer.Option("--to", dir_okay=False, help="File to write; default: standard output.")] = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Write the whole record of an organisation."""
    if form not in {"jsonl", "csv"}:
        output.fail(ExitCode.USAGE, f"--format is jsonl or csv, not {form}")
    if as_json and to is None:
        output.fail(ExitCode.USAGE, "--json tells about the file, so it needs --to FILE")
    platform.setup_django(quiet=True)
    from wellkept.cli import pick
    from wellkept.operations import records

    lines = records.export(pick.organisation(organisation), form)
    if to is None:
        sys.stdout.writelines(lines)
        return
    written = _write(to, lines)
    output.emit({"file": str(to), "lines": written} if as_json else f"{written} lines written to {to}", as_json=as_json)


@app.command()
def checkpoint(organisation: OrganisationOption = None, as_json: Json = False) -> None:
    """Sign the end of the record now; workers do it every ten minutes and after each drill."""
    platform.setup_django(quiet=True)
    from wellkept.cli import pick
    from wellkept.operations import checkpoints

    made = checkpoints.checkpoint(pick.organisation(organisation))
    if made is None:
        output.emit({"made": False} if as_json else "There is nothing new to sign.", as_json=as_json)
        return
    data = {"made": True, "number": made.number, "hash": made.hash, "at": made.at, "signature": made.signature}
    output.emit(data if as_json else f"Entry {made.number} is signed.", as_json=as_json)


@app.command("public-key")
def public_key(as_json: Json = False) -> None:
    """Print the keys that checkpoints are checked with, the one in use first; keep a copy outside this machine."""
    platform.setup_django(quiet=True)
    from wellkept.operations import checkpoints

    keys = checkpoints.public_keys()
    output.emit({"public_keys": keys} if as_json else "\n".join(keys), as_json=as_json)


def _verify_database(organisation: str | None) -> Verification:
    platform.setup_django(quiet=True)
    from wellkept.cli import pick
    from wellkept.operations import records

    return records.verify(pick.organisation(organisation))


def _verify_file(file: Path, given: list[str]) -> Verification:
    if not given:
        output.fail(ExitCode.USAGE, "give the key that the export is checked with: --public-key")
    keys = [key for text in given for key in (Path(text).read_text().split() if Path(text).is_file() else [text])]
    try:
        with file.open(encoding="utf-8") as lines:
            return of_export(lines, keys)
    except (ValueError, KeyError, TypeError) as error:
        output.fail(ExitCode.INVALID, f"{file} cannot be read as an export: {error}")


def _sentence(found: Verification) -> str:
    if found.ok:
        return f"The record holds: {found.entries} entries, {found.checkpoints} signed checkpoints agree."
    return f"The record is broken: {found.plain()['reason']} {found.entries} entries before hold."


def _write(to: Path, lines: Iterable[str]) -> int:
    written = 0
    with to.open("w", encoding="utf-8", newline="") as out:
        for line in lines:
            out.write(line)
            written += 1
    return written


def _line(row: "Record", *, as_json: bool) -> dict[str, Any]:
    from wellkept.lib.text import say
    from wellkept.operations.schedule_words import worded

    return {
        "number": row.number,
        "at": row.at,
        "kind": row.kind,
        "type": row.maintenance_type or None,
        "system": row.system_name or None,
        "actor": row.actor,
        "summary": say(row.summary if as_json else worded(row.summary)),
    }
