"""Every damage to a company's rights, accounts, sequences, periods, places and rules ends the flow that needs it, at the step that needs it."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.services.turns import in_turn, turn
from wellkept.adapters.base import Invalid, Site
from wellkept.adapters.conformance import Bench
from wellkept.adapters.conformance.control import running_copy
from wellkept.adapters.conformance.trials import EVERYTHING
from wellkept.adapters.trial import FAILED, LEFT_OUT, PASSED, Trial
from wellkept.adapters.tryton import config, server, trials
from wellkept.lib.text import say
from wellkept.tools import postgres

SALE, PURCHASE, PRODUCTION, TIME = trials.NAMES
# Tryton's processes listen to this channel where the configuration says so; the rights are what they remember longest.
FORGET = """NOTIFY "ir_cache", '["ir_model_access.get_access"]'"""
TODAY = "CURRENT_DATE BETWEEN start_date AND end_date"
GOODS = "account_revenue IS NOT NULL"


@dataclass(frozen=True)
class Damage:
    """``harm`` is done and later taken back by ``mend``; the ``flow`` has to end at ``step`` with ``says`` in its reason."""

    name: str
    harm: Sequence[str]
    mend: Sequence[str]
    flow: str
    step: str
    says: str


def column(table: str, where: str, name: str, value: str) -> tuple[Sequence[str], Sequence[str]]:
    """Another value in some rows."""
    harm = (f"CREATE TABLE kept AS SELECT id, {name} FROM {table} WHERE {where}", f"UPDATE {table} SET {name} = {value} WHERE {where}")
    return harm, (f"UPDATE {table} t SET {name} = k.{name} FROM kept k WHERE k.id = t.id", "DROP TABLE kept")


def right(model: str, group: str, name: str) -> tuple[Sequence[str], Sequence[str]]:
    """A right that a group has no more."""
    joined = 'ir_model_access a JOIN ir_model m ON m.id = a.model JOIN res_group g ON g.id = a."group"'
    where = f"id IN (SELECT a.id FROM {joined} WHERE m.model = '{model}' AND g.name = '{group}')"
    return column("ir_model_access", where, f"perm_{name}", "false")


def lost_sequence(name: str) -> tuple[Sequence[str], Sequence[str]]:
    """PostgreSQL's sequence behind one of Tryton's is not there."""
    return (_renamed(name, "ir_sequence_%1$s", "gone_%1$s"),), (_renamed(name, "gone_%1$s", "ir_sequence_%1$s"),)


def _renamed(name: str, old: str, new: str) -> str:
    return f"DO $$ BEGIN EXECUTE (SELECT format('ALTER SEQUENCE {old} RENAME TO {new}', id) FROM ir_sequence WHERE name = '{name}'); END $$"


def set_back(name: str) -> tuple[Sequence[str], Sequence[str]]:
    """A sequence gives numbers that were given before."""
    found = f"(SELECT 'ir_sequence_' || id FROM ir_sequence WHERE name = '{name}')"
    harm = (f"CREATE TABLE kept AS SELECT nextval({found}) AS number", f"SELECT setval({found}, 1)")
    return harm, (f"SELECT setval({found}, (SELECT number FROM kept))", "DROP TABLE kept")


def account(number: str) -> str:
    return f"(SELECT id FROM account_account WHERE code = '{number}')"


def closed(number: str) -> tuple[Sequence[str], Sequence[str]]:
    return column("account_account", f"code = '{number}'", "closed", "true")


RIGHTS = (
    Damage("the sellers may enter no orders", *right("sale.sale", "Sales", "create"), SALE, "quote", "not allowed"),
    Damage("the storekeepers may change no shipment", *right("stock.shipment.out", "Stock", "write"), SALE, "deliver", "not allowed"),
    Damage("the accountants may change no invoice", *right("account.invoice", "Account", "write"), SALE, "invoice", "not allowed"),
    Damage("the workers may clock no work", *right("production.work.cycle", "Production", "create"), PRODUCTION, "work", "not allowed"),
)
SEQUENCES = (
    Damage("the sequence of sales is lost", *lost_sequence("Sale"), SALE, "quote", "ir_sequence"),
    Damage("the sequence of purchases is lost", *lost_sequence("Purchase"), PURCHASE, "order", "ir_sequence"),
    Damage("the sequence of productions is lost", *lost_sequence("Production"), PRODUCTION, "plan", "ir_sequence"),
)
NUMBERS = (Damage("sales get numbers for the second time", *set_back("Sale"), SALE, "quote", "a number of its own: 1 was expected, 2 was found"),)
MISSING = (
    Damage(
        "goods have no account of revenue", *column("product_category_account", GOODS, "account_revenue", "NULL"), SALE, "order", "Account Revenue"
    ),
    Damage(
        "deliveries have no account", *column("product_category_account", GOODS, "account_stock_out", "NULL"), SALE, "deliver", "Account Stock OUT"
    ),
    Damage("the storage is deactivated", *column("stock_location", "code = 'STO'", "active", "false"), SALE, "order", "Storage Zone"),
)
CLOSED = (
    Damage("the receivable account is closed", *closed("1122"), SALE, "order", "Receivable"),
    Damage("the period is closed", *column("account_period", TODAY, "state", "'closed'"), SALE, "deliver", "reopen the period"),
    Damage("the bank account is closed", *closed("1002"), SALE, "pay", "Bank"),
)
WRONG = (
    Damage(
        "the tax goes to the account of rent", *column("account_tax", "true", "invoice_account", account("6603")), SALE, "invoice", "2221 Main Tax"
    ),
    Damage(
        "revenue goes to the account of salaries",
        *column("product_category_account", GOODS, "account_revenue", account("6602")),
        SALE,
        "order",
        "Salaries",
    ),
    Damage(
        "expenses go to the account of rent",
        *column("product_category_account", GOODS, "account_expense", account("6603")),
        PURCHASE,
        "invoice",
        "6601 Main Expense was expected, 6603 Rent and Energy was found",
    ),
)
DAMAGES = in_turn([RIGHTS, (*SEQUENCES, *NUMBERS), (*MISSING, *CLOSED), WRONG])


@pytest.fixture(scope="module")
def copy(bench: Bench) -> Iterator[Site]:
    """A running copy of the company for all damages, whose Tryton forgets at once what it remembers when it is told to."""
    with bench.harmless_copy() as site:
        parser = config.load(site.config)
        config.write(site.config, {**{name: dict(parser.items(name)) for name in parser.sections()}, "cache": {"clean_timeout": "0"}})
        shutil.chown(site.config, site.os_user)
        server.start(site, roles=EVERYTHING)
        yield site
        server.stop(site)


@contextmanager
def harmed(site: Site, harm: Sequence[str], mend: Sequence[str]) -> Iterator[None]:
    """A damage for the time of the block."""
    with postgres.connect(site.server, site.database, autocommit=True) as connection:
        for statement in (*harm, FORGET):
            connection.execute(statement)
        try:
            yield
        finally:
            for statement in (*mend, FORGET):
                connection.execute(statement)


def one(site: Site, flow: str) -> Trial:
    (trial,) = trials.run(site, only=[flow])
    return trial


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.name for damage in DAMAGES])
def test_a_damage_ends_its_flow_at_its_step(copy: Site, damage: Damage) -> None:
    with harmed(copy, damage.harm, damage.mend):
        trial = one(copy, damage.flow)
    assert (trial.outcome, trial.steps[-1].name) == (FAILED, damage.step), say(trial.reason)
    assert say(trial.reason).startswith(f"{damage.step}: ")
    assert damage.says in say(trial.reason)


def test_what_cannot_be_tried_is_left_out_with_the_reason_and_does_nothing(copy: Site) -> None:
    sellers = column("res_user", "login IN ('seller', 'seller2', 'former')", "active", "false")
    renamed = (["ALTER TABLE timesheet_line RENAME TO gone"], ["ALTER TABLE gone RENAME TO timesheet_line"])
    unsold = column("product_template", "true", "salable", "false")
    cases = [
        (SALE, sellers, "no active user but administrators works as “seller”"),
        (TIME, renamed, "a module is not activated: there is no table timesheet_line"),
        (SALE, unsold, "no goods were ever sold to a party that is still active"),
    ]
    for flow, (harm, mend), reason in cases:
        with harmed(copy, harm, mend):
            trial = one(copy, flow)
        assert (trial.outcome, say(trial.reason), trial.steps) == (LEFT_OUT, reason, ())


@turn(1, of=4)
def test_a_company_that_pays_by_the_dialog_is_tried_so(copy: Site) -> None:
    (harm, mend) = column("account_statement_journal", "true", "active", "false")
    journal = "(SELECT id FROM account_journal WHERE code = 'CASH')"
    cash = account("1001")
    method = (
        "INSERT INTO account_invoice_payment_method (name, company, journal, credit_account, debit_account, active)"
        f" SELECT '现金', id, {journal}, {cash}, {cash}, true FROM company_company"
    )
    with harmed(copy, [*harm, method], [*mend, "DELETE FROM account_invoice_payment_method"]):
        trial = one(copy, SALE)
    assert (trial.outcome, trial.reason, trial.chosen["payment"], trial.steps[-1].user) == (PASSED, "", "现金", "accountant")


@turn(3, of=4)
def test_goods_that_are_sold_by_the_dozen_leave_by_twelve(copy: Site) -> None:
    harm, mend = column("product_template", "true", "sale_uom", "(SELECT max(id) FROM product_uom)")
    dozen = (
        "INSERT INTO product_uom (name, symbol, category, factor, rate, rounding, digits, active)"
        " SELECT '打', 'dz', category, 12, 0.083333333333, 1, 0, true FROM product_uom WHERE symbol = 'u'"
    )
    with harmed(copy, [dozen, *harm], mend):
        trial = one(copy, SALE)
    assert (trial.outcome, say(trial.reason)) == (PASSED, "")
    assert [one.actual for step in trial.steps for one in step.assertions if one.name == "the goods have left the warehouse"] == ["12"]


@turn(0, of=4)
def test_where_no_goods_are_in_stock_a_service_is_sold(copy: Site) -> None:
    with harmed(copy, *column("product_template", "type = 'goods'", "salable", "false")):
        trial = one(copy, SALE)
    assert (trial.outcome, say(trial.reason)) == (PASSED, "")
    assert [step.name for step in trial.steps] == ["quote", "order", "invoice", "pay"]


def test_without_its_worker_a_copy_is_not_tried(bench: Bench) -> None:
    with running_copy(bench) as site, pytest.raises(Invalid, match="start both"):
        trials.run(site)
