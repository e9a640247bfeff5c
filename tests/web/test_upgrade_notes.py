"""Pages of notes: where each stands, the editor, versions, and the second person."""

import pytest
from django.utils.translation import gettext, override

from tests.web.conftest import SignIn
from tests.web.test_upgrades import text
from wellkept.adapters.tryton import releases
from wellkept.estate.models import Environment, Person
from wellkept.upgrades import revise
from wellkept.upgrades.models import NoteVersion
from wellkept.web import release_texts

FORM = {"title": "Our own table", "phase": "before", "why": "it is in the way", "check": "SELECT true", "action": "DROP TABLE <our_own>"}


def address(environment: Environment, rest: str = "") -> str:
    return f"/upgrades/{environment.system_id}/notes/7.0/8.0/{rest}"


def test_an_administrator_writes_and_a_second_person_approves(
    sign_in: SignIn, administrator: Person, approver: Person, environment: Environment
) -> None:
    client = sign_in(administrator)
    wish = {**FORM, "name": "our-own", "modules": "sale, stock", "reason": "the maker's page is incomplete"}
    answer = client.post(address(environment, "add/"), wish)
    assert (answer.status_code, answer["Location"]) == (302, address(environment, "our-own/"))
    made = NoteVersion.objects.get()
    assert (made.version, made.author, made.content["modules"], made.approved_at) == (1, administrator.email, ["sale", "stock"], None)
    page = client.get(address(environment, "our-own/"))
    assert "waits for approval" in text(page)
    assert "disabled" in page.content.decode().partition("Approve for production")[0].rpartition("<button")[2]
    assert "DROP TABLE &lt;our_own&gt;" in page.content.decode()
    client.post(f"/upgrades/notes/{made.pk}/approve/")
    made.refresh_from_db()
    assert made.approved_at is None
    sign_in(approver).post(f"/upgrades/notes/{made.pk}/approve/")
    made.refresh_from_db()
    assert made.approver == approver.email
    assert "own, approved" in text(client.get(address(environment)))


def test_a_shipped_note_is_corrected_and_what_the_form_does_not_show_stays(sign_in: SignIn, administrator: Person, environment: Environment) -> None:
    client = sign_in(administrator)
    shipped = next(note for note in releases.notes("7.0", "8.0") if note.replaced_by)
    client.post(address(environment, f"{shipped.id}/"), {**FORM, "name": "other-name", "reason": "here it is different"})
    made = NoteVersion.objects.get()
    assert (made.name, made.content["title"], made.content["replaced_by"]) == (shipped.id, "Our own table", list(shipped.replaced_by))
    client.post(address(environment, f"{shipped.id}/"), {"leave-out": "1", "reason": "done by hand"})
    made = NoteVersion.objects.get(version=2)
    assert (made.disabled, made.reason, made.content["title"]) == (True, "done by hand", "Our own table")


@pytest.mark.parametrize("wish", [{}, {**FORM, "name": "our-own"}, {**FORM, "name": "Our Own", "reason": "x"}])
def test_what_is_not_complete_is_refused_on_the_page(wish: dict[str, str], sign_in: SignIn, administrator: Person, environment: Environment) -> None:
    page = sign_in(administrator).post(address(environment, "add/"), wish or {"name": ""})
    assert page.status_code == 200
    assert "invalid-feedback" in page.content.decode() or "small letters" in text(page)
    assert not NoteVersion.objects.exists()


def test_others_read_only(sign_in: SignIn, operator: Person, environment: Environment) -> None:
    client = sign_in(operator)
    assert '<form method="post" class="mt-3">' not in client.get(address(environment, "7.6-model-names/")).content.decode()
    assert client.post(address(environment, "7.6-model-names/"), {"leave-out": "1", "reason": "x"}).status_code == 403
    assert not NoteVersion.objects.exists()


@pytest.mark.parametrize("rest", ["7.0/9.0/", "8.0/7.0/", "x/y/", "7.0/8.0/nothing/"])
def test_what_is_no_upgrade_or_no_note_is_not_found(rest: str, sign_in: SignIn, operator: Person, environment: Environment) -> None:
    assert sign_in(operator).get(f"/upgrades/{environment.system_id}/notes/{rest}").status_code == 404


def test_the_texts_of_all_shipped_notes_are_translated() -> None:
    texts = {text for one, other in releases.JUMPS for note in releases.notes(one, other) for text in (note.title, note.why)}
    assert set(release_texts.TEXTS) == texts
    for language in ("zh-hant", "zh-hans"):
        with override(language):
            assert [text for text in texts if gettext(text) == text] == []


def test_one_query_for_all_notes(environment: Environment, administrator: Person, django_assert_num_queries: object) -> None:
    way = revise.jump(environment.system, "7.0", "8.0")
    for number in range(12):
        revise.write(way, f"own-{number}", FORM, reason="x", who=administrator)
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len(revise.standings(way)) == len(releases.notes("7.0", "8.0")) + 12
