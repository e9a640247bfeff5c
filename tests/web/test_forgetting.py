"""Rules of a repository on a page: what they would forget is seen first, and only exactly that can be forgotten."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.people import make_member
from tests.web.conftest import SignIn
from tests.web.estate import make_backup, make_kept, make_repository
from wellkept.backups import forget
from wellkept.backups.models import Backup, BackupState, Repository
from wellkept.estate.models import Organisation, Person, Role
from wellkept.operations.models import Record, Run

RULES = {"last": 2, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0}


@pytest.fixture
def repository(organisation: Organisation) -> Repository:
    """Five backups, one a day, of which the rules keep the two newest."""
    made = make_repository(organisation)
    made.retention = RULES
    made.save()
    system = make_kept(organisation, "erp1")
    for days in range(5):
        make_backup(system, made, timezone.now() - timedelta(days=days))
    return made


def address(repository: Repository) -> str:
    return f"/settings/repositories/{repository.pk}/forget/"


def test_the_preview_follows_rules_that_are_not_saved(repository: Repository, administrator: Person, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    saved = client.get(address(repository))
    assert "3 backups would be forgotten" in saved.content.decode()
    assert "number 2 of the last 2" in saved.content.decode()
    assert 'data-dialog="forget"' in saved.content.decode()
    considered = client.get(address(repository), {**RULES, "last": 4}).content.decode()
    assert "1 backup would be forgotten" in considered
    assert "not saved yet" in considered
    assert 'data-dialog="forget"' not in considered
    nonsense = client.get(address(repository), {**RULES, "last": "-1"}).content.decode()
    assert "make no sense" in nonsense
    repository.refresh_from_db()
    assert repository.retention == RULES


def test_rules_are_saved_and_recorded(repository: Repository, administrator: Person, sign_in: SignIn) -> None:
    sign_in(administrator).post(address(repository), {**RULES, "last": 4, "save": "1"})
    repository.refresh_from_db()
    assert repository.retention == {**RULES, "last": 4}
    assert Record.objects.get().kind == "repository.retention_changed"


def test_exactly_the_preview_is_forgotten(repository: Repository, administrator: Person, sign_in: SignIn) -> None:
    token = forget.preview(repository).token
    answer = sign_in(administrator).post(address(repository), {"token": token, "confirm": "main"})
    run = Run.objects.get(operation="backups.forget")
    assert (answer.status_code, answer["Location"]) == (302, f"/runs/{run.pk}/")
    assert (run.arguments, run.requested_by) == ({"repository_id": repository.pk, "token": token}, administrator)


@pytest.mark.parametrize(("token", "confirm", "reason"), [("stale", "main", "has changed since"), ("", "other", "was not typed")])
def test_nothing_is_forgotten_by_mistake(
    repository: Repository, administrator: Person, sign_in: SignIn, token: str, confirm: str, reason: str
) -> None:
    wish = {"token": token or forget.preview(repository).token, "confirm": confirm}
    answer = sign_in(administrator).post(address(repository), wish, follow=True)
    assert reason in answer.content.decode()
    assert not Run.objects.filter(operation="backups.forget").exists()


def test_others_look_only(repository: Repository, operator: Person, sign_in: SignIn) -> None:
    client = sign_in(operator)
    page = client.get(address(repository)).content.decode()
    assert "3 backups would be forgotten" in page
    assert 'data-dialog="forget"' not in page
    for wish in ({"token": forget.preview(repository).token, "confirm": "main"}, {**RULES, "last": 9, "save": "1"}):
        assert client.post(address(repository), wish).status_code == 403
    repository.refresh_from_db()
    assert repository.retention == RULES
    assert not Run.objects.filter(operation="backups.forget").exists()


def test_a_member_of_one_system_sees_only_its_backups(repository: Repository, organisation: Organisation, sign_in: SignIn) -> None:
    second = make_kept(organisation, "erp2")
    own = make_backup(second, repository, timezone.now())
    make_backup(second, repository, timezone.now() - timedelta(hours=1), BackupState.BROKEN)
    client = sign_in(make_member(organisation, Role.VIEWER, "one@riverside.example", system=second))
    for page in (address(repository), f"/settings/repositories/{repository.pk}/"):
        assert "1 backup would be forgotten" in client.get(page).content.decode(), page
    shown = client.get(address(repository)).content.decode()
    assert f"/backups/sets/{own.pk}/" in shown
    assert not any(f"/backups/sets/{other.pk}/" in shown for other in Backup.objects.exclude(system=second))
