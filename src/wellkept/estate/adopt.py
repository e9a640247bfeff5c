"""Taking an ERP that somebody else installed into our keeping: look at it without changing anything, show what was seen, then store it.

``plan`` reads, ``apply`` writes our rows and nothing else. What could not be seen is part of the plan, with the action that would allow it.
"""

import os
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters import registry
from wellkept.adapters.base import Blind, Discovery, Site
from wellkept.adapters.base import Component as SeenComponent
from wellkept.estate import access, connect, history
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Component, Environment, Host, Organisation, Role, System
from wellkept.lib.text import Message, message, recognised

HERE = ("", "localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Plan:
    """What adopting would store: how the ERP is reached, and what was seen of it."""

    organisation: Organisation
    name: str
    title: str
    adapter: str
    site: Site
    discovery: Discovery

    def plain(self) -> dict[str, Any]:
        """Plain data without secrets, for people and programs."""
        server = self.site.server
        return {
            "name": self.name,
            "organisation": self.organisation.slug,
            "adapter": self.adapter,
            "version": version_of(self.discovery),
            "database": f"{self.site.database} on {server.host}:{server.port} as {server.user}" if server else self.site.database,
            "url": self.site.url,
            "interpreter": _text(self.site.interpreter),
            "config": _text(self.site.config),
            **_summary(self.discovery),
        }


def site_from_config(adapter: str, config: Path, database: str | None = None) -> Site:
    """The ERP that its own configuration file describes. Raises the errors of adapters.base."""
    found: Site = registry.ability(adapter, "inspect").from_config(config, database)
    return found


def plan(organisation: Organisation, name: str, site: Site, *, who: Who, adapter: str = "tryton", title: str = "") -> Plan:
    """Look at an ERP and say what adopting it would store; reads only.

    Raises Denied, Invalid (a name or an ERP that makes no sense), Taken (this name, or this ERP, is kept already), and Refused, Unreachable or
    Unsupported from the adapter.
    """
    access.require(who, Role.ADMINISTRATOR, organisation)
    check_name(name)
    if not site.database:
        raise Invalid(gettext_noop("the name of the ERP's database is missing"))
    site = connect.checked(site)
    _check_free(organisation, name, site)
    discovery: Discovery = registry.ability(adapter, "inspect").discover(site)
    if version_of(discovery) == "" and not any(component.kind == "module" for component in discovery.components):
        reasons = not_seen(adapter, discovery)
        raise Invalid(gettext_noop("no {adapter} was found there: {reason}"), adapter=adapter, reason=reasons)
    files = discovery.files if discovery.files is not None else site.files
    return Plan(organisation, name, title, adapter, replace(site, files=files), discovery)


@transaction.atomic
def apply(plan: Plan, *, who: Who, extra: Mapping[str, Any] | None = None) -> System:
    """Store what the plan says, with ``extra`` settings of the environment, and put it on record. Raises Denied and Taken."""
    access.require(who, Role.ADMINISTRATOR, plan.organisation)
    try:
        with transaction.atomic():
            system = System.objects.create(organisation=plan.organisation, name=plan.name, title=plan.title, adapter=plan.adapter)
    except IntegrityError as error:
        raise Taken(gettext_noop("the system {system} is kept already"), system=plan.name) from error
    environment = Environment.objects.create(system=system, host=_host(plan), time_zone=plan.organisation.time_zone)
    connect.keep(environment, plan.site)
    if extra:
        environment.settings |= extra
        environment.save(update_fields=["settings"])
    remember(environment, plan.discovery)
    told = message(
        gettext_noop("The system {name} was adopted: {adapter} {version}"), name=plan.name, adapter=plan.adapter, version=environment.version
    )
    data = {"components": len(plan.discovery.components), "not_seen": [blind.what for blind in plan.discovery.blind]}
    history.note(plan.organisation, "estate.adopted", told, who=who, system=system, data=data)
    return system


def discover(environment: Environment) -> Discovery:
    """Look at an adopted environment again and store what is seen now. Raises the errors of adapters.base."""
    site = connect.site(environment)
    seen: Discovery = connect.ability(environment, "inspect").discover(site)
    remember(environment, seen)
    return seen


@transaction.atomic
def remember(environment: Environment, discovery: Discovery) -> None:
    """Store a discovery: the version, the components as they are now, and all of it as plain data."""
    # The lock lets two discoveries of one environment take turns, so that the components are those of one of them.
    Environment.objects.select_for_update().get(pk=environment.pk)
    environment.version = version_of(discovery) or environment.version
    environment.seen = seen(discovery)
    environment.seen_at = timezone.now()
    environment.save(update_fields=["version", "seen", "seen_at"])
    if discovery.components:
        _store_components(environment, discovery.components)


def seen(discovery: Discovery) -> dict[str, Any]:
    """A discovery as plain data; components are rows of their own."""
    plain = {key: value for key, value in asdict(discovery).items() if key != "components"}
    return {**plain, "files": _text(discovery.files), "pending": list(discovery.pending)}


def version_of(discovery: Discovery) -> str:
    """The version to show: that of the program on disk, else the one the database says; empty when neither was seen."""
    return discovery.version_on_disk or discovery.version_in_database or ""


def blind_spots(environment: Environment) -> list[Blind]:
    """What the last discovery could not see, with the action that would allow it."""
    return [Blind(**entry) for entry in environment.seen.get("blind", [])]


def check_name(name: str) -> None:
    """Raise Invalid when a system cannot be named so."""
    try:
        validate_slug(name)
    except ValidationError as error:
        raise Invalid(gettext_noop("“{name}” is not a name for a system: use letters, digits, hyphens and underscores"), name=name) from error
    longest = System._meta.get_field("name").max_length or 0  # noqa: SLF001 - Django's documented way to a field
    if len(name) > longest:
        raise Invalid(gettext_noop("the name of a system has at most {longest} characters"), longest=longest)


def _check_free(organisation: Organisation, name: str, site: Site) -> None:
    """The name and the ERP itself must be new to the organisation."""
    kept = Environment.objects.filter(system__organisation=organisation, system__removed_at=None).select_related("system")
    if System.objects.filter(organisation=organisation, name=name, removed_at=None).exists():
        raise Taken(gettext_noop("the system {name} is kept already"), name=name)
    for environment in kept:
        if _same(environment.settings, site):
            raise Taken(gettext_noop("this ERP is kept already, as {system}"), system=environment.system.name)


def _same(settings: dict[str, Any], site: Site) -> bool:
    """Whether stored settings lead to the same database of the same server; without a server, to the same address."""
    if settings.get("database") != site.database:
        return False
    if site.server is not None and settings.get("host"):
        return (_place(settings["host"]), int(settings.get("port") or 5432)) == (_place(site.server.host), site.server.port)
    return site.url is not None and (settings.get("url") or "").rstrip("/") == site.url.rstrip("/")


def _place(host: str) -> str:
    """One name for this machine, however it is written; a socket folder is this machine too."""
    return "localhost" if host in HERE or host.startswith("/") else host.lower()


def _host(plan: Plan) -> Host:
    """The machine that the ERP runs on: this one, or the one that its address names."""
    named = plan.site.server.host if plan.site.server else urlsplit(plan.site.url or "").hostname or ""
    if _place(named) == "localhost":
        facts: dict[str, Any] = {"system": platform.platform(), "processors": os.cpu_count(), "memory_bytes": _memory_bytes()}
        name = socket.gethostname()
    else:
        name, facts = named, {}
    host, _made = Host.objects.update_or_create(organisation=plan.organisation, name=name, defaults={"facts": facts})
    return host


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _store_components(environment: Environment, components: Sequence[SeenComponent]) -> None:
    rows = {
        (part.kind, part.name): Component(
            environment=environment, kind=part.kind, name=part.name[:200], installed=(part.installed or "")[:60], active=(part.active or "")[:60]
        )
        for part in components
    }
    environment.components.all().delete()
    Component.objects.bulk_create(rows.values())


def not_seen(adapter: str, discovery: Discovery) -> list[Message]:
    """What could not be seen of an ERP and why, as stored sentences; one at least."""
    words = registry.ability(adapter, "inspect").WORDS
    found = [message("{what}: {why}", what=recognised(blind.what, words), why=recognised(blind.why, words)) for blind in discovery.blind]
    return found or [message(gettext_noop("nothing could be seen"))]


def _summary(discovery: Discovery) -> dict[str, Any]:
    modules = [part for part in discovery.components if part.kind == "module" and part.active]
    return {
        "version_in_database": discovery.version_in_database,
        "postgresql": discovery.postgresql,
        "modules_active": len(modules) if modules else None,
        "users_active": discovery.users_active,
        "database_bytes": discovery.database_bytes,
        "files": _text(discovery.files),
        "files_bytes": discovery.files_bytes,
        "files_count": discovery.files_count,
        "processes": [f"{process.role} ({process.pid})" for process in discovery.processes],
        "pending": list(discovery.pending),
        "not_seen": [asdict(blind) for blind in discovery.blind],
    }


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None else None
