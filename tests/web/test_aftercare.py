"""The page after an upgrade: what is said of it, people's answers, and what is removed only with the name typed."""

import csv
import json
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, override

from tests.people import make_environment, make_member, make_system
from tests.services.sets import new_run
from tests.web.conftest import SignIn
from wellkept.adapters.base import WrittenKind
from wellkept.estate.models import Organisation, Person, Role
from wellkept.operations.models import Record, Run
from wellkept.upgrades import aftercare, opinions
from wellkept.upgrades.models import Measurement, Opinion, Rehearsal, Release, Upgrade, UpgradeState
from wellkept.web import discarding

BEFORE = [0.30, 0.31, 0.32, 0.33, 0.34]


@pytest.fixture
def upgrade(organisation: Organisation) -> Upgrade:
    """A kept upgrade that is followed: one transaction is slower since, one as before, and there is a new error."""
    environment = make_environment(make_system(organisation, "erp1"), version="8.0.12")
    place = {"organisation": organisation, "system": environment.system, "environment": environment, "current": "7.0", "target": "8.0"}
    rehearsal = Rehearsal.objects.create(**place, run_id=new_run(organisation))
    moment = timezone.now()
    made = Upgrade.objects.create(
        **place,
        run_id=new_run(organisation),
        rehearsal=rehearsal,
        version="8.0.12",
        state=UpgradeState.KEPT,
        ended_at=moment,
        opened_at=moment,
        followed_until=moment + timedelta(days=7),
    )
    Measurement.objects.create(upgrade=made, before=True, timings={"login": BEFORE, "sale.sale list": BEFORE}, errors={"old": 1})
    slower = [value + 0.34 for value in BEFORE]
    Measurement.objects.create(upgrade=made, timings={"login": BEFORE, "sale.sale list": slower}, errors={"old": 2, "KeyError: <new>": 3})
    return made


def page(client: Client, upgrade: Upgrade) -> str:
    return unescape(client.get(f"/upgrades/done/{upgrade.pk}/").content.decode())


def test_what_is_slower_is_said_first_and_new_errors_are_named(sign_in: SignIn, viewer: Person, upgrade: Upgrade) -> None:
    html = page(sign_in(viewer), upgrade)
    assert "Sale: list takes 340 ms longer (1 in all)" in html
    assert html.index('<td class="first">Sale: list</td>') < html.index('<td class="first">Sign in</td>')
    assert "sale.sale" not in html
    assert "+340 ms" in html
    assert '<code class="tail">KeyError: <new></code>' in html
    assert "old</code>" not in html
    assert "data-dialog" not in html, "only an administrator removes"


def test_an_answer_is_kept_in_its_language_and_can_be_changed_until_it_is_closed(sign_in: SignIn, viewer: Person, upgrade: Upgrade) -> None:
    client = sign_in(viewer)
    assert "How is your work since?" in client.get("/").content.decode()
    client.post(f"/upgrades/done/{upgrade.pk}/opinion/", {"answer": "", "comment": "x"})
    assert not Opinion.objects.exists()
    client.post(f"/upgrades/done/{upgrade.pk}/opinion/", {"answer": "same", "comment": ""})
    client.cookies["django_language"] = "zh-hant"
    client.post(f"/upgrades/done/{upgrade.pk}/opinion/", {"answer": "blocked", "comment": "列印"})
    said = Opinion.objects.get()
    assert (said.answer, said.comment, said.person) == ("blocked", "列印", viewer)
    html = page(client, upgrade)
    assert "無法工作的人數：1" in html
    assert "列印" in html
    aftercare.close(upgrade.pk)
    client.post(f"/upgrades/done/{upgrade.pk}/opinion/", {"answer": "better", "comment": ""})
    assert Opinion.objects.get().answer == "blocked", "a closed report stays as it is"
    assert "opinion/" not in page(client, upgrade)


def test_what_it_left_is_proposed_when_due_and_removed_only_by_name(sign_in: SignIn, administrator: Person, upgrade: Upgrade) -> None:
    client = sign_in(administrator)
    assert "may go" not in client.get("/").content.decode()
    Upgrade.objects.filter(pk=upgrade.pk).update(ended_at=timezone.now() - timedelta(days=15))
    for address in ("/", f"/systems/{upgrade.system_id}/", f"/upgrades/done/{upgrade.pk}/"):
        assert "may go" in client.get(address).content.decode(), address
    client.post(f"/upgrades/done/{upgrade.pk}/remove/", {"confirm": "erp"})
    assert not Run.objects.filter(operation="upgrades.remove_kept").exists()
    client.post(f"/upgrades/done/{upgrade.pk}/remove/", {"confirm": "erp1"})
    assert Run.objects.get(operation="upgrades.remove_kept").arguments == {"upgrade_ids": [upgrade.pk], "early": False}


def test_the_api_gives_the_same_as_data(client: Client, sign_in: SignIn, organisation: Organisation, upgrade: Upgrade) -> None:
    found = sign_in(make_member(organisation, Role.VIEWER, "reader@riverside.example")).get(f"/api/upgrades/{upgrade.pk}/aftercare").json()
    assert [(one["name"], one["word"]) for one in found["transactions"]] == [("sale.sale list", "slower"), ("login", "same")]
    assert found["errors"] == [{"text": "KeyError: <new>", "count": 3}]


def test_a_patch_is_offered_and_rehearsed_as_one(sign_in: SignIn, operator: Person, organisation: Organisation) -> None:
    environment = make_environment(make_system(organisation, "erp2"), version="7.0.1")
    Release.objects.create(adapter="tryton", series="7.0", newest="7.0.2")
    client = sign_in(operator)
    assert f'/upgrades/{environment.system_id}/to/7.0/">7.0.2' in client.get("/upgrades/").content.decode()
    client.post(f"/upgrades/{environment.system_id}/rehearse/", {"target": "7.0"})
    assert Run.objects.get().operation == "upgrades.rehearse_patch"


def test_answers_are_read_taken_up_settled_and_exported_by_who_may_act(
    sign_in: SignIn, viewer: Person, operator: Person, administrator: Person, upgrade: Upgrade
) -> None:
    address = f"/upgrades/done/{upgrade.pk}/opinions/"
    opinions.answer(upgrade, viewer, "worse", "=printing <stopped>", "en")
    opinions.answer(upgrade, administrator, "same", "", "en")
    client, other = sign_in(operator), sign_in(administrator)
    assert sign_in(viewer).get(address).status_code == 403
    assert "that nobody has settled: 1." in client.get("/").content.decode()
    assert "that nobody has settled" not in sign_in(viewer).get("/").content.decode()
    html = unescape(client.get(address).content.decode())
    assert "=printing <stopped>" in html
    assert viewer.email in html
    one = Opinion.objects.get(person=viewer)
    handle = f"/upgrades/opinions/{one.pk}/"
    client.post(handle, {"settle": "1", "note": " "})
    client.post(handle, {"take": "1", "note": "I look at the printer"})
    other.post(handle, {"take": "1", "note": "mine"})
    one.refresh_from_db()
    assert (one.handler, one.note, one.settled_at) == (operator.email, "I look at the printer", None)
    other.post(handle, {"settle": "1", "note": "a new driver"})
    client.post(handle, {"settle": "1", "note": "again"})
    one.refresh_from_db()
    assert (one.handler, one.note, one.settled_at is not None) == (administrator.email, "a new driver", True)
    assert [entry.data["note"] for entry in Record.objects.filter(kind="upgrades.opinion").order_by("number")] == [
        "I look at the printer",
        "a new driver",
    ]
    rows = list(csv.DictReader(client.get(address, {"export": "csv"}).content.decode().splitlines()))
    assert [(row["answer"], row["comment"], row["state"]) for row in rows] == [("same", "", "open"), ("worse", "'=printing <stopped>", "settled")]
    assert json.loads(client.get(address, {"export": "json"}).content)[1]["note"] == "a new driver"
    (found,) = [one for one in client.get(f"/api/upgrades/{upgrade.pk}/opinions").json() if one["person"] == viewer.email]
    assert (found["state"], found["handler"]) == ("settled", administrator.email)
    opinions.answer(upgrade, viewer, "better", "thanks", "en")
    assert Opinion.objects.get(person=viewer).settled_at is None, "a new answer is open again"


def test_what_was_written_is_called_in_the_reader_s_words() -> None:
    kinds = [
        WrittenKind("party_party", "Party", 1, 0, 0, {"ada": 1}, {"en": "Party", "zh_CN": "业务伙伴"}),
        WrittenKind("our_own", "Our Own", 0, 2, 0, {"ada": 2}, {"en": "Our Own"}),
        WrittenKind("a_link", "a_link", 3, 0, 0, {"ada": 3}),
        WrittenKind("b_link", "b_link", 0, 0, 1, {"bob": 1}),
    ]
    named = {"en": ["Our Own", "Party"], "zh-hans": ["Our Own", "业务伙伴"], "zh-hant": ["Our Own", "往來對象"]}
    for language, titles in named.items():
        with override(language):
            told = discarding.said(kinds)
            assert [kind.title for kind in told] == [*titles, gettext("Links between records")]
    assert (told[-1].created, told[-1].changed, told[-1].deleted, told[-1].people) == (3, 0, 1, {"ada": 3, "bob": 1})
