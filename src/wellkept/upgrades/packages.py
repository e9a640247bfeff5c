"""Exactly which packages a new release is made of: those of the package index, and the modules that somebody gave for it.

The list is made when a rehearsal begins, before anything is stopped, and kept with it: production gets what was rehearsed, to the hash.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept import home
from wellkept.adapters import registry
from wellkept.adapters.base import AdapterError, Unreachable
from wellkept.adapters.base import Invalid as Unusable
from wellkept.estate import access, connect
from wellkept.estate.access import Denied, Who
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Environment, Organisation, Role, System
from wellkept.lib.hashing import BLOCK, file_sha256
from wellkept.lib.text import message, reason
from wellkept.operations import records
from wellkept.operations.errors import Failed
from wellkept.tools import passing
from wellkept.upgrades import releases, work
from wellkept.upgrades.consent import signing
from wellkept.upgrades.models import Assessment, GivenModule, Rehearsal
from wellkept.upgrades.notes import Effective

MOST_BYTES = 20_000_000
"""Of one file. The largest module of Tryton, account, is 5.4 MB when it is unpacked."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._!+-]{0,199}")
DIGEST = re.compile(r"[0-9a-f]{16}")
LOCK = 5_206_710_017
"""Of PostgreSQL: one at a time keeps a file and the row that says so."""
NOT_GIVEN = gettext_noop("nothing was given, and nothing of the file was kept: {reason}")


def give(system: System, target: str, path: Path, *, who: Who) -> GivenModule:
    """Give a module for a release: a wheel, or the folder of its source, which is built. It takes the place of an older one of the same package.

    Raises Denied, Invalid for anything that is no module of this kind of ERP.
    """
    access.require(who, Role.ADMINISTRATOR, system)
    releases.check(target)
    with _coming() as folder:
        if path.is_dir():
            with _readable():
                wheel = Path(registry.ability(system.adapter, "releases").build_module(path, folder, cache=home.cache()))
        else:
            with path.open("rb") as file:
                wheel = _written(folder, path.name, iter(lambda: file.read(BLOCK), b""))
        return _keep(system, target, wheel, who)


def receive(system: System, target: str, name: str, content: Iterable[bytes], *, who: Who) -> GivenModule:
    """Give a wheel that was sent: its name, and its content in parts. What is interrupted, or is no module, leaves nothing.

    Raises Denied, Invalid.
    """
    access.require(who, Role.ADMINISTRATOR, system)
    if not may_be_sent():
        text = gettext_noop("several organisations share this installation, so a module is given on its machine: {command}")
        raise Denied(text, command=f"wellkept upgrade modules add {system.name} FILE --to {target}")
    releases.check(target)
    with _coming() as folder:
        return _keep(system, target, _written(folder, name, content), who)


def may_be_sent() -> bool:
    """Whether modules are taken by a page and the API.

    A module runs on this machine as the user that runs every ERP of it. So where several organisations share it, it is for whoever runs the
    installation to say that their administrators may (``WELLKEPT_MODULE_UPLOADS``).
    """
    said: bool | None = settings.MODULE_UPLOADS
    return Organisation.objects.count() == 1 if said is None else said


def take_away(one: GivenModule, *, who: Who) -> GivenModule:
    """Have it count no more; the file stays for rehearsals that it was in. Raises Denied, Taken when it counted no more already."""
    access.require(who, Role.ADMINISTRATOR, one.system)
    with transaction.atomic():
        mine = GivenModule.objects.filter(pk=one.pk, removed_at=None)
        if mine.update(removed_by=access.actor(who), removed_at=timezone.now()) != 1:
            raise Taken(gettext_noop("this counts no more already"))
        _record(one, gettext_noop("{package} {version} is no longer given for {system} on {target} (SHA-256 {sha256})"), who)
    one.refresh_from_db()
    return one


def given(system: System, target: str) -> QuerySet[GivenModule]:
    """What is given for a release now."""
    return GivenModule.objects.filter(system=system, target=target, removed_at=None).order_by("package")


def lacking(system: System, target: str) -> list[str]:
    """The active modules that the newest assessment found nowhere for a release, and that are not given now; two queries."""
    report = Assessment.objects.filter(system=system, target=target).order_by("-made_at", "-pk").values_list("report__missing", flat=True).first()
    lost = {one["module"] for one in report or [] if one["asked"] and one["offered"] is None}
    return sorted(lost - {name for one in given(system, target) for name in one.modules})


def resolve(environment: Environment, target: str, modules: Iterable[str], notes: Sequence[Effective], *, newest: bool) -> str:
    """The list for a release with these modules; those that a note takes out before the migration are left out.

    Raises Unreachable, Invalid for a module that nobody has, naming it and what to do, and Failed for a given file that is gone.
    """
    leaving = {name for one in notes if one.note.phase == "before" and one.note.action for name in one.note.replaced_by}
    own = list(given(environment.system, target))
    needed = set(modules) - (leaving - {name for one in own for name in one.modules})
    ability = connect.ability(environment, "releases")
    try:
        return str(ability.resolve(target, sorted(needed), own=[file_of(one) for one in own], newest=newest, cache=home.cache()))
    except Unusable as error:
        text = gettext_noop("{reason}. A module of your own is given by: wellkept upgrade modules add {system} FILE --to {target}")
        raise Failed(message(text, reason=reason(error), system=environment.system.name, target=target)) from error


def changed(rehearsal: Rehearsal) -> list[str]:
    """The packages that are given now and were not rehearsed, or were and are given no more; one query."""
    rows = list(GivenModule.objects.filter(system=rehearsal.system_id, target=rehearsal.target))
    now = {one.sha256 for one in rows if one.removed_at is None}
    rehearsed = {one.sha256 for one in rows if one.sha256 in rehearsal.packages}
    return sorted({one.package for one in rows if one.sha256 in now ^ rehearsed})


def install(rehearsal: Rehearsal, folder: Path) -> Path:
    """Install what was rehearsed into a folder of its own; the interpreter. Everything is downloaded and checked against its hash here."""
    rows = GivenModule.objects.filter(system=rehearsal.system, target=rehearsal.target)
    wheels = [file_of(one) for one in rows if one.sha256 in rehearsal.packages]
    ability = connect.ability(rehearsal.environment, "releases")
    try:
        made: Path = ability.install(folder, rehearsal.target, cache=home.cache(), on_line=work.say, packages=rehearsal.packages, wheels=wheels)
    except AdapterError as error:
        text = gettext_noop("The new release could not be installed, and nothing was stopped. {reason}")
        raise Failed(message(text, reason=reason(error)), retryable=isinstance(error, Unreachable)) from error
    return made


def file_of(one: GivenModule) -> Path:
    """The file that was given. Raises Failed when it is gone, or is another one."""
    kept = _root() / one.sha256[:16] / one.file
    if not kept.exists() or file_sha256(kept) != one.sha256:
        text = gettext_noop("The file {file} that was given for {package} is gone or was changed; give it again")
        raise Failed(message(text, file=str(kept), package=one.package))
    return kept


@contextmanager
def _coming() -> Iterator[Path]:
    """A folder for a file that nobody has looked at yet; it goes with its process."""
    _root().mkdir(parents=True, exist_ok=True, mode=0o755)
    with passing.folder("coming", within=_root()) as folder:
        yield folder


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except Unusable as error:
        raise Invalid(NOT_GIVEN, reason=reason(error)) from error


def _written(folder: Path, name: str, content: Iterable[bytes]) -> Path:
    """The file with this content, under its own name. Raises Invalid for a name that could lead elsewhere, and for too much."""
    if not NAME.fullmatch(name):
        raise Invalid(NOT_GIVEN, reason=message(gettext_noop("{name} is not the name of a package's file"), name=name[:100]))
    path, size = folder / name, 0
    with path.open("wb") as file:
        for part in content:
            size += len(part)
            if size > MOST_BYTES:
                raise Invalid(NOT_GIVEN, reason=message(gettext_noop("it has more than {most} MB"), most=MOST_BYTES // 1_000_000))
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return path


def _keep(system: System, target: str, wheel: Path, who: Who) -> GivenModule:
    """Read the file, and keep it with the row that says so: both, or neither."""
    with _readable():
        found = registry.ability(system.adapter, "releases").read_module(wheel)
    facts = {"package": found.package, "version": found.version, "modules": list(found.modules), "file": wheel.name, "sha256": file_sha256(wheel)}
    with transaction.atomic():
        _one_at_a_time()
        given(system, target).filter(package=found.package).update(removed_by=access.actor(who), removed_at=timezone.now())
        made = GivenModule.objects.create(organisation=system.organisation, system=system, target=target, **facts, **signing.written(who))
        _record(made, gettext_noop("{package} {version} was given for {system} on {target} (SHA-256 {sha256})"), who)
        place = _root() / made.sha256[:16]
        place.mkdir(exist_ok=True, mode=0o755)
        wheel.chmod(0o644)
        wheel.replace(place / wheel.name)
    return made


def _one_at_a_time() -> None:
    """Until the transaction ends. A file without a row was kept by one that was killed before that: it goes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    rows = {digest[:16] for digest in GivenModule.objects.values_list("sha256", flat=True)}
    for place in _root().iterdir():
        if DIGEST.fullmatch(place.name) and place.name not in rows:
            shutil.rmtree(place)


def _root() -> Path:
    folder: Path = settings.HOME.path / "modules"
    return folder


def _record(one: GivenModule, told: str, who: Who) -> None:
    names = {name: getattr(one, name) for name in ("package", "version", "target", "sha256")}
    said = message(told, system=one.system.name, **names)
    records.append(one.organisation, "upgrades.module", said, actor=access.actor(who), system=one.system, data={**names, "modules": one.modules})
