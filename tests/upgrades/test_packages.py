"""A company with a module that no package index has goes to a release only with the file that somebody gave for it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backups.test_drill import failed
from tests.services import tryton
from tests.services.index import wheel
from tests.services.sets import kept_environment, new_run
from tests.services.tryton import NEXT, SERIES
from wellkept import home
from wellkept.adapters.base import Site
from wellkept.adapters.tryton.provision.install import uv_environment, uv_program
from wellkept.estate.access import Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.lib.text import say
from wellkept.operations import scratch
from wellkept.operations.models import Record
from wellkept.tools import command, postgres
from wellkept.upgrades import gates, packages, patch, rehearse
from wellkept.upgrades.consent import agree
from wellkept.upgrades.models import GivenModule, Rehearsal

PACKAGE, MODULE = "acme-our-own", "our_own"
INIT = "from trytond.pool import Pool\n\nfrom . import party\n\n\ndef register():\n    Pool.register(party.Party, module='our_own', type_='model')\n"
PARTY = (
    "from trytond.model import fields\nfrom trytond.pool import PoolMeta\n\n\n"
    "class Party(metaclass=PoolMeta):\n    __name__ = 'party.party'\n    our_mark = fields.Char('Our mark')\n"
)
BUILD = f"""
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{PACKAGE}"
version = "8.0.2"
[project.entry-points."trytond.modules"]
our_own = "trytond.modules.our_own"
[tool.setuptools]
packages = ["trytond.modules.our_own"]
package-dir = {{ "trytond.modules.our_own" = "." }}
package-data = {{ "*" = ["tryton.cfg"] }}
"""


def sources(series: str) -> dict[str, str]:
    """The files of a real module that adds a field to parties."""
    return {"__init__.py": INIT, "party.py": PARTY, "tryton.cfg": f"[tryton]\nversion={series}.1\ndepends:\n    ir\n    party\n"}


def module(folder: Path, series: str) -> Path:
    """Its wheel for a series."""
    content = {f"trytond/modules/{MODULE}/{name}": text for name, text in sources(series).items()}
    return wheel(folder / series, PACKAGE, f"{series}.1", content, [MODULE])


@pytest.fixture
def custom(own_company: Site, organisation: Organisation, tmp_path: Path) -> Iterator[Environment]:
    """A company in which the module is really active."""
    place = postgres.throwaway_folder("wkm-")
    venv = place / "venv"
    command.run(["cp", "--archive", "--link", tryton.interpreter().parents[1], venv])
    python = venv / "bin" / "python"
    install = [uv_program(), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, module(tmp_path, SERIES)]
    command.run(install, env=uv_environment(home.cache()))
    program = tryton.interpreter().with_name("trytond-admin")
    command.run([python, program, "-c", own_company.config, "-d", own_company.database, "-u", MODULE], user=own_company.os_user, timeout=300)
    yield kept_environment(replace(own_company, interpreter=python), organisation)
    command.run(["rm", "-r", place])


def test_a_module_of_ones_own_is_given_bound_and_installed(custom: Environment, tmp_path: Path, administrator: Person, operator: Person) -> None:
    system = custom.system
    assert MODULE in gates.active_modules(custom)
    run_id = new_run(system.organisation, "upgrades.rehearse")
    refused = failed(lambda: rehearse.begin(run_id, custom.pk, NEXT))
    assert f"there is no version {NEXT} of {MODULE}" in refused
    assert f"wellkept upgrade modules add {system.name} FILE --to {NEXT}" in refused
    assert not Rehearsal.objects.exists()

    given = module(tmp_path, NEXT)
    with pytest.raises(Denied):
        packages.give(system, NEXT, given, who=operator)
    with pytest.raises(Invalid, match=r"nothing was given, .*: something_else-1-py3-none-any.whl is not a wheel"):
        packages.give(system, NEXT, wheel(tmp_path, "something-else", "1"), who=administrator)
    assert not GivenModule.objects.exists()
    first = packages.give(system, NEXT, given, who=administrator)
    assert (first.version, first.modules) == ("8.0.1", [MODULE])
    rehearsal = Rehearsal.objects.get(pk=rehearse.begin(run_id, custom.pk, NEXT)["rehearsal_id"])
    assert f"{PACKAGE}==8.0.1 \\\n    --hash=sha256:{first.sha256}" in rehearsal.packages
    given.unlink()
    assert rehearse.install(run_id, rehearsal.pk)["modules"][MODULE] == "8.0.1"
    sealed = agree.digest(rehearsal)
    assert [gate.name for gate in gates.same(custom, rehearsal) if not gate.holds] == []

    source = tmp_path / "source"
    source.mkdir()
    for name, text in {**sources(NEXT), "pyproject.toml": BUILD}.items():
        (source / name).write_text(text)
    second = packages.give(system, NEXT, source, who=administrator)
    assert (second.version, second.modules) == ("8.0.2", [MODULE])
    assert [gate.name for gate in gates.same(custom, rehearsal) if not gate.holds] == ["given"]
    listed = packages.resolve(custom, NEXT, rehearsal.modules, [], newest=False)
    rehearsal.packages = listed
    assert f"{PACKAGE}==8.0.2" in listed
    assert agree.digest(rehearsal) != sealed
    packages.file_of(second).write_bytes(b"another")
    assert "is gone or was changed" in failed(lambda: packages.install(rehearsal, tmp_path / "release"))
    assert not (tmp_path / "release").exists()
    newer = wheel(tmp_path, PACKAGE, f"{SERIES}.2", {f"trytond/modules/{MODULE}/{name}": text for name, text in sources(SERIES).items()}, [MODULE])
    assert "has nothing newer" in say(patch.lacking(custom, SERIES, packages.resolve(custom, SERIES, rehearsal.modules[:1], [], newest=False)))
    packages.give(system, SERIES, newer, who=administrator)
    assert patch.lacking(custom, SERIES, packages.resolve(custom, SERIES, rehearsal.modules[:1], [], newest=False)) is None
    packages.take_away(second, who=administrator)
    assert failed(lambda: packages.resolve(custom, NEXT, rehearsal.modules, [], newest=False)).startswith(f"there is no version {NEXT} of {MODULE}")
    assert Record.objects.filter(kind="upgrades.module").count() == 4
    scratch.remove(run_id)
