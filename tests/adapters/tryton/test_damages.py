"""The mutation test of the figures: every seeded damage is caught and explained, and an untouched company shows no difference."""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.adapters.tryton.damages import DAMAGES, FILE_DAMAGES, Connection, Damage, FileDamage, apply
from wellkept.adapters.base import Site
from wellkept.adapters.tryton import figures, storage
from wellkept.planning.figures import Difference, Figure, compare
from wellkept.tools import postgres

SEED = int(os.environ.get("WELLKEPT_SEED", "20261122"))
LEAST = 30


@dataclass
class Tally:
    made: list[str] = field(default_factory=list)
    caught: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)

    def add(self, name: str, wanted: tuple[str, ...], found: list[Difference]) -> None:
        self.made.append(name)
        hits = [difference for difference in found if difference.figure in wanted]
        if hits:
            self.caught.append(name)
            self.explained.append(f"{name} → {hits[0].explain()}")


@pytest.fixture
def connection(small_company: Site) -> Iterator[Connection]:
    with postgres.connect(small_company.server, small_company.database) as opened:
        opened.execute("SELECT 1")
        opened.rollback()
        yield opened
        opened.rollback()


def read(connection: Connection, site: Site, files: Path | None = None, *, thorough: bool = False) -> list[Figure]:
    return list(figures.read(connection, files or site.files, site.database, thorough=thorough))


def damaged(connection: Connection, site: Site, damage: Damage) -> list[Figure] | None:
    """The figures after a damage that is rolled back; None where the company has nothing of the kind."""
    chance = random.Random(f"{SEED} {damage.name}")
    chosen = apply(connection, damage, chance)
    try:
        return read(connection, site) if chosen is not None else None
    finally:
        connection.rollback()
        if damage.undo and chosen is not None:
            connection.execute(damage.undo % {"id": chosen})
            connection.commit()


def harmed(connection: Connection, site: Site, damage: FileDamage, folder: Path) -> list[Figure]:
    shutil.copytree(site.files, folder)
    chance = random.Random(f"{SEED} {damage.name}")
    paths = sorted({reference.path for reference in storage.references(connection, site.database)})
    damage.harm(folder / chance.choice(paths))
    return read(connection, site, folder, thorough=True)


def test_every_damage_is_caught_and_an_untouched_company_shows_none(
    small_company: Site, connection: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read(connection, small_company)
    tally = Tally()
    for damage in DAMAGES:
        after = damaged(connection, small_company, damage)
        assert after is not None, f"the company has nothing for: {damage.name}"
        tally.add(damage.name, tuple(damage.figures), compare(before, after))
    for number, damage in enumerate(FILE_DAMAGES):
        tally.add(damage.name, tuple(damage.figures), compare(before, harmed(connection, small_company, damage, tmp_path / str(number))))
    false_alarms = compare(before, read(connection, small_company, thorough=True))
    with capsys.disabled():
        print(f"\nmutations: {len(tally.made)} made, {len(tally.caught)} caught, {len(false_alarms)} false alarms, seed {SEED}")
    assert len(set(tally.made)) >= LEAST
    assert tally.caught == tally.made, f"not caught: {sorted(set(tally.made) - set(tally.caught))}"
    assert false_alarms == []
    assert all("→" in line.split(" → ", 1)[1] for line in tally.explained)


def test_a_damage_is_explained_with_names_and_amounts(small_company: Site, connection: Connection) -> None:
    (name, balance), *_ = connection.execute(
        "SELECT p.name, sum(l.debit - l.credit) FROM account_move_line l JOIN account_account a ON a.id = l.account"
        " JOIN account_account_type t ON t.id = a.type JOIN party_party p ON p.id = l.party WHERE t.receivable"
        " GROUP BY p.id HAVING sum(l.debit - l.credit) > 1000 ORDER BY p.id LIMIT 1"
    ).fetchall()
    before = read(connection, small_company)
    connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute(
        "UPDATE account_move_line SET debit = debit - 300 WHERE id = (SELECT min(l.id) FROM account_move_line l"
        " JOIN account_account a ON a.id = l.account JOIN account_account_type t ON t.id = a.type JOIN party_party p ON p.id = l.party"
        " WHERE t.receivable AND p.name = %s AND l.debit > 300)",
        [name],
    )
    told = [difference.explain() for difference in compare(before, read(connection, small_company)) if difference.figure == "receivable"]
    assert len(told) == 1
    assert told[0].startswith("receivable of party ")
    assert told[0].endswith(f"{name}: {balance:,.2f} → {balance - 300:,.2f}")


def test_an_empty_schema_has_no_business_figures(small_company: Site, connection: Connection) -> None:
    """Figures of modules that are not activated are left out, and do not fail."""
    connection.execute("SET LOCAL session_replication_role = replica")
    for table in ("stock_move", "account_move_line", "production", "timesheet_line", "bank_account_number", "account_payment"):
        connection.execute(f"DROP TABLE {table} CASCADE")
    names = {figure.name for figure in read(connection, small_company)}
    assert names.isdisjoint({"stock_quantity", "stock_value", "trial_balance", "receivable", "productions", "hours", "bank_accounts", "payments"})
    assert {"documents", "amounts", "users", "parties", "attachments", "master_data"} <= names
