"""The only bridge from an environment to its adapter: rows and secrets become an ``adapters.base.Site``, and back."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.db import transaction

from wellkept.adapters import registry
from wellkept.adapters.base import Commands, Invalid, Login, Refused, Site, Unreachable
from wellkept.estate import secrets
from wellkept.estate.models import Environment
from wellkept.lib import addresses
from wellkept.lib.text import gettext_noop, reason
from wellkept.tools.postgres import Server

PATHS = ("interpreter", "config", "files", "state")


def site(environment: Environment) -> Site:
    """The environment as its adapter needs it, secrets opened; its addresses are checked again, because names can come to mean something else.

    Raises Refused for an address that may not be reached, Unreachable when a name does not resolve, and crypt.WrongKey.
    """
    settings = environment.settings
    server = None
    if settings.get("host"):
        password = secrets.of_environment(environment, "database")
        server = Server(settings["host"], int(settings.get("port") or 5432), settings.get("user") or "postgres", password)
    login = None
    if settings.get("login"):
        login = Login(settings["login"], secrets.of_environment(environment, "login") or "")
    paths: dict[str, Any] = {name: Path(settings[name]) if settings.get(name) else None for name in PATHS}
    found = Site(
        database=str(settings.get("database") or ""),
        server=server,
        url=settings.get("url") or None,
        login=login,
        os_user=settings.get("os_user") or None,
        commands=Commands(settings["stop_command"], settings["start_command"]) if settings.get("stop_command") else None,
        **paths,
    )
    return checked(found)


def ability(environment: Environment, name: str) -> Any:
    """The module that gives the environment's ERP an ability ("figures"). Raises Unsupported when its adapter has none."""
    return registry.ability(environment.system.adapter, name)


def has(environment: Environment, name: str) -> bool:
    """Whether the environment's ERP has an ability; pages and commands offer only what is there."""
    return registry.has(environment.system.adapter, name)


@transaction.atomic
def keep(environment: Environment, kept: Site) -> None:
    """Store how an environment is reached: plain settings in its row, the passwords as secrets."""
    apart = {"server", "login", "addresses", "commands"}
    plain = {name: str(value) if value is not None else None for name, value in asdict(kept).items() if name not in apart}
    if kept.server is not None:
        plain |= {"host": kept.server.host, "port": str(kept.server.port), "user": kept.server.user}
    if kept.login is not None:
        plain["login"] = kept.login.user
    environment.settings = {name: value for name, value in plain.items() if value}
    if kept.commands is not None:
        environment.settings |= {"stop_command": list(kept.commands.stop), "start_command": list(kept.commands.start)}
    if "port" in environment.settings:
        environment.settings["port"] = int(environment.settings["port"])
    environment.save(update_fields=["settings"])
    passwords = {"database": kept.server.password if kept.server else None, "login": kept.login.password if kept.login else None}
    for what, password in passwords.items():
        if password:
            secrets.store(environment.system.organisation, secrets.environment_name(environment, what), password)


def checked(found: Site) -> Site:
    """The site with the addresses that its hosts have now; connections go to these and to no others, so that a name cannot lead elsewhere later.

    Refuses addresses of an ERP that we must not reach (lib.addresses): raises Refused, Unreachable or Invalid. ``WELLKEPT_ERP_NETWORKS`` limits
    the allowed ones to a list of networks; a Unix socket is no network.
    """
    try:
        allowed = addresses.networks_of(os.environ.get("WELLKEPT_ERP_NETWORKS", ""))
        if found.url and not found.url.startswith("unix:"):
            found = replace(found, addresses=[str(address) for address in addresses.check_url(found.url, allowed)])
        if found.server is not None and not found.server.host.startswith("/"):
            known = addresses.check_host(found.server.host, found.server.port, allowed)
            found = replace(found, server=replace(found.server, addresses=[str(address) for address in known]))
    except addresses.Forbidden as error:
        raise Refused(reason(error)) from error
    except addresses.Unknown as error:
        raise Unreachable(reason(error)) from error
    except ValueError as error:
        raise Invalid(gettext_noop("a network or a port makes no sense: {reason}"), reason=str(error)) from error
    return found
