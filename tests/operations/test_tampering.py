"""A database administrator changes, removes, inserts and moves entries in every way; verify names the first broken one."""

import itertools
from collections import Counter
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.people import make_organisation, make_system
from tests.services.committed import database_administrator
from wellkept.estate.models import Organisation
from wellkept.lib import hashchain, signing
from wellkept.lib.text import message
from wellkept.operations import checkpoints, records, verification
from wellkept.operations.models import Checkpoint, Record

LENGTH = 9
SIGNED = (3, 6, 9)


def write(organisation: Organisation, **fields: Any) -> None:
    records.append(organisation, "backups.take", message("Backed up {files} files", files=3), actor="os:root", data={"bytes": 1000}, **fields)


class Tampering:
    """A signed record of LENGTH entries, and a superuser who edits it and puts it back."""

    def __init__(self) -> None:
        self.organisation = make_organisation()
        self.other = make_organisation("elsewhere")
        self.system = make_system(self.organisation)
        self.other_system = make_system(self.organisation, "erp2")
        for number in range(1, LENGTH + 1):
            write(self.organisation, system=self.system, maintenance_type="preventive", run_id="7c0f0a56-3a0e-4f0b-8f5e-0d3f3f6f2a11")
            if number in SIGNED:
                checkpoints.checkpoint(self.organisation)
        self.outside = checkpoints.path().read_bytes()
        with database_administrator() as admin:
            for model in (Record, Checkpoint):
                admin.execute(f"CREATE TABLE kept_{model._meta.db_table} AS TABLE {model._meta.db_table}")

    def put_back(self) -> None:
        checkpoints.path().write_bytes(self.outside)
        with database_administrator() as admin:
            for model in (Record, Checkpoint):
                admin.execute(f"DELETE FROM {model._meta.db_table}")
                admin.execute(f"INSERT INTO {model._meta.db_table} SELECT * FROM kept_{model._meta.db_table}")

    def drop(self) -> None:
        with database_administrator() as admin:
            for model in (Record, Checkpoint):
                admin.execute(f"DROP TABLE kept_{model._meta.db_table}")

    def after(self, *statements: tuple[str, dict[str, Any]]) -> verification.Verification:
        """What verify says after the statements; the record is put back afterwards."""
        with database_administrator() as admin:
            for statement, values in statements:
                admin.execute(statement, values)
        try:
            return records.verify(self.organisation)
        finally:
            self.put_back()


@pytest.fixture
def tampering(committed: None) -> Any:
    made = Tampering()
    found = records.verify(made.organisation)
    assert (found.ok, found.entries, found.checkpoints) == (True, LENGTH, 2 * len(SIGNED))
    yield made
    made.drop()


def other_values(tampering: Tampering) -> dict[str, list[Any]]:
    """For every column of a record, values that it does not have."""
    return {
        "organisation_id": [tampering.other.pk],
        "number": [1000],
        "at": ["2020-01-01T00:00:00Z"],
        "kind": ["backups.drill", ""],
        "maintenance_type": ["corrective", ""],
        "system_id": [tampering.other_system.pk, None],
        "system_name": ["erp2", ""],
        "run_id": ["00000000-0000-0000-0000-000000000001", None],
        "actor": ["somebody@example.com", ""],
        "summary": [Jsonb({"id": "Backed up {files} files", "params": {"files": 99}}), Jsonb({})],
        "data": [Jsonb({"bytes": 1}), Jsonb({}), Jsonb([])],
        "previous_hash": ["f" * 64, hashchain.GENESIS.replace("0", "1")],
        "hash": ["f" * 64, ""],
    }


def rehash(organisation: Organisation, first: int, last: int) -> None:
    """What a clever administrator does after an edit: compute the hashes of a range of entries anew."""
    previous = Record.objects.filter(organisation=organisation, number=first - 1).values_list("hash", flat=True).first() or hashchain.GENESIS
    for row in Record.objects.filter(organisation=organisation, number__range=(first, last)).order_by("number"):
        row.previous_hash = previous
        fresh = hashchain.entry_hash(records.entry(organisation.pk, [getattr(row, column) for column in records.FIELDS.values()]))
        with database_administrator() as admin:
            admin.execute("UPDATE wellkept_record SET previous_hash = %s, hash = %s WHERE id = %s", [previous, fresh, row.pk])
        previous = fresh


def test_every_column_of_every_entry_is_protected(tampering: Tampering) -> None:
    columns = other_values(tampering)
    assert set(columns) | {"id"} == {field.column for field in Record._meta.concrete_fields}
    seen: Counter[str] = Counter()
    for (column, values), number in itertools.product(columns.items(), range(1, LENGTH + 1)):
        for value in values:
            found = tampering.after(
                (f"UPDATE wellkept_record SET {column} = %(value)s WHERE number = %(number)s", {"value": value, "number": number})
            )
            assert (found.ok, found.first_broken) == (False, number), (column, number, value)
            seen[str(found.reason["id"] if found.reason else "")] += 1
    print(f"\nedits of a column: {sum(seen.values())}, all noticed: {dict(seen)}")
    moved = LENGTH * 2
    assert seen[verification.BREAKS["edited"]] == LENGTH * sum(map(len, columns.values())) - moved
    assert seen[verification.BREAKS["missing"]] + seen[verification.BREAKS["truncated"]] == moved


def test_every_entry_edited_and_hashed_anew_is_named(tampering: Tampering) -> None:
    for number in range(1, LENGTH + 1):
        with database_administrator() as admin:
            admin.execute("UPDATE wellkept_record SET actor = 'nobody' WHERE number = %s", [number])
        rehash(tampering.organisation, number, number)
        found = records.verify(tampering.organisation)
        tampering.put_back()
        assert (found.ok, found.first_broken) == (False, number)
        assert found.reason
        expected = "rewritten" if number in SIGNED else "replaced"
        assert found.reason["id"] == verification.BREAKS[expected], number


def test_a_whole_chain_written_anew_contradicts_the_signed_checkpoints(tampering: Tampering) -> None:
    for number in range(1, LENGTH + 1):
        with database_administrator() as admin:
            admin.execute("UPDATE wellkept_record SET actor = 'nobody' WHERE number = %s", [number])
        rehash(tampering.organisation, number, LENGTH)
        found = records.verify(tampering.organisation)
        tampering.put_back()
        signed = next(point for point in SIGNED if point >= number)
        assert (found.ok, found.first_broken) == (False, signed)
        assert found.reason
        assert found.reason["id"] == verification.BREAKS["rewritten"]
        assert found.reason["params"]["since"] <= number  # type: ignore[index]


def test_removed_entries_are_named(tampering: Tampering) -> None:
    cases = [(first, last) for first in range(1, LENGTH + 1) for last in range(first, LENGTH + 1)]
    for first, last in cases:
        found = tampering.after(("DELETE FROM wellkept_record WHERE number BETWEEN %(first)s AND %(last)s", {"first": first, "last": last}))
        assert (found.ok, found.first_broken, found.entries) == (False, first, first - 1)
        assert found.reason
        assert found.reason["id"] == verification.BREAKS["truncated" if last == LENGTH else "missing"]
    print(f"\nranges removed: {len(cases)}, all noticed")


def test_removed_and_renumbered_entries_are_named(tampering: Tampering) -> None:
    for number in range(1, LENGTH):
        found = tampering.after(
            ("DELETE FROM wellkept_record WHERE number = %(number)s", {"number": number}),
            ("UPDATE wellkept_record SET number = number - 1 + 1000 WHERE number > %(number)s", {"number": number}),
            ("UPDATE wellkept_record SET number = number - 1000 WHERE number > 1000", {}),
        )
        assert (found.ok, found.first_broken) == (False, number)
        assert found.reason
        assert (found.reason["id"], found.reason["params"]["was"]) == (verification.BREAKS["renumbered"], number + 1)  # type: ignore[index]


def test_an_inserted_entry_is_noticed_wherever_it_stands(tampering: Tampering) -> None:
    copied = "organisation_id, at, kind, maintenance_type, system_id, system_name, run_id, actor, summary, data, previous_hash, hash"
    for number in range(1, LENGTH + 1):
        with database_administrator() as admin:
            admin.execute("UPDATE wellkept_record SET number = number + 1001 WHERE number > %s", [number])
            admin.execute("UPDATE wellkept_record SET number = number - 1000 WHERE number > 1000")
            admin.execute(
                f"INSERT INTO wellkept_record (number, {copied}) SELECT number + 1, {copied} FROM wellkept_record WHERE number = %s", [number]
            )
        rehash(tampering.organisation, number + 1, number + 1)
        found = records.verify(tampering.organisation)
        tampering.put_back()
        if number == LENGTH:
            # what follows the last checkpoint can only be vouched for by the next one: the limit is documented
            assert found.ok
            continue
        assert found.ok is False
        assert found.first_broken in {number + 1, number + 2}
        assert found.reason
        assert found.reason["id"] in {verification.BREAKS["renumbered"], verification.BREAKS["rewritten"]}


def test_entries_that_changed_places_are_named(tampering: Tampering) -> None:
    pairs = list(itertools.combinations(range(1, LENGTH + 1), 2))
    for first, second in pairs:
        found = tampering.after(
            ("UPDATE wellkept_record SET number = 1000 WHERE number = %(first)s", {"first": first}),
            ("UPDATE wellkept_record SET number = %(first)s WHERE number = %(second)s", {"first": first, "second": second}),
            ("UPDATE wellkept_record SET number = %(second)s WHERE number = 1000", {"second": second}),
        )
        assert (found.ok, found.first_broken) == (False, first)
        assert found.reason
        assert (found.reason["id"], found.reason["params"]["was"]) == (verification.BREAKS["renumbered"], second)  # type: ignore[index]
    print(f"\npairs that changed places: {len(pairs)}, all noticed")


def test_a_number_that_exists_twice_is_named(tampering: Tampering) -> None:
    copied = ", ".join(field.column for field in Record._meta.concrete_fields if field.column != "id")
    found = tampering.after(
        ("ALTER TABLE wellkept_record DROP CONSTRAINT one_record_per_number", {}),
        (f"INSERT INTO wellkept_record ({copied}) SELECT {copied} FROM wellkept_record WHERE number = 4", {}),
    )
    with database_administrator() as admin:
        admin.execute("ALTER TABLE wellkept_record ADD CONSTRAINT one_record_per_number UNIQUE (organisation_id, number)")
    assert (found.ok, found.first_broken) == (False, 4)
    assert found.reason == message(verification.BREAKS["repeated"], number=4)


def test_emptying_both_tables_is_noticed_by_the_file_outside(tampering: Tampering) -> None:
    found = tampering.after(("TRUNCATE wellkept_record, wellkept_checkpoint", {}))
    assert (found.ok, found.entries, found.first_broken) == (False, 0, 1)
    assert found.reason
    assert found.reason["id"] == verification.BREAKS["truncated"]
    assert found.reason["params"]["signed"] == SIGNED[0]  # type: ignore[index]


@pytest.mark.parametrize("column", [field.column for field in Checkpoint._meta.concrete_fields if field.column != "id"])
def test_every_column_of_every_checkpoint_is_protected(tampering: Tampering, column: str) -> None:
    values: dict[str, Any] = {"organisation_id": tampering.other.pk, "number": 2, "hash": "f" * 64, "at": "2020-01-01T00:00:00Z", "signature": "AAAA"}
    for number in SIGNED:
        found = tampering.after(
            (f"UPDATE wellkept_checkpoint SET {column} = %(value)s WHERE number = %(number)s", {"value": values[column], "number": number})
        )
        assert found.ok is False
        assert found.first_broken == (2 if column == "number" else number)
        assert found.reason
        assert found.reason["id"] == verification.BREAKS["unsigned" if column == "organisation_id" else "forged"]


def test_a_checkpoint_removed_from_the_database_is_noticed(tampering: Tampering) -> None:
    for number in SIGNED:
        found = tampering.after(("DELETE FROM wellkept_checkpoint WHERE number = %(number)s", {"number": number}))
        assert (found.ok, found.first_broken) == (False, number)
        assert found.reason == message(verification.BREAKS["unsigned"], number=number)


def test_a_checkpoint_signed_by_somebody_else_is_named(tampering: Tampering) -> None:
    """The administrator rewrites the whole chain and signs new checkpoints, but has not our key."""
    stranger = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
    with database_administrator() as admin:
        admin.execute("UPDATE wellkept_record SET actor = 'nobody' WHERE number = 8")
    rehash(tampering.organisation, 8, LENGTH)
    last = Record.objects.get(number=LENGTH)
    point = hashchain.Checkpoint(tampering.organisation.pk, LENGTH, last.hash, "2026-01-01T00:00:00.000000+00:00")
    found = tampering.after(
        (
            "UPDATE wellkept_checkpoint SET hash = %(hash)s, at = %(at)s, signature = %(signature)s WHERE number = %(number)s",
            {"hash": last.hash, "at": point.at, "signature": signing.sign(point.statement(), stranger), "number": LENGTH},
        )
    )
    assert (found.ok, found.first_broken) == (False, LENGTH)
    assert found.reason == message(verification.BREAKS["forged"], number=LENGTH, at=point.at, source="database")


def test_a_damaged_file_outside_is_noticed(tampering: Tampering) -> None:
    checkpoints.path().write_text('{"chain": 1, "numb\n')
    found = records.verify(tampering.organisation)
    assert found.ok is False
    assert found.reason
    assert found.reason["id"] == verification.BREAKS["forged"]


def exported(organisation: Organisation) -> list[str]:
    return list(records.export(organisation, "jsonl"))


def test_an_export_is_verified_without_the_server(tampering: Tampering) -> None:
    lines = exported(tampering.organisation)
    found = verification.of_export(iter(lines), [checkpoints.public_key()])
    assert (found.ok, found.entries, found.checkpoints) == (True, LENGTH, len(SIGNED))
    found = verification.of_export(iter(lines), [signing.public_key("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")])
    assert (found.ok, found.first_broken) == (False, SIGNED[0])


def test_every_line_of_an_export_is_protected(tampering: Tampering) -> None:
    lines, key = exported(tampering.organisation), [checkpoints.public_key()]
    for index in range(1, LENGTH + 1):
        changed = [*lines[:index], lines[index].replace("os:root", "nobody"), *lines[index + 1 :]]
        assert verification.of_export(iter(changed), key).first_broken == index
        assert verification.of_export(iter([*lines[:index], *lines[index + 1 :]]), key).first_broken == index
        assert verification.of_export(iter(lines[:index]), key).first_broken == index
