"""What figures are called can be said in other languages: nothing that a real reading holds was forgotten, and nothing is left over."""

from django.utils import translation

from wellkept.adapters.base import Site
from wellkept.adapters.tryton import figures
from wellkept.adapters.tryton.figures import words
from wellkept.lib.text import recognised
from wellkept.planning.figures import Difference, Figure, sentences
from wellkept.tools import postgres
from wellkept.web.told import told

AS_TRYTON_CALLS_THEM = {"documents"}
RARE = {
    "receivable of no party",
    "payable of no party",
    "rights of {group}, inactive",
    "account move {number}, debit minus credit",
    "identifiers of parties {first} to {last}",
    "trigger {name}",
    "file of {owner}",
}
"""What the company of the tests does not have."""


def reading(site: Site) -> list[Figure]:
    assert site.server is not None
    with postgres.connect(site.server, site.database, readonly=True) as connection:
        return list(figures.read(connection, site.files, site.database))


def test_every_title_and_label_of_a_real_reading_is_recognised(small_company: Site) -> None:
    used: set[str] = set()
    unknown: list[str] = []
    for figure in reading(small_company):
        assert figure.title in words.TITLES
        for label in figure.labels.values():
            found = recognised(label, words.LABELS.get(figure.name, ()))
            if isinstance(found, dict):
                used.add(str(found["id"]))
            elif figure.name not in AS_TRYTON_CALLS_THEM:
                unknown.append(f"{figure.name}: {label}")
    assert not unknown, f"{len(unknown)}, such as {unknown[:5]}"
    every = {template for templates in words.LABELS.values() for template in templates}
    assert {template for template in every - used - RARE if "({company})" not in template} == set()


def test_a_difference_is_said_in_chinese_and_an_old_one_as_it_was_stored() -> None:
    found = [
        Difference("trial_balance", "1#1/1/debit", "account 1100 Receivable, 2026, debit", "12430.00", None, "Trial balance"),
        Difference("documents", "x", "Sale, quotation", "1", "2", "Documents by state"),
        Difference("odd", "x", "something else", "", "2", "Odd"),
    ]
    said = sentences(found, words.LABELS, most=2)
    with translation.override("zh-hant"):
        assert [told(one) for one in said] == [
            "試算表：科目 1100 Receivable，2026，借方：12,430.00 → 無",
            "各狀態的單據：Sale, quotation：1 → 2",
            "以及另外 1 項",
        ]
        assert told("Trial balance: account 1100: 1 → 2") == "Trial balance: account 1100: 1 → 2"
    with translation.override("en"):
        assert told(said[0]) == "Trial balance: account 1100 Receivable, 2026, debit: 12,430.00 → nothing"
        assert told(sentences(found[2:], words.LABELS)[0]) == "Odd: something else: empty → 2"
