"""Backups on servers elsewhere: sftp, REST with TLS, S3. A real company goes there and comes back; what goes wrong is told and harms nothing."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.services import places
from tests.services.places import Place
from tests.services.sets import KEEP_ONE, Frozen, Rows, earlier, kept_environment, new_run, stored_snapshots, take_backup, thawed
from tests.services.turns import in_turn
from wellkept.adapters.base import Site
from wellkept.backups import choose, drill, forget, reach, repositories, staging, take, verify
from wellkept.backups.models import Backup, BackupState, Drill, Repository
from wellkept.cli import repository as by_command
from wellkept.estate import secrets
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Organisation
from wellkept.lib.text import say
from wellkept.operations import scratch
from wellkept.operations.errors import Failed
from wellkept.operations.models import Record
from wellkept.tools import command, postgres, restic, ssh

SERVERS: dict[str, Callable[[], AbstractContextManager[Place]]] = {
    "sftp": places.sftp_server,
    "rest": places.rest_server,
    "s3": places.s3_server,
}
Put = Callable[[Place], Rows]


@pytest.fixture(params=in_turn([["rest", "s3", "sftp"]]))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """One kind in turn, another one than that whose outages are tried; every kind is in each run in tests/tools/test_restic_places.py."""
    with SERVERS[request.param]() as running:
        yield running


@pytest.fixture
def sftp() -> Iterator[Place]:
    with places.sftp_server() as running:
        yield running


@pytest.fixture
def environment(company: Site, organisation: Organisation) -> Environment:
    return kept_environment(company, organisation)


@pytest.fixture
def new_runs(organisation: Organisation) -> Iterator[Callable[[], str]]:
    """Makes runs; what they leave in their folders is removed afterwards."""
    made: list[str] = []

    def make() -> str:
        made.append(new_run(organisation))
        return made[-1]

    yield make
    for run_id in made:
        scratch.remove(run_id)


@pytest.fixture
def put(frozen: Frozen, company: Site, organisation: Organisation) -> Put:
    """Puts a copy of the frozen set's repository on a server, with its rows; the rules keep one."""

    def there(place: Place) -> Rows:
        place.put(frozen.folder, "erp")
        rows = thawed(frozen, company, organisation, place.location("erp"))
        rows.repository.retention = KEEP_ONE
        repositories._keep_access(rows.repository, access(place))
        rows.repository.save()
        return rows

    return there


@pytest.fixture
def another_key(tmp_path: Path) -> str:
    """The public key of a server that is another one."""
    return places.new_key(tmp_path / "other", postgres.service_user()).with_name("other.pub").read_text()


def access(place: Place, **changed: Any) -> reach.Access:
    return reach.Access(**{"credentials": place.credentials, "host_key": place.host_key, "ca": place.ca, **changed})


def made_at(place: Place, organisation: Organisation) -> Repository:
    """The repository that a person makes there, who confirmed the fingerprint of an sftp server."""
    seen = ssh.host_key(place.host_key).fingerprint if place.host_key else ""
    return repositories.create(organisation, "far", place.location("erp"), actor="test", access=access(place, host_key=seen), rules=KEEP_ONE)


def ending(call: Callable[[], Any]) -> Failed:
    with pytest.raises(Failed) as told:
        call()
    return told.value


def test_a_company_goes_there_and_comes_back(place: Place, environment: Environment, new_runs: Callable[[], str]) -> None:
    repository = made_at(place, environment.system.organisation)
    place.quicken("erp", secrets.open(repository.key))
    assert repository.host_key == (ssh.host_key(place.host_key).text if place.host_key else "")
    newer = take_backup(environment, new_runs())
    older = earlier(newer, 1, place.stored("erp"))
    assert stored_snapshots(place.stored("erp")) == {older.snapshot, newer.snapshot}
    plan = forget.preview(repository)
    assert forget.mark(repository.pk, plan.token) == {"backups": [older.pk]}
    assert forget.remove(repository.pk) == {"snapshots": 1}
    forget.give_back(repository.pk)
    assert stored_snapshots(place.stored("erp")) == {newer.snapshot}
    assert verify.check_repository(newer.pk, whole=True) == {"damage": None}
    read = verify.read_back(new_runs(), newer.pk)
    assert read["damage"] is None
    assert read["files"] > 20
    kept = str(list(Repository.objects.values())) + str(list(Record.objects.values()))
    assert [value for name, value in place.credentials.items() if name in {"AWS_SECRET_ACCESS_KEY", "REST_PASSWORD"} and value in kept] == []
    assert "PRIVATE KEY-----" not in kept


def test_the_books_of_a_backup_from_elsewhere_are_the_same(sftp: Place, put: Put, new_runs: Callable[[], str]) -> None:
    kept, run_id = put(sftp), new_runs()
    drill_id = drill.begin(run_id, kept.backup.system_id, None)["drill_id"]
    drill.open_repository(run_id, drill_id)
    drill.restore_set(run_id, drill_id)
    drill.restore_database(run_id, drill_id)
    assert drill.compare_before(run_id, drill_id)["figures"] > 12
    assert Drill.objects.get(pk=drill_id).differences == []
    drill.destroy(run_id)


def test_a_server_that_goes_away_ends_the_attempt_and_not_what_was_kept(sftp: Place, put: Put, new_runs: Callable[[], str]) -> None:
    kept, run_id = put(sftp), new_runs()
    good = kept.backup
    backup_id = take.begin(run_id, choose.Wish(good.system_id, None, None))["backup_id"]
    staging.stage(run_id, backup_id)
    sftp.cut()
    failed = ending(lambda: take.store(run_id, backup_id))
    assert failed.retryable
    assert "does not answer" in say(failed.message)
    take.clean_up(run_id)
    assert set(Backup.objects.values_list("pk", "state")) == {(good.pk, BackupState.GOOD), (backup_id, BackupState.FAILED)}
    sftp.start()
    later = take_backup(kept.environment, new_runs())
    assert stored_snapshots(sftp.stored("erp")) == {good.snapshot, later.snapshot}
    assert verify.read_tree(later.pk)["damage"] is None


def test_an_append_only_place_keeps_everything_and_the_list_says_so(put: Put, new_runs: Callable[[], str]) -> None:
    with places.rest_server("--append-only") as place:
        kept = put(place)
        older = earlier(kept.backup, 1, place.stored("erp"))
        plan = forget.preview(kept.repository)
        assert [line.backup_id for line in plan.lines if not line.keep] == [older.pk]
        forget.mark(kept.repository.pk, plan.token)
        refused = ending(lambda: forget.remove(kept.repository.pk))
        assert not refused.retryable
        assert "append-only" in say(refused.message)
        assert set(Backup.objects.values_list("state", flat=True)) == {BackupState.GOOD}
        assert stored_snapshots(place.stored("erp")) == {kept.backup.snapshot, older.snapshot}
        assert take_backup(kept.environment, new_runs()).state == BackupState.GOOD


def test_a_server_that_nobody_confirmed_is_not_used(sftp: Place, organisation: Organisation, another_key: str) -> None:
    shown = ssh.host_key(sftp.host_key)
    with pytest.raises(reach.Unconfirmed, match="the right one") as told:
        repositories.create(organisation, "far", sftp.location("erp"), actor="test", access=access(sftp, host_key=""))
    assert told.value.shown == shown
    assert shown.fingerprint in str(told.value)
    with pytest.raises(Invalid, match=r"shows the host key ED25519 SHA256:\S+, not SHA256:"):
        repositories.create(
            organisation, "far", sftp.location("erp"), actor="test", access=access(sftp, host_key=ssh.host_key(another_key).fingerprint)
        )
    assert not Repository.objects.exists()
    assert list(sftp.folder.iterdir()) == []


def test_a_server_that_changed_is_not_used_until_a_person_confirms_it(sftp: Place, put: Put, another_key: str) -> None:
    made, shown = put(sftp).repository, ssh.host_key(sftp.host_key)
    made.host_key = ssh.host_key(another_key).text
    made.save()
    with pytest.raises(restic.Refused, match="not show the host key that was confirmed"):
        restic.identity(repositories.opened(made))
    repositories.set_access(made, reach.Access(host_key=shown.fingerprint), actor="test")
    assert Repository.objects.get().host_key == shown.text


def test_new_credentials_are_proven_before_they_are_kept(put: Put) -> None:
    with places.s3_server() as place:
        repository = put(place).repository
        before = Repository.objects.values().get()
        kept = repository.credentials.ciphertext  # type: ignore[union-attr]
        with pytest.raises(restic.Refused, match="does not exist"):
            repositories.set_access(repository, reach.Access({"AWS_ACCESS_KEY_ID": "KEEPER2", "AWS_SECRET_ACCESS_KEY": "s3-secret-2"}), actor="test")
        repository.refresh_from_db()
        assert (Repository.objects.values().get(), repository.credentials.ciphertext) == (before, kept)  # type: ignore[union-attr]
        place.cut()
        place.env["RCLONE_AUTH_KEY"] = '"KEEPER2,s3-secret-2"'
        place.start()
        with pytest.raises(restic.Refused):
            restic.identity(repositories.opened(repository))
        repositories.set_access(repository, reach.Access({"AWS_ACCESS_KEY_ID": "KEEPER2", "AWS_SECRET_ACCESS_KEY": "s3-secret-2"}), actor="test")
        assert restic.identity(repositories.opened(Repository.objects.get())) == repository.restic_id
        entry = Record.objects.get(kind="repository.access_changed")
        assert entry.data["names"] == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        assert "s3-secret" not in str(entry.data)


@pytest.mark.parametrize(
    ("location", "wish", "reason"),
    [
        ("sftp:me@127.0.0.1:/srv", {}, "needs an ssh private key"),
        ("sftp:me@127.0.0.1:/srv", {"credentials": {"SSH_PRIVATE_KEY": "ssh-ed25519 AAAA me"}}, "not an ssh private key"),
        ("sftp:me@127.0.0.1:/srv", {"credentials": {"REST_USER": "me"}}, "not a credential of this place"),
        ("sftp://me@127.0.0.1:99999//srv", {}, "an sftp repository is written"),
        ("rest:http://127.0.0.1:9/", {"host_key": "SHA256:x"}, "sftp server only"),
        ("rest:http://127.0.0.1:9/", {"ca": "-----BEGIN CERTIFICATE-----"}, "https address only"),
        ("rest:https://127.0.0.1:9/", {"ca": "nonsense"}, "no certificate"),
        ("/srv/backups", {"credentials": {"REST_USER": "me"}}, "no credentials"),
    ],
)
def test_what_does_not_belong_together_is_refused(organisation: Organisation, location: str, wish: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        repositories.create(organisation, "far", location, actor="test", access=reach.Access(**wish))
    assert not Repository.objects.exists()


def test_a_key_with_a_passphrase_is_refused_and_one_from_windows_is_taken(tmp_path: Path) -> None:
    plain = places.new_key(tmp_path / "plain", postgres.service_user()).read_text()
    assert ssh.private_key(plain.replace("\n", "\r\n").rstrip()) == plain
    command.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "long enough", "-f", tmp_path / "plain"])
    with pytest.raises(ssh.WrongKey, match="passphrase"):
        ssh.private_key((tmp_path / "plain").read_text())


@pytest.mark.parametrize(("typed", "taken"), [("n\n", False), ("y\n", True)])
def test_a_person_at_a_terminal_is_asked_about_the_host_key(
    sftp: Place, put: Put, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, typed: str, taken: bool
) -> None:
    repository, shown = put(sftp).repository, ssh.host_key(sftp.host_key)
    repository.host_key = ""
    repository.save()
    master, terminal = os.openpty()
    os.write(master, typed.encode())
    with os.fdopen(master), os.fdopen(terminal) as stdin, contextlib.suppress(typer.Exit):
        monkeypatch.setattr(sys, "stdin", stdin)
        by_command._confirmed(access(sftp, host_key=""), lambda given: repositories.set_access(repository, given, actor="test"))
    assert f"Is {shown} the right one?" in capsys.readouterr().err
    assert Repository.objects.get().host_key == (shown.text if taken else "")
