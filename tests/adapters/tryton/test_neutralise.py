"""A copy becomes harmless: nothing acts, nobody gets in, nothing gets out, and each of these can be seen to fail."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from wellkept.adapters.base import Invalid, Site
from wellkept.adapters.conformance import Bench
from wellkept.adapters.tryton import config, neutralise
from wellkept.tools import command, postgres

SINK = "smtp://127.0.0.1:2525"
DANGERS = {
    "no_live_job": "UPDATE ir_cron SET active = true WHERE id = (SELECT min(id) FROM ir_cron)",
    "no_old_password": "UPDATE res_user SET password_hash = '$scrypt$x' WHERE login = 'root'",
    "no_password_reset": "UPDATE res_user SET password_reset = 'x' WHERE login = 'admin'",
    "no_public_address": "UPDATE ir_configuration SET hostname = 'erp.example.com'",
    "no_sessions": "INSERT INTO ir_session (key) VALUES ('x')",
    "no_application_keys": "INSERT INTO res_user_application (key, application, state) VALUES ('x', 'y', 'validated')",
    "no_device_cookies": "INSERT INTO res_user_device (login, cookie) VALUES ('admin', 'x')",
    "no_queue": "INSERT INTO ir_queue (name, enqueued_at) VALUES ('x', now())",
    "no_inbound_mail": "INSERT INTO inbound_email_inbox (name, identifier) VALUES ('x', 'y')",
    "no_trigger": (
        "INSERT INTO ir_trigger (name, model, active, condition, limit_number, action, on_create)"
        " VALUES ('x', (SELECT min(id) FROM ir_model), true, 'true', 0, 'x', true)"
    ),
    "own_password": "UPDATE res_user SET password_hash = (SELECT hash FROM kept_hash) WHERE login = 'admin'",
}


@pytest.fixture
def raw(bench: Bench) -> Iterator[Site]:
    with bench.copy() as made:
        yield made


@pytest.fixture(scope="module")
def harmless(bench: Bench) -> Iterator[Site]:
    """One copy for all: each test brings back one danger, and neutralising again removes it."""
    with bench.copy() as made:
        change(made, "CREATE TABLE kept_hash AS SELECT password_hash AS hash FROM res_user WHERE login = 'admin' AND password_hash IS NOT NULL")
        copy = neutralise.configure_copy(made, original=bench.site.database, sink_smtp=SINK)
        neutralise.neutralise(copy)
        yield copy


@pytest.fixture
def settings(harmless: Site) -> Iterator[Path]:
    text = harmless.config.read_bytes()
    yield harmless.config
    harmless.config.write_bytes(text)


def change(site: Site, statement: str) -> int:
    with postgres.connect(site.server, site.database) as connection:
        return connection.execute(statement).rowcount


def failing(site: Site) -> set[str]:
    return {proof.name for proof in neutralise.prove(site) if not proof.holds}


def test_each_danger_fails_its_own_proof_and_all_are_removed(harmless: Site) -> None:
    assert failing(harmless) == set()
    expected = set()
    for name, statement in DANGERS.items():
        assert change(harmless, statement) >= 1, name
        expected.add(name)
        assert failing(harmless) == expected
    counts = neutralise.neutralise(harmless)
    assert failing(harmless) == set()
    assert (counts["jobs"], counts["triggers"], counts["sessions"], counts["queue"], counts["inboxes"]) == (1, 1, 1, 1, 1)


def test_credentials_of_any_module_are_blanked(harmless: Site) -> None:
    change(
        harmless,
        "CREATE TABLE shop_provider"
        " (id int, secret_key varchar, webhook_endpoint varchar NOT NULL, private_key bytea, api_token text NOT NULL, title varchar)",
    )
    change(
        harmless,
        r"INSERT INTO shop_provider VALUES (1, 'sk_live', 'https://shop', '\x00ff', 'tok', 'Shop'), (2, NULL, 'https://two', NULL, 'tok2', NULL)",
    )
    assert failing(harmless) == {"no_credentials"}
    counts = neutralise.neutralise(harmless)
    assert counts["credentials"] == 6
    assert failing(harmless) == set()
    with postgres.connect(harmless.server, harmless.database) as connection:
        connection.execute("CREATE TEMPORARY TABLE seen AS TABLE shop_provider; DROP TABLE shop_provider")
        rows = connection.execute("SELECT * FROM seen ORDER BY id").fetchall()
    assert rows == [
        (1, None, "neutralised-1", None, "neutralised-1", "Shop"),
        (2, None, "neutralised-2", None, "neutralised-2", None),
    ]


@pytest.mark.parametrize(
    ("option", "value", "proof"),
    [
        ("email.uri", "smtp://mail.example.com:25", "mail_to_sink"),
        ("database.path", "/srv/tryton", "own_files"),
        ("database.uri", "postgresql://erp@db.example.com/", "own_server"),
        ("session.authentications", "password,ldap", "own_passwords_only"),
        ("payment.api_key", "live", "no_secret_settings"),
        ("wellkept.copy_of", "", "other_database"),
    ],
)
def test_settings_that_lead_out_fail_their_proof(harmless: Site, settings: Path, option: str, value: str, proof: str) -> None:
    section, _, name = option.partition(".")
    parser = config.load(settings)
    sections = {each: dict(parser.items(each)) for each in parser.sections()}
    config.write(settings, {**sections, section: {**sections.get(section, {}), name: value}})
    assert proof in failing(harmless)


def test_the_copy_keeps_what_shapes_its_data_and_drops_what_leads_out(bench: Bench, raw: Site, tmp_path: Path) -> None:
    original = tmp_path / "original.conf"
    original.write_text(
        "[database]\nuri = postgresql://erp:hunter2@db/live\npath = /srv/erp\nlanguage = zh_CN\n[product]\nprice_decimal = 6\n"
        "[email]\nuri = smtp://u:hunter2@mail\n[ldap_authentication]\nuri = ldap://dc\n[session]\nauthentications = ldap\ntimeout = 600\n"
        "[web]\nlisten = *:80\n[carrier]\nurl = https://api.carrier\napi_key = hunter2\nzone = 3\n[attachment]\nstore_prefix = shared\n"
    )
    made = neutralise.configure_copy(replace(raw, config=original), original=bench.site.database, sink_smtp=SINK)
    text = made.config.read_text()
    assert "hunter2" not in text
    assert "api.carrier" not in text
    parser = config.load(made.config)
    assert dict(parser.items("product")) == {"price_decimal": "6"}
    assert dict(parser.items("carrier")) == {"zone": "3"}
    assert parser.get("database", "language") == "zh_CN"
    assert dict(parser.items("session")) == {"authentications": "password", "timeout": "600"}
    assert config.layout(parser) == {"ir_attachment": "shared"}
    assert not parser.has_section("ldap_authentication")
    assert not parser.has_section("web")


def test_the_copy_finds_the_files_of_the_original(bench: Bench, harmless: Site) -> None:
    link = harmless.files / harmless.database
    assert link.is_symlink()
    assert link.resolve() == (harmless.files / bench.site.database).resolve()


def test_the_new_password_is_the_only_one_and_never_in_an_argument(harmless: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    run = command.run
    monkeypatch.setattr(command, "run", lambda args, **options: seen.append([str(arg) for arg in args]) or run(args, **options))
    neutralise.neutralise(harmless)
    assert seen
    assert not any(harmless.login.password in argument for args in seen for argument in args)
    with postgres.connect(harmless.server, harmless.database) as connection:
        assert connection.execute("SELECT login FROM res_user WHERE password_hash IS NOT NULL").fetchall() == [("admin",)]


def test_a_site_that_is_not_marked_is_left_alone(raw: Site) -> None:
    with pytest.raises(Invalid, match="not marked as a copy"):
        neutralise.neutralise(raw)
    assert change(raw, "UPDATE ir_cron SET active = active WHERE active") > 0
