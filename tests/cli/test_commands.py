"""The commands of organisations, people, tokens, runs and systems: real processes on a real home."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.commands import Wellkept as Run
from tests.services.commands import commands
from tests.services.platform import own_home
from wellkept.adapters.base import Site


@pytest.fixture(scope="module")
def wellkept() -> Iterator[Run]:
    """Runs a command in a home of its own."""
    with own_home("cli-") as home, commands(home) as run:
        yield run


def data(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    """What a command printed with --json: exactly one JSON value on standard output."""
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def error(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """The code and the name of the error that a command told with --json."""
    told = json.loads(done.stdout)["error"]
    assert told["code"] == done.returncode
    assert told["message"]
    return told["code"], told["name"]


def test_help_and_version_work_without_a_home(tmp_path: Path) -> None:
    environment = {**os.environ, "WELLKEPT_HOME": str(tmp_path / "none")}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "wellkept", *args], env=environment, capture_output=True, text=True, timeout=60, check=False)

    for args, expected in (([], "Commands:"), (["--help"], "backup"), (["init", "--help"], "home folder"), (["--version"], "wellkept 0.")):
        done = run(*args)
        assert expected in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    done = run("system", "list")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"wellkept: {tmp_path / 'none'} is not set up; run: wellkept init\n"
    assert error(run("system", "list", "--json")) == (3, "not_set_up")
    assert not (tmp_path / "none").exists()


def test_from_an_empty_home_to_members_with_tokens(wellkept: Run) -> None:
    assert "wellkept organisation create" in wellkept("person", "list").stderr
    made = data(wellkept("organisation", "create", "riverside", "--name", "Riverside", "--time-zone", "Asia/Taipei", "--json"))
    assert made == {"organisation": "riverside", "name": "Riverside", "time_zone": "Asia/Taipei", "language": "en"}
    assert error(wellkept("organisation", "create", "riverside", "--json")) == (8, "conflict")
    assert error(wellkept("organisation", "create", "x", "--time-zone", "Mars", "--json")) == (7, "invalid")
    assert data(wellkept("organisation", "list", "--json")) == [made]

    invited = data(wellkept("person", "invite", "a@riverside.example", "--role", "administrator", "--json"))
    assert (invited["role"], len(invited["password"])) == ("administrator", 20)
    text = wellkept("person", "invite", "b@riverside.example").stdout
    assert text.startswith("b@riverside.example is viewer of riverside.\nFirst password, shown only now: ")
    assert error(wellkept("person", "invite", "b@riverside.example", "--json")) == (8, "conflict")
    assert error(wellkept("person", "role", "a@riverside.example", "none", "--json")) == (7, "invalid")
    assert data(wellkept("person", "role", "b@riverside.example", "operator", "--json"))["role"] == "operator"
    assert [(row["email"], row["role"]) for row in data(wellkept("person", "list", "--json"))] == [
        ("a@riverside.example", "administrator"),
        ("b@riverside.example", "operator"),
    ]
    assert error(wellkept("person", "password", "b@riverside.example", "--json")) == (2, "usage")
    fresh = data(wellkept("person", "password", "b@riverside.example", "--yes", "--json"))["password"]
    assert fresh not in text

    token = data(wellkept("token", "create", "nightly", "--person", "b@riverside.example", "--scope", "operator", "--json"))
    assert token["token"].startswith("wk_")
    assert error(wellkept("token", "create", "x", "--person", "b@riverside.example", "--scope", "administrator", "--json")) == (7, "invalid")
    listed = wellkept("token", "list", "--json").stdout
    assert [row["name"] for row in json.loads(listed)] == ["nightly"]
    assert token["token"] not in listed
    assert data(wellkept("token", "revoke", str(token["id"]), "--json")) == {"id": token["id"], "revoked": True}
    assert error(wellkept("token", "revoke", str(token["id"]), "--json")) == (4, "not_found")

    entries = data(wellkept("record", "list", "--json"))
    assert {entry["actor"] for entry in entries} == {"os:root" if os.geteuid() == 0 else entries[0]["actor"]}
    assert len(entries) == 7
    assert not [secret for secret in (invited["password"], fresh, token["token"]) if secret in json.dumps(entries)]


def test_a_run_is_started_followed_and_found_again(wellkept: Run) -> None:
    wellkept("organisation", "create", "riverside")
    done = wellkept("run", "start", "operations.selftest", "--arguments", '{"steps": 3}')
    assert done.returncode == 0, done.stderr
    assert "done" in done.stderr
    ended = data(wellkept("run", "start", "operations.selftest", "--json"))
    assert ended["state"] == "succeeded"
    assert [row["run"] for row in data(wellkept("run", "list", "--limit", "1", "--json"))] == [ended["run"]]
    shown = data(wellkept("run", "show", ended["run"][:13], "--json"))
    assert (shown["id"], shown["state"], shown["open"]) == (ended["run"], "succeeded", False)
    assert {phase["state"] for phase in shown["phases"]} == {"done"}
    assert ended["run"] in wellkept("run", "show", ended["run"]).stdout
    assert data(wellkept("run", "follow", ended["run"], "--json"))["run"] == ended["run"]
    assert error(wellkept("run", "cancel", ended["run"], "--json")) == (7, "invalid")
    waiting = data(wellkept("run", "start", "operations.selftest", "--no-wait", "--json"))
    assert data(wellkept("run", "list", "--open", "--json"))[0]["run"] == waiting["run"]
    assert data(wellkept("run", "cancel", waiting["run"], "--json"))["state"] == "cancelled"
    assert wellkept("run", "follow", waiting["run"]).returncode == 12
    for args, expected in (
        (["run", "show", "ffffffff"], (4, "not_found")),
        (["run", "show", "not hex"], (4, "not_found")),
        (["run", "start", "no.such"], (4, "not_found")),
        (["run", "start", "operations.selftest", "--arguments", "[1]"], (2, "usage")),
        (["run", "start", "operations.selftest", "--arguments", "{"], (2, "usage")),
    ):
        assert error(wellkept(*args, "--json")) == expected


def test_an_erp_is_adopted_looked_at_and_given_up(wellkept: Run, small_company: Site) -> None:
    wellkept("organisation", "create", "riverside")
    config = ["--tryton-config", str(small_company.config), "--database", small_company.database]
    preview = data(wellkept("system", "adopt", "erp1", *config, "--preview", "--json"))
    assert (preview["users_active"], preview["files_count"]) == (15, 60)
    assert data(wellkept("system", "list", "--json")) == []
    assert wellkept("system", "adopt", "erp1", *config).returncode == 2
    assert data(wellkept("system", "list", "--json")) == []
    row = data(wellkept("system", "adopt", "erp1", *config, "--interpreter", str(small_company.interpreter), "--yes", "--json"))
    assert (row["system"], row["provisioned"]) == ("erp1", False)
    assert row["version"].startswith("7.0.")
    assert error(wellkept("system", "adopt", "erp1", *config, "--yes", "--json")) == (8, "conflict")
    again = wellkept("system", "adopt", "erp2", *config, "--yes")
    assert (again.returncode, again.stderr.splitlines()[-1]) == (8, "wellkept: this ERP is kept already, as erp1")
    shown = data(wellkept("system", "show", "erp1", "--json"))
    assert (shown["seen"]["users_total"], shown["reached_by"]["database"]) == (15, small_company.database)
    assert len(shown["components"]) >= 42
    assert "Components" in wellkept("system", "show", "riverside/erp1").stdout
    assert data(wellkept("system", "discover", "erp1", "--json"))["users_active"] == 15
    assert error(wellkept("system", "start", "erp1", "--json")) == (7, "invalid")
    assert error(wellkept("system", "destroy", "erp1", "--confirm", "erp1", "--json")) == (7, "invalid")
    assert error(wellkept("system", "remove", "erp1", "--json")) == (2, "usage")
    assert error(wellkept("system", "remove", "erp1", "--confirm", "erp", "--json")) == (2, "usage")
    assert data(wellkept("system", "remove", "erp1", "--confirm", "erp1", "--json"))["system"] == "erp1"
    assert error(wellkept("system", "show", "erp1", "--json")) == (4, "not_found")
    assert data(wellkept("record", "verify", "--json"))["ok"] is True


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--url", "http://169.254.169.254/", "--database", "x"], (5, "refused")),
        (["--url", "file:///etc/passwd", "--database", "x"], (5, "refused")),
        (["--url", "http://nowhere.invalid/", "--database", "x"], (6, "unreachable")),
        (["--url", "http://127.0.0.1:1/", "--database", "x"], (7, "invalid")),
        (["--url", "http://127.0.0.1:1/"], (7, "invalid")),
        (["--tryton-config", "/nowhere/trytond.conf"], (7, "invalid")),
        ([], (7, "invalid")),
    ],
)
def test_what_cannot_be_adopted_is_not(args: list[str], expected: tuple[int, str], wellkept: Run) -> None:
    wellkept("organisation", "create", "riverside")
    assert error(wellkept("system", "adopt", "erp7", *args, "--yes", "--json")) == expected
    assert "erp7" not in wellkept("system", "list", "--json").stdout


def test_a_password_is_taken_from_the_environment_and_never_from_the_command_line(wellkept: Run) -> None:
    from wellkept.cli import reference

    options = [option for _name, command in reference.every_command() for part in command.params for option in part.opts]
    assert not [option for option in options if "password" in option or "secret" in option]
    wellkept("organisation", "create", "riverside")
    done = wellkept(
        "system", "adopt", "erp7", "--url", "http://127.0.0.1:1/", "--database", "x", "--host", "127.0.0.1", "--port", "1", "--yes",
        WELLKEPT_DATABASE_PASSWORD="hunter2",
    )  # fmt: skip
    assert done.returncode == 7
    assert "hunter2" not in done.stdout + done.stderr
