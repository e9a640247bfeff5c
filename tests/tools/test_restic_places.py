"""restic on real servers: what goes in, what is refused and in which words."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services import places
from tests.services.places import Place
from wellkept.tools import postgres, restic, ssh

BIG = 120_000_000
"""Takes long enough to store that the server can be cut off meanwhile."""
SERVERS: dict[str, Callable[[], AbstractContextManager[Place]]] = {
    "sftp": places.sftp_server,
    "rest": places.rest_server,
    "s3": places.s3_server,
}


@pytest.fixture(scope="module", params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with SERVERS[request.param]() as running:
        yield running


def at(place: Place, password: str = "a password") -> restic.Repository:
    return restic.Repository(place.location("one"), password, place.credentials, host_key=place.host_key, ca=place.ca)


def put(place: Place, empty: restic.Repository) -> restic.Repository:
    """A copy of the empty repository on the server."""
    place.put(Path(empty.location), "one")
    return at(place, empty.password)


@pytest.fixture(scope="module")
def repository(place: Place, empty: restic.Repository) -> restic.Repository:
    return put(place, empty)


def test_a_snapshot_goes_there_and_comes_back(repository: restic.Repository, place: Place, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "note").write_text("值")
    done = restic.backup(repository, ["set"], cwd=tmp_path, tags=["set=1"])
    restic.restore(repository, done.snapshot, tmp_path / "back")
    assert (tmp_path / "back" / "set" / "note").read_text() == "值"
    assert [path.name[:8] for path in (place.stored("one") / "snapshots").iterdir()] == [done.snapshot]


def wrong(place: Place) -> dict[str, str]:
    """Credentials of the right kind that this server does not know."""
    if "SSH_PRIVATE_KEY" in place.credentials:
        stranger = places.new_key(place.folder.parent / "stranger", postgres.service_user())
        return {"SSH_PRIVATE_KEY": stranger.read_text()}
    return {name: "guessed-1" if "PASSWORD" in name or "SECRET" in name else value for name, value in place.credentials.items()}


def test_wrong_credentials_are_refused_and_not_shown(repository: restic.Repository, place: Place) -> None:
    stranger, before = replace(repository, credentials=wrong(place)), sorted(place.folder.rglob("*"))
    for call in (restic.identity, restic.init):
        with pytest.raises(restic.Refused, match=r"Permission denied|401 Unauthorized|signature") as told:
            call(stranger)
        assert "guessed-1" not in str(told.value)
    assert sorted(place.folder.rglob("*")) == before


def test_a_server_with_another_key_is_refused(tmp_path: Path) -> None:
    with places.sftp_server() as place:
        other = places.new_key(tmp_path / "other", postgres.service_user()).with_name("other.pub").read_text()
        with pytest.raises(restic.Refused) as told:
            restic.init(replace(at(place), host_key=other))
        assert str(ssh.host_key(place.host_key)) in str(told.value)
        assert list(place.folder.iterdir()) == []


def test_a_certificate_of_nobody_is_refused() -> None:
    with places.rest_server() as place:
        for ca in ("", places.own_certificate()[0]):
            with pytest.raises(restic.Refused, match="x509"):
                restic.init(replace(at(place), ca=ca))
        assert list(place.folder.iterdir()) == []


def test_an_append_only_server_takes_backups_and_gives_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("kept")
    with places.rest_server("--append-only") as place:
        repository = at(place)
        restic.init(repository)
        place.quicken("one", repository.password)
        done = restic.backup(repository, ["note"], cwd=tmp_path, tags=["set=1"])
        with pytest.raises(restic.KeepsAll, match="403 Forbidden"):
            restic.forget(repository, [done.snapshot])
        assert [path.name[:8] for path in (place.stored("one") / "snapshots").iterdir()] == [done.snapshot]
        assert list((place.stored("one") / "locks").iterdir()) == []


def test_an_ssh_key_is_neither_among_the_arguments_nor_on_a_disk(place: Place, repository: restic.Repository, tmp_path: Path) -> None:
    """Programs in restic's and ssh's place write down what they were called with and what they were given."""
    for name in ("restic", "ssh"):
        spy = tmp_path / name
        spy.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline >> {tmp_path}/seen\nexec {shutil.which(name)} "$@"\n')
        spy.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        restic.identity(repository)
    seen = (tmp_path / "seen").read_text()
    assert "cat config" in seen
    assert ("-s -- 127.0.0.1 sftp" in seen) == ("SSH_PRIVATE_KEY" in place.credentials)
    for name, value in place.credentials.items():
        if name not in {"REST_USER", "AWS_ACCESS_KEY_ID"}:
            assert value.splitlines()[1 if "SSH" in name else 0] not in seen
    assert re.findall(r"(?:-i|UserKnownHostsFile=|-E) ?(?!/proc/\d+/fd/\d+ )\S+", seen) == []


def test_a_server_that_comes_back_in_time_is_waited_for(empty: restic.Repository, tmp_path: Path) -> None:
    at_cut: list[float] = []

    def during(_done: restic.Progress) -> None:
        if not at_cut:
            place.cut()
            at_cut.append(time.monotonic())
        elif not places.listening(place.port) and time.monotonic() > at_cut[0] + 1.5:
            place.start()

    with places.rest_server() as place:
        repository = put(place, empty)
        (tmp_path / "big").write_bytes(os.urandom(BIG))
        done = restic.backup(repository, ["big"], cwd=tmp_path, tags=["set=1"], on_progress=during)
        assert place.starts == 2
        restic.restore(repository, done.snapshot, tmp_path / "back")
        assert (tmp_path / "back" / "big").read_bytes() == (tmp_path / "big").read_bytes()


def test_a_lost_connection_is_told_at_once_and_leaves_no_snapshot(empty: restic.Repository, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("kept")
    with places.sftp_server() as place:
        repository = put(place, empty)
        (tmp_path / "big").write_bytes(os.urandom(BIG))
        with pytest.raises(restic.Unreachable, match=r"connection lost|closed|exit status 255"):
            restic.backup(repository, ["big"], cwd=tmp_path, tags=["set=1"], on_progress=lambda _done: place.cut())
        with pytest.raises(restic.Unreachable, match="Connection refused"):
            restic.snapshots(repository)
        place.start()
        assert restic.snapshots(repository) == []
        assert restic.backup(repository, ["note"], cwd=tmp_path, tags=["set=1"]).files == 1
