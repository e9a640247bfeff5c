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
RARE_VALUES = {
    "{count} (from {numbers})",
    "inactive: {content}",
    "missing",
    "unreadable",
    "content differs",
    "{shape}, inactive",
    "{state}, {details}",
    "{state}, every {number} {unit}",
    "{state}; groups: {groups}; roles: {roles}",
}
AS_THE_ERP_WRITES_THEM = {"strict_sequences", "bills_of_material"}


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
            found = recognised(label, words.KEYS.get(figure.name, ()))
            if isinstance(found, dict):
                used.add(str(found["id"]))
            elif figure.name not in AS_TRYTON_CALLS_THEM:
                unknown.append(f"{figure.name}: {label}")
    assert not unknown, f"{len(unknown)}, such as {unknown[:5]}"
    every = {template for templates in words.KEYS.values() for template in templates}
    assert {template for template in every - used - RARE if "({company})" not in template} == set()


def test_every_value_that_is_a_word_is_recognised(small_company: Site) -> None:
    used: set[str] = set()
    unknown: list[str] = []
    for figure in reading(small_company):
        for value in figure.values.values():
            (said,) = sentences([Difference(figure.name, "x", "x", value, None, "x")], words.LABELS)
            before = said["params"]["before"]
            if isinstance(before, dict):
                used.add(str(before["id"]))
            elif value.strip("-")[:1].isalpha() and figure.name not in AS_THE_ERP_WRITES_THEM:
                unknown.append(f"{figure.name}: {value}")
    assert not unknown, f"{len(unknown)}, such as {unknown[:5]}"
    assert {template for templates in words.VALUES.values() for template in templates} - used == RARE_VALUES


def test_the_words_in_values_are_said_in_chinese() -> None:
    found = [
        Difference("users", "x", "user ann", "active; groups: none", "inactive; groups: Sales, 會計; roles: Buyer", "Users and their groups"),
        Difference("scheduled_jobs", "x", "scheduled job a|b", "on, every 5 minutes", "off, every 1 days, company 1", "Scheduled jobs"),
        Difference("postings", "x", "journal Cash, 2026-01, posted, moves", "1", "2", "Account moves by journal and period"),
        Difference("files", "x", "file of attachment 7 plan.pdf", None, "content differs", "Files of the database"),
    ]
    said = sentences(found, words.LABELS)
    with translation.override("zh-hant"):
        assert [told(one) for one in said] == [
            "使用者及其群組：使用者 ann：啟用；群組：無 → 停用；群組：Sales, 會計；角色：Buyer",
            "排程工作：排程工作 a|b：已啟用，每 5 分鐘 → 未啟用，每 1 天，公司 1",
            "各日記帳各期間的會計分錄：日記帳 Cash，2026-01，已過帳，分錄數：1 → 2",
            "資料庫引用的檔案：attachment 7 plan.pdf 的檔案：無 → 內容不同",
        ]
    with translation.override("en"):
        assert told(said[0]) == "Users and their groups: user ann: active; groups: none → inactive; groups: Sales, 會計; roles: Buyer"


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
