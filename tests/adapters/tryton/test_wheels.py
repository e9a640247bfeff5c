"""What is given as a module is a stranger's file: it is read within limits, and what is no module of Tryton is refused by name."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.index import wheel
from wellkept.adapters.base import Invalid
from wellkept.adapters.tryton import releases
from wellkept.adapters.tryton.releases import wheels

Change = Callable[[Path], Path]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return wheel(tmp_path, "acme-our-own", "8.0.1", {"trytond/modules/our_own/__init__.py": ""}, ["our_own"])


def holding(name: str, text: str = "x", mode: int = 0o644) -> Change:
    """Puts one more file into it."""

    def change(path: Path) -> Path:
        with zipfile.ZipFile(path, "a") as file:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            file.writestr(entry, text)
        return path

    return change


def called(name: str) -> Change:
    return lambda path: path.rename(path.with_name(name))


def saying(file: str, text: str) -> Change:
    """Has it say something else about itself."""

    def change(path: Path) -> Path:
        with zipfile.ZipFile(path) as old:
            kept = {name: old.read(name) for name in old.namelist()}
        with zipfile.ZipFile(path, "w") as new:
            for name, content in kept.items():
                new.writestr(name, text if name.endswith(file) else content)
        return path

    return change


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-40])
    return path


def flipped(path: Path) -> Path:
    """One bit of the first file's content is another."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("acme/data.txt", "the content")
    content = bytearray(path.read_bytes())
    content[content.index(b"the content")] ^= 1
    path.write_bytes(content)
    return path


def test_a_module_is_read(good: Path) -> None:
    found = releases.read_module(good)
    assert (found.file, found.package, found.version, found.modules) == (good, "acme-our-own", "8.0.1", ["our_own"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (holding("../outside.py"), "would lie or act outside of its package: ../outside.py"),
        (holding("/etc/cron.d/x"), "would lie or act outside of its package"),
        (holding("acme\\..\\x.py"), "would lie or act outside of its package"),
        (holding("C:x.py"), "would lie or act outside of its package"),
        (holding("acme/link", "/etc/passwd", 0o120777), "would lie or act outside of its package: acme/link"),
        (holding("acme.pth", "import os"), "would lie or act outside of its package: acme.pth"),
        (holding("sitecustomize.py"), "would lie or act outside of its package"),
        (holding("acme-1.data/scripts/python"), "would lie or act outside of its package"),
        (holding("other-1.dist-info/METADATA"), "is not a wheel with a module of Tryton"),
        (called("acme.whl"), r"is not called as what is in it \(acme-our-own 8\.0\.1\)"),
        (called("another-8.0.1-py3-none-any.whl"), "is not called as what is in it"),
        (called("acme_our_own-8.0.2-py3-none-any.whl"), "is not called as what is in it"),
        (saying("METADATA", "Name: acme-our-own\n --index-url=x\nVersion: 8.0.1\n"), "is not called as what is in it"),
        (saying("METADATA", "Name: acme-our-own @ x\nVersion: 8.0.1\n"), "is not called as what is in it"),
        (saying("entry_points.txt", "[trytond.modules]\n../x = y\n"), "names modules that cannot be: ../x"),
        (saying("entry_points.txt", "[trytond.modules]\n"), "names modules that cannot be"),
        (saying("entry_points.txt", "[console_scripts]\nx = y\n"), "is not a wheel with a module of Tryton"),
        (cut, "is not a wheel with a module of Tryton"),
        (flipped, "is not a wheel with a module of Tryton"),
    ],
)
def test_what_is_none_is_refused(change: Change, says: str, good: Path) -> None:
    with pytest.raises(Invalid, match=says):
        releases.read_module(change(good))


def test_what_would_unpack_to_too_much_is_refused_before_it_is_unpacked(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(good, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("acme/zeros", bytes(3_000_000))
    assert good.stat().st_size < 10_000
    monkeypatch.setattr(wheels, "MOST_BYTES", 2_000_000)
    with pytest.raises(Invalid, match="would unpack to more than 10000 files or 2 MB"):
        releases.read_module(good)
    monkeypatch.setattr(wheels, "MOST_BYTES", 4_000_000)
    assert releases.read_module(good).version == "8.0.1"
    monkeypatch.setattr(wheels, "MOST_FILES", 3)
    with pytest.raises(Invalid, match="would unpack to more than 3 files"):
        releases.read_module(good)
