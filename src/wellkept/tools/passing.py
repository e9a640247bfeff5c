"""Folders for work that passes: gone when it has ended, also when its process was killed."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from os import getpid
from pathlib import Path

from wellkept.tools import command

OWNED = re.compile(r"-(\d+)-(\d+)-[^-]+")
"""How a folder's name ends: the process that made it, when that started, and chance."""


@contextlib.contextmanager
def folder(name: str, *, within: Path | None = None) -> Iterator[Path]:
    """A new folder while the block runs, ``within`` a folder (None: that of temporary files); only our own user may enter it.

    What processes left that were killed in the block is removed first.
    """
    place = within or Path(tempfile.gettempdir())
    for left in place.glob(f"{name}-*"):
        owner = OWNED.fullmatch(left.name.removeprefix(name))
        if owner is not None and command.started_at(int(owner[1])) != int(owner[2]):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f"{name}-{getpid()}-{command.started_at(getpid())}-", dir=place))
    try:
        yield made
    finally:
        shutil.rmtree(made)
