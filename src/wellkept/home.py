"""Where an installation of Wellkept keeps its state: everything under one folder, ``$WELLKEPT_HOME``.

::

    home/
      config.json       addresses and ports chosen at ``wellkept init`` (no secret)
      secret.key        keys that open the stored secrets (0600), newest first
      postgres/data     the private cluster, unless WELLKEPT_DATABASE_URL names another server
      checkpoints.jsonl signed checkpoints of the records, outside the database; checkpoint.pub the keys that signed
      run/              sockets and pid files
      logs/             one file per process
      scratch/<run>/    what a run makes and removes again: staging folders, throwaway clusters, copies
      systems/<name>/   ERPs that Wellkept itself provisioned
      repositories/<organisation>/   backup repositories that people made by a page or the API
      restored/<organisation>/   what people restored from a page
      modules/<hash>/   modules that no package index has, as somebody gave them for an upgrade
      upgrades/<number>/   the books from before an upgrade, for as long as it can be taken back
      exports/<organisation>/   what people wrote after an upgrade that was taken back all the same
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellkept.tools import postgres

DEFAULT_WEB_PORT = 8420


class HomeError(Exception):
    """The home folder cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Home:
    """The folder and the paths in it."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def key_file(self) -> Path:
        return self.path / "secret.key"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def scratch(self) -> Path:
        return self.path / "scratch"

    @property
    def systems(self) -> Path:
        return self.path / "systems"

    def config(self) -> dict[str, Any]:
        """The stored configuration; empty before ``wellkept init``. Raises HomeError when the file cannot be read as JSON."""
        if not self.config_file.exists():
            return {}
        try:
            return dict(json.loads(self.config_file.read_text()))
        except (ValueError, OSError) as error:
            raise HomeError(f"{self.config_file} cannot be read ({error}); put back a good copy, or move it away and run wellkept init") from error

    def write_config(self, config: dict[str, Any]) -> None:
        """Replace the configuration in one step, so that a crash leaves the old or the new file."""
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        fresh.replace(self.config_file)

    def cluster(self) -> postgres.Cluster:
        """The private cluster of the platform."""
        port = int(self.config().get("postgres_port", 5432))
        return postgres.Cluster(self.path / "postgres" / "data", self.run / "pg", port, postgres.service_user())


def current() -> Home:
    """The home of this process: ``$WELLKEPT_HOME``, or the default (as root one that the service user can reach)."""
    named = os.environ.get("WELLKEPT_HOME")
    if named:
        return Home(Path(named).expanduser().absolute())
    if os.geteuid() == 0:
        return Home(Path("/var/lib/wellkept"))
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Home(Path(data).expanduser() / "wellkept")


def cache() -> Path:
    """Where slow artefacts are kept between homes (``$XDG_CACHE_HOME/wellkept``); deleting it loses only time."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "wellkept"


def prepare(home: Home) -> None:
    """Make the folders, the key and the configuration; what is there stays as it is. Raises HomeError when the folder cannot be used."""
    try:
        for folder in (home.path, home.logs, home.run, home.systems):
            open_folder(folder)
        postgres.owned_folder(home.scratch, postgres.service_user(), 0o755)
    except PermissionError as error:
        raise HomeError(f"{home.path} cannot be written: choose another folder with WELLKEPT_HOME") from error
    except postgres.PostgresError as error:
        raise HomeError(str(error)) from error
    if not home.key_file.exists():
        descriptor = os.open(home.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_new_key())
    config = home.config()
    config.setdefault("postgres_port", 5432)
    config.setdefault("web_port", DEFAULT_WEB_PORT)
    config.setdefault("installation", secrets.token_hex(8))
    home.write_config(config)


def open_folder(path: Path) -> None:
    """Make a folder through which the service user can go, whatever the umask is; one that is there stays as it is."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o755)


def _new_key() -> bytes:
    from cryptography.fernet import Fernet

    return Fernet.generate_key() + b"\n"
