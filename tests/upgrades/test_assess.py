"""An upgrade of a real company is assessed: what is said comes from the company, the index and this machine."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone, translation

from tests.services.index import Index, wheel
from tests.upgrades.conftest import assessed, keep, nobody_answers
from wellkept.adapters.base import Site
from wellkept.adapters.conformance.bench import content
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate.access import Console
from wellkept.estate.models import Environment, Organisation, Secret, System
from wellkept.lib.text import say
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run, RunState, Step, StepState
from wellkept.tools import postgres
from wellkept.upgrades import packages, releases, report
from wellkept.upgrades.models import Assessment, Level, Release

pytestmark = pytest.mark.django_db
CONSOLE = Console("tests")


def told(one: Assessment) -> dict[str, tuple[str, str]]:
    """What was concluded: each risk's sentence with its level and its remedy."""
    return {say(risk["text"]): (risk["level"], say(risk["remedy"])) for risk in one.report["risks"]}


def change(site: Site, *statements: str) -> None:
    with postgres.connect(site.server, site.database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_an_ordinary_company_has_nothing_in_the_way_and_is_only_read(kept: Environment, small_company: Site, series: Index) -> None:
    before = content(small_company)
    one = assessed(kept)
    assert content(small_company) == before
    found = one.report
    assert (one.current, one.target, one.level, found["path"]) == ("7.0", "8.0", Level.WATCH, ["7.0", "8.0"])
    assert [release["series"] for release in found["releases"]] == ["7.0", "7.2", "8.0", "8.2"]
    assert (found["installed"], found["used"]) == (44, 35)
    assert found["missing"] == []
    assert {need["name"] for need in found["requirements"] if need["holds"]} == {"Python", "PostgreSQL", "psycopg"}
    by_verdict = {verdict: {note["id"] for note in found["notes"] if note["applies"] == verdict} for verdict in ("yes", "later", "unknown")}
    assert by_verdict == {
        "yes": {"7.2-empty-references", "7.6-model-names"},
        "later": {"7.6-transit-location", "8.0-input-currency"},
        "unknown": set(),
    }
    assert all(note["reason"] for note in found["notes"] if note["applies"] != "later")
    assert found["breaches"] == []
    assert {risk["level"] for risk in found["risks"]} == {"watch"}
    sure = {text.partition(":")[0] for text in told(one)}
    # The shared company stands still, so its jobs are late and its server is not seen.
    assert sure == {
        "No backup of this system was ever restored",
        "How long the migration takes is not known yet",
        "Something could not be seen",
        "The ERP has unfinished work of its own",
    }
    (unfinished,) = (risk["text"] for risk in found["risks"] if "unfinished" in risk["text"]["id"])
    with translation.override("zh-hant"):
        assert "個排程工作延遲超過一小時" in say(unfinished, translation.gettext)
    room_is_measured_where_it_is_needed(one, small_company)
    report.store(str(one.run_id), kept.pk, "8.0", one.report)
    assert Assessment.objects.get() == one, "the same run keeps one"


def room_is_measured_where_it_is_needed(one: Assessment, small_company: Site) -> None:
    space = {place["what"]: place for place in one.report["space"]}
    with postgres.connect(small_company.server, small_company.database, readonly=True) as connection:
        size = postgres.database_size(connection)
        (data,) = connection.execute("SELECT current_setting('data_directory')").fetchone() or ("",)
    assert (space["copy"]["place"], space["copy"]["needed"]) == (data, int(size * 1.5))
    files = sum(path.stat().st_size for path in small_company.files.rglob("*") if path.is_file())
    assert space["rehearsal"]["needed"] == int((size + files) * 2.7)
    venv = small_company.interpreter.parent.parent
    installed = sum(path.lstat().st_size for path in venv.rglob("*") if not path.is_dir() or path.is_symlink())
    assert space["release"]["needed"] == pytest.approx(installed, rel=0.02)
    assert all(place["enough"] and place["free"] > place["needed"] for place in space.values())


def test_a_disk_that_is_too_small_is_in_the_way(kept: Environment, series: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wellkept.backups.checks.RESERVE", 10**15)
    one = assessed(kept)
    assert one.level == Level.ACT
    (first,) = [text for text in told(one) if "for the copy of the database in which the upgrade works" in text]
    assert first.startswith("The disk at /")
    assert told(one)[first] == ("act", "Make room there first")


def test_what_a_login_may_not_know_is_said_to_be_unknown(small_company: Site, organisation: Organisation, series: Index) -> None:
    change(small_company, "CREATE ROLE looks LOGIN PASSWORD 'looks-pass-1'", "GRANT pg_read_all_data TO looks")
    try:
        site = replace(small_company, server=replace(small_company.server, user="looks", password="looks-pass-1"))
        one = assessed(keep(site, organisation))
    finally:
        change(small_company, "DROP ROLE looks")
    assert one.report["space"][0]["place"] is None
    text = "Whether there is room for the copy of the database in which the upgrade works cannot be seen from here"
    level, remedy = told(one)[text]
    assert (level, remedy.startswith("Look yourself: about ")) == ("watch", True)


def test_modules_of_ones_own_rows_and_passwords_are_in_the_way(own_company: Site, organisation: Organisation, series: Index, tmp_path: Path) -> None:
    series.add("trytond-sale-point", "8.0.4")
    series.add("trytond-our-own", "7.0.1")
    change(
        own_company,
        "INSERT INTO ir_module (name, state) VALUES ('our_own', 'activated'), ('sale_point', 'activated'), ('never', 'not activated')",
        "UPDATE res_user SET password_hash = '$scrypt$ln=16,r=8,p=1$abc$def' WHERE login = 'buyer'",
        "INSERT INTO company_company (party, currency) SELECT party, currency FROM company_company LIMIT 1",
        "UPDATE party_contact_mechanism SET value = NULL WHERE id = (SELECT min(id) FROM party_contact_mechanism)",
    )
    one = assessed(keep(own_company, organisation))
    assert one.level == Level.ACT
    lost = {entry["module"]: entry["offered"] for entry in one.report["missing"]}
    assert lost == {"our_own": None, "sale_point": "8.0.4"}
    said = told(one)
    levels = [level for level, _ in said.values()]
    assert levels == sorted(levels)
    level, remedy = said["Active modules that do not exist for 8.0: our_own"]
    assert (level, "wellkept upgrade modules add SYSTEM FILE --to 8.0" in remedy) == ("act", True)
    assert said["Modules that do not come with our packages of 8.0 and are taken from the package index: sale_point"][0] == "watch"
    assert said["Only a person can do this: Passwords with an old hash have to be set again"][0] == "act"
    company = next(
        text for text in said if text.startswith("Company: party is there more than once, and 8.0 wants it to be unique (rows: 2, first: ")
    )
    assert said[company] == ("act", "Correct these rows in the ERP: the migration would end there")
    packages.give(one.system, "8.0", wheel(tmp_path, "our-own", "8.0.3", modules=["our_own"]), who=CONSOLE)
    again = assessed(one.environment)
    assert {entry["module"]: entry["given"] for entry in again.report["missing"]} == {"our_own": "8.0.3", "sale_point": None}
    assert not any("do not exist" in text for text in told(again))
    mechanism = next(text for text in said if text.startswith("Contact Mechanism: value is empty where 8.0 wants it filled (rows: 1, first: "))
    assert said[mechanism][0] == "watch"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("6.0", "Tryton has no way back"),
        ("7.0", "installed already"),
        ("9.0", "from 7.0 it goes to 7.2, 8.0, 8.2"),
        ("latest", "a series looks like"),
    ],
)
def test_a_way_that_does_not_exist_is_refused_with_the_one_that_does(target: str, says: str, kept: Environment, series: Index) -> None:
    with pytest.raises(Failed, match=rf"This upgrade is not possible: .*{says}"):
        assessed(kept, target)
    assert not Assessment.objects.exists()


def test_a_jump_that_nobody_described_is_in_the_way(own_company: Site, organisation: Organisation, series: Index) -> None:
    # The index is asked for every active module that does not come with our packages, and of 7.2 none does.
    change(own_company, "UPDATE ir_module SET state = 'not activated' WHERE name NOT IN ('ir', 'res', 'country', 'currency', 'party', 'company')")
    one = assessed(keep(own_company, organisation), "7.2")
    assert one.level == Level.ACT
    assert one.report["notes"] == []
    assert any(text.startswith("The manual steps from 7.0 to 7.2 are not described here") for text in told(one))
    assert told(one)["Wellkept has no pinned packages of 7.2, so it cannot install it"][0] == "act"
    assert told(one)["7.2 itself is maintained only until 2025-04-29"][0] == "watch"


def test_without_the_index_what_was_known_counts_and_its_age_is_said(kept: Environment, series: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_answers(monkeypatch)
    one = assessed(kept)
    assert one.report["seen_at"] is None
    assert "The package index does not say which releases there are: none is known from before" in told(one)
    monkeypatch.setenv("PIP_INDEX_URL", series.address)
    assessed(kept)
    day = timezone.now() - dt.timedelta(days=3)
    Release.objects.update(seen_at=day)
    nobody_answers(monkeypatch)
    one = assessed(kept)
    assert one.report["seen_at"] == day.isoformat()
    assert f"The package index does not say which releases there are: what is said about releases is from {day.isoformat()}" in told(one)
    assert [release["series"] for release in one.report["releases"]] == ["7.0", "7.2", "8.0", "8.2"]
    with pytest.raises(Failed, match=r"there is no series 9\.0"):
        assessed(kept, "9.0")


def test_an_index_without_the_erp_takes_nothing_away(system: System, series: Index) -> None:
    assert releases.look("tryton").problem == ""
    (series.folder / "trytond").rename(series.folder / "elsewhere")
    known = releases.look("tryton")
    assert (known.problem, known.seen_at) == ("it has no release of tryton", Release.objects.first().seen_at)
    assert [one.series for one in releases.kept("tryton")] == ["6.0", "7.0", "7.2", "8.0", "8.2"]


def test_a_database_that_does_not_answer_ends_it_with_a_sentence(small_company: Site, organisation: Organisation, series: Index) -> None:
    gone = replace(small_company, database="not_there", interpreter=None)
    with pytest.raises(Failed, match=r"cannot be seen|could not be"):
        assessed(keep(gone, organisation))


def test_a_proven_backup_and_earlier_runs_are_taken_into_account(kept: Environment, series: Index, tmp_path: Path) -> None:
    drilled(kept, tmp_path)
    run = Run.objects.create(
        organisation=kept.system.organisation, environment=kept, operation="upgrades.rehearse", maintenance_type="adaptive", state=RunState.FAILED
    )
    Step.objects.create(run=run, number=1, name="migrate", title="Migrate", state=StepState.DONE, seconds=151.5)
    one = assessed(kept)
    assert {"No backup of this system was ever restored", "How long the migration takes is not known yet"} & set(told(one)) == set()
    assert one.report["time"][2] == {"what": "migration", "p50": None, "p90": None, "last": 151.5}


def drilled(environment: Environment, folder: Path) -> None:
    organisation = environment.system.organisation
    secret = Secret.objects.create(organisation=organisation, name="key", ciphertext="x")
    facts: dict[str, Any] = {"organisation": organisation, "system": environment.system}
    place = Repository.objects.create(organisation=organisation, name="local", location=str(folder), key=secret, drill_identity=secret, escrow="")
    made = Backup.objects.create(**facts, environment=environment, repository=place, state=BackupState.GOOD)
    Drill.objects.create(**facts, backup=made, state=DrillState.PROVEN)
