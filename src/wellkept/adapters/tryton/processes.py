"""Tryton's processes on this machine, found in /proc by the configuration they were started with. Only reads."""

import csv
import os
import pwd
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROLES = {"trytond-cron": "cron", "trytond-worker": "worker", "trytond-admin": "administration", "trytond-console": "console", "trytond": "web"}
WEB_SERVERS = ("gunicorn", "uwsgi", "uvicorn", "waitress-serve", "mod_wsgi")
CONFIG_OPTIONS = ("-c", "--config")
DATABASE_OPTIONS = ("-d", "--database")
BIND_OPTIONS = ("-b", "--bind", "--http", "--http-socket", "--listen")
INTERPRETER_ARGUMENTS = 4
"""The program stands within the first arguments of a Python: options such as -W ignore may come before it."""
LOGIN_IN_URL = re.compile(r"://[^@/\s]+@")
TRYTON_SETTING = re.compile(r"TRYTOND_[A-Z_]+__[A-Z_]+")


@dataclass(frozen=True)
class Found:
    """A process of some Tryton. ``environment`` is None where we may not read it; ``arguments`` may hold secrets: show ``command`` instead."""

    pid: int
    role: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] | None
    folder: Path | None
    user: str

    @property
    def command(self) -> str:
        """The command line without logins in addresses."""
        return LOGIN_IN_URL.sub("://…@", " ".join(self.arguments))

    def option(self, names: tuple[str, ...]) -> list[str]:
        """The values of an option of the command line, with the lists that Tryton allows split."""
        values = []
        for position, argument in enumerate(self.arguments):
            if argument in names and position + 1 < len(self.arguments):
                values.append(self.arguments[position + 1])
            values += [argument.partition("=")[2] for name in names if name.startswith("--") and argument.startswith(f"{name}=")]
        return values

    def configs(self) -> list[Path]:
        """The configuration files it was started with."""
        named = [
            *self.option(CONFIG_OPTIONS),
            *([self.environment["TRYTOND_CONFIG"]] if self.environment and "TRYTOND_CONFIG" in self.environment else []),
        ]
        return [Path(os.path.normpath((self.folder or Path("/")) / name)) for name in named]

    def databases(self) -> list[str]:
        """The databases it was started for."""
        listed = (self.environment or {}).get("TRYTOND_DATABASE_NAMES", "")
        return [*self.option(DATABASE_OPTIONS), *(name for row in csv.reader([listed]) for name in row if name)]

    def interpreter(self) -> Path | None:
        """The Python that runs it: its first argument, which keeps the path of a virtual environment."""
        first = Path(self.arguments[0])
        return first if first.is_absolute() and first.name.startswith("python") else None

    def url(self) -> str | None:
        """Where it answers RPC, when its command line says so."""
        for bound in self.option(BIND_OPTIONS):
            if bound.startswith("unix:"):
                return bound
            host, _, port = bound.removeprefix("http://").rpartition(":")
            if port.isdecimal():
                return f"http://{host if host not in {'', '*', '0.0.0.0', '[::]'} else '127.0.0.1'}:{port}"  # noqa: S104 - read, not bound
        return None

    def settings(self) -> dict[tuple[str, str], str]:
        """Options of the configuration that its environment overrides."""
        names = [name for name in self.environment or {} if TRYTON_SETTING.fullmatch(name)]
        return {_option(name): (self.environment or {})[name] for name in names}


def of_config(config: Path) -> list[Found]:
    """The processes that were started with this configuration file, also where a link names it."""
    wanted = {Path(os.path.normpath(config.absolute())), config.resolve()}
    return [found for found in everywhere() if any(named in wanted or named.resolve() in wanted for named in found.configs())]


def everywhere() -> Iterator[Found]:
    """Every process of any Tryton on this machine."""
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            arguments = tuple(part.decode(errors="replace") for part in (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0"))
            owner = folder.stat().st_uid
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        environment = _environment(folder)
        role = role_of(arguments, environment)
        if role is not None:
            yield Found(int(folder.name), role, arguments, environment, _folder(folder), _user(owner))


def role_of(arguments: tuple[str, ...], environment: Mapping[str, str] | None) -> str | None:
    """What a command line does for Tryton (web, cron, worker, administration, console); None when it is something else."""
    by_python = Path(arguments[0]).name.startswith("python")
    names = [Path(argument).name for argument in (arguments[:INTERPRETER_ARGUMENTS] if by_python else arguments[:1])]
    for name in names:
        if name in ROLES:
            return ROLES[name]
    serving = any(server in name for name in names for server in WEB_SERVERS)
    named = any(argument.startswith("trytond.application") for argument in arguments)
    return "web" if serving and (named or "TRYTOND_CONFIG" in (environment or {})) else None


def _environment(folder: Path) -> dict[str, str] | None:
    try:
        raw = (folder / "environ").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return {name: value for name, _, value in (pair.partition("=") for pair in raw.split("\0") if "=" in pair)}


def _folder(folder: Path) -> Path | None:
    try:
        return (folder / "cwd").readlink()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _option(name: str) -> tuple[str, str]:
    section, _, option = name.removeprefix("TRYTOND_").lower().partition("__")
    return section, option
