from pathlib import Path

import pytest

from tests.services.sets import Rows
from wellkept.backups import queries, reach, repositories
from wellkept.backups.models import Repository
from wellkept.estate import secrets
from wellkept.estate.errors import Invalid, NotFound, Taken
from wellkept.estate.models import Organisation, Secret
from wellkept.lib import escrow
from wellkept.operations import records
from wellkept.operations.models import Record
from wellkept.tools import restic


def test_the_key_is_random_and_only_encrypted(organisation: Organisation, tmp_path: Path) -> None:
    one = repositories.create(organisation, "one", str(tmp_path / "one"), actor="os:root")
    password = secrets.open(one.key)
    assert len(password) >= 43
    assert restic.identity(repositories.opened(one)) == one.restic_id
    for text in (one.key.ciphertext, one.escrow, str(queries.plain_repository(one)), str(list(Record.objects.values()))):
        assert password not in text
    assert records.verify(organisation).ok


def test_the_escrow_opens_with_the_recovery_key_and_a_named_one_and_leads_to_the_backups(organisation: Organisation, tmp_path: Path) -> None:
    mine, stranger = escrow.new_identity(), escrow.new_identity()
    made = repositories.create(organisation, "one", str(tmp_path / "one"), actor="os:root", recipients=[mine.public])
    recovery = repositories.recovery_key(made, actor="os:root")
    for identity in (recovery, f"# mine\n{mine.private}\n"):
        assert repositories.test_escrow(made, identity, actor="os:root") == made.restic_id
    with pytest.raises(escrow.EscrowError, match="does not open"):
        repositories.test_escrow(made, stranger.private, actor="os:root")
    content = escrow.unseal(made.escrow, escrow.private_key_in(recovery))
    assert restic.identity(restic.Repository(content["location"], content["password"])) == made.restic_id


def test_the_recovery_key_is_given_out_once(rows: Rows, organisation: Organisation) -> None:
    renewed = repositories.renew_escrow(rows.repository, actor="os:root")
    text = repositories.recovery_key(renewed, actor="os:root")
    assert "AGE-SECRET-KEY-" in text
    with pytest.raises(NotFound, match="downloaded before"):
        repositories.recovery_key(renewed, actor="os:root")
    assert not Secret.objects.filter(name="repository/local/recovery").exists()
    assert Repository.objects.get().recovery_downloaded_at is not None
    with pytest.raises(escrow.EscrowError):
        repositories.test_escrow(renewed, rows.recovery, actor="os:root")
    assert repositories.test_escrow(renewed, text, actor="os:root") == renewed.restic_id
    kinds = list(Record.objects.filter(organisation=organisation).order_by("number").values_list("kind", flat=True))
    assert kinds == ["repository.escrow_renewed", "repository.recovery_downloaded", "repository.escrow_tested"]


@pytest.mark.parametrize(
    ("name", "place", "extra", "error"),
    [
        ("two", "relative/path", {}, Invalid),
        ("two", "rclone:remote:x", {}, Invalid),
        ("two", "/proc/nowhere/repository", {}, Invalid),
        ("two", "rest:http://127.0.0.1:9/", {}, restic.Unreachable),
        ("two", "{tmp}/two", {"recipients": ["age1nonsense"]}, Invalid),
        ("two", "{tmp}/two", {"rules": {"hourly": 3}}, Invalid),
        ("two", "{tmp}/two", {"access": reach.Access({"LD_PRELOAD": "x"})}, Invalid),
        ("two", "{tmp}/two", {"within": [Path("/srv/backups"), Path("/srv/more")]}, Invalid),
        ("local", "{tmp}/two", {}, Taken),
        ("two", "{tmp}/repository", {}, Taken),
    ],
)
def test_a_wish_that_makes_no_sense_stores_nothing(
    rows: Rows, tmp_path: Path, *, name: str, place: str, extra: dict[str, object], error: type[Exception]
) -> None:
    before = (list(Repository.objects.values()), list(Secret.objects.values()), Record.objects.count(), sorted(rows.folder.rglob("*")))
    with pytest.raises(error):
        repositories.create(rows.repository.organisation, name, place.format(tmp=tmp_path), actor="os:root", **extra)  # type: ignore[arg-type]
    assert (list(Repository.objects.values()), list(Secret.objects.values()), Record.objects.count(), sorted(rows.folder.rglob("*"))) == before
    assert not (tmp_path / "two").exists()


def test_an_interrupted_start_is_taken_up(organisation: Organisation, tmp_path: Path) -> None:
    place = str(tmp_path / "one")
    first = repositories._row(organisation, "one", place, access=reach.Access(), named=[], rules={})
    restic.init(repositories.opened(first))
    made = repositories.create(organisation, "one", place, actor="os:root")
    assert made.pk == first.pk
    assert made.restic_id == restic.identity(repositories.opened(first))


def test_an_escrow_of_another_repository_is_refused(rows: Rows, organisation: Organisation, tmp_path: Path) -> None:
    other = repositories.create(organisation, "other", str(tmp_path / "other"), actor="os:root")
    rows.repository.escrow = escrow.seal({"repository": "other", "location": other.location, "password": "x"}, rows.repository.recipients)
    with pytest.raises(escrow.EscrowError, match="another repository"):
        repositories.escrowed(rows.repository)


def test_credentials_never_reach_the_row(organisation: Organisation) -> None:
    with pytest.raises(restic.Unreachable) as told:
        repositories.create(organisation, "rest", "rest:http://me:hunter2@127.0.0.1:9/erp", actor="os:root")
    assert "hunter2" not in str(told.value)
    row = repositories._row(
        organisation, "rest", "rest:http://127.0.0.1:9/erp", access=reach.Access({"REST_USER": "me", "REST_PASSWORD": "hunter2"}), named=[], rules={}
    )
    assert "hunter2" not in str(Repository.objects.filter(pk=row.pk).values())
    assert repositories.opened(row).env()["RESTIC_REPOSITORY"] == "rest:http://me:hunter2@127.0.0.1:9/erp"


def test_repositories_are_counted_in_one_query(rows: Rows, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        (found,) = queries.repositories(Repository.objects.all())
        assert queries.plain_repository(found)["good_backups"] == 1


@pytest.mark.parametrize("name", ["", "a b", "../up", "x" * 61])
def test_names_that_make_no_sense_are_refused(organisation: Organisation, tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="is not a short name"):
        repositories.create(organisation, name, str(tmp_path / "r"), actor="tests")
    assert not Repository.objects.exists()
    assert list(tmp_path.iterdir()) == []
