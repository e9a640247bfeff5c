"""The scripts that Tryton's own interpreter runs, where the service user can read them."""

import contextlib
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wellkept.tools import command

SCRIPTS = Path(__file__).parent / "scripts"
OWNED = re.compile(r"wellkept-fill-(\d+)-(\d+)-")
"""How a folder's name begins: the process that made it, and when that started."""


@contextlib.contextmanager
def workplace(user: str) -> Iterator[Path]:
    """A folder of ``user`` with a copy of the scripts, while the block runs: our own code may lie where this user cannot go."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"wellkept-fill-{os.getpid()}-{command.started_at(os.getpid())}-"))
    try:
        shutil.copytree(SCRIPTS, folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (folder, *folder.rglob("*")):
            give_to(path, user)
        yield folder
    finally:
        shutil.rmtree(folder)


def _sweep() -> None:
    """Remove the folders of processes that were killed in the block."""
    for folder in Path(tempfile.gettempdir()).glob("wellkept-fill-*"):
        owner = OWNED.match(folder.name)
        if owner is not None and command.started_at(int(owner[1])) != int(owner[2]):
            shutil.rmtree(folder, ignore_errors=True)


def give_to(path: Path, user: str) -> None:
    """Make ``user`` the owner of a file, when we are root; otherwise it is ours and stays so."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)
