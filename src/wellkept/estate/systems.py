"""The systems that are kept: the processes of those that we provisioned ourselves, and giving a system up."""

import logging
from pathlib import Path

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import AdapterError, Site
from wellkept.estate import access, connect, history
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Component, Environment, Kind, Membership, Organisation, Role, Secret, System
from wellkept.home import Home
from wellkept.lib.text import Message, message
from wellkept.tools import command, postgres

logger = logging.getLogger(__name__)
CLUSTER_SETTINGS = {"max_connections": "60", "shared_buffers": "64MB"}


def folder(home: Home, organisation: Organisation, name: str) -> Path:
    """Where a system that we provision lives. The dot cannot be part of a name, so no two systems share a folder."""
    return home.systems / f"{organisation.slug}.{name}"


def cluster(home: Home, organisation: Organisation, name: str, port: int) -> postgres.Cluster:
    """The PostgreSQL cluster of a system that we provision: on 127.0.0.1 with passwords, and on a socket for its owner."""
    place = folder(home, organisation, name)
    return postgres.Cluster(place / "postgres" / "data", place / "pg", port, postgres.service_user(), tcp=True)


def provisioned() -> list[Environment]:
    """The production environments of the systems that we provisioned."""
    rows = Environment.objects.filter(kind=Kind.PRODUCTION, settings__provisioned=True, system__removed_at=None)
    return list(rows.select_related("system__organisation").order_by("pk"))


def running(environment: Environment, home: Home) -> bool:
    """Whether a provisioned system's database and server run."""
    return postgres.running(_cluster(environment, home)) and bool(connect.ability(environment, "control").alive(connect.site(environment)))


def start(environment: Environment, home: Home) -> None:
    """Start a provisioned system: its database, then its server; what runs already is left alone. Remembers that it shall run.

    Raises Invalid for a system that somebody else installed, and the errors of PostgreSQL and of the adapter.
    """
    postgres.start(_cluster(environment, home))
    site = connect.site(environment)
    control = connect.ability(environment, "control")
    if not control.alive(site):
        control.start(site)
    _shall_run(environment, wanted=True)


def stop(environment: Environment, home: Home) -> None:
    """Stop a provisioned system's server and database, and remember that it shall not run. Raises as ``start``."""
    _halt(environment, home)
    _shall_run(environment, wanted=False)


def ensure_running(home: Home) -> list[str]:
    """Start every provisioned system that shall run, except those in maintenance.

    Returns the names of those that could not be started (the reason is in the log).
    """
    failed = []
    for environment in provisioned():
        if environment.settings.get("halted"):
            continue
        try:
            if not _stays_closed(environment, home):
                start(environment, home)
        except (AdapterError, postgres.PostgresError, command.CommandError):
            logger.exception("the system %s could not be started", environment.system.name)
            failed.append(environment.system.name)
    return failed


def stop_all(home: Home) -> None:
    """Stop every provisioned system without forgetting that it shall run, and the database of one that is still being made: for the end of ``up``."""
    for environment in provisioned():
        try:
            _halt(environment, home)
        except (AdapterError, postgres.PostgresError, command.CommandError):
            logger.exception("the system %s could not be stopped", environment.system.name)
    for data in home.systems.glob("*/postgres/data"):
        postgres.stop(postgres.Cluster(data, data, 0, postgres.service_user()))


@transaction.atomic
def forget(system: System, *, who: Who) -> dict[str, int]:
    """Give a system up: its passwords, roles and components are deleted, its runs, backups and records stay. Its name is free again.

    Returns how many rows of each kind were deleted. Nothing happens in the ERP. Raises Denied, and Invalid while a run is open or when we
    provisioned it.
    """
    access.require(who, Role.ADMINISTRATOR, system)
    if any(environment.settings.get("provisioned") for environment in system.environments.all()):
        raise Invalid(gettext_noop("{system} was provisioned here; destroy it instead: wellkept system destroy {system}"), system=system.name)
    return give_up(system, who=who, told=message(gettext_noop("The system {name} was given up"), name=system.name))


@transaction.atomic
def give_up(system: System, *, who: Who, told: Message) -> dict[str, int]:
    """Delete the rows of a system that are not history and put that on record as ``told``. Raises Invalid while a run is open."""
    # The lock lets a second one who gives the same system up see that it is gone.
    current = System.objects.select_for_update().filter(pk=system.pk, removed_at=None).first()
    if current is None:
        raise Invalid(gettext_noop("{system} was given up already"), system=system.name)
    if system.runs.filter(ended_at=None).exists():
        raise Invalid(gettext_noop("{system} has an open run: wait for its end, or cancel it"), system=system.name)
    counts = what_is_forgotten(system)
    Secret.objects.filter(organisation=system.organisation, name__in=_secret_names(system)).delete()
    Membership.objects.filter(system=system).delete()
    Component.objects.filter(environment__system=system).delete()
    system.schedules.all().delete()
    current.removed_at = system.removed_at = timezone.now()
    current.save(update_fields=["removed_at"])
    history.note(system.organisation, "estate.removed", told, who=who, system=system, data=counts)
    return counts


def what_is_forgotten(system: System) -> dict[str, int]:
    """How many rows giving the system up would delete; everything else of it is history and stays."""
    return {
        "logins": Secret.objects.filter(organisation=system.organisation, name__in=_secret_names(system)).count(),
        "roles": Membership.objects.filter(system=system).count(),
        "components": Component.objects.filter(environment__system=system).count(),
        "schedules": system.schedules.count(),
    }


def _secret_names(system: System) -> list[str]:
    return [f"environment/{pk}/{what}" for pk in system.environments.values_list("pk", flat=True) for what in ("database", "login")]


def _cluster(environment: Environment, home: Home) -> postgres.Cluster:
    if not environment.settings.get("provisioned"):
        raise Invalid(gettext_noop("{system} was installed by somebody else: start and stop it the way they do"), system=environment.system.name)
    system = environment.system
    return cluster(home, system.organisation, system.name, int(environment.settings["cluster_port"]))


def _halt(environment: Environment, home: Home) -> None:
    place = _cluster(environment, home)
    site: Site = connect.site(environment)
    connect.ability(environment, "control").stop(site)
    postgres.stop(place)


def _stays_closed(environment: Environment, home: Home) -> bool:
    """Whether it is in maintenance; then its database is started and people are told again, and whoever closed it opens it."""
    site = connect.site(environment)
    control = connect.ability(environment, "control")
    told = control.notice(site)
    if told is not None:
        postgres.start(_cluster(environment, home))
        control.maintain(site, told)
    return told is not None


def _shall_run(environment: Environment, *, wanted: bool) -> None:
    """Remember it in the row as it is now, so that what others changed meanwhile stays."""
    with transaction.atomic():
        row = Environment.objects.select_for_update().get(pk=environment.pk)
        row.settings = {key: value for key, value in row.settings.items() if key != "halted"} | ({} if wanted else {"halted": True})
        row.save(update_fields=["settings"])
    environment.settings = row.settings
