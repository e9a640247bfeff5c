"""The migration of a rehearsed copy: really done once, then kept in the cache with the copy it was done on, and put in again."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.services import put_in, tryton
from wellkept import home as homes
from wellkept.adapters.base import Site
from wellkept.adapters.tryton import neutralise
from wellkept.backups import copy
from wellkept.tools import postgres

KEPT = "put_in_source"


class KeptMigration:
    """``prepare`` before the copy's database is copied, ``replace_program`` before the migration, ``keep`` after it."""

    def __init__(self, run_id: str) -> None:
        self.site = copy.kept_site(copy.place(run_id))
        self.folder = homes.cache() / "tryton" / f"rehearsal-{tryton.what_migrates()}"
        self.known = self.folder.exists()
        self.fresh = self.folder.with_name(f"{self.folder.name}.{os.getpid()}")

    @property
    def server(self) -> postgres.Server:
        assert self.site.server is not None
        return self.site.server

    def prepare(self) -> None:
        """Keep the copy as it is; or have the copy that the kept migration was done on, with the passwords of this one."""
        if not self.known:
            shutil.rmtree(self.fresh, ignore_errors=True)
            self.fresh.mkdir(parents=True)
            # The check of the copy brought it, and only an administrator could restore it.
            with postgres.connect(replace(self.server, user="postgres"), self.site.database, autocommit=True) as connection:
                connection.execute("DROP EXTENSION IF EXISTS amcheck")
            postgres.dump(self.server, self.site.database, self.fresh / "before", compress=3)
            return
        postgres.drop_database(self.server, self.site.database)
        _restored(self.site, self.site.database, self.folder / "before")
        neutralise.neutralise(self.site)
        _restored(self.site, KEPT, self.folder / "after")

    def replace_program(self, interpreter: Path) -> None:
        """Have the new release's migration put in what is kept, and say what the real one said."""
        if self.known:
            program = interpreter.with_name("trytond-admin")
            program.unlink()
            shutil.copy(put_in.__file__, program)
            lines = (self.folder / "log").read_text().splitlines()
            program.with_name("put_in.json").write_text(json.dumps({"source": KEPT, "lines": lines}))

    def keep(self, migrated: str, log: Sequence[str]) -> None:
        """Keep what the real migration made of the database."""
        if not self.known:
            postgres.dump(self.server, migrated, self.fresh / "after", compress=3)
            (self.fresh / "log").write_text("\n".join(log))
            self.fresh.rename(self.folder)


def _restored(site: Site, name: str, dump: Path) -> None:
    assert site.server is not None
    postgres.create_database(site.server, name)
    postgres.restore(site.server, name, dump)
