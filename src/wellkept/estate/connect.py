"""The only bridge from an environment to its adapter: rows and secrets become an ``adapters.base.Site``, and back."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import transaction

from wellkept.adapters import registry
from wellkept.adapters.base import Invalid, Login, Refused, Site, Unreachable
from wellkept.estate import secrets
from wellkept.estate.models import Environment
from wellkept.lib import addresses
from wellkept.tools.postgres import Server

PATHS = ("interpreter", "config", "files", "state")


def site(environment: Environment) -> Site:
    """The environment as its adapter needs it, secrets opened; addresses are checked again, because names can come to mean something else.

    Raises Refused for an address that may not be reached, Unreachable when a name does not resolve, and crypt.WrongKey.
    """
    settings = environment.settings
    check_addresses(settings.get("url"), settings.get("host"), settings.get("port"))
    server = None
    if settings.get("host"):
        password = secrets.of_environment(environment, "database")
        server = Server(settings["host"], int(settings.get("port") or 5432), settings.get("user") or "postgres", password)
    login = None
    if settings.get("login"):
        login = Login(settings["login"], secrets.of_environment(environment, "login") or "")
    paths = {name: Path(settings[name]) if settings.get(name) else None for name in PATHS}
    return Site(
        database=str(settings.get("database") or ""),
        server=server,
        url=settings.get("url") or None,
        login=login,
        os_user=settings.get("os_user") or None,
        **paths,
    )


def ability(environment: Environment, name: str) -> Any:
    """The module that gives the environment's ERP an ability ("figures"). Raises Unsupported when its adapter has none."""
    return registry.ability(environment.system.adapter, name)


def has(environment: Environment, name: str) -> bool:
    """Whether the environment's ERP has an ability; pages and commands offer only what is there."""
    return registry.has(environment.system.adapter, name)


@transaction.atomic
def keep(environment: Environment, kept: Site) -> None:
    """Store how an environment is reached: plain settings in its row, the passwords as secrets."""
    plain = {name: str(value) if value is not None else None for name, value in asdict(kept).items() if name not in {"server", "login"}}
    if kept.server is not None:
        plain |= {"host": kept.server.host, "port": str(kept.server.port), "user": kept.server.user}
    if kept.login is not None:
        plain["login"] = kept.login.user
    environment.settings = {name: value for name, value in plain.items() if value}
    if "port" in environment.settings:
        environment.settings["port"] = int(environment.settings["port"])
    environment.save(update_fields=["settings"])
    passwords = {"database": kept.server.password if kept.server else None, "login": kept.login.password if kept.login else None}
    for what, password in passwords.items():
        if password:
            secrets.store(environment.system.organisation, secrets.environment_name(environment, what), password)


def check_addresses(url: str | None, host: str | None, port: int | str | None = None) -> None:
    """Refuse addresses of an ERP that we must not reach (lib.addresses). Raises Refused, Unreachable or Invalid.

    ``WELLKEPT_ERP_NETWORKS`` limits the allowed ones to a list of networks; a Unix socket is no network.
    """
    try:
        allowed = addresses.networks_of(os.environ.get("WELLKEPT_ERP_NETWORKS", ""))
        if url and not url.startswith("unix:"):
            addresses.check_url(url, allowed)
        if host and not host.startswith("/"):
            addresses.check_host(host, int(port or 5432), allowed)
    except addresses.Forbidden as error:
        raise Refused(str(error)) from error
    except addresses.Unknown as error:
        raise Unreachable(str(error)) from error
    except ValueError as error:
        raise Invalid(f"a network or a port makes no sense: {error}") from error
