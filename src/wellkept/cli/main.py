"""The command ``wellkept``: which noun is in which file, imported on use, and what happens when a command fails."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from wellkept.cli import exit_codes, output
from wellkept.cli.exit_codes import ExitCode

NOUNS: dict[str, str] = {
    "system": "wellkept.cli.system",
    "backup": "wellkept.cli.backup",
    "drill": "wellkept.cli.drill",
    "repository": "wellkept.cli.repository",
    "upgrade": "wellkept.cli.upgrade",
    "watch": "wellkept.cli.watch",
    "run": "wellkept.cli.run",
    "schedule": "wellkept.cli.schedule",
    "window": "wellkept.cli.window",
    "freeze": "wellkept.cli.freeze",
    "record": "wellkept.cli.record",
    "organisation": "wellkept.cli.organisation",
    "person": "wellkept.cli.person",
    "token": "wellkept.cli.token",
}
"""Each module has ``app = typer.Typer()``; Django is set up before it is imported, so it needs a home."""

WITHOUT_HOME = {"record"}
"""Nouns of which a command works without a home: their module sets Django up itself where it needs it."""

TOP_LEVEL: dict[str, str] = {
    "init": "wellkept.cli.platform:init",
    "up": "wellkept.cli.platform:up",
    "web": "wellkept.cli.platform:web",
    "worker": "wellkept.cli.platform:worker",
    "watcher": "wellkept.cli.platform:watcher",
    "status": "wellkept.cli.platform:status",
    "doctor": "wellkept.cli.platform:doctor",
    "demo": "wellkept.cli.demo:demo",
}
"""Commands that work without a home: they set Django up themselves, with ``platform.setup_django``, once there is one."""

HELP = {
    "init": "Set up the home folder, its database and its keys.",
    "up": "Run everything on this machine: pages, worker and watcher.",
    "web": "Serve the pages and the API.",
    "worker": "Execute runs; start as many as there is work for.",
    "watcher": "Read how the ERPs work; start as many as there is work for.",
    "status": "Say what runs, and what waits.",
    "doctor": "Check what is missing here, with the command that installs it.",
    "demo": "Make a real ERP, keep it, back it up and prove the restore.",
    "system": "The ERPs that are kept: adopt, provision, look at them.",
    "backup": "Sets of database, files and settings: take, check, restore.",
    "drill": "Prove that a backup can be restored.",
    "repository": "The places where backups are kept.",
    "upgrade": "From one release to the next: assess it first.",
    "watch": "How the ERPs work: now, and over time.",
    "run": "What is being done, and what was done.",
    "schedule": "What is done again and again, and when.",
    "window": "When production may be changed.",
    "freeze": "When production stays as it is.",
    "record": "The tamper-evident history.",
    "organisation": "Companies whose systems are kept here.",
    "person": "Who signs in, and their roles.",
    "token": "Keys for programs that use the API.",
}


def load(name: str) -> Any:
    """The command or group of a name; a noun is imported only when Django is ready."""
    if name in NOUNS:
        if name not in WITHOUT_HOME:
            from wellkept import platform

            platform.setup_django(quiet=True)
        return get_group(import_module(NOUNS[name]).app)
    module, _, function = TOP_LEVEL[name].partition(":")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(getattr(import_module(module), function))
    return get_command(single)


class Lazy(TyperCommand):
    """Stands for a command in the help of ``wellkept``, and becomes it when it is used."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return load(str(self.name)).make_context(info_name, args, parent, **extra)


class Root(TyperGroup):
    """The names of NOUNS and TOP_LEVEL."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return [*TOP_LEVEL, *NOUNS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return Lazy(cmd_name, help=HELP[cmd_name]) if cmd_name in HELP else None


app = typer.Typer(
    cls=Root,
    name="wellkept",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Keeps self-hosted ERP systems well, and proves it. Each command has --help; with --json it prints data for programs.",
)


def version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from wellkept import __version__

        typer.echo(f"wellkept {__version__}")
        raise typer.Exit


@app.callback()
def root(
    show: bool = typer.Option(False, "--version", help="Print the version.", callback=version, is_eager=True),
) -> None:
    """Keep ERP systems well."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code; an error that a person can act on is one sentence, not a traceback."""
    given = list(sys.argv[1:] if args is None else args)
    output.json_wanted = "--json" in given
    try:
        code = get_command(app)(given, prog_name="wellkept", standalone_mode=True)
    except KeyboardInterrupt:
        output.say_error(ExitCode.INTERRUPTED, "interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        known = exit_codes.of(error)
        if known is None:
            raise
        output.say_error(known, output.sentence(error))
        sys.exit(known)
    sys.exit(code)
