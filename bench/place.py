"""An installation made for the measurements and removed afterwards, with a large company and real worker and web processes."""

import contextlib
import os
import resource
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wellkept import home as homes
from wellkept import platform
from wellkept.lib.hashing import sha256
from wellkept.tools import command, postgres

if TYPE_CHECKING:
    from wellkept.estate.models import Environment, Organisation

PREFIX = "wkb-"
SEED = 1


@contextlib.contextmanager
def installation() -> Iterator[homes.Home]:
    """A fresh home with its database, set up for this process; everything is stopped and deleted at the end."""
    folder = postgres.throwaway_folder(PREFIX)
    os.environ["WELLKEPT_HOME"] = str(folder / "home")
    os.environ.setdefault("WELLKEPT_LOG_LEVEL", "WARNING")
    home = homes.current()
    try:
        platform.initialise(home)
        yield home
    finally:
        from wellkept.estate import systems

        systems.stop_all(home)
        platform.stop_database(home)
        shutil.rmtree(folder)


@contextlib.contextmanager
def process(home: homes.Home, *args: str) -> Iterator[int]:
    """A real process of Wellkept (``worker``, ``web``) while the block runs; yields its process group."""
    group = command.spawn([sys.executable, "-m", "wellkept", *args], log=home.logs / "bench.log", env={"WELLKEPT_HOME": str(home.path)})
    try:
        yield group
    finally:
        command.stop(group, grace=15.0)


@contextlib.contextmanager
def worker(home: homes.Home) -> Iterator[int]:
    """A real worker, registered and ready; yields its process."""
    from wellkept.operations import runtime

    with process(home, "worker") as group:
        deadline = time.monotonic() + 60
        while not runtime.live_workers():
            if time.monotonic() > deadline:
                raise RuntimeError("the worker did not start within 60 s")
            time.sleep(0.1)
        yield group


def company(organisation: "Organisation", size: str) -> "Environment":
    """The adopted ERP of a company of this size, named by it: from the cache, or filled (minutes) and kept there."""
    from wellkept.estate import provision
    from wellkept.estate.models import Environment

    provision.begin(organisation.pk, size, "bench", size, SEED)
    provision.install(organisation.pk, size, print)
    provision.make_cluster(organisation.pk, size)
    here = provision.place_of(organisation.pk, size)
    kept = homes.cache() / "bench" / f"{size}-{_key(size)}"
    if kept.exists():
        _put_back(here, kept)
    provision.make_company(organisation.pk, size, print)
    if not kept.exists():
        _keep(here, kept)
    with postgres.connect(here.cluster().server(), provision.DATABASE, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    adopted = provision.take_over(organisation.pk, size, None)
    return Environment.objects.select_related("system__organisation").get(pk=adopted["environment_id"])


def peak_rss() -> dict[str, int]:
    """The most memory so far, in MB, of this process and of the largest of its finished children."""
    return {
        "own_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "largest_child_rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }


def peak_of(pid: int) -> int:
    """The most memory so far, in MB, of a process that still runs."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) // 1024


def _key(size: str) -> str:
    from wellkept.adapters.tryton import provision as tryton
    from wellkept.estate.provision import SERIES

    scripts = sorted((Path(tryton.__file__).parent / "scripts").glob("*.*"))
    content = b"".join(path.read_bytes() for path in [*scripts, tryton.requirements(SERIES)])
    return sha256(content + repr(sorted(tryton.SIZES[size].items())).encode())[:16]


def _keep(here: Any, kept: Path) -> None:
    from wellkept.estate import provision

    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    fresh.mkdir(parents=True)
    postgres.dump(here.cluster().server(), provision.DATABASE, fresh / "database", compress=3, jobs=2)
    with tarfile.open(fresh / "files.tar", "w") as archive:
        archive.add(here.files, arcname=".")
    fresh.rename(kept)


def _put_back(here: Any, kept: Path) -> None:
    """What make_company does, from the cache: the database is of Tryton's role, its administrator has the password of this home, and it is filled."""
    from wellkept.adapters.tryton import provision as tryton
    from wellkept.estate import provision

    server = here.cluster().server()
    postgres.create_database(server, provision.DATABASE, owner=provision.OWNER)
    postgres.restore(here.server(provision.OWNER), provision.DATABASE, kept / "database", jobs=2)
    site = replace(provision.site(here), server=here.server(provision.OWNER))
    tryton.write_config(site)
    tryton.set_admin_password(site, here.password("admin"))
    shutil.unpack_archive(kept / "files.tar", here.files)
    here.note(filled=True)
