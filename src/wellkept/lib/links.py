"""A link that says which of several folders is in use, exchanged in one step.

Programs that are installed beside each other, ``code/7.0.59`` and ``code/8.0.12``, are reached by one path, ``code/current/bin/python``.
"""

import os
from pathlib import Path


def point(link: Path, folder: Path) -> None:
    """Make the link lead to the folder; whoever looks meanwhile sees where it led before or where it leads now, also after a crash.

    Inside the link's own folder it is relative, so that all of it may be moved. Raises FileExistsError where something else than a link is in
    the way, and NotADirectoryError when there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder, so {link} cannot lead to it")
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} is no link and stays as it is")
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name if folder.parent == link.parent else folder)
    fresh.replace(link)
    handle = os.open(link.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def of(program: Path) -> Path | None:
    """The link through which a path to a program goes: the last of its folders that is one; None when it is direct."""
    return next((folder for folder in program.parents if folder.is_symlink()), None)


def direct(program: Path) -> Path:
    """The path of the program without such links, as it is now: what was started by it keeps its own folder when the link is exchanged.

    A program that is a link itself stays one: a virtual environment knows its Python by that.
    """
    return program.parent.resolve() / program.name


def exchange(program: Path, other: Path) -> bool:
    """Make the link on the way to a program lead to the folder of another one, ``direct`` path included; False when there is no link to exchange.

    Both have the same path below their folders. Raises FileNotFoundError when the other one is not there, ValueError when it lies differently.
    """
    link = of(program)
    if link is None:
        return False
    below = program.relative_to(link)
    found = direct(other)
    if not found.exists():
        raise FileNotFoundError(f"there is no {other}")
    folder = Path(*found.parts[: len(found.parts) - len(below.parts)])
    if folder / below != found:
        raise ValueError(f"{other} does not lie in its folder as {program} does in {link}")
    if direct(program) != found:
        point(link, folder)
    return True
