"""Exactly which packages a series is made of: resolved by the package index's ordinary client, pinned, each with the hashes of its files.

The list that comes with us stays as it is for what it has; ``newest`` moves Tryton and its modules to their newest versions of the series, and
leaves the other packages alone. A module that the index does not have comes as a wheel of somebody's own: by its version and its hash, so that
nothing of the same name can take its place.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from wellkept.adapters.base import Invalid
from wellkept.adapters.tryton.provision.install import interpreter, modules_in, pins_in, uv_environment, uv_program
from wellkept.adapters.tryton.provision.install import requirements as shipped
from wellkept.adapters.tryton.releases.needs import failure, missing, offered, package_of
from wellkept.adapters.tryton.releases.wheels import read_module
from wellkept.lib.text import gettext_noop
from wellkept.tools import command, passing

LOCK_SECONDS = 300.0
SHAPE = ("--generate-hashes", "--no-header", "--no-annotate", "--python-version", "3.11", "--quiet")
OWN = re.compile(r"^([A-Za-z0-9._-]+) @ file://\S+", re.MULTILINE)


def resolve(series: str, modules: Collection[str], *, own: Sequence[Path] = (), newest: bool = False, cache: Path) -> str:
    """The list, as the text of a requirement file, that holds all of these modules.

    Raises Invalid that names every module that is neither in the package index for this series nor in one of the wheels ``own``, and for packages
    that do not fit together; Unreachable when the index does not answer. It is asked only for what the list that comes with us lacks.
    """
    ours = shipped(series)
    given = [read_module(wheel) for wheel in own]
    extra = sorted(set(missing(modules, series)) - {name for one in given for name in one.modules})
    if not extra and not given and not newest:
        return ours.read_text()
    unknown = [module for module, version in offered(extra, series, cache=cache).items() if version is None]
    if unknown:
        text = gettext_noop("there is no version {series} of {names}: bring it yourself, replace it, or take it out before the upgrade")
        raise Invalid(text, series=series, names=", ".join(unknown))
    wanted = [*(f"{package_of(module)}=={series}.*" for module in extra), *(f"{one.package} @ {one.file.as_uri()}" for one in given)]
    with passing.folder("wellkept-packages") as folder:
        target = folder / "packages.txt"
        asked = folder / "wanted.in"
        asked.write_text("".join(f"{line}\n" for line in wanted))
        args: list[str | Path] = [uv_program(), "pip", "compile", *SHAPE, "--output-file", target]
        if newest:
            target.write_text(ours.read_text())
            args += [part for name in pins_in(ours.read_text()) if _is_tryton(name) for part in ("--upgrade-package", name)]
        try:
            command.run([*args, ours.with_suffix(".in") if newest else ours, asked], env=uv_environment(cache), timeout=LOCK_SECONDS)
        except command.CommandFailed as error:
            raise failure(error, f"the packages of series {series} do not fit together") from error
        versions = {_normal(one.package): one.version for one in given}
        return OWN.sub(lambda found: f"{found.group(1)}=={versions[_normal(found.group(1))]}", target.read_text())


def pinned(packages: str) -> Mapping[str, str]:
    """The version of each module in a list; of Tryton itself under the name of its own package."""
    known = pins_in(packages)
    return {name: known[package_of(name)] for name in modules_in(packages)} | {"trytond": known["trytond"]}


def build_module(source: Path, into: Path, *, cache: Path) -> Path:
    """Build a wheel from the folder of a module's source, with the programs that it asks for from the package index.

    What builds it is part of the source, and runs as whoever calls this. Raises Invalid when it cannot be built, Unreachable.
    """
    args: list[str | Path] = [uv_program(), "build", "--wheel", "--quiet", "--python", interpreter(), "--out-dir", into, source]
    try:
        command.run(args, env=uv_environment(cache), timeout=LOCK_SECONDS)
    except command.CommandFailed as error:
        raise failure(error, f"{source.name} could not be built") from error
    return next(into.glob("*.whl"))


def _is_tryton(package: str) -> bool:
    return package in {"trytond", "proteus"} or package.startswith("trytond-")


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
