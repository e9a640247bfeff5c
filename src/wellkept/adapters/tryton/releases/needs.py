"""What a series needs, which modules the list that comes with us lacks, and how it is installed beside the one that runs."""

import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import psycopg

from wellkept.adapters.base import Conflicting, Invalid, OnLine, Requirement, Site, Unreachable
from wellkept.adapters.tryton.provision.install import STAMP, install_lock, interpreter, modules_in, pins
from wellkept.adapters.tryton.provision.install import requirements as shipped
from wellkept.adapters.tryton.releases import index
from wellkept.lib.hashing import sha256
from wellkept.tools import command, passing, postgres

BASE_MODULES = {"ir", "res"}
NEEDS: dict[str, dict[str, str]] = {
    "7.0": {"Python": "3.8", "PostgreSQL": "10", "psycopg2-binary": "2.7"},
    "8.0": {"Python": "3.10", "PostgreSQL": "10", "psycopg": "3.2"},
}
"""The least versions: of Python and the driver as the packages of trytond declare them; PostgreSQL 10 brought the identity columns of its tables."""
PYTHON = "import platform; print(platform.python_version())"
MISMATCH = re.compile(r"Hash mismatch for `([^`]+)`")
OFFLINE = re.compile(r"error sending request|dns error|Failed to fetch|Connection refused|network|timed out", re.IGNORECASE)


def requirements(site: Site, series: str) -> Sequence[Requirement]:
    """What a series needs besides its modules, compared with what is there: our Python, the site's PostgreSQL, the driver of our lock.

    Raises Unsupported for a series that we cannot install. A server that does not answer gives a requirement that does not hold.
    """
    lock_file = shipped(series)
    pinned = pins(lock_file)
    found = {"Python": _python(), "PostgreSQL": _postgresql(site)}
    needs = NEEDS.get(series, {})
    return [_requirement(name, needed, found[name] if name in found else pinned.get(name)) for name, needed in needs.items()]


def missing(modules: Collection[str], series: str) -> Sequence[str]:
    """The modules, of those that are active, that the list of a series that comes with us does not have."""
    brought = {*BASE_MODULES, *modules_in(shipped(series).read_text())}
    return sorted(set(modules) - brought)


def offered(modules: Collection[str], series: str, *, cache: Path) -> Mapping[str, str | None]:
    """The newest version of each module in the package index for a series; None where there is none. Raises Unreachable."""
    known = index.versions([package_of(module) for module in sorted(modules)], cache=cache)
    return {module: max((one for one in known[package_of(module)] if _of(series, one)), key=_key, default=None) for module in sorted(modules)}


def install(folder: Path, series: str, *, cache: Path, on_line: OnLine | None = None, packages: str = "", wheels: Sequence[Path] = ()) -> Path:
    """Install a series into a folder of its own and return its interpreter; everything is downloaded and checked against its hash here.

    ``packages`` is the list to install (see ``resolve``), empty for the one that comes with us; ``wheels`` are those of it that no index has.
    Nothing that runs is touched. A folder with the same installation is left alone, and one that we did not finish is made again. Raises
    Conflicting for a folder with anything else in it, Invalid for a package whose hash is wrong, Unreachable; then nothing is left behind.
    """
    wanted = packages or shipped(series).read_text()
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == sha256(wanted.encode()):
        return folder / "bin" / "python"
    if folder.exists() and not unfinished.exists():
        raise Conflicting(f"{folder} holds something else; a new release is installed beside, never over it")
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    unfinished.touch()
    try:
        with passing.folder("wellkept-packages") as aside:
            lock = aside / "packages.txt"
            lock.write_text(wanted)
            install_lock(folder, lock, cache=cache, on_line=on_line, wheels=wheels)
    except command.CommandFailed as error:
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.unlink()
        raise failure(error, f"Tryton {series} could not be installed") from error
    unfinished.unlink()
    return folder / "bin" / "python"


def failure(error: command.CommandFailed, what: str) -> Invalid | Unreachable:
    """What the index's client said, as what the caller has to decide."""
    wrong = MISMATCH.search(error.stderr)
    if wrong is not None:
        return Invalid(f"{what}: {wrong.group(1)} is not the package that was pinned (its hash differs); nothing was installed")
    lines = [line.strip(" ├╰─▶") for line in error.stderr.splitlines() if line.strip()]
    said = " ".join(lines)[-400:] or str(error)
    return (Unreachable if OFFLINE.search(error.stderr) else Invalid)(f"{what}: {said}")


def _python() -> str | None:
    try:
        return command.run([interpreter(), "-c", PYTHON], user=postgres.service_user(), timeout=30).stdout.strip()
    except command.CommandError:
        return None


def _postgresql(site: Site) -> str | None:
    if site.server is None:
        return None
    try:
        with postgres.connect(site.server, site.database, readonly=True) as connection:
            return (connection.info.parameter_status("server_version") or "").split(" ")[0] or None
    except psycopg.OperationalError:
        return None


def _requirement(name: str, needed: str, found: str | None) -> Requirement:
    return Requirement(name, f">={needed}", found, found is not None and _key(found) >= _key(needed))


def package_of(module: str) -> str:
    """The package of a module of Tryton in the index."""
    return f"trytond-{module.replace('_', '-')}"


def _of(series: str, version: str) -> bool:
    return version.startswith(f"{series}.")


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
