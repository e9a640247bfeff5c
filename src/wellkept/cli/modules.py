"""``wellkept upgrade modules``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.cli.pick import SystemArgument
from wellkept.estate import access
from wellkept.estate.errors import Invalid, NotFound
from wellkept.upgrades import packages
from wellkept.upgrades.models import GivenModule

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Modules of your own for a release: those that no package index has.")
To = Annotated[str, typer.Option(help="The series they are for, like 8.0.")]
COLUMNS = ("package", "version", "modules", "sha256", "author", "made_at")


@app.command("list")
def list_(system: SystemArgument, to: To, as_json: Json = False) -> None:
    """Show what is given for a release."""
    rows = packages.given(pick.system(system), to) & access.visible_to(pick.WHO, GivenModule)
    empty = f"Nothing is given for {to}: wellkept upgrade modules add SYSTEM FILE --to {to}"
    output.emit([_plain(one) for one in rows], as_json=as_json, table=None if as_json else COLUMNS, empty=empty)


@app.command()
def add(
    system: SystemArgument,
    file: Annotated[Path, typer.Argument(help="A wheel; or the folder of its source, which is built here.")],
    to: To,
    as_json: Json = False,
) -> None:
    """Give a module for a release. Rehearsals install it, and production gets exactly the file that was rehearsed."""
    if not file.exists():
        raise Invalid(f"{file} is not there")
    made = packages.give(pick.system(system), to, file, who=pick.WHO)
    told = f"{made.package} {made.version} ({', '.join(made.modules)}) is given for {to}. Rehearse the upgrade with it."
    output.emit(_plain(made) if as_json else told, as_json=as_json)


@app.command()
def remove(
    system: SystemArgument,
    package: Annotated[str, typer.Argument(help="The package in wellkept upgrade modules list.")],
    to: To,
    as_json: Json = False,
) -> None:
    """Give it no more."""
    found = packages.given(pick.system(system), to).filter(package=package).first()
    if found is None:
        raise NotFound(f"no {package} is given for {to}; see: wellkept upgrade modules list {system} --to {to}")
    packages.take_away(found, who=pick.WHO)
    output.emit({"package": package, "removed": True} if as_json else f"{package} is given no more for {to}.", as_json=as_json)


def _plain(one: GivenModule) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("package", "version", "modules", "file", "sha256", "target", "author", "made_at")}
