"""Start, stop and watch a Tryton.

What we started we stop; a Tryton that somebody else started is seen and listed, but stopped only by the command that its owner declared.
"""

from collections.abc import Sequence
from dataclasses import replace

from wellkept.adapters.base import AdapterError, Process, Site
from wellkept.adapters.tryton import maintenance, rpc, server
from wellkept.adapters.tryton import processes as found_processes
from wellkept.adapters.tryton.errors import errors
from wellkept.adapters.tryton.maintenance import maintain, notice, reopen
from wellkept.lib import links

__all__ = ["alive", "errors", "maintain", "notice", "processes", "reopen", "start", "stop"]
ALIVE_SECONDS = 10.0


def start(site: Site, *, roles: Sequence[str] = server.ROLES, prefix: Sequence[str] = ()) -> None:
    """Start the roles (web, cron, worker) and wait until the site answers. Raises Conflicting when one runs already, Unreachable when it fails.

    Where a link says which release is current, they keep the one that it leads to now. With the web server a maintenance ends.
    """
    if "web" in roles:
        maintenance.reopen(site)
    if site.interpreter is not None:
        site = replace(site, interpreter=links.direct(site.interpreter))
    server.start(site, roles=roles, prefix=prefix)


def stop(site: Site) -> None:
    """Stop every process that we started for the site, what answers during a maintenance too; when none runs, that is fine."""
    server.stop(site)
    maintenance.silence(site)


def processes(site: Site) -> Sequence[Process]:
    """The site's processes, whoever started them, each child of a web server too; without secrets in their command lines."""
    ours = {running.pid: running.role for running in server.processes(site)} if site.state is not None else {}
    seen = {found.pid: found for found in found_processes.of_config(site.config)} if site.config is not None else {}
    listed = [Process(pid, ours.get(pid, found.role), found.command) for pid, found in seen.items() if _of(site, found.databases())]
    return [*listed, *(Process(pid, role, "") for pid, role in ours.items() if pid not in seen)]


def _of(site: Site, named: Sequence[str]) -> bool:
    """Whether a process that names these databases is the site's: one configuration may serve several, and one that names none serves all."""
    return not named or not site.database or site.database in named


def alive(site: Site) -> bool:
    """Whether what we started all runs and answers; for a site that somebody else started, whether it answers."""
    if site.state is not None and server.processes(site):
        return server.alive(site, timeout=ALIVE_SECONDS)
    try:
        rpc.version(site, timeout=ALIVE_SECONDS)
    except AdapterError:
        return False
    return True
