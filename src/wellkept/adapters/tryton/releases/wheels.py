"""What somebody gives as a module: a wheel. Its content is not trusted: it is read within limits, and nothing of it is run or unpacked here."""

import configparser
import re
import zipfile
import zlib
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from stat import S_ISLNK

from wellkept.adapters.base import Invalid, ModulePackage
from wellkept.lib.text import gettext_noop

GROUP = "trytond.modules"
MOST_FILES = 10_000
MOST_BYTES = 200_000_000
"""Unpacked. Tryton 8.0 with the modules that come with us is 39 MB in 2,854 files, its largest module 5.4 MB in 227."""
MOST_TOLD_BYTES = 1_000_000
"""Of a file that says what the wheel is."""
FILE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._]*)-([A-Za-z0-9.!+_]+)(?:-\d[A-Za-z0-9._]*)?-[A-Za-z0-9._]+-[A-Za-z0-9._]+-[A-Za-z0-9._]+\.whl")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")
VERSION = re.compile(r"[0-9][A-Za-z0-9.!+]{0,59}")
MODULE = re.compile(r"[a-z][a-z0-9_]{0,99}")
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""RuntimeError is what zipfile says of a file that is encrypted, or packed in a way that it does not know."""


def read_module(wheel: Path) -> ModulePackage:
    """What a wheel is, and which modules of Tryton are in it.

    Raises Invalid for a file that is none or has none, is damaged, would unpack to too much, holds files that lie or act outside of its package, or
    is called otherwise than what is in it.
    """
    try:
        with zipfile.ZipFile(wheel) as file:
            _check(wheel, file)
            metadata = HeaderParser().parsestr(_entry(file, "METADATA"))
            points = configparser.ConfigParser(interpolation=None, delimiters=("=",))
            points.read_string(_entry(file, "entry_points.txt"))
            modules = sorted(points[GROUP])
    except (OSError, UnicodeDecodeError, KeyError, configparser.Error, *DAMAGED) as error:
        text = gettext_noop("{file} is not a wheel with a module of Tryton (its entry points have no {group}): {reason}")
        raise Invalid(text, file=wheel.name, group=GROUP, reason=str(error)) from error
    name, version = str(metadata["Name"]), str(metadata["Version"])
    if not modules or not all(MODULE.fullmatch(one) for one in modules):
        raise Invalid(gettext_noop("{file} names modules that cannot be: {names}"), file=wheel.name, names=", ".join(modules)[:100] or "–")
    called = FILE.fullmatch(wheel.name)
    plain = NAME.fullmatch(name) and VERSION.fullmatch(version)
    if called is None or not plain or (_normal(called[1]), _normal(called[2])) != (_normal(name), _normal(version)):
        text = gettext_noop("{file} is not called as what is in it ({name} {version}): give it the name that it was built with")
        raise Invalid(text, file=wheel.name, name=name[:100], version=version[:60])
    return ModulePackage(wheel, name, version, modules)


def _check(wheel: Path, file: zipfile.ZipFile) -> None:
    """Look at every file in it without keeping any. Raises Invalid, and BadZipFile and the like for damaged ones."""
    entries = file.infolist()
    if len(entries) > MOST_FILES or sum(one.file_size for one in entries) > MOST_BYTES:
        text = gettext_noop("{file} would unpack to more than {files} files or {most} MB")
        raise Invalid(text, file=wheel.name, files=MOST_FILES, most=MOST_BYTES // 1_000_000)
    wrong = next((one.filename for one in entries if not _inside(one)), None)
    if wrong is not None or len({one.filename for one in entries}) < len(entries):
        text = gettext_noop("{file} holds a file that would lie or act outside of its package: {name}")
        raise Invalid(text, file=wheel.name, name=(wrong or "…")[:200])
    damaged = file.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(damaged)


def _inside(one: zipfile.ZipInfo) -> bool:
    """Whether a file stays where its package is: no other folder, no link, nothing that every start of Python runs, nothing for other places."""
    path = PurePosixPath(one.filename)
    outside = path.is_absolute() or ".." in path.parts or "\\" in one.filename or ":" in one.filename or not one.filename.isprintable()
    elsewhere = path.parts[:1] and path.parts[0].endswith(".data")
    at_start = path.suffix == ".pth" or path.name in {"sitecustomize.py", "usercustomize.py"}
    return not (outside or elsewhere or (at_start and len(path.parts) == 1) or S_ISLNK(one.external_attr >> 16))


def _entry(file: zipfile.ZipFile, name: str) -> str:
    """The text of a file that says what the wheel is. Raises KeyError where there is not exactly one of that name."""
    found = [path for path in file.namelist() if re.fullmatch(rf"[^/]+\.dist-info/{re.escape(name)}", path)]
    if len(found) != 1:
        raise KeyError(name)
    with file.open(found[0]) as entry:
        return entry.read(MOST_TOLD_BYTES).decode()


def _normal(name: str) -> str:
    return re.sub(r"[-_.+]+", "-", name).lower()
