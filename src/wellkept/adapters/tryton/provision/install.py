"""The programs: a virtual environment for one series of Tryton, from a pinned and hashed requirement file."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wellkept.adapters.base import Unsupported
from wellkept.lib.hashing import sha256
from wellkept.lib.text import gettext_noop
from wellkept.tools import command, postgres

REQUIREMENTS = Path(__file__).parent.parent / "requirements"
STAMP = "wellkept-requirements"
PYTHONS = ("/usr/bin/python3.11", "/usr/local/bin/python3.11")
INSTALL_SECONDS = 900.0
# What an administrator has set for downloads on this machine (mirrors, proxies, certificates) counts for us as well.
DOWNLOAD_SETTINGS = re.compile(r"UV_.*|SSL_CERT_(FILE|DIR)|(HTTP|HTTPS|ALL|NO)_PROXY", re.IGNORECASE)

OnLine = Callable[[str], None]


def requirements(series: str) -> Path:
    """The requirement file of a series. Raises Unsupported when we cannot provision it."""
    file = REQUIREMENTS / f"{series}.txt"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))
        raise Unsupported(gettext_noop("Tryton {series} cannot be installed from here; these series can: {known}"), series=series, known=known)
    return file


def pins(lock: Path) -> dict[str, str]:
    """The packages of a requirement file with their versions."""
    return pins_in(lock.read_text())


def pins_in(text: str) -> dict[str, str]:
    """The same of the text of one."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s\\]+)", text, re.MULTILINE))


def version(series: str) -> str:
    """The version of Tryton that the requirement file of a series brings."""
    return pins(requirements(series))["trytond"]


def modules(series: str) -> list[str]:
    """The names of the modules that the requirement file brings, as Tryton spells them."""
    return modules_in(requirements(series).read_text())


def modules_in(text: str) -> list[str]:
    """The same of the text of any requirement file."""
    return sorted(name.removeprefix("trytond-").replace("-", "_") for name in pins_in(text) if name.startswith("trytond-"))


def install(venv: Path, series: str, *, cache: Path, on_line: OnLine | None = None) -> str:
    """Install a series from the requirement file that comes with us, see ``install_lock``."""
    return install_lock(venv, requirements(series), cache=cache, on_line=on_line)


def install_lock(venv: Path, lock: Path, *, cache: Path, on_line: OnLine | None = None, wheels: Sequence[Path] = ()) -> str:
    """Make (or complete) the virtual environment and return the version of Tryton in it.

    ``wheels`` are packages that the file pins and that no index has.
    Downloads are kept in ``cache``/uv, so a second install takes seconds and needs no network. The service user can read and run the result.
    An environment that is complete is left alone; a half-made one is made again.
    """
    stamp = venv / STAMP
    wanted = sha256(lock.read_bytes())
    version = pins(lock)["trytond"]
    if stamp.exists() and stamp.read_text() == wanted:
        return version
    shutil.rmtree(venv, ignore_errors=True)
    venv.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    env = uv_environment(cache)
    uv = uv_program()
    command.run([uv, "venv", "--quiet", "--python", interpreter(), venv], env=env, timeout=60)
    _install_packages(uv, venv, lock, env, on_line, wheels)
    stamp.write_text(wanted)
    return version


def _install_packages(uv: str, venv: Path, lock: Path, env: Mapping[str, str], on_line: OnLine | None, wheels: Sequence[Path]) -> None:
    """From the cache when all of it is there, otherwise over the network. Byte code is made now: the service user may not write here."""
    args: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        venv / "bin" / "python",
        "--require-hashes",
        "--compile-bytecode",
        *(part for wheel in wheels for part in ("--find-links", wheel.parent)),
        "--requirements",
        lock,
    ]
    if Path(env["UV_CACHE_DIR"]).exists():
        done = command.run([*args, "--offline"], env=env, timeout=INSTALL_SECONDS, accept=(0, 1, 2))
        if done.returncode == 0:
            return
    if on_line is not None:
        on_line("downloading Tryton and its modules")
    command.run(args, env=env, timeout=INSTALL_SECONDS)


def uv_program() -> str:
    """The program uv: of our own environment, or of the system."""
    ours = Path(sys.executable).parent / "uv"
    found = str(ours) if ours.exists() else shutil.which("uv")
    if found is None:
        raise command.CommandMissing("uv")
    return found


def uv_environment(cache: Path) -> dict[str, str]:
    """What uv runs with: the administrator's own settings for downloads, and our cache."""
    settings = {name: value for name, value in os.environ.items() if DOWNLOAD_SETTINGS.fullmatch(name)}
    return {**settings, "UV_CACHE_DIR": str(cache / "uv"), "UV_PYTHON_DOWNLOADS": "never"}


def interpreter() -> str:
    """A Python 3.11 that the service user can run. As root this is not one under our own home folder.

    Raises CommandMissing when there is none.
    """
    candidates = [*PYTHONS, str(Path(sys.base_prefix) / "bin" / "python3.11")]
    for candidate in candidates:
        if not Path(candidate).exists():
            continue
        try:
            command.run([candidate, "-c", "import venv"], user=postgres.service_user(), timeout=30)
        except command.CommandFailed:
            continue
        return candidate
    raise command.CommandMissing("python3.11")
