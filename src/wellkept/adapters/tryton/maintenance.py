"""Maintenance mode: what answers in Tryton's place (``closed.py``) is started, told when it will be over, found again, and ended.

Everything of it is in ``site.state``/maintenance. Who answers is found by where its output goes, so it needs no number that could be somebody else's
later; it outlives us, and ends by itself when its notice is gone.
"""

import datetime as dt
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from wellkept.adapters.base import AdapterError, Conflicting, Invalid, Notice, Site, Unreachable
from wellkept.adapters.tryton import closed, rpc, server
from wellkept.lib import links
from wellkept.lib.text import gettext_noop
from wellkept.tools import command, postgres

SCRIPT = Path(closed.__file__)
BEGIN_SECONDS = 20.0
LISTEN_SECONDS = 10.0


def maintain(site: Site, notice: Notice) -> None:
    """Stop the processes that we started and answer in their place; repeated, it changes what is told.

    What answers waits before Tryton is stopped, and takes the address in the moment in which it is free. Raises Conflicting when a program that we
    did not start has the address, and Invalid when the address is not one of ours (https, for instance); then nothing is stopped.
    """
    folder = _folder(site)
    server.bound(site)
    if notice.until is not None and notice.until.tzinfo is None:
        raise Invalid(gettext_noop("the end of a maintenance needs a time zone"))
    if not _groups(folder):
        _check_ours(site)
    user = site.os_user or postgres.service_user()
    postgres.owned_folder(folder, user, 0o755)
    _write(folder, site, notice)
    if not _groups(folder):
        _begin(site, folder, user)
    server.stop(site)
    _until(lambda: _state(folder) == "serving", site, folder, LISTEN_SECONDS)


def reopen(site: Site) -> None:
    """End the maintenance; where there is none, that is fine."""
    if site.state is None:
        return
    (_folder(site) / "notice.json").unlink(missing_ok=True)
    silence(site)
    shutil.rmtree(_folder(site), ignore_errors=True)


def silence(site: Site) -> None:
    """End what answers in Tryton's place. The maintenance goes on: ``maintain`` with the present notice lets it be told again."""
    for group in _groups(_folder(site)) if site.state is not None else ():
        command.stop(group)


def notice(site: Site) -> Notice | None:
    """What people are told at the moment; None when the site is not in maintenance mode. After a restart of the machine nobody may be telling it."""
    if site.state is None:
        return None
    try:
        told = json.loads((_folder(site) / "notice.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Notice(told["reason"], dt.datetime.fromisoformat(told["until"]) if told["until"] else None, told["contact"])


def _check_ours(site: Site) -> None:
    if any(running.role == "web" for running in server.processes(site)):
        return
    try:
        rpc.version(site, timeout=5.0)
    except Unreachable:
        return
    except AdapterError:
        pass
    text = gettext_noop("another program answers on {url}; stop it the way it was started, then try again")
    raise Conflicting(text, url=site.url or "")


def _begin(site: Site, folder: Path, user: str) -> None:
    if site.interpreter is None:
        raise Invalid(gettext_noop("the site of database {database} does not say its interpreter and its configuration"), database=site.database)
    (folder / "state").unlink(missing_ok=True)
    # Our own code may lie where this user cannot go.
    script = folder / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    script.chmod(0o644)
    (folder / "state").touch()
    shutil.chown(folder / "state", user) if os.geteuid() == 0 else None
    command.spawn([links.direct(site.interpreter), "-I", "-B", script, folder], log=folder / "log", user=user, cwd=Path("/"))
    _until(lambda: _state(folder) in {"waiting", "serving"}, site, folder, BEGIN_SECONDS)


def _until(holds: Callable[[], bool], site: Site, folder: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if not _groups(folder) or time.monotonic() > deadline:
            log = folder / "log"
            said = (log.read_text(errors="replace").strip().splitlines() or [""])[-1] if log.exists() else ""
            reopen(site)
            raise Unreachable(gettext_noop("the page for the maintenance could not be shown on {url}: “{words}”"), url=site.url or "", words=said)
        command.check_stopped("maintenance")
        time.sleep(0.03)


def _write(folder: Path, site: Site, told: Notice) -> None:
    until = told.until.isoformat() if told.until is not None else None
    fresh = folder / "notice.json.new"
    fresh.write_text(
        json.dumps({"address": site.url, "reason": dict(told.reason), "until": until, "contact": told.contact}, ensure_ascii=False), encoding="utf-8"
    )
    fresh.chmod(0o644)
    fresh.replace(folder / "notice.json")


def _state(folder: Path) -> str:
    try:
        return (folder / "state").read_text()
    except FileNotFoundError:
        return ""


def _groups(folder: Path) -> set[int]:
    return {group for group in command.groups_writing_into(folder) if command.group_alive(group)}


def _folder(site: Site) -> Path:
    if site.state is None:
        raise Invalid(gettext_noop("the site of database {database} has no folder for its processes"), database=site.database)
    return site.state / "maintenance"
