"""Business flows on a real company: what conforms, and what they did to the books. The next series does them in a rehearsal."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from wellkept.adapters.base import Login, Site
from wellkept.adapters.conformance import Bench
from wellkept.adapters.conformance.control import running_copy
from wellkept.adapters.conformance.trials import EVERYTHING, every_flow
from wellkept.adapters.trial import PASSED, Trial
from wellkept.adapters.tryton import neutralise, trials
from wellkept.adapters.tryton.trials.looking import ENTERED
from wellkept.lib.text import say
from wellkept.tools import postgres

EFFECTS = {
    "sales done": "SELECT count(*) FROM sale_sale WHERE state = 'done'",
    "purchases": "SELECT count(*) FROM purchase_purchase WHERE state IN ('processing', 'done')",
    "productions done": "SELECT count(*) FROM production WHERE state = 'done'",
    "deliveries done": "SELECT count(*) FROM stock_shipment_out WHERE state = 'done'",
    "receipts done": "SELECT count(*) FROM stock_shipment_in WHERE state = 'done'",
    "invoices posted": "SELECT count(*) FROM account_invoice WHERE state IN ('posted', 'paid')",
    "invoices paid": "SELECT count(*) FROM account_invoice WHERE state = 'paid'",
    "statements posted": "SELECT count(*) FROM account_statement WHERE state = 'posted'",
    "half hours": "SELECT round(sum(extract(epoch FROM duration)) / 1800)::int FROM timesheet_line",
}
PEOPLE = {
    "quote to payment": [
        ("quote", "seller"),
        ("order", "seller"),
        ("deliver", "storekeeper"),
        ("invoice", "accountant"),
        ("pay", "accountant"),
    ],
    "purchase to supplier invoice": [("order", "buyer"), ("receive", "storekeeper"), ("invoice", "accountant")],
    "production": [("plan", "planner"), ("start", "worker"), ("work", "worker"), ("finish", "worker")],
    "timesheet": [("enter the time", "worker")],
}


@dataclass(frozen=True)
class Tried:
    """A copy after all flows, what they returned, and the counts before and after them."""

    site: Site
    made: dict[str, Trial]
    before: dict[str, int]
    after: dict[str, int]


@pytest.fixture(scope="module")
def tried(bench: Bench) -> Iterator[Tried]:
    with running_copy(bench, EVERYTHING) as site:
        before = counts(site)
        made = {trial.flow: trial for trial in every_flow(bench, site)}
        yield Tried(site, made, before, counts(site))


def counts(site: Site) -> dict[str, int]:
    return {name: value(site, query) for name, query in EFFECTS.items()}


def value(site: Site, query: str, *parameters: object) -> Any:
    with postgres.connect(site.server, site.database, readonly=True) as connection:
        return connection.execute(query, parameters).fetchone()[0]


def asserted(trial: Trial) -> dict[str, str]:
    return {assertion.name: assertion.actual for step in trial.steps for assertion in step.assertions}


def test_every_flow_passes_as_the_people_whose_work_it_is(tried: Tried) -> None:
    assert {flow: (trial.outcome, say(trial.reason)) for flow, trial in tried.made.items()} == dict.fromkeys(trials.NAMES, (PASSED, ""))
    assert {flow: [(step.name, step.user) for step in trial.steps] for flow, trial in tried.made.items()} == PEOPLE
    assert all(step.seconds > 0 and step.assertions for trial in tried.made.values() for step in trial.steps)
    assert any(ord(letter) > 0x4E00 for trial in tried.made.values() for letter in trial.chosen.get("product", ""))


def test_each_flow_leaves_exactly_its_documents(tried: Tried) -> None:
    assert {name: tried.after[name] - tried.before[name] for name in EFFECTS} == {
        "sales done": 1,
        "purchases": 1,
        "productions done": 1,
        "deliveries done": 1,
        "receipts done": 1,
        "invoices posted": 2,
        "invoices paid": 1,
        "statements posted": 1,
        "half hours": 1,
    }


def test_what_was_asserted_is_what_the_database_says(tried: Tried) -> None:
    sold = value(tried.site, "SELECT total_amount_cache FROM sale_sale ORDER BY id DESC LIMIT 1")
    bought = value(tried.site, "SELECT total_amount_cache FROM purchase_purchase ORDER BY id DESC LIMIT 1")
    assert sold > 0
    assert bought > 0
    assert Decimal(asserted(tried.made["quote to payment"])["the total is on the party's account"]) == sold
    assert Decimal(asserted(tried.made["purchase to supplier invoice"])["the total is on the party's account"]) == -bought
    names = {name for trial in tried.made.values() for name in asserted(trial)}
    assert {"the goods have left the warehouse", "the payment settles the invoice", "the product carries the cost of its production"} <= names
    assert len(names) >= 30


def test_nobody_can_sign_in_afterwards_and_the_copy_is_still_proven_harmless(tried: Tried) -> None:
    assert value(tried.site, "SELECT array_agg(login::text) FROM res_user WHERE password_hash IS NOT NULL") == ["admin"]
    assert [proof.name for proof in neutralise.prove(tried.site) if not proof.holds] == []


def test_a_look_with_a_wrong_password_says_so_and_nothing_else(tried: Tried) -> None:
    (sight,) = trials.look(replace(tried.site, login=Login("admin", "wrong password")))
    assert sight.way == "login"
    assert "wrong user or password" in say(sight.error)


def test_every_word_of_a_result_is_marked_for_translation(tried: Tried) -> None:
    made = tried.made.values()
    words = {
        *tried.made,
        *(word for trial in made for step in trial.steps for word in (step.name, step.role, *(one.name for one in step.assertions))),
    }
    assert words <= set(trials.WORDS)


def test_where_only_some_kinds_are_looked_at_these_are_what_people_enter(tried: Tried) -> None:
    sights = trials.look(tried.site, most=len(ENTERED))
    assert [f"{sight.what} {sight.way}: {sight.error}" for sight in sights if sight.error] == []
    assert {(sight.what, sight.way) for sight in sights} == {
        ("login", "login"),
        *((kind, way) for kind in ENTERED for way in ("list", "record", "new")),
    }
