"""A real Tryton company for tests: made once, kept in the cache as a dump and a tar of its files, restored in seconds.

``small_company`` is shared by the whole run: leave its content as it is. ``own_company`` belongs to one test.
"""

import datetime as dt
import functools
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services.platform import locked
from wellkept import home as homes
from wellkept.adapters.base import Login, Site
from wellkept.adapters.tryton import provision, releases, server
from wellkept.adapters.tryton.provision import company, database, workplace
from wellkept.adapters.tryton.releases import jumps, migration, steps
from wellkept.lib.hashing import canonical_json, sha256
from wellkept.tools import command, postgres

SERIES = "7.0"
NEXT = "8.0"
SEED = 1
PASSWORDS = {"buyer": "buyer-pass-1", "accountant": "accountant-pass-1"}
ADMIN = Login("admin", "admin-pass-1")
TEMPLATE = "company"
TINY = {
    "weeks": 8,
    "periods": 2,
    "parties": 30,
    "products": 8,
    "purchases": 4,
    "productions": 3,
    "sales": 6,
    "office_weeks": 1,
    "opportunities": 4,
    "inspections": 2,
    "attachments": 6,
}
"""The amounts of a company that is made in seconds."""


@functools.cache
def base_date() -> dt.date:
    """The company's last working day: the first of this month, so that the cache serves for a month."""
    return dt.datetime.now(dt.UTC).date().replace(day=1)


def interpreter(series: str = SERIES) -> Path:
    """Tryton's Python, in an environment that outlives the run; it lies where the service user can reach it."""
    wanted = sha256(provision.requirements(series).read_bytes())[:12]
    venv = Path(tempfile.gettempdir()) / f"wellkept-tryton-{os.geteuid()}-{wanted}"
    with locked("tryton-venv"):
        provision.install(venv, series, cache=homes.cache())
    return venv / "bin" / "python"


def resting(series: str = SERIES) -> Path:
    """Such a Python whose scheduler and queue's worker only wait.

    Where no job is scheduled and nothing is queued they would load all of Tryton for nothing: 5 of the 7.5 processor seconds of a start.
    """
    whole = interpreter(series).parents[1]
    venv = whole.with_name(f"{whole.name}-resting")
    with locked("tryton-venv"):
        if not venv.exists():
            fresh = venv.with_name(f"{venv.name}.part")
            shutil.rmtree(fresh, ignore_errors=True)
            command.run(["cp", "--archive", "--link", whole, fresh])
            rest(fresh)
            fresh.rename(venv)
    return venv / "bin" / "python"


def rest(venv: Path) -> None:
    """Have scheduler and queue's worker of this Python only wait."""
    for name in ("trytond-cron", "trytond-worker"):
        program = venv / "bin" / name
        program.unlink()
        program.write_text("import signal\n\nsignal.pause()\n")


def site_in(folder: Path, owner: postgres.Server, name: str) -> Site:
    """A site whose files, configuration and processes are below ``folder`` and whose RPC is on a Unix socket there."""
    user = postgres.service_user()
    state = postgres.owned_folder(folder / name / "state", user, 0o755)
    return Site(
        database=name,
        server=owner,
        url=f"unix:{state / 'rpc.sock'}",
        login=ADMIN,
        interpreter=interpreter(),
        config=folder / name / "trytond.conf",
        files=folder / name / "files",
        state=state,
        os_user=user,
    )


def kept_company(owner: postgres.Server, folder: Path, size: str = "small") -> Path:
    """The folder in the cache with ``dump`` and ``files.tar`` of a company; made with the real programs when it is not there."""
    kept = homes.cache() / "tryton" / f"company-{sha256(canonical_json(_inputs(size)))[:16]}"
    with locked(f"tryton-{size}"):
        if not kept.exists():
            _make(owner, folder, size, kept)
    return kept


def _inputs(size: str = "small") -> list[object]:
    return [*what_fills(), size, SEED, base_date().isoformat(), PASSWORDS, ADMIN.password]


def what_fills() -> list[str]:
    """The hashes of everything that a company's content depends on, beside size, seed, day and passwords."""
    sources = [provision.requirements(SERIES), Path(company.__file__), Path(database.__file__), *sorted(company.SCRIPTS.glob("*.*"))]
    return [sha256(path.read_bytes()) for path in sources]


def _make(owner: postgres.Server, folder: Path, size: str, kept: Path) -> None:
    site = site_in(folder, owner, f"making_{secrets.token_hex(3)}")
    provision.create_database(site, SERIES, admin_password=ADMIN.password, cache=homes.cache())
    provision.fill(site, size, seed=SEED, base_date=base_date(), passwords=PASSWORDS)
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    postgres.dump(owner, site.database, fresh / "dump", compress=3)
    command.run(["tar", "--create", "--file", fresh / "files.tar", "--directory", site.files / site.database, "."])
    fresh.rename(kept)
    postgres.drop_database(owner, site.database)
    shutil.rmtree(folder / site.database)


def restored(owner: postgres.Server, folder: Path, name: str, *, kept: Path | None = None, template: str | None = None) -> Site:
    """A company in a database and a folder of its own: from the cache, or (faster) from a database that nobody uses."""
    chosen = kept or kept_company(owner, folder)
    site = site_in(folder, owner, name)
    postgres.create_database(owner, name, template=template)
    if template is None:
        postgres.restore(owner, name, chosen / "dump")
    provision.write_config(site)
    target = postgres.owned_folder(site.files / name, site.os_user or "")
    command.run(["tar", "--extract", "--file", chosen / "files.tar", "--directory", target, "--no-same-owner"])
    for path in target.rglob("*"):
        workplace.give_to(path, site.os_user or "")
    return site


def kept_upgrade(owner: postgres.Server, folder: Path, template: str) -> Path:
    """The folder in the cache with ``dump`` and ``log`` of the small company after its migration to NEXT, made by our own steps."""
    kept = homes.cache() / "tryton" / f"upgrade-{what_migrates()}"
    with locked("tryton-upgrade"):
        if not kept.exists():
            _upgrade(owner, folder, template, kept)
    return kept


def what_migrates() -> str:
    """A name for everything that the result of the company's migration to NEXT depends on."""
    code = [Path(module.__file__) for module in (jumps, migration, steps)]
    data = jumps.FOLDER / f"{SERIES}-{NEXT}.toml"
    files = (provision.requirements(NEXT), data, *code)
    return sha256(canonical_json([*_inputs(), *(sha256(path.read_bytes()) for path in files)]))[:16]


def _upgrade(owner: postgres.Server, folder: Path, template: str, kept: Path) -> None:
    site = replace(restored(owner, folder, f"upgrading_{secrets.token_hex(3)}", template=template), interpreter=interpreter(NEXT))
    _run_notes(site, "before")
    done = releases.migrate(site, timeout=1800)
    assert done.code == 0, "\n".join(done.log[-20:])
    _run_notes(site, "after")
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    postgres.dump(owner, site.database, fresh / "dump", compress=3)
    (fresh / "log").write_text("\n".join(done.log))
    fresh.rename(kept)
    removed(site)


def _run_notes(site: Site, phase: str) -> None:
    with postgres.connect(site.server, site.database, autocommit=True) as connection:
        for note in releases.notes(SERIES, NEXT):
            if note.phase == phase and note.action and releases.applies(connection, note).applies:
                releases.run_note(connection, note, timeout=60)


def removed(site: Site) -> None:
    """Stop the processes of a company and delete its database and folder."""
    server.stop(site)
    postgres.drop_database(site.server, site.database)
    shutil.rmtree(site.config.parent)


@pytest.fixture(scope="session")
def erp_place() -> Iterator[tuple[postgres.Server, Path]]:
    """A cluster for ERPs (its superuser, over a Unix socket) and a folder that the service user can reach."""
    folder = postgres.throwaway_folder("wkt-erp-")
    cluster = postgres.Cluster(folder / "pg", folder / "s", postgres.free_port(), postgres.service_user(), tcp=True)
    postgres.create_cluster(cluster, durable=False, settings={"max_connections": "200"})
    postgres.start(cluster)
    yield cluster.server(), folder
    postgres.destroy(cluster)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def company_template(erp_place: tuple[postgres.Server, Path]) -> str:
    """The name of a database with the small company that nobody connects to, so that it can be copied at any time."""
    owner, folder = erp_place
    restored(owner, folder, TEMPLATE)
    return TEMPLATE


@pytest.fixture(scope="session")
def small_company(erp_place: tuple[postgres.Server, Path], company_template: str) -> Iterator[Site]:
    """The small company, shared by the run: tests leave its content as it is and its processes stopped."""
    owner, folder = erp_place
    site = restored(owner, folder, "live", template=company_template)
    yield site
    removed(site)


@pytest.fixture
def own_company(erp_place: tuple[postgres.Server, Path], company_template: str) -> Iterator[Site]:
    """A copy of the small company for one test, to do with as it likes."""
    owner, folder = erp_place
    site = restored(owner, folder, f"own_{secrets.token_hex(4)}", template=company_template)
    yield site
    removed(site)


@pytest.fixture
def running_company(own_company: Site) -> Iterator[Site]:
    """A company of the test's own whose web server answers; without scheduler and worker, so that nothing changes by itself."""
    server.start(own_company, roles=("web",))
    yield own_company
    server.stop(own_company)
