"""How an ERP that somebody else installed is stopped and started, as whoever has a shell on this machine declared it."""

from collections.abc import Sequence
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext_noop

from wellkept.adapters.base import Commands
from wellkept.estate import connect, history, systems
from wellkept.estate.access import Console, Denied, Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment
from wellkept.home import Home
from wellkept.lib import links
from wellkept.lib.text import Message, message

NAMES = ("stop_command", "start_command")
DECLARE = gettext_noop("Nobody has said how {system} is stopped and started: wellkept system control {system} --stop COMMAND --start COMMAND")
LINK = gettext_noop(
    "{system} is started with {interpreter} itself, so another release cannot take its place: let its service start it through a link, "
    "like {link}, and name that with wellkept system control {system} --interpreter"
)


@transaction.atomic
def declare(environment: Environment, commands: Commands, home: Home, *, who: Who, interpreter: Path | None = None) -> None:
    """Keep the two commands, and the path by which its service reaches Python. Nothing is run.

    Raises Denied to everybody but this machine's console: who names programs that run here must be able to run them. Raises Invalid for a
    system that we start ourselves, an empty command, or a program that is given without its whole path.
    """
    if not isinstance(who, Console):
        raise Denied(gettext_noop("which programs stop and start an ERP is said on its machine: wellkept system control"))
    system = environment.system
    if environment.settings.get("provisioned"):
        raise Invalid(gettext_noop("{system} was provisioned here, and is stopped and started by Wellkept"), system=system.name)
    for args in (commands.stop, commands.start):
        if not args or not Path(args[0]).is_absolute():
            raise Invalid(gettext_noop("a command begins with the whole path of its program, like /usr/bin/systemctl"))
    kept = {"stop_command": list(commands.stop), "start_command": list(commands.start)}
    if interpreter is not None:
        kept["interpreter"] = str(interpreter)  # type: ignore[assignment]
    row = Environment.objects.select_for_update().get(pk=environment.pk)
    row.settings = {**row.settings, "state": str(systems.folder(home, system.organisation, system.name) / "state"), **kept}
    row.save(update_fields=["settings"])
    environment.settings = row.settings
    _note(environment, gettext_noop("It was declared how {system} is stopped ({stop}) and started ({start})"), commands, who)


@transaction.atomic
def forget(environment: Environment, *, who: Who) -> None:
    """Declare it no more. Raises Denied as ``declare``, Invalid where nothing is declared."""
    if not isinstance(who, Console):
        raise Denied(gettext_noop("which programs stop and start an ERP is said on its machine: wellkept system control"))
    known = connect.site(environment).commands
    if known is None:
        raise Invalid(DECLARE, system=environment.system.name)
    row = Environment.objects.select_for_update().get(pk=environment.pk)
    row.settings = {name: value for name, value in row.settings.items() if name not in {*NAMES, "state"}}
    row.save(update_fields=["settings"])
    environment.settings = row.settings
    _note(environment, gettext_noop("It is declared no more how {system} is stopped ({stop}) and started ({start})"), known, who)


def lacking(environment: Environment) -> Message | None:
    """Why we cannot stop it and start another release in its place; None when we can."""
    site, name = connect.site(environment), environment.system.name
    if site.state is None:
        return message(DECLARE, system=name)
    link = links.of(site.interpreter) if site.interpreter is not None else None
    # On Debian /bin is a link, too, and no release.
    if site.commands is not None and (link is None or not (link / "pyvenv.cfg").exists()):
        used = str(site.interpreter) if site.interpreter is not None else "?"
        return message(LINK, system=name, interpreter=used, link="/opt/tryton/current/bin/python")
    return None


def _note(environment: Environment, told: str, commands: Commands, who: Who) -> None:
    said: dict[str, Sequence[str]] = {"stop": commands.stop, "start": commands.start}
    text = message(told, system=environment.system.name, **{name: " ".join(args) for name, args in said.items()})
    history.note(environment.system.organisation, "estate.control", text, who=who, system=environment.system, data=said)
