import json
import os
from pathlib import Path

import pytest

from wellkept import home as homes
from wellkept.lib import crypt
from wellkept.tools import postgres


@pytest.fixture
def folder():
    made = postgres.throwaway_folder()
    yield made
    for path in sorted(made.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    made.rmdir()


def test_preparing_twice_keeps_the_key_and_the_configuration(folder: Path):
    home = homes.Home(folder / "home")
    homes.prepare(home)
    key, config = home.key_file.read_bytes(), home.config()
    homes.prepare(home)
    assert home.key_file.read_bytes() == key
    assert home.config() == config
    assert home.key_file.stat().st_mode & 0o777 == 0o600


def test_a_strict_umask_keeps_nobody_out(folder: Path):
    home, before = homes.Home(folder / "home"), os.umask(0o077)
    try:
        homes.prepare(home)
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o055 for path in (home.path, home.systems, home.scratch)} == dict.fromkeys(
        ("home", "systems", "scratch"), 0o055
    )
    assert home.key_file.stat().st_mode & 0o777 == 0o600


def test_a_broken_configuration_is_named_and_left_alone(folder: Path):
    home = homes.Home(folder / "home")
    homes.prepare(home)
    home.config_file.write_text("{")
    with pytest.raises(homes.HomeError, match=r"config\.json cannot be read"):
        homes.prepare(home)
    assert home.config_file.read_text() == "{"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another user")
def test_a_home_that_the_service_user_cannot_reach_is_refused(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(homes.HomeError, match="cannot reach"):
        homes.prepare(homes.Home(closed / "home"))


def test_the_configuration_is_replaced_in_one_step(folder: Path):
    home = homes.Home(folder / "home")
    homes.prepare(home)
    home.write_config({"web_port": 1})
    assert json.loads(home.config_file.read_text()) == {"web_port": 1}
    assert not home.config_file.with_suffix(".new").exists()


def test_the_default_home_follows_the_environment(monkeypatch):
    monkeypatch.setenv("WELLKEPT_HOME", "/somewhere")
    assert homes.current().path == Path("/somewhere")
    monkeypatch.delenv("WELLKEPT_HOME")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert homes.current().path == Path("/var/lib/wellkept")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert homes.current().path == Path("/data/wellkept")


def test_secrets_open_with_old_keys_and_not_with_foreign_ones(folder: Path):
    home, other = homes.Home(folder / "home"), homes.Home(folder / "other")
    homes.prepare(home)
    homes.prepare(other)
    old, new = crypt.read_keys(home.key_file)[0], crypt.read_keys(other.key_file)[0]
    token = crypt.encrypt("the books", [old])
    assert "books" not in token
    assert crypt.decrypt(token, [new, old]) == "the books"
    with pytest.raises(crypt.WrongKey, match="put back the key file"):
        crypt.decrypt(token, [new])


def test_derived_keys_differ_by_purpose(folder: Path):
    home = homes.Home(folder / "home")
    homes.prepare(home)
    key = crypt.read_keys(home.key_file)[0]
    assert crypt.derive(key, "one") == crypt.derive(key, "one") != crypt.derive(key, "two")


def test_an_empty_key_file_is_named(folder: Path):
    empty = folder / "secret.key"
    empty.write_text("\n")
    with pytest.raises(crypt.WrongKey, match="holds no key"):
        crypt.read_keys(empty)
