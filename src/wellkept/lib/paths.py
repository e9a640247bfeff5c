"""Names of files and folders."""

import os
from pathlib import Path


def unused(folder: Path, name: str) -> str:
    """The name when nothing in the folder has it, otherwise the first of ``name-2``, ``name-3`` … that is free."""
    names = (name, *(f"{name}-{number}" for number in range(2, 100)))
    return next((one for one in names if not os.access(folder / one, os.F_OK)), name)
