"""The bench on which the Tryton adapter proves itself: the shared company, and copies of it that live for one check."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services import tryton
from wellkept.adapters.base import Site
from wellkept.adapters.conformance import Bench
from wellkept.tools import postgres


@pytest.fixture(scope="session")
def bench(small_company: Site, company_template: str, erp_place: tuple[postgres.Server, Path]) -> Bench:
    """``small_company`` stands still, so it has no address; ``copy`` is what a restore leaves: a database and files, nothing of our own."""
    return _bench(small_company, company_template, erp_place[0])


@pytest.fixture(scope="session")
def upgraded_template(erp_place: tuple[postgres.Server, Path], company_template: str) -> str:
    """The name of a database with the small company after its migration to the next series, that nobody connects to."""
    owner, folder = erp_place
    postgres.create_database(owner, "upgraded_company")
    postgres.restore(owner, "upgraded_company", tryton.kept_upgrade(owner, folder, company_template) / "dump")
    return "upgraded_company"


@pytest.fixture(scope="session")
def upgraded(erp_place: tuple[postgres.Server, Path], upgraded_template: str) -> Iterator[Site]:
    """The small company on the next series, shared by the run: tests leave its content as it is and its processes stopped."""
    owner, folder = erp_place
    site = tryton.restored(owner, folder, "upgraded", template=upgraded_template)
    yield replace(site, interpreter=tryton.interpreter(tryton.NEXT))
    tryton.removed(site)


@pytest.fixture
def own_upgraded(erp_place: tuple[postgres.Server, Path], upgraded_template: str) -> Iterator[Site]:
    """A copy of the upgraded company for one test, to do with as it likes."""
    owner, folder = erp_place
    site = tryton.restored(owner, folder, f"own_{secrets.token_hex(4)}", template=upgraded_template)
    yield replace(site, interpreter=tryton.interpreter(tryton.NEXT))
    tryton.removed(site)


@pytest.fixture(scope="session")
def upgraded_bench(upgraded: Site, upgraded_template: str, erp_place: tuple[postgres.Server, Path]) -> Bench:
    """The same bench on the next series."""
    return _bench(upgraded, upgraded_template, erp_place[0])


def _bench(company: Site, template: str, owner: postgres.Server) -> Bench:
    site = replace(company, url=None)

    @contextlib.contextmanager
    def copy() -> Iterator[Site]:
        name = f"copy_{secrets.token_hex(4)}"
        root = postgres.throwaway_folder("wkc-")
        try:
            postgres.create_database(owner, name, template=template)
            shutil.copytree(site.files, root / "files")
            for path in [root / "files", *(root / "files").rglob("*")]:
                shutil.chown(path, site.os_user)
            state = postgres.owned_folder(root / "s", site.os_user or "")
            yield replace(site, database=name, files=root / "files", state=state, login=None)
        finally:
            postgres.drop_database(owner, name)
            shutil.rmtree(root)

    return Bench("tryton", site, copy)
