"""What releases there are, what they need, and how one is installed beside another: against a package index of our own, with the real clients."""

import datetime as dt
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.index import Index, wheel
from tests.services.tryton import NEXT, SERIES
from wellkept.adapters.base import AdapterError, Conflicting, Invalid, Site, Unreachable, Unsupported
from wellkept.adapters.tryton import releases
from wellkept.adapters.tryton.provision import modules
from wellkept.adapters.tryton.provision.install import install_lock
from wellkept.adapters.tryton.releases import migration
from wellkept.lib.hashing import file_sha256
from wellkept.tools import command, postgres

KNOWN = ["6.0", "6.2", "7.0", "7.2", "8.0", "8.2"]


@pytest.fixture
def place() -> Iterator[Path]:
    folder = postgres.throwaway_folder("wkr-")
    yield folder
    command.run(["rm", "-r", folder])


def test_series_come_from_the_index_with_the_ends_of_tryton_s_rule(index: Index, tmp_path: Path) -> None:
    for version in ("5.8.16", "7.0.9", "7.0.59", "7.2.1", "8.0.0", "8.0.12", "9.0.0", "9.1.0"):
        index.add("trytond", version)
    found = {one.series: one for one in releases.available(cache=tmp_path / "cache")}
    assert list(found) == ["7.0", "7.2", "8.0", "9.0"]
    assert {series: one.newest for series, one in found.items()} == {"7.0": "7.0.59", "7.2": "7.2.1", "8.0": "8.0.12", "9.0": "9.0.0"}
    assert [found[series].support_end for series in found] == [dt.date(2028, 10, 30), dt.date(2025, 4, 29), dt.date(2031, 4, 20), None]
    assert [found[series].long_term for series in found] == [True, False, True, True]


def test_an_index_that_does_not_answer_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{postgres.free_port()}/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(Unreachable, match="the package index does not answer, so the versions of trytond are not known"):
        releases.available(cache=tmp_path)


def test_the_index_is_asked_for_all_modules_at_once_and_no_longer_than_the_limit(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package, version in (("trytond-sale", "8.0.9"), ("trytond-sale", "8.2.3"), ("trytond-sale", "8.2.10"), ("trytond-stock-lot", "8.0.1")):
        index.add(package, version)
    found = releases.offered(["stock_lot", "sale", "our_own"], "8.2", cache=tmp_path / "cache")
    assert found == {"our_own": None, "sale": "8.2.10", "stock_lot": None}
    assert releases.offered([], "8.2", cache=tmp_path / "cache") == {}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        monkeypatch.setattr(releases.index, "INDEX_SECONDS", 2.0)
        with pytest.raises(Unreachable, match="has not told the versions of trytond-our-own and 2 more within 2 s"):
            releases.offered(["stock_lot", "sale", "our_own"], "8.2", cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("current", "target", "error", "says"),
    [
        ("8.0", "7.0", Unsupported, "8.0: Tryton has no way back"),
        ("7.0", "7.0", Unsupported, "7.0 is installed already"),
        ("7.0", "9.0", Unsupported, "there is no series 9.0; from 7.0 it goes to 7.2, 8.0, 8.2"),
        ("7.0", "8.1", Invalid, "8.1 is not a series"),
        ("7.0", "8", Invalid, "8 is not a series"),
        ("4.0", "8.0", Unsupported, "skips 3 series ending in .0 .5.0, 6.0, 7.0.*the legal path is 4.0 → 7.0 → 8.0"),
        ("3.8", "8.2", Unsupported, "skips 5 series ending in .0.*the legal path is 3.8 → 6.0 → 8.2"),
    ],
)
def test_a_way_that_is_not_possible_is_refused_with_the_one_that_is(current: str, target: str, error: type[AdapterError], says: str) -> None:
    with pytest.raises(error, match=says):
        releases.path(current, target, KNOWN)


@pytest.mark.parametrize(("current", "target"), [("7.0", "8.0"), ("7.0", "7.2"), ("7.2", "8.2"), ("5.0", "8.0")])
def test_a_legal_way_is_one_jump(current: str, target: str) -> None:
    assert releases.path(current, target, KNOWN) == [target]


def test_the_next_series_brings_the_same_modules_and_names_what_it_lacks() -> None:
    assert modules(NEXT) == modules(SERIES)
    assert releases.missing([*modules(SERIES), "ir", "res"], NEXT) == []
    assert releases.missing(["party", "our_own", "google_maps"], NEXT) == ["google_maps", "our_own"]


def test_what_a_series_needs_is_compared_with_what_is_there(small_company: Site) -> None:
    found = {one.name: one for one in releases.requirements(small_company, NEXT)}
    assert set(found) == {"Python", "PostgreSQL", "psycopg"}
    assert all(one.holds for one in found.values())
    with postgres.connect(small_company.server, small_company.database) as connection:
        assert found["PostgreSQL"].found == str(connection.info.parameter_status("server_version")).split(" ")[0]
    blind = {one.name: one for one in releases.requirements(Site("nowhere"), NEXT)}
    assert (blind["PostgreSQL"].found, blind["PostgreSQL"].holds) == (None, False)
    with pytest.raises(Unsupported, match=r"Tryton 6\.0 cannot be installed from here"):
        releases.requirements(small_company, "6.0")


@pytest.fixture
def tiny(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A series 8.0 of one small package takes the place of the one that comes with us; called with the hash to pin."""
    monkeypatch.setattr(sys.modules[install_lock.__module__], "REQUIREMENTS", tmp_path)

    def pin(digest: str) -> None:
        (tmp_path / "8.0.txt").write_text(f"trytond==8.0.1 \\\n    --hash=sha256:{digest}\n")

    pin(index.add("trytond", "8.0.1"))
    return pin


def test_a_release_is_installed_beside_and_a_second_time_is_nothing(
    tiny: Callable[[str], None], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = releases.install(place / "new", "8.0", cache=place / "cache")
    version = command.run([python, "-c", "from importlib.metadata import version; print(version('trytond'))"], user=postgres.service_user())
    assert version.stdout.strip() == "8.0.1"
    made = (place / "new" / "wellkept-requirements").stat().st_mtime_ns
    monkeypatch.setenv("UV_OFFLINE", "1")
    assert releases.install(place / "new", "8.0", cache=place / "cache") == python
    assert (place / "new" / "wellkept-requirements").stat().st_mtime_ns == made


def test_a_package_with_another_hash_is_named_and_nothing_is_left(tiny: Callable[[str], None], place: Path) -> None:
    tiny("0" * 64)
    with pytest.raises(Invalid, match=r"trytond.* is not the package that was pinned"):
        releases.install(place / "new", "8.0", cache=place / "cache")
    assert {path.name for path in place.iterdir()} <= {"cache"}


def test_an_index_that_is_gone_leaves_nothing(tiny: Callable[[str], None], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{postgres.free_port()}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(Unreachable, match=r"Tryton 8\.0 could not be installed"):
        releases.install(place / "new", "8.0", cache=place / "cache")
    assert {path.name for path in place.iterdir()} <= {"cache"}


def test_a_release_is_never_installed_over_another(tiny: Callable[[str], None], place: Path) -> None:
    running = place / "running"
    running.mkdir()
    (running / "pyvenv.cfg").write_text("the one that runs")
    with pytest.raises(Conflicting, match="installed beside, never over it"):
        releases.install(running, "8.0", cache=place / "cache")
    assert [path.name for path in running.iterdir()] == ["pyvenv.cfg"]
    # What a killed installation of ours leaves is known by the mark beside it, and made again.
    (place / "running.unfinished").touch()
    assert releases.install(running, "8.0", cache=place / "cache").exists()
    assert not (place / "running.unfinished").exists()


def test_modules_that_the_list_lacks_are_pinned_and_those_that_nobody_has_are_named(
    tiny: Callable[[str], None], index: Index, place: Path, tmp_path: Path
) -> None:
    def resolve(*modules: str, **more: Any) -> str:
        return releases.resolve("8.0", modules, cache=place / "cache", **more)

    ours = (tmp_path / "8.0.txt").read_text()
    assert resolve("ir", "res") == ours
    index.add("trytond-sale-point", "7.0.3")
    with pytest.raises(Invalid, match=r"there is no version 8\.0 of our_own, sale_point"):
        resolve("ir", "our_own", "sale_point")
    digest = index.add("trytond-sale-point", "8.0.4")
    given = wheel(place / "given", "acme-our-own", "8.0.7", modules=["our_own"])
    text = resolve("sale_point", "our_own", own=[given])
    assert text.startswith(f"acme-our-own==8.0.7 \\\n    --hash=sha256:{file_sha256(given)}")
    assert f"trytond-sale-point==8.0.4 \\\n    --hash=sha256:{digest}" in text
    assert "://" not in text
    assert releases.pinned(text) == {"trytond": "8.0.1", "sale_point": "8.0.4"}
    python = releases.install(place / "new", "8.0", cache=place / "cache", packages=text, wheels=[given])
    assert command.run([python, "-c", "import trytond_sale_point, acme_our_own"]).returncode == 0
    wheel(place / "given", "acme-our-own", "8.0.7", {"acme_our_own.py": "another"}, modules=["our_own"])
    with pytest.raises(Invalid, match="acme"):
        releases.install(place / "other", "8.0", cache=place / "fresh", packages=text, wheels=[given])
    assert not (place / "other").exists()
    with pytest.raises(Invalid, match=r"no-module-1-py3.* is not a wheel with a module of Tryton|no_module-1-py3.* is not a wheel"):
        releases.read_module(wheel(place / "given", "no-module", "1"))


def test_the_newest_of_a_series_moves_tryton_and_leaves_the_rest(tiny: Callable[[str], None], index: Index, place: Path, tmp_path: Path) -> None:
    listed = (tmp_path / "8.0.txt").read_text() + f"werkzeug==1.0 \\\n    --hash=sha256:{index.add('werkzeug', '1.0')}\n"
    (tmp_path / "8.0.txt").write_text(listed)
    (tmp_path / "8.0.in").write_text("trytond==8.0.*\nwerkzeug\n")
    for package, version in (("trytond", "8.0.2"), ("trytond", "8.2.0"), ("werkzeug", "2.0")):
        index.add(package, version)
    text = releases.resolve("8.0", [], newest=True, cache=place / "cache")
    assert releases.pinned(text) == {"trytond": "8.0.2"}
    assert "werkzeug==1.0 " in text


TRACED = 'Traceback (most recent call last):\n  File "x", line 1, in main\n    work()\n    ^^^^^^\n'


@pytest.mark.parametrize(
    ("said", "telling"),
    [
        (
            f"{TRACED}psycopg.errors.DiskFull: could not extend file\nHINT:  Check free disk space.\n",
            "psycopg.errors.DiskFull: could not extend file",
        ),
        (f"{TRACED}x.UndefinedColumn: no column\nLINE 1: SELECT a\n               ^\n", "x.UndefinedColumn: no column"),
        (f"{TRACED}KeyError: 1\n\nDuring handling of the above exception:\n\n{TRACED}ValueError: 2\n", "ValueError: 2"),
        (f"    rest()\n    ^^^^^^\n{TRACED.partition(chr(10))[2]}x.NoTraceback: 3\nLINE 1: SELECT a\n               ^\n", "x.NoTraceback: 3"),
        ("something\nthe last word\n", "the last word"),
        (TRACED, "    ^^^^^^"),
    ],
)
def test_of_a_traceback_the_line_that_says_what_happened_is_told(said: str, telling: str) -> None:
    assert migration._telling(said) == telling
