"""``wellkept system control``."""

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer
from django.conf import settings

from wellkept.adapters.base import Commands
from wellkept.cli import output, pick
from wellkept.cli.output import Json
from wellkept.cli.pick import SystemArgument
from wellkept.estate import connect, service
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment
from wellkept.lib.text import say


def control(
    name: SystemArgument,
    stop: Annotated[str | None, typer.Option(help="The command that stops it.")] = None,
    start: Annotated[str | None, typer.Option(help="The command that starts it.")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="Instead of both: a unit of systemd; may be given several times.")] = None,
    interpreter: Annotated[Path | None, typer.Option(help="Its Python by the path that its service uses: through a link to the release.")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Declare it no more.")] = False,
    as_json: Json = False,
) -> None:
    """Declare how an ERP that you installed is stopped and started, so that an upgrade can close it; without options, show it."""
    environment = pick.environment(name)
    if forget:
        service.forget(environment, who=pick.WHO)
    elif unit or stop or start:
        service.declare(environment, _commands(stop, start, unit or []), settings.HOME, who=pick.WHO, interpreter=interpreter)
    _show(environment, as_json=as_json)


def _commands(stop: str | None, start: str | None, units: list[str]) -> Commands:
    if units and not stop and not start:
        systemctl = shutil.which("systemctl")
        if systemctl is None:
            raise Invalid("there is no systemctl on this machine; use --stop and --start")
        return Commands([systemctl, "stop", *units], [systemctl, "start", *units])
    if units or not stop or not start:
        raise Invalid("give --stop and --start, or --unit")
    return Commands(shlex.split(stop), shlex.split(start))


def _show(environment: Environment, *, as_json: bool) -> None:
    known = connect.site(environment).commands
    why = service.lacking(environment)
    facts = {
        "system": environment.system.name,
        "stop": shlex.join(known.stop) if known else None,
        "start": shlex.join(known.start) if known else None,
        "closable": why is None,
        "why_not": say(why) if why else None,
    }
    output.emit(facts, as_json=as_json)
