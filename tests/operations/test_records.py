import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import InternalError, ProgrammingError, connection, transaction

from tests.people import make_organisation
from wellkept.estate.models import Organisation
from wellkept.lib import hashchain
from wellkept.lib.text import message
from wellkept.operations import checkpoints, records, verification
from wellkept.operations.models import Checkpoint, Record


def write(organisation: Organisation, count: int = 1, **fields: Any) -> Record:
    for index in range(count):
        last = records.append(
            organisation, "backups.take", message("Backed up {files} files", files=index), actor="os:root", data={"bytes": 1000 + index}, **fields
        )
    return last


def test_numbers_start_at_one_for_each_organisation_and_hashes_link(organisation: Organisation, other_organisation: Organisation) -> None:
    write(organisation, 3)
    write(other_organisation, 2)
    rows = list(Record.objects.filter(organisation=organisation).order_by("number"))
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[0].previous_hash == hashchain.GENESIS
    assert [row.previous_hash for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert list(Record.objects.filter(organisation=other_organisation).order_by("number").values_list("number", flat=True)) == [1, 2]
    assert records.verify(organisation) == verification.Verification(True, 3, None, None, 0, rows[-1].hash)


def test_an_entry_rolls_back_with_its_transaction(organisation: Organisation) -> None:
    write(organisation)
    with transaction.atomic():
        write(organisation)
        transaction.set_rollback(True)
    assert write(organisation).number == 2
    assert records.verify(organisation).ok


@pytest.mark.parametrize(
    "value",
    [
        1e16,
        1.5e300,
        -0.0,
        0.1,
        1e-7,
        5e-324,
        2**70,
        "a\x00b",
        "\ud800",
        "漢字 🧾",
        "\u2028",
        {"b": 1, "a": [None, True]},
        [],
        "",
        123456789012345680.0,
    ],
    ids=repr,
)
def test_whatever_jsonb_does_to_a_value_the_hash_still_fits(organisation: Organisation, value: object) -> None:
    records.append(organisation, "test", message("{value}", value=value), actor="os:root", data={"value": value, "漢": value})
    assert records.verify(organisation).ok


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, timedelta(1)], ids=lambda value: type(value).__name__)
def test_only_plain_data_is_taken(organisation: Organisation, value: object) -> None:
    with pytest.raises(TypeError, match="plain data"):
        records.append(organisation, "test", message("x"), actor="os:root", data={"value": value})
    assert not Record.objects.exists()


@pytest.mark.parametrize(
    "name", ["password", "db_password", "PASSWORD", "token", "api_key", "private_key", "repository-secret", "Authorization", "credentials"]
)
def test_a_field_named_like_a_secret_is_refused_at_any_depth(organisation: Organisation, name: str) -> None:
    for data in ({name: "hunter2"}, {"settings": {name: "hunter2"}}, {"list": [{name: ["hunter2"]}]}):
        with pytest.raises(records.SecretInRecord, match=name):
            records.append(organisation, "test", message("x"), actor="os:root", data=data)
    assert not Record.objects.exists()


def test_names_that_only_sound_like_secrets_are_taken(organisation: Organisation) -> None:
    data = {"escrow_key_used": True, "key": "erp1", "tokens": 3, "password_changed": "yes", "token": ""}
    assert records.append(organisation, "test", message("x"), actor="os:root", data=data).data == data


def test_secrets_inside_text_are_masked(organisation: Organisation) -> None:
    text = (
        "cannot connect to postgresql://tryton:s3cr3t@db/erp with AGE-SECRET-KEY-1QQQSYQC "
        "and -----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----!"
    )
    made = records.append(organisation, "test", message("failed: {why}", why=text), actor="os:root", data={"log": [text]})
    made.refresh_from_db()
    assert made.data["log"] == ["cannot connect to postgresql://tryton:[hidden]@db/erp with [hidden] and [hidden]!"]
    assert made.summary["params"]["why"] == made.data["log"][0]
    assert records.verify(organisation).ok


def test_writers_at_the_same_time_leave_no_gap(committed: None) -> None:
    organisation, failures = make_organisation(), []

    def writer(seed: int) -> None:
        try:
            for index in range(15):
                with transaction.atomic():
                    write(organisation)
                    transaction.set_rollback((index + seed) % 3 == 0)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=writer, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(Record.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 61))
    assert records.verify(organisation).ok


@pytest.mark.parametrize("statement", ["UPDATE {} SET hash = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("model", [Record, Checkpoint])
def test_the_application_cannot_change_what_was_written(organisation: Organisation, model: type, statement: str) -> None:
    write(organisation, 2)
    checkpoints.checkpoint(organisation)
    before = list(model.objects.values_list())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises((InternalError, ProgrammingError), match=r"annot|append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(model._meta.db_table))
    assert list(model.objects.values_list()) == before


def test_checkpoints_are_made_when_due(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    organisation = make_organisation()
    make_organisation("empty")
    assert checkpoints.make_due() == []
    write(organisation, 2)
    (first,) = checkpoints.make_due()
    assert (first.organisation, first.number) == (organisation, 2)
    write(organisation)
    assert checkpoints.make_due() == []
    assert [made.number for made in checkpoints.make_due(first.at + checkpoints.EVERY)] == [3]
    assert checkpoints.make_due(first.at + timedelta(days=9)) == []
    records.append(organisation, "backups.drill", message("Proven"), actor="schedule")
    write(organisation)
    assert [made.number for made in checkpoints.make_due()] == [5]
    assert checkpoints.make_due() == []
    assert [point.number for point in checkpoints.outside(organisation)] == [2, 3, 5]
    assert records.verify(organisation).checkpoints == 6


def test_a_checkpoint_that_was_rolled_back_leaves_no_line(committed: None) -> None:
    organisation = make_organisation()
    with transaction.atomic():
        write(organisation)
        checkpoints.checkpoint(organisation)
        transaction.set_rollback(True)
    assert checkpoints.outside(organisation) == []
    assert records.verify(organisation).ok


def test_the_file_outside_is_private(committed: None) -> None:
    organisation = make_organisation()
    write(organisation)
    checkpoints.checkpoint(organisation)
    assert checkpoints.path().stat().st_mode & 0o777 == 0o600


def test_checkpoints_survive_a_change_of_the_key_file(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.fernet import Fernet

    organisation = make_organisation()
    write(organisation)
    checkpoints.checkpoint(organisation)
    monkeypatch.setattr(settings, "MASTER_KEYS", [Fernet.generate_key().decode()])
    write(organisation)
    checkpoints.checkpoint(organisation)
    assert len(checkpoints.public_keys()) == 2
    assert records.verify(organisation).checkpoints == 4


def test_a_file_that_is_no_export_is_refused() -> None:
    for lines in ([], ["[]"], ['{"type": "other"}'], ["not json"]):
        with pytest.raises(ValueError, match=r"export|Expecting"):
            verification.of_export(iter(lines), [])


def test_a_spreadsheet_never_runs_an_exported_cell(organisation: Organisation) -> None:
    records.append(organisation, "test", message("{text}", text="=HYPERLINK(1)"), actor="@SUM(A1)", data={"a": 1})
    header, line = list(records.export(organisation, "csv"))
    assert header.startswith("number,at,kind")
    assert ",'@SUM(A1),'=HYPERLINK(1)," in line
