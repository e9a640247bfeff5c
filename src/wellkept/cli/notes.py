"""``wellkept upgrade notes``."""

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.cli.pick import SystemArgument
from wellkept.estate.errors import Invalid, NotFound
from wellkept.estate.models import Kind
from wellkept.upgrades import releases, revise
from wellkept.upgrades.models import NoteVersion
from wellkept.upgrades.revise import Jump, Standing

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The manual steps of an upgrade: those of the release, and a system's own.")
To = Annotated[str, typer.Option(help="The series to go to, like 8.0.")]
From = Annotated[str | None, typer.Option("--from", help="The series to come from; default: the present one.")]
NoteArgument = Annotated[str, typer.Argument(help="Name of the note in wellkept upgrade notes list.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the version and in the record.")]
COLUMNS = ("note", "phase", "title", "state", "version", "author", "approver")


@app.command("list")
def list_(system: SystemArgument, to: To, from_: From = None, as_json: Json = False) -> None:
    """Show the notes of an upgrade in the order in which they run, and where each stands."""
    rows = [_plain(one) for one in revise.standings(_jump(system, from_, to))]
    output.emit(
        rows, as_json=as_json, table=None if as_json else COLUMNS, empty="No note is described for this upgrade; add one: wellkept upgrade notes add"
    )


@app.command()
def show(system: SystemArgument, note: NoteArgument, to: To, from_: From = None, as_json: Json = False) -> None:
    """Show what a note does, and all versions that this system has of it."""
    way = _jump(system, from_, to)
    found = revise.standing(way, note)
    versions = [_version(one) for one in way.versions() if one.name == note]
    output.emit({**_plain(found), **asdict(found.note), "versions": versions}, as_json=as_json)


@app.command()
def add(
    system: SystemArgument,
    note: Annotated[str, typer.Argument(help="Name of a new note, or of the one to correct.")],
    to: To,
    file: Annotated[Path, typer.Option(help="TOML with title, phase (before or after), why, check (SQL), and action, condition, modules, source.")],
    reason: Reason,
    from_: From = None,
    as_json: Json = False,
) -> None:
    """Add a note to a system, or correct one: a new version, which a second person has to approve for production."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid(f"{file} cannot be read as TOML: {error}") from error
    _say(revise.write(_jump(system, from_, to), note, content, reason=reason, who=pick.WHO), as_json=as_json)


@app.command()
def disable(system: SystemArgument, note: NoteArgument, to: To, reason: Reason, from_: From = None, as_json: Json = False) -> None:
    """Leave a note out for a system: a new version, which a second person has to approve for production."""
    _say(revise.leave_out(_jump(system, from_, to), note, reason=reason, who=pick.WHO), as_json=as_json)


@app.command()
def approve(system: SystemArgument, note: NoteArgument, to: To, from_: From = None, as_json: Json = False) -> None:
    """Approve the newest version of a note for production; its author cannot."""
    found = revise.standing(_jump(system, from_, to), note)
    if found.own is None:
        raise NotFound(f"{note} comes with the release and needs no approval")
    _say(revise.approve(found.own, who=pick.WHO), as_json=as_json)


def _jump(name: str, current: str | None, target: str) -> Jump:
    system = pick.system(name)
    if current is None:
        production = system.environments.filter(kind=Kind.PRODUCTION).first()
        current = releases.series_of(production.version) if production else ""
    return revise.jump(system, current, target)


def _say(version: NoteVersion, *, as_json: bool) -> None:
    waits = "" if version.approved_at else "; it waits for the approval of a second person"
    output.emit(_version(version) if as_json else f"{version.name}, version {version.version}{waits}.", as_json=as_json)


def _plain(one: Standing) -> dict[str, Any]:
    return {
        "note": one.note.id,
        "phase": one.note.phase,
        "title": one.note.title,
        "state": one.state,
        "version": one.own.version if one.own else None,
        "author": one.own.author if one.own else None,
        "approver": one.own.approver or None if one.own else None,
    }


def _version(version: NoteVersion) -> dict[str, Any]:
    names = ("name", "version", "disabled", "reason", "author", "made_at", "approver", "approved_at")
    return {name: getattr(version, name) for name in names}
