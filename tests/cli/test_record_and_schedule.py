"""``wellkept record`` and ``wellkept schedule`` as an administrator uses them: real processes, a real home."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.services.commands import Wellkept, commands
from tests.services.platform import own_home
from wellkept import home as homes


@dataclass
class Installation:
    """A home of its own and its commands."""

    home: homes.Home
    run: Wellkept

    def json(self, *args: str, code: int = 0) -> Any:
        done = self.run(*args, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def tamper(self, statement: str) -> None:
        server = self.home.cluster().server()
        with psycopg.connect(host=server.host, port=server.port, user=server.user, dbname="wellkept") as admin:
            admin.execute("SET session_replication_role = replica")
            admin.execute(statement)


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with own_home("cli-") as home, commands(home) as run:
        made = Installation(home, run)
        made.json("organisation", "create", "riverside")
        yield made


def test_windows_and_freezes_are_declared_and_removed(installation: Installation) -> None:
    week = installation.json("window", "add", "--days", "sat,sun", "--start", "22:00", "--end", "04:00", "--time-zone", "Europe/Zurich")
    assert week["when"] == "every system may be changed every week: Saturday, Sunday, 22:00 to 04:00 (Europe/Zurich)"
    once = installation.json("window", "add", "--start", "2099-07-04 22:00", "--end", "2099-07-05T04:00+00:00", "--time-zone", "Asia/Taipei")
    assert (once["days"], once["starts_at"], once["ends_at"]) == ([], "2099-07-04T22:00:00+08:00", "2099-07-05T04:00:00+00:00")
    assert [row["id"] for row in installation.json("window", "list")] == [week["id"], once["id"]]
    frozen = installation.json("freeze", "add", "--start", "2099-12-20 00:00", "--end", "2100-01-10 00:00", "--reason", "Closing of the year")
    assert [row["reason"] for row in installation.json("freeze", "list")] == ["Closing of the year"]
    for wrong in (("--days", "sat,noday", "--start", "22:00"), ("--start", "late")):
        assert installation.json("window", "add", *wrong, "--end", "04:00", code=7)["error"]["name"] == "invalid"
    assert installation.json("freeze", "remove", str(frozen["id"]), code=2)["error"]["name"] == "usage"
    installation.json("freeze", "remove", str(frozen["id"]), "--yes")
    for row in (week, once):
        installation.json("window", "remove", str(row["id"]), "--yes")
    assert (installation.json("window", "list"), installation.json("freeze", "list")) == ([], [])


def anywhere(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command as on a machine without an installation."""
    environment = {**os.environ, "WELLKEPT_HOME": str(home)}
    return subprocess.run([sys.executable, "-m", "wellkept", *args], env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_schedule_is_made_changed_paused_and_removed(installation: Installation) -> None:
    made = installation.json("schedule", "add", "operations.selftest", "30 2 * * 1-5", "--time-zone", "Asia/Taipei", "--arguments", '{"steps": 2}')
    assert (made["operation"], made["cron"], made["arguments"], made["when"]) == (
        "operations.selftest",
        "30 2 * * 1-5",
        {"steps": 2},
        "from Monday to Friday at 02:30 (Asia/Taipei)",
    )
    number = str(made["id"])
    moments = installation.json("schedule", "next", number, "--count", "3")["moments"]
    assert [moment[11:] for moment in moments] == ["02:30:00+08:00"] * 3
    assert installation.json("schedule", "edit", number, "--cron", "0 3 * * *")["when"] == "every day at 03:00 (Asia/Taipei)"
    assert "operations.selftest is now to be run: every day at 03:00 (Asia/Taipei)" in installation.run("record", "list").stdout
    assert installation.json("schedule", "pause", number)["next"] is None
    assert installation.json("schedule", "resume", number)["enabled"] is True
    installation.json("schedule", "remove", number, code=2)
    assert "every day at 03:00" in installation.run("schedule", "list").stdout
    assert installation.json("schedule", "remove", number, "--yes") == {"id": made["id"], "removed": True}


def test_what_cannot_be_scheduled_is_refused(installation: Installation) -> None:
    for arguments, code, words in (
        (("add", "operations.selftest", "61 * * * *"), 7, "out of range"),
        (("add", "operations.selftest", "0 0 * * *", "--arguments", "[1]"), 7, "JSON object"),
        (("pause", "9999"), 4, "no schedule 9999"),
    ):
        error = installation.json("schedule", *arguments, code=code)["error"]
        assert words in error["message"]
    assert installation.json("schedule", "list") == []


def test_the_record_is_shown_exported_and_checked_anywhere(installation: Installation, tmp_path: Path) -> None:
    installation.json("schedule", "add", "operations.selftest", "0 0 1 1 *")
    installation.json("record", "checkpoint")
    entries = installation.json("record", "list", "--kind", "schedule.added")
    newest = entries[0]["number"]
    assert entries[0]["actor"].startswith("os:")
    assert installation.json("record", "show", str(newest))["data"]["cron"] == "0 0 1 1 *"
    found = installation.json("record", "verify")
    assert (found["ok"], found["entries"], found["checkpoints"]) == (True, newest, 2)
    export = tmp_path / "record.jsonl"
    assert installation.json("record", "export", "--to", str(export))["lines"] == newest + 1
    key = tmp_path / "key.pub"
    key.write_text(installation.run("record", "public-key").stdout)
    checking = ("record", "verify", "--file", str(export), "--public-key", str(key), "--json")
    done = anywhere(tmp_path / "no-home-here", *checking)
    assert (done.returncode, json.loads(done.stdout)["entries"]) == (0, newest), done.stderr
    assert not (tmp_path / "no-home-here").exists()
    export.write_text(export.read_text().replace("0 0 1 1 *", "0 0 2 1 *"))
    done = anywhere(tmp_path / "no-home-here", *checking)
    assert (done.returncode, json.loads(done.stdout)["first_broken"]) == (14, newest)
    rows = list(csv.reader(io.StringIO(installation.run("record", "export", "--format", "csv").stdout)))
    assert [row[0] for row in rows] == ["number", *map(str, range(1, newest + 1))]


def test_what_is_no_export_is_refused(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello\n")
    assert "cannot be read" in installation.json("record", "verify", "--file", str(file), "--public-key", "x", code=7)["error"]["message"]
    assert "--public-key" in installation.json("record", "verify", "--file", str(file), code=2)["error"]["message"]
    installation.json("record", "show", "9999", code=4)


def test_verify_ends_with_its_own_code_when_an_administrator_changed_an_entry(installation: Installation) -> None:
    installation.json("record", "checkpoint")
    installation.tamper("UPDATE wellkept_record SET actor = 'nobody' WHERE number = 1")
    done = installation.run("record", "verify")
    expected = "The record is broken: Entry 1 was edited: its content does not fit its hash. 0 entries before hold.\n"
    assert (done.returncode, done.stdout) == (14, expected)
