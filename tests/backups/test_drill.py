import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.backups.test_verify import flip, packs, truncate
from tests.people import make_system
from tests.services.sets import Rows, content_hash, new_run
from wellkept.adapters.base import Proof, Site
from wellkept.adapters.tryton import storage
from wellkept.backups import certificate, copy, drill, queries
from wellkept.backups.models import Backup, BackupState, Drill, DrillState
from wellkept.estate import connect, secrets
from wellkept.lib import escrow
from wellkept.lib.text import say
from wellkept.operations import records, scratch
from wellkept.operations.errors import Failed
from wellkept.operations.models import Record, Run
from wellkept.tools import command, netns, postgres

STEPS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("restore", drill.restore_set),
    ("database", drill.restore_database),
    ("tables", lambda run_id, _drill_id: drill.check_tables(run_id)),
    ("figures", drill.compare_before),
    ("neutralise", drill.neutralise),
    ("start", drill.start_erp),
    ("sign-in", drill.sign_in),
)


def begun(rows: Rows, run_id: str) -> int:
    drill_id: int = drill.begin(run_id, rows.environment.system_id, None)["drill_id"]
    return drill_id


def sql(here: copy.Place, statement: str) -> int:
    """Change something in the copy behind everybody's back; returns how many rows."""
    with postgres.connect(here.cluster().server(), copy.DATABASE) as connection:
        return connection.execute(statement).rowcount  # type: ignore[call-overload,no-any-return]


def failed(call: Callable[[], Any]) -> str:
    with pytest.raises(Failed) as told:
        call()
    return say(told.value.message)


def test_a_set_is_restored_started_and_proven(rows: Rows, company: Site, run_id: str) -> None:
    before = content_hash(company)
    drill_id = begun(rows, run_id)
    facts: dict[str, Any] = {"open": drill.open_repository(run_id, drill_id)}
    for name, step in STEPS:
        facts[name] = step(run_id, drill_id)
    here = copy.place(run_id)
    if netns.kind() != netns.NONE:
        assert facts["start"] == {"isolation": netns.kind(), "interfaces": ["lo"], "routes": [], "outside": "Network is unreachable"}
        processes = connect.ability(rows.environment, "control").processes(copy.kept_site(here))
        assert {netns.inside(copy.sealed(here), process.pid) for process in processes} == {True}
    assert set(facts["sign-in"]["probes"]) == {"login", "search", "open", "save"}
    facts["after"] = drill.compare_after(run_id, drill_id, facts["open"]["clock"], facts["figures"]["newest_document"])
    facts["prove"] = drill.prove_harmless(run_id, drill_id)
    assert {proof["name"] for proof in facts["prove"]["proofs"]} >= {"old_password_refused:admin", "nothing_sent", "no_live_job"}
    password = copy.kept_site(here).login.password  # type: ignore[union-attr]
    group = copy.sealed(here).group
    facts["destroy"] = drill.destroy(run_id)
    assert not scratch.path(run_id).exists()
    assert not command.group_alive(group)

    result = certificate.issue(run_id, drill_id, facts)
    assert certificate.issue(run_id, drill_id, facts)["drill_id"] == drill_id
    drill.clean_up(run_id)
    (found,) = queries.drills(Drill.objects.all())
    assert (found.state, found.figures_equal, found.neutral_proven, found.escrow_key_used, found.differences) == (
        DrillState.PROVEN,
        True,
        True,
        True,
        [],
    )
    assert found.figures == rows.backup.manifest["figures"]["count"]
    assert result["rto_seconds"] > facts["sign-in"]["probes"]["login"]
    assert company.server is not None
    with postgres.connect(company.server, company.database, readonly=True) as connection:
        newest = datetime.fromisoformat(str(storage.newest_document(connection)))
    assert found.rpo_seconds == pytest.approx((found.started_at - newest).total_seconds())
    (entry,) = Record.objects.filter(kind="drill.certificate")
    assert entry.data["figures"]["equal"] is True
    assert password not in str(list(Drill.objects.values())) + str(list(Record.objects.values()))
    assert records.verify(rows.backup.organisation).ok
    assert content_hash(company) == before


def test_whatever_is_wrong_with_a_copy_is_found(rows: Rows, run_id: str) -> None:
    """One restored copy, harmed in one way after the other and mended again."""
    drill_id = begun(rows, run_id)
    clock = drill.open_repository(run_id, drill_id)["clock"]
    for name, step in STEPS[:2]:
        assert step(run_id, drill_id), name
    here = copy.place(run_id)

    assert sql(here, "UPDATE account_move_line SET debit = debit + 0.01 WHERE id = (SELECT min(id) FROM account_move_line WHERE debit > 0)") == 1
    assert "books differ" in failed(lambda: drill.compare_before(run_id, drill_id))
    row = Drill.objects.get(pk=drill_id)
    assert row.figures_equal is False
    assert any(say(line).startswith("Trial balance: account ") for line in row.differences)
    sql(here, "UPDATE account_move_line SET debit = debit - 0.01 WHERE id = (SELECT min(id) FROM account_move_line WHERE debit > 0)")

    root = here.files()
    assert root is not None
    attached = next(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
    content = attached.read_bytes()
    attached.write_bytes(b"X" + content[1:])
    assert "books differ" in failed(lambda: drill.compare_before(run_id, drill_id))
    attached.write_bytes(content)
    drill.compare_before(run_id, drill_id)

    drill.neutralise(run_id, drill_id)
    drill.start_erp(run_id, drill_id)
    drill.sign_in(run_id, drill_id)
    sql(here, "INSERT INTO party_party (code, name, active) VALUES ('NEW', 'Intruder', true)")
    assert "books differ" in failed(lambda: drill.compare_after(run_id, drill_id, clock, None))
    sql(here, "DELETE FROM party_party WHERE code = 'NEW'")
    drill.compare_after(run_id, drill_id, clock, None)

    mail = f"import smtplib; smtplib.SMTP('127.0.0.1', {copy.sealed(here).smtp_port}).sendmail('a@x.invalid', ['customer@x.invalid'], 'reminder')"
    command.run([*netns.prefix(copy.sealed(here)), sys.executable, "-c", mail], timeout=30)
    assert "nothing_sent" in failed(lambda: drill.prove_harmless(run_id, drill_id))
    assert Drill.objects.get(pk=drill_id).neutral_proven is False
    assert "did not prove everything" in failed(lambda: certificate.issue(run_id, drill_id, {}))
    drill.clean_up(run_id)
    assert Drill.objects.get(pk=drill_id).state == DrillState.FAILED
    assert not Record.objects.filter(kind="drill.certificate").exists()


def test_a_live_job_in_the_copy_is_found(rows: Rows, run_id: str) -> None:
    """A proof that does not hold ends the drill: what ``prove`` reads is what counts, not what ``neutralise`` says it did."""
    drill_id = begun(rows, run_id)
    assert "no_live_job" in failed(
        lambda: drill._require(drill_id, [Proof("fine", holds=True, seen=""), Proof("no_live_job", holds=False, seen="1 found")])
    )
    assert Drill.objects.get(pk=drill_id).neutral_proven is False


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[:200] + ("A" if text[200] != "A" else "B") + text[201:], "escrowed key cannot be used"),
        (lambda text: text[: len(text) // 2], "escrowed key cannot be used"),
        (
            lambda _text: escrow.seal({"repository": "local", "location": "/", "password": "x"}, [escrow.new_identity().public]),
            "escrowed key cannot be used",
        ),
    ],
)
def test_a_broken_escrow_is_found_although_the_stored_key_works(rows: Rows, run_id: str, damage: Callable[[str], str], reason: str) -> None:
    rows.repository.escrow = damage(rows.repository.escrow)
    rows.repository.save()
    drill_id = begun(rows, run_id)
    assert reason in failed(lambda: drill.open_repository(run_id, drill_id))
    assert Drill.objects.get(pk=drill_id).escrow_key_used is None
    assert rows.again().state == BackupState.GOOD


def test_an_escrow_with_a_wrong_key_is_found(rows: Rows, run_id: str) -> None:
    identity = escrow.identity_of(secrets.open(rows.repository.drill_identity))
    rows.repository.escrow = escrow.seal({"repository": "local", "location": rows.repository.location, "password": "old one"}, [identity.public])
    rows.repository.save()
    drill_id = begun(rows, run_id)
    assert "key does not open the repository" in failed(lambda: drill.open_repository(run_id, drill_id))


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_damage_in_the_repository_fails_the_drill_and_breaks_the_backup(rows: Rows, run_id: str, damage: Callable[[Path], None]) -> None:
    damage(packs(rows)[-1])
    drill_id = begun(rows, run_id)

    def steps() -> None:
        drill.open_repository(run_id, drill_id)
        drill.restore_set(run_id, drill_id)

    assert "damaged" in failed(steps)
    assert rows.again().state == BackupState.BROKEN
    assert "could not be restored" in say(rows.backup.problem)
    drill.clean_up(run_id)
    assert Drill.objects.get(pk=drill_id).state == DrillState.FAILED


def test_a_set_of_another_system_is_refused(rows: Rows, run_id: str) -> None:
    """The snapshot of this system stands in the row of another one."""
    other = make_system(rows.backup.organisation, "other")
    Backup.objects.filter(pk=rows.backup.pk).update(system=other)
    drill_id = drill.begin(run_id, other.pk, rows.backup.pk)["drill_id"]
    assert "it is a set of the system erp1, not of other" in failed(lambda: drill.restore_set(run_id, drill_id))


def test_a_backup_of_another_system_cannot_be_named(rows: Rows, run_id: str) -> None:
    other = make_system(rows.backup.organisation, "other")
    assert "no such backup of this system" in failed(lambda: drill.begin(run_id, other.pk, rows.backup.pk))
    assert not Drill.objects.exists()


def test_a_missing_version_of_postgresql_is_refused(rows: Rows, run_id: str) -> None:
    rows.backup.manifest["postgresql"]["major"] = 99
    rows.backup.save()
    assert "PostgreSQL 99 is not installed" in failed(lambda: begun(rows, run_id))
    assert not Drill.objects.exists()


def test_a_disk_that_is_too_small_is_refused_before_the_first_byte(rows: Rows, run_id: str, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(40)
    scratch.path(run_id).symlink_to(disk)
    try:
        assert "is too small" in failed(lambda: begun(rows, run_id))
        assert [entry.name for entry in disk.iterdir()] == ["run.json"]
    finally:
        scratch.path(run_id).unlink()


def test_a_cancelled_drill_is_neither_proven_nor_failed(rows: Rows, run_id: str) -> None:
    drill_id = begun(rows, run_id)
    Run.objects.filter(pk=run_id).update(cancel_requested_at=timezone.now())
    drill.clean_up(run_id)
    drill.clean_up(run_id)
    assert Drill.objects.get(pk=drill_id).state == DrillState.CANCELLED
    Drill.objects.update(figures_equal=True, neutral_proven=True, escrow_key_used=True, rto_seconds=1.0)
    nothing = {"start": {}, "neutralise": {"proofs": []}, "prove": {"proofs": []}, "after": {"ignored": []}, "restore": {"hashes": 0}}
    rest = {"figures": {"newest_document": None}, "tables": {"amcheck": ""}, "sign-in": {"probes": {}}, "destroy": {"left": False}}
    assert "was given up" in failed(lambda: certificate.issue(run_id, drill_id, {**nothing, **rest}))
    assert not Record.objects.filter(kind="drill.certificate").exists()


def test_another_machine_that_takes_over_says_that_the_copy_is_gone(rows: Rows) -> None:
    other = new_run(rows.backup.organisation)
    drill_id = begun(rows, other)
    scratch.remove(other)
    assert "start the drill again" in failed(lambda: drill.restore_database(other, drill_id))
    scratch.remove(other)
