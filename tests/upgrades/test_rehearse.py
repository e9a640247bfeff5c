"""A real company is rehearsed: its proven copy goes from one series to the next and back, and whatever goes wrong is named."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.backups.test_drill import STEPS, begun, failed
from tests.services.rehearsing import KeptMigration
from tests.services.sets import Rows, content_hash
from tests.services.tryton import NEXT, SERIES
from wellkept.adapters.base import Site
from wellkept.backups import copy, drill
from wellkept.estate.models import Person
from wellkept.operations import scratch
from wellkept.tools import databases, postgres
from wellkept.upgrades import rehearse
from wellkept.upgrades.consent import accept, findings
from wellkept.upgrades.models import Acceptance, Rehearsal, RehearsalState

GOOD = "wellkept_kept"
DAMAGES: tuple[tuple[str, str, str], ...] = (
    ("an account is emptied", "UPDATE account_move_line SET debit = 0, credit = 0 WHERE account = (SELECT min(account) FROM account_move_line)", ""),
    (
        "a user loses a group",
        'DELETE FROM "res_user-res_group" WHERE "user" = (SELECT min("user") FROM "res_user-res_group" WHERE "user" > 1)',
        "group",
    ),
    ("the administrator cannot sign in", "UPDATE res_user SET active = false WHERE login = 'admin'", "admin"),
    ("stock disappears", "DELETE FROM stock_move WHERE id = (SELECT max(id) FROM stock_move WHERE state = 'done')", ""),
    ("a party disappears", "UPDATE party_party SET active = false WHERE id = (SELECT max(id) FROM party_party WHERE active)", ""),
)
"""What a wrong migration might do: by name, the statement, and a word that the refusal has to have."""


def damaged(run_id: str, statement: str) -> None:
    """Start from the migrated database as it was kept, and do something wrong to it."""
    server = copy.place(run_id).cluster().server()
    postgres.drop_database(server, rehearse.NEW)
    databases.copy(server, GOOD, rehearse.NEW, timeout=60)
    with postgres.connect(server, rehearse.NEW) as connection:
        assert connection.execute(statement).rowcount > 0  # type: ignore[call-overload]


def accepted_is_not_refused(rows: Rows, run_id: str, number: int, administrator: Person) -> None:
    """What differs after the last damage is accepted: that damage passes, and a bit more of the same is refused."""
    rehearsal = Rehearsal.objects.get(pk=number)
    for found in accept.open_findings(rehearsal):
        accept.accept(rehearsal, findings.digest(found), reason="these are left behind", who=administrator)
    facts = rehearse.compare_books(run_id, number)
    assert (facts["figures_equal"], facts["rights_equal"], facts["differences"]) == (True, True, 0)
    assert facts["accepted"] == Acceptance.objects.count() > 0
    with postgres.connect(copy.place(run_id).cluster().server(), rehearse.NEW) as connection:
        connection.execute(DAMAGES[-1][1])  # type: ignore[call-overload]
    assert "books differ" in failed(lambda: rehearse.compare_books(run_id, number))
    Acceptance.objects.update(revoked_at=timezone.now())


def test_an_upgrade_is_rehearsed_forth_and_back(rows: Rows, company: Site, run_id: str, administrator: Person) -> None:
    before = content_hash(company)
    began = rehearse.begin(run_id, rows.environment.pk, NEXT)
    number = began["rehearsal_id"]
    assert rehearse.begin(run_id, rows.environment.pk, NEXT) == began
    assert began["current"] == SERIES
    new = rehearse.install(run_id, number)
    assert new["version"].startswith(f"{NEXT}.")
    facts: dict[str, Any] = _proven(rows, run_id)

    old = rehearse.try_old(run_id, number)
    assert {flow["outcome"] for flow in old["flows"]} == {"passed"}
    kept = KeptMigration(run_id)
    kept.prepare()
    facts["copy"] = rehearse.copy_database(run_id, number, rows.backup.pk)
    facts["notes-before"] = rehearse.run_notes(run_id, number, "before", new["modules"])
    assert facts["notes-before"]["done"] == ["7.2-empty-references", "7.6-model-names"]
    kept.replace_program(Path(new["interpreter"]))
    facts["migrate"] = rehearse.migrate(run_id, number, new["interpreter"], new["modules"])
    assert (facts["migrate"]["code"], facts["migrate"]["new"]) == (0, [])
    assert facts["migrate"]["harmless"] >= 15
    kept.keep(rehearse.NEW, Rehearsal.objects.get(pk=number).log)
    facts["notes-after"] = rehearse.run_notes(run_id, number, "after", new["modules"])

    server = copy.place(run_id).cluster().server()
    databases.copy(server, rehearse.NEW, GOOD, timeout=60)
    for name, statement, word in DAMAGES:
        damaged(run_id, statement)
        said = failed(lambda: rehearse.compare_books(run_id, number))
        assert "books differ" in said, name
        assert word in said, name
    print(f"\nrehearsal: {len(DAMAGES)} wrong migrations, {len(DAMAGES)} refused")
    accepted_is_not_refused(rows, run_id, number, administrator)
    damaged(run_id, "UPDATE ir_cache SET name = name")
    facts["compare"] = rehearse.compare_books(run_id, number)
    assert (facts["compare"]["figures_equal"], facts["compare"]["rights_equal"]) == (True, True)
    assert facts["compare"]["intended_changes"] > 0

    facts["exchange"] = rehearse.exchange(run_id, number, new["interpreter"])
    assert rehearse.exchange(run_id, number, new["interpreter"])["seconds"] > 0
    facts["work"] = rehearse.probe(run_id, number, facts["sign-in"]["probes"])
    assert set(facts["work"]["probes"]) == {"login", "search", "open", "save"}
    tried = rehearse.try_new(run_id, number, old)
    assert [flow["flow"] for flow in tried["flows"]] == [flow["flow"] for flow in old["flows"]]
    assert {flow["outcome"] for flow in tried["flows"]} == {"passed"}
    facts["back"] = rehearse.roll_back(run_id, number)
    assert facts["back"]["exchange_seconds"] < facts["back"]["seconds"]
    drill.destroy(run_id)
    result = rehearse.finish(run_id, number, facts)
    assert (result["from"], result["to"], result["figures_equal"], result["rights_equal"]) == (SERIES, NEXT, True, True)
    assert Rehearsal.objects.get(pk=number).state == RehearsalState.SUCCEEDED
    rehearse.clean_up(run_id)
    assert Rehearsal.objects.get(pk=number).state == RehearsalState.SUCCEEDED
    assert not scratch.path(run_id).exists()
    assert content_hash(company) == before
    print({name: facts[name].get("seconds") for name in ("copy", "migrate", "exchange", "back")})


def _proven(rows: Rows, run_id: str) -> dict[str, Any]:
    """The copy of the set, proven as by a drill."""
    drill_id = begun(rows, run_id)
    facts: dict[str, Any] = {"open": drill.open_repository(run_id, drill_id)}
    for name, step in STEPS:
        facts[name] = step(run_id, drill_id)
    facts["after"] = drill.compare_after(run_id, drill_id, facts["open"]["clock"], None)
    facts["prove"] = drill.prove_harmless(run_id, drill_id)
    return facts


@pytest.mark.parametrize(("target", "said"), [("6.0", "not possible"), ("9.4", "not described")])
def test_a_way_that_is_not_possible_is_refused(rows: Rows, run_id: str, target: str, said: str) -> None:
    assert said in failed(lambda: rehearse.begin(run_id, rows.environment.pk, target))
    assert not Rehearsal.objects.exists()


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_rehearsal_that_did_not_end_is_not_a_success(rows: Rows, run_id: str, *, cancelled: bool) -> None:
    number = rehearse.begin(run_id, rows.environment.pk, NEXT)["rehearsal_id"]
    rehearsal = Rehearsal.objects.get(pk=number)
    if cancelled:
        rehearsal.run.cancel_requested_at = rehearsal.started_at
        rehearsal.run.save()
    rehearse.clean_up(run_id)
    assert Rehearsal.objects.get(pk=number).state == (RehearsalState.CANCELLED if cancelled else RehearsalState.FAILED)
    assert "given up" in failed(lambda: rehearse.finish(run_id, number, {}))
