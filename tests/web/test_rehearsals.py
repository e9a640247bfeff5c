"""Pages, paper, API and commands of rehearsals: what was found, who means it so, how long it took, and what to do when it failed."""

import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override
from typer.testing import CliRunner

from tests.services.sets import new_run
from tests.upgrades.test_api import api
from tests.web.conftest import SignIn
from tests.web.test_upgrades import text
from wellkept.adapters.base import LogEntry
from wellkept.cli.upgrade import app
from wellkept.estate.access import Denied
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Organisation, Person
from wellkept.lib.text import message
from wellkept.operations.models import Run, Step
from wellkept.planning.figures import Difference
from wellkept.upgrades import rehearsals
from wellkept.upgrades.consent import findings
from wellkept.upgrades.models import Acceptance, Rehearsal
from wellkept.web import papers

STOCK = Difference("stock", "7", "Bolt <M8>", "12.5", "10.5", "Stock by product")
JOB = Difference("jobs", "clean", "scheduled job Clean", None, "active", "Scheduled jobs")
LINE = LogEntry("ERROR", "trytond.modules.ours", "row 4711 was <left>", None)
KNOWN = LogEntry("WARNING", "trytond.backend", "table 5 is not there", "it never was")
DETAIL = "DETAIL:  Key (code)=(B-12) is duplicated."
REPORT: dict[str, Any] = {
    "migrate": {"seconds": 95.5},
    "flows-new": {"flows": [{"flow": "Sale", "outcome": "passed", "reason": "", "steps": [{"seconds": 1.5}, {"seconds": 2.0}]}]},
    "work": {"probes": {"login": {"before": 0.2, "after": 0.3}}},
}


def make_rehearsal(environment: Environment, seconds: float = 60.0, failed: str = "", **facts: Any) -> Rehearsal:
    """A rehearsal that ended, with three steps; ``failed`` names the one at which it stopped."""
    system = environment.system
    run = Run.objects.get(pk=new_run(system.organisation, "upgrades.rehearse"))
    Run.objects.filter(pk=run.pk).update(system=system, environment=environment, outcome=message("It ended as {how}", how=failed or "it should"))
    for number, name in enumerate(("copy", "migrate", "compare"), start=1):
        state = "failed" if name == failed else "done"
        Step.objects.create(run=run, number=number, name=name, title=name.title(), worker="w", state=state, ended_at=timezone.now(), seconds=seconds)
        if name == failed:
            break
    return Rehearsal.objects.create(
        organisation=system.organisation,
        system=system,
        environment=environment,
        run=run,
        current="7.0",
        target="8.0",
        version="8.0.12",
        state="failed" if failed else "succeeded",
        ended_at=timezone.now(),
        **{"report": REPORT, "rollback_seconds": 3.2, "figures_equal": not failed, "rights_equal": True, **facts},
    )


@pytest.fixture
def found(environment: Environment) -> Rehearsal:
    """One that failed in the comparison, with something of each kind."""
    log = findings.of_log([LINE, LINE, KNOWN], [])
    books = findings.of_books([STOCK, JOB], [STOCK], {}, ())
    return make_rehearsal(environment, failed="compare", judged=log, compared=books, log=["first line", DETAIL])


def page(client: Client, one: Rehearsal) -> str:
    return text(client.get(f"/upgrades/rehearsals/{one.pk}/"))


def test_a_finding_is_accepted_approved_by_another_and_revoked_on_the_page(
    found: Rehearsal, administrator: Person, approver: Person, sign_in: SignIn
) -> None:
    client, place = sign_in(administrator), f"/upgrades/rehearsals/{found.pk}/"
    html = client.get(place).content.decode()
    assert "Bolt &lt;M8&gt;" in html
    assert "row 4711 was &lt;left&gt;" in html
    assert html.count("Accept this…") == 2
    said = page(client, found)
    assert "Look at each difference below" in said
    assert "It stopped at this step: Compare" in said
    digest = findings.digest(found.compared[0])
    client.post(f"{place}accept/", {"finding": digest, "rule": "same_change", "reason": ""})
    assert not Acceptance.objects.exists()
    answer = client.post(f"{place}accept/", {"finding": digest, "rule": "same_change", "reason": "rounding"})
    word = Acceptance.objects.get()
    assert (answer["Location"], word.rule, word.author) == (place, "same_change", administrator.email)
    assert f"accepted by {administrator.email} since; rehearse again: rounding" in page(client, found)
    client.post(f"/upgrades/acceptances/{word.pk}/approve/", {"rehearsal": found.pk})
    word.refresh_from_db()
    assert word.approved_at is None, "not by its author"
    sign_in(approver).post(f"/upgrades/acceptances/{word.pk}/approve/", {"rehearsal": found.pk})
    word.refresh_from_db()
    assert word.approver == approver.email
    assert client.post(f"/upgrades/acceptances/{word.pk}/revoke/", {"rehearsal": found.pk})["Location"] == place
    word.refresh_from_db()
    assert word.revoked_by == administrator.email
    assert f"revoked by {administrator.email}" in page(client, found)


def test_what_waits_for_a_second_person_is_said(environment: Environment, administrator: Person, operator: Person, sign_in: SignIn) -> None:
    books = findings.of_books([STOCK], [STOCK], {}, ())
    word = Acceptance.objects.create(
        organisation=environment.system.organisation,
        system=environment.system,
        current="7.0",
        target="8.0",
        finding=books[0],
        digest=findings.digest(books[0]),
        rule="exact",
        reason="meant so",
        author=administrator.email,
    )
    judged = findings.judged(books, [findings.Accepted(word.pk, word.finding)])
    one = make_rehearsal(environment, compared=judged)
    said = page(sign_in(operator), one)
    assert "1 thing that was accepted waits for a second person" in said
    assert f"accepted by {administrator.email}: meant so" in said
    assert "Accept this…" not in said
    assert "1 of 1" in said


def test_the_times_say_from_how_many_runs_they_are(environment: Environment, operator: Person, sign_in: SignIn) -> None:
    first = make_rehearsal(environment, seconds=10.0)
    assert "Only one rehearsal says so" in page(sign_in(operator), first)
    for seconds in (20.0, 40.0):
        last = make_rehearsal(environment, seconds=seconds)
    make_rehearsal(environment, seconds=500.0, failed="migrate")
    paces = {pace.name: pace for pace in rehearsals.paces(last)}
    assert (paces["copy"].seconds, paces["copy"].p50, paces["copy"].p90, paces["copy"].runs) == (40.0, 20.0, 40.0, 3)
    assert "From 3 rehearsals that succeeded" in page(sign_in(operator), last)
    assert rehearsals.paces(first)[0].runs == 1, "what came later is not known to it"


@pytest.mark.parametrize(
    ("failed", "facts", "record", "advice"),
    [
        ("migrate", {"log": [DETAIL]}, "Key (code)=(B-12) is duplicated.", "Correct the record in the ERP"),
        ("migrate", {"judged": findings.of_log([LINE], [])}, "", "Look at the lines of the log"),
        ("copy", {}, "", "The backup or the copy failed"),
    ],
)
def test_a_failed_one_says_what_to_do(failed: str, facts: dict[str, Any], record: str, advice: str, environment: Environment) -> None:
    one = make_rehearsal(environment, failed=failed, **facts)
    why = rehearsals.failure(one)
    assert why is not None
    assert (why.step, why.record) == (failed, record)
    assert str(why.advice[0]["id"]).startswith(advice)
    assert "rehearse again" in str(why.advice[-1]["id"])


def test_the_note_that_failed_is_named(environment: Environment, operator: Person, sign_in: SignIn) -> None:
    one = make_rehearsal(environment, failed="compare")
    Step.objects.filter(run=one.run_id, name="compare").update(name="notes-after")
    Run.objects.filter(pk=one.run_id).update(outcome=message("The note {note} failed: {reason}", note="7.6-model-names", reason="x"))
    html = sign_in(operator).get(f"/upgrades/rehearsals/{one.pk}/").content.decode()
    assert f'href="/upgrades/{one.system_id}/notes/7.0/8.0/7.6-model-names/"' in html


def test_the_list_costs_the_same_at_one_and_at_thirty(environment: Environment, operator: Person, sign_in: SignIn) -> None:
    client, place = sign_in(operator), f"/upgrades/{environment.system_id}/rehearsals/"
    assert "Nothing was rehearsed yet" in text(client.get(place))

    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            client.get(place)
        return len(seen)

    make_rehearsal(environment)
    one = count()
    for _ in range(29):
        make_rehearsal(environment)
    assert count() == one
    assert text(client.get(place)).count("7.0 → 8.0.12") == 30


@pytest.mark.parametrize("language", ["en", "zh-hant", "zh-hans"])
def test_it_is_printed_in_every_language(language: str, found: Rehearsal) -> None:
    with override(language):
        assert papers.rehearsal_pdf(found).startswith(b"%PDF-")


def test_programs_read_the_same(found: Rehearsal, organisation: Organisation, administrator: Person, approver: Person) -> None:
    code, plain = api(administrator, organisation, "GET", f"/rehearsals/{found.pk}")
    assert code == 200
    assert [(one["by"], one["count"]) for one in plain["findings"] if one["kind"] == "log"] == [("", 2), ("release", 1)]
    assert [one["by"] for one in plain["findings"] if one["kind"] == "books"] == ["", "release"]
    assert plain["failure"]["step"] == "compare"
    assert [(one["name"], one["runs"]) for one in plain["phases"]] == [("copy", 0), ("migrate", 0), ("compare", 0)]
    digest = next(one["finding"] for one in plain["findings"] if one["by"] == "")
    wish = {"finding": digest, "reason": "harmless"}
    code, word = api(administrator, organisation, "POST", f"/rehearsals/{found.pk}/accept", wish)
    assert (code, word["finding"]["pattern"], word["author"].partition(" ")[0]) == (200, "row # was <left>", administrator.email)
    assert api(administrator, organisation, "POST", f"/acceptances/{word['id']}/approve")[0] == 403
    code, approved = api(approver, organisation, "POST", f"/acceptances/{word['id']}/approve")
    assert (code, approved["approver"].partition(" ")[0]) == (200, approver.email)
    code, listed = api(approver, organisation, "GET", f"/acceptances?system_id={found.system_id}")
    assert (code, [one["id"] for one in listed["items"]]) == (200, [word["id"]])
    code, revoked = api(administrator, organisation, "POST", f"/acceptances/{word['id']}/revoke")
    assert (code, revoked["revoked_at"] is not None) == (200, True)
    code, rows = api(approver, organisation, "GET", "/rehearsals?state=failed")
    assert (code, [one["id"] for one in rows["items"]]) == (200, [found.pk])
    assert json.dumps(plain)
    assert uuid.UUID(plain["run"]) == found.run_id


def test_the_same_by_command(found: Rehearsal) -> None:
    def wellkept(*args: str) -> Any:
        done = CliRunner().invoke(app, [*args, "--json"])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return json.loads(done.stdout.splitlines()[-1])

    shown = wellkept("rehearsal", str(found.pk))
    open_ones = [one["finding"] for one in shown["findings"] if one["by"] == ""]
    assert (shown["failure"]["step"], len(open_ones)) == ("compare", 2)
    add = ("acceptance", "add", str(found.pk))
    with pytest.raises(Invalid, match="at least 8 letters of exactly one"):
        wellkept(*add, open_ones[0][:7], "--reason", "x")
    made = wellkept(*add, open_ones[1][:8], "--reason", "rounding", "--rule", "same_change")
    assert (made["rule"], made["approved_at"]) == ("same_change", None)
    with pytest.raises(Denied, match="a second person"):
        wellkept("acceptance", "approve", str(made["acceptance"]))
    wellkept("acceptance", "revoke", str(made["acceptance"]))
    (listed,) = wellkept("acceptance", "list", found.system.name)
    assert (listed["acceptance"], listed["revoked_at"] is None) == (made["acceptance"], False)
