"""Provisioning: a real Tryton of our own, with a company that has worked for a year, in one folder of the home.

Each step may be started again after a kill. What is chosen once (ports, the day that counts as today) and what is complete is noted in
``provision.json``; the passwords are secrets. The mark names the run: another run leaves the folder alone, and a run that did not end in an adopted
system takes all of it away again.
"""

import datetime as dt
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept import home as homes
from wellkept.adapters.base import Login, Site
from wellkept.adapters.tryton import provision as tryton
from wellkept.estate import access, adopt, people, secrets, systems
from wellkept.estate.access import Console, Who
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Kind, Organisation, Person, Role, Secret, System
from wellkept.home import Home
from wellkept.lib import links
from wellkept.lib.text import message, reason
from wellkept.tools import command, postgres

SIZES = tuple(tryton.SIZES)
SERIES = "7.0"
DATABASE = "erp"
CURRENT = "current"
OWNER, READER = "tryton", "wellkept_reader"
PASSWORDS = (OWNER, READER, "admin")
Line = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where everything of one provisioned system is."""

    home: Home
    organisation: Organisation
    name: str

    @property
    def folder(self) -> Path:
        return systems.folder(self.home, self.organisation, self.name)

    @property
    def mark(self) -> Path:
        return self.folder / "provision.json"

    @property
    def code(self) -> Path:
        """One folder for each installed version, and the link to the one in use."""
        return self.folder / "code"

    @property
    def interpreter(self) -> Path:
        # What was provisioned before there was a link has its only version here.
        inside = self.code / CURRENT if (self.code / CURRENT).is_symlink() else self.folder / "venv"
        return inside / "bin" / "python"

    @property
    def config(self) -> Path:
        return self.folder / "trytond.conf"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def known(self) -> dict[str, Any]:
        """What was chosen and done so far; empty before the first step."""
        return dict(json.loads(self.mark.read_text())) if self.mark.exists() else {}

    def note(self, **more: Any) -> dict[str, Any]:
        """Add to what is known; the file is replaced in one step and on disk before this returns."""
        known = {**self.known(), **more}
        fresh = self.mark.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(known, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.mark)
        return known

    def cluster(self) -> postgres.Cluster:
        return systems.cluster(self.home, self.organisation, self.name, int(self.known()["cluster_port"]))

    def password(self, whose: str) -> str:
        """The password of a role or a user, made at the first call."""
        name = f"provision/{self.name}/{whose}"
        secret = Secret.objects.filter(organisation=self.organisation, name=name).first()
        return secrets.open(secret) if secret else secrets.open(secrets.store(self.organisation, name, people.new_password()))

    def server(self, role: str) -> postgres.Server:
        return postgres.Server("127.0.0.1", int(self.known()["cluster_port"]), role, self.password(role))


def place_of(organisation_id: int, name: str) -> Place:
    """The place of a system that is provisioned in this home."""
    return Place(settings.HOME, Organisation.objects.get(pk=organisation_id), name)


def check_wish(organisation: Organisation, name: str, size: str) -> None:
    """Refuse a name that is in use or makes no sense, and an unknown size. Raises Invalid and Taken."""
    adopt.check_name(name)
    if size not in SIZES:
        raise Invalid(gettext_noop("“{size}” is not a size; the sizes are {known}"), size=size, known=", ".join(SIZES))
    if System.objects.filter(organisation=organisation, name=name, removed_at=None).exists():
        raise Taken(gettext_noop("the system {name} is kept already"), name=name)


def begin(organisation_id: int, name: str, run_id: str, size: str, seed: int) -> dict[str, Any]:
    """Take the folder for this run and choose ports and the day. Raises Invalid and Taken; a repeated call finds its own mark."""
    place = place_of(organisation_id, name)
    known = place.known()
    if known.get("run") == run_id:
        return known
    check_wish(place.organisation, name, size)
    if place.folder.exists():
        raise Taken(gettext_noop("{folder} is there already: another run made it or is making it"), folder=str(place.folder))
    postgres.owned_folder(place.folder, postgres.service_user(), 0o755)
    return place.note(
        run=run_id, size=size, seed=seed, day=timezone.now().date().isoformat(), cluster_port=postgres.free_port(), web_port=postgres.free_port()
    )


def install(organisation_id: int, name: str, on_line: Line) -> dict[str, Any]:
    """Install Tryton's interpreter and packages; returns its version."""
    place = place_of(organisation_id, name)
    folder = place.code / tryton.version(SERIES)
    version = tryton.install(folder, SERIES, cache=homes.cache(), on_line=on_line)
    links.point(place.code / CURRENT, folder)
    place.note(version=version)
    return {"version": version}


def make_cluster(organisation_id: int, name: str) -> dict[str, Any]:
    """Make and start the cluster with its two roles: Tryton's, and one that may read everything and change nothing."""
    place = place_of(organisation_id, name)
    cluster = place.cluster()
    postgres.create_cluster(cluster, settings=systems.CLUSTER_SETTINGS)
    postgres.start(cluster)
    owner = cluster.server()
    postgres.create_role(owner, OWNER, place.password(OWNER), attributes="LOGIN CREATEDB")
    postgres.create_role(owner, READER, place.password(READER))
    with postgres.administration(owner) as connection:
        connection.execute(f"GRANT pg_read_all_data, pg_read_all_stats TO {READER}")
        # So that an upgrade, which works as the owner, may end the sessions of who only reads.
        connection.execute(f"GRANT {READER} TO {OWNER}")
        connection.execute(f"ALTER ROLE {READER} SET default_transaction_read_only = on")
    return {"port": cluster.port}


def make_database(organisation_id: int, name: str, on_line: Line) -> dict[str, Any]:
    """Create the database with all of its modules, still without a company. An interrupted one is dropped and made again."""
    place = place_of(organisation_id, name)
    if place.known().get("tables"):
        return {"database": DATABASE}
    postgres.start(place.cluster())
    postgres.drop_database(place.cluster().server(), DATABASE)
    shutil.rmtree(place.files, ignore_errors=True)
    postgres.create_database(place.cluster().server(), DATABASE, owner=OWNER)
    tryton.create_database(_own_site(place), SERIES, admin_password=place.password("admin"), cache=homes.cache(), on_line=on_line)
    _settle(place)
    place.note(tables=True)
    return {"database": DATABASE}


def make_company(organisation_id: int, name: str, on_line: Line) -> dict[str, Any]:
    """Fill the company, making the database first when it is not there; one that was interrupted starts from an empty database again."""
    place = place_of(organisation_id, name)
    known = place.known()
    if known.get("filled"):
        return {"database": DATABASE}
    if known.get("filling"):
        place.note(tables=False, filling=False)
    postgres.start(place.cluster())
    make_database(organisation_id, name, on_line)
    place.note(filling=True)
    day = dt.date.fromisoformat(known["day"])
    tryton.fill(_own_site(place), known["size"], seed=int(known["seed"]), base_date=day, passwords={}, on_line=on_line)
    _settle(place)
    place.note(filled=True)
    return {"database": DATABASE}


def _settle(place: Place) -> None:
    """Have everything on disk before it counts: the commits of Tryton's own making and filling did not wait for it."""
    with postgres.administration(place.cluster().server()) as connection:
        connection.execute("CHECKPOINT")


def _own_site(place: Place) -> Site:
    """The site through the role that owns the database."""
    return replace(site(place), server=place.server(OWNER))


def site(place: Place) -> Site:
    """The provisioned system as its adapter needs it, read through the role that may only read."""
    return Site(
        database=DATABASE,
        server=place.server(READER),
        url=f"http://127.0.0.1:{place.known()['web_port']}",
        login=Login("admin", place.password("admin")),
        interpreter=place.interpreter,
        config=place.config,
        files=place.files,
        state=place.state,
        os_user=postgres.service_user(),
    )


def start(organisation_id: int, name: str) -> dict[str, Any]:
    """Start Tryton's processes; those that run already are left alone."""
    from wellkept.adapters import registry

    place = place_of(organisation_id, name)
    postgres.start(place.cluster())
    postgres.owned_folder(place.state, postgres.service_user(), 0o755)
    control, ready = registry.ability("tryton", "control"), site(place)
    if not control.alive(ready):
        control.start(ready)
    return {"url": ready.url}


def take_over(organisation_id: int, name: str, person_id: int | None) -> dict[str, Any]:
    """Adopt the system that is now there, once."""
    place = place_of(organisation_id, name)
    system = _provisioned(place)
    if system is None:
        # Without a person it was the console that asked.
        who: Who = Person.objects.get(pk=person_id) if person_id is not None else Console()
        title = f"Tryton ({place.known()['size']})"
        plan = adopt.plan(place.organisation, name, site(place), who=who, title=title)
        with transaction.atomic():
            system = adopt.apply(plan, who=who, extra={"provisioned": True, "cluster_port": place.known()["cluster_port"]})
    return {"system_id": system.pk, "environment_id": system.environments.get(kind=Kind.PRODUCTION).pk, "version": place.known().get("version", "")}


def take_away(organisation_id: int, name: str, run_id: str) -> None:
    """Remove what a run made that did not end in an adopted system; of another run's or an adopted system's nothing is touched."""
    place = place_of(organisation_id, name)
    if place.known().get("run") != run_id or _provisioned(place) is not None:
        return
    _remove(place)


def destruction(system: System, home: Home) -> dict[str, Any]:
    """What destroying a provisioned system deletes: the paths, and their size in bytes. Raises Invalid for one that we did not provision."""
    place = Place(home, system.organisation, system.name)
    production = system.environments.filter(kind=Kind.PRODUCTION).first()
    if production is None or not production.settings.get("provisioned") or not place.mark.exists():
        raise Invalid(gettext_noop("{system} was not provisioned here; to give it up: wellkept system remove {system}"), system=system.name)
    size = sum(entry.lstat().st_size for entry in place.folder.rglob("*") if entry.is_file() and not entry.is_symlink())
    return {"system": system.name, "paths": [str(place.folder)], "bytes": size}


def destroy(system: System, home: Home, *, who: Who) -> dict[str, Any]:
    """Stop and delete what provisioning made, and give the system up; its backups, runs and records stay.

    Raises Denied, and Invalid while a run is open or for a system that we did not provision.
    """
    access.require(who, Role.ADMINISTRATOR, system)
    plan = destruction(system, home)
    place = Place(home, system.organisation, system.name)
    systems.give_up(system, who=who, told=message(gettext_noop("The system {name} was destroyed"), name=system.name))
    _remove(place)
    return plan


def _remove(place: Place) -> None:
    if place.mark.exists() and "cluster_port" in place.known():
        from wellkept.adapters import registry

        try:
            registry.ability("tryton", "control").stop(site(place))
            postgres.stop(place.cluster(), "immediate")
        except (command.CommandError, postgres.PostgresError, psycopg.Error) as error:
            raise Invalid(
                gettext_noop("{system} could not be stopped, so nothing was deleted: {reason}"), system=place.name, reason=reason(error)
            ) from error
    # The mark goes last: a removal that is interrupted is found and finished.
    for entry in sorted(place.folder.iterdir()) if place.folder.exists() else []:
        if entry != place.mark:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    shutil.rmtree(place.folder, ignore_errors=True)
    Secret.objects.filter(organisation=place.organisation, name__in=[f"provision/{place.name}/{whose}" for whose in PASSWORDS]).delete()


def _provisioned(place: Place) -> System | None:
    rows = System.objects.filter(organisation=place.organisation, name=place.name, removed_at=None, environments__settings__provisioned=True)
    return rows.first()
