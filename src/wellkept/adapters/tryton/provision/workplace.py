"""The scripts that Tryton's own interpreter runs, where the service user can read them."""

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

from wellkept.tools import passing

SCRIPTS = Path(__file__).parent / "scripts"


@contextlib.contextmanager
def workplace(user: str) -> Iterator[Path]:
    """A folder of ``user`` with a copy of the scripts, while the block runs: our own code may lie where this user cannot go."""
    with passing.folder("wellkept-fill") as folder:
        shutil.copytree(SCRIPTS, folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (folder, *folder.rglob("*")):
            give_to(path, user)
        yield folder


def give_to(path: Path, user: str) -> None:
    """Make ``user`` the owner of a file, when we are root; otherwise it is ours and stays so."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)
