"""Exactly which packages a new release is made of: those of the package index, and the modules that somebody gave for it.

The list is made when a rehearsal begins, before anything is stopped, and kept with it: production gets what was rehearsed, to the hash.
"""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept import home
from wellkept.adapters import registry
from wellkept.adapters.base import AdapterError, Unreachable
from wellkept.adapters.base import Invalid as Unusable
from wellkept.estate import access, connect
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Environment, Role, System
from wellkept.lib.hashing import file_sha256
from wellkept.lib.text import message, reason
from wellkept.operations import records
from wellkept.operations.errors import Failed
from wellkept.upgrades import work
from wellkept.upgrades.consent import signing
from wellkept.upgrades.models import GivenModule, Rehearsal
from wellkept.upgrades.notes import Effective


def give(system: System, target: str, path: Path, *, who: Who) -> GivenModule:
    """Give a module for a release: a wheel, or the folder of its source, which is built. It takes the place of an older one of the same package.

    Raises Denied, Invalid for anything that is no module of this kind of ERP.
    """
    access.require(who, Role.ADMINISTRATOR, system)
    ability = registry.ability(system.adapter, "releases")
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = ability.build_module(path, Path(folder), cache=home.cache()) if path.is_dir() else path
            found = ability.read_module(wheel)
        except Unusable as error:
            raise Invalid(gettext_noop("nothing was given: {reason}"), reason=reason(error)) from error
        digest = file_sha256(wheel)
        kept = _place(digest) / wheel.name
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        shutil.copyfile(wheel, kept)
    facts = {"package": found.package, "version": found.version, "modules": list(found.modules), "file": wheel.name, "sha256": digest}
    with transaction.atomic():
        given(system, target).filter(package=found.package).update(removed_by=access.actor(who), removed_at=timezone.now())
        made = GivenModule.objects.create(organisation=system.organisation, system=system, target=target, **facts, **signing.written(who))
        _record(made, gettext_noop("{package} {version} was given for {system} on {target} (SHA-256 {sha256})"), who)
    return made


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
    kept = _place(one.sha256) / one.file
    if not kept.exists() or file_sha256(kept) != one.sha256:
        text = gettext_noop("The file {file} that was given for {package} is gone or was changed; give it again")
        raise Failed(message(text, file=str(kept), package=one.package))
    return kept


def _place(digest: str) -> Path:
    folder: Path = settings.HOME.path / "modules" / digest[:16]
    return folder


def _record(one: GivenModule, told: str, who: Who) -> None:
    names = {name: getattr(one, name) for name in ("package", "version", "target", "sha256")}
    said = message(told, system=one.system.name, **names)
    records.append(one.organisation, "upgrades.module", said, actor=access.actor(who), system=one.system, data={**names, "modules": one.modules})
