"""A Tryton that its owner starts, by a service of theirs: it is stopped and started by the two commands that were declared for that.

A command is believed only by what is seen afterwards: no process is left, or it answers and runs with the Python that is meant.
"""

import time
from collections.abc import Sequence

from wellkept.adapters.base import AdapterError, Conflicting, Invalid, Refused, Site, Unreachable
from wellkept.adapters.tryton import processes, rpc
from wellkept.adapters.tryton.processes import Found
from wellkept.lib import links
from wellkept.lib.text import gettext_noop
from wellkept.tools import command

ROLES = ("web", "cron", "worker")
COMMAND_SECONDS = 120.0
GONE_SECONDS = 30.0
READY_SECONDS = 120.0


def running(site: Site) -> Sequence[Found]:
    """Its processes, by the configuration that they were started with: those that keep people at work, not somebody's console."""
    if site.config is None:
        return []
    found = processes.of_config(site.config)
    return [one for one in found if one.role in ROLES and (not one.databases() or site.database in one.databases())]


def stop(site: Site) -> None:
    """Have it stopped, and wait until none of its processes is left; stopped already is fine. Raises Conflicting naming those that go on."""
    if not running(site):
        return
    said = _run(site, start=False)
    deadline = time.monotonic() + GONE_SECONDS
    while left := running(site):
        if time.monotonic() > deadline:
            text = gettext_noop("{database} still runs after “{command}”: {who}. {words}")
            who = "; ".join(f"{one.role} (pid {one.pid})" for one in left)
            raise Conflicting(text, database=site.database, command=" ".join(_commands(site)[0]), who=who, words=said)
        command.check_stopped("Tryton")
        time.sleep(0.1)


def start(site: Site) -> None:
    """Have it started, and wait until it answers. Raises Unreachable when it does not, Conflicting when another Python than the site's runs it."""
    said = _run(site, start=True)
    deadline = time.monotonic() + READY_SECONDS
    while not alive(site):
        if time.monotonic() > deadline:
            text = gettext_noop("{url} does not answer after “{command}”. {words}")
            raise Unreachable(text, url=site.url or "", command=" ".join(_commands(site)[1]), words=said)
        command.check_stopped("Tryton")
        time.sleep(0.1)
    wanted = links.direct(site.interpreter) if site.interpreter is not None else None
    for one in running(site):
        used = one.interpreter()
        if wanted is not None and used is not None and links.direct(used) != wanted:
            text = gettext_noop("“{command}” started {used} and not {wanted}: its service has to go through the link to the current release")
            raise Conflicting(text, command=" ".join(_commands(site)[1]), used=str(used), wanted=str(wanted))


def alive(site: Site, *, timeout: float = 5.0) -> bool:
    """Whether it runs and answers; what tells people about a maintenance is not it."""
    if not running(site):
        return False
    try:
        rpc.version(site, timeout=timeout)
    except AdapterError:
        return False
    return True


def _run(site: Site, *, start: bool) -> str:
    """The last line that the command said when it failed; whether that matters, the caller sees by itself."""
    args = _commands(site)[1 if start else 0]
    try:
        command.run(list(args), timeout=COMMAND_SECONDS)
    except command.CommandFailed as error:
        return (error.stderr.strip().splitlines() or [str(error)])[-1]
    except command.CommandError as error:
        raise Refused(gettext_noop("“{command}” could not be run: {words}"), command=" ".join(args), words=str(error)) from error
    return ""


def _commands(site: Site) -> tuple[Sequence[str], Sequence[str]]:
    if site.commands is None:
        raise Invalid(gettext_noop("nobody has said how {database} is stopped and started"), database=site.database)
    return site.commands.stop, site.commands.start
