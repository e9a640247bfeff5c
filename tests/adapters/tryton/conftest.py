"""The bench on which the Tryton adapter proves itself: the shared company, and copies of it that live for one check."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from wellkept.adapters.base import Site
from wellkept.adapters.conformance import Bench
from wellkept.tools import postgres


@pytest.fixture(scope="session")
def bench(small_company: Site, company_template: str, erp_place: tuple[postgres.Server, Path]) -> Bench:
    """``small_company`` stands still, so it has no address; ``copy`` is what a restore leaves: a database and files, nothing of our own."""
    owner, _ = erp_place
    site = replace(small_company, url=None)

    @contextlib.contextmanager
    def copy() -> Iterator[Site]:
        name = f"copy_{secrets.token_hex(4)}"
        root = postgres.throwaway_folder("wkc-")
        try:
            postgres.create_database(owner, name, template=company_template)
            shutil.copytree(site.files, root / "files")
            for path in [root / "files", *(root / "files").rglob("*")]:
                shutil.chown(path, site.os_user)
            state = postgres.owned_folder(root / "s", site.os_user or "")
            yield replace(site, database=name, files=root / "files", state=state, login=None)
        finally:
            postgres.drop_database(owner, name)
            shutil.rmtree(root)

    return Bench("tryton", site, copy)
