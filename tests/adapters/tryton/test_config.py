"""trytond.conf as administrators write it."""

import os
import stat
from pathlib import Path

import pytest

from wellkept.adapters.base import Invalid, Refused
from wellkept.adapters.tryton import config
from wellkept.tools.postgres import Server


@pytest.mark.parametrize(
    ("uri", "server", "database"),
    [
        ("postgresql://erp:s%40crt%2F@db.example.com:5433/live", Server("db.example.com", 5433, "erp", "s@crt/"), "live"),
        ("postgresql://erp@127.0.0.1/", Server("127.0.0.1", 5432, "erp", None), None),
        ("postgresql://erp:x@/?host=/run/pg&port=6000", Server("/run/pg", 6000, "erp", "x"), None),
        ("postgresql+psycopg://erp@[::1]:5432/live", Server("::1", 5432, "erp", None), "live"),
        ("postgresql://", Server("/var/run/postgresql", 5432, "postgres", None), None),
        ("postgresql://%2Frun%2Fpg/live?user=erp&password=x", Server("/run/pg", 5432, "erp", "x"), "live"),
        ("sqlite:///tmp/x.db", None, None),
    ],
)
def test_a_database_uri_is_read_as_tryton_reads_it(uri: str, server: Server | None, database: str | None) -> None:
    found, name = config.server_of(uri)
    assert (found, name) == (server, database)
    assert (found.password if found else None) == (server.password if server else None)


@pytest.mark.parametrize("uri", ["postgresql://host:many/", "postgresql://erp@/?host=/run/pg&port=no", "postgresql://[::1/"])
def test_a_uri_that_makes_no_sense_is_refused(uri: str) -> None:
    with pytest.raises(Invalid, match="uri makes no sense"):
        config.server_of(uri)


@pytest.mark.parametrize(
    "server", [Server("/tmp/pg sockets", 6000, "erp", "p:w/@%"), Server("127.0.0.1", 5433, "weird user", None), Server("db", 5432, "erp", "")]
)
def test_a_written_uri_is_read_back(server: Server) -> None:
    found, name = config.server_of(config.uri_of(server))
    assert found == server
    assert found.password == server.password
    assert name is None


def test_a_file_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is not a configuration of Tryton"):
        config.load(tmp_path / "missing.conf")
    wrong = tmp_path / "wrong.conf"
    for text in ("no section", "[web]\nlisten = x\n", "[database]\nuri = a\nuri = b\n"):
        wrong.write_text(text)
        with pytest.raises(Invalid, match="is not a configuration of Tryton"):
            config.load(wrong)
    wrong.write_bytes(b"[database]\nuri = \xff\xfe\n")
    with pytest.raises(Invalid, match="is not a configuration of Tryton"):
        config.load(wrong)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_we_may_not_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "trytond.conf"
    secret.write_text("[database]\n")
    secret.chmod(0)
    with pytest.raises(Refused, match="cannot be read"):
        config.load(secret)


def test_percent_signs_and_layout_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "trytond.conf"
    path.write_text(
        "[database]\nuri = postgresql://a:%40@h/\navatar_prefix = faces\n[attachment]\nstore_prefix = shared\n[account_invoice]\nfilestore = True\n"
    )
    parser = config.load(path)
    assert config.server_of(parser.get("database", "uri"))[0] == Server("h", 5432, "a", "@")
    assert config.layout(parser) == {"ir_attachment": "shared", "ir_avatar": "faces"}


@pytest.mark.parametrize(
    ("web", "url"),
    [
        ("listen = *:8000", "http://127.0.0.1:8000"),
        ("listen = 0.0.0.0:8001, [::]:8001", "http://127.0.0.1:8001"),
        ("listen = erp.local:80", "http://erp.local:80"),
        ("listen = localhost:8000\n[ssl]\ncertificate = /etc/c.pem", "https://localhost:8000"),
        ("root = /srv", None),
    ],
)
def test_the_address_of_the_server(tmp_path: Path, web: str, url: str | None) -> None:
    path = tmp_path / "trytond.conf"
    path.write_text(f"[database]\n[web]\n{web}\n")
    assert config.listening(config.load(path)) == url


def test_a_configuration_is_written_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "trytond.conf"
    path.write_text("old")
    path.chmod(0o644)
    config.write(path, {"database": {"uri": "postgresql://a:%40b@h/"}, "email": {"uri": "smtp://127.0.0.1:25"}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert config.load(path).get("database", "uri") == "postgresql://a:%40b@h/"
    assert [entry.name for entry in tmp_path.iterdir()] == ["trytond.conf"]
