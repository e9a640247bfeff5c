import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from wellkept.tools import command, restic

TAGS = ["system=1", "set=a"]


@pytest.fixture
def repository(empty: restic.Repository, tmp_path: Path) -> restic.Repository:
    shutil.copytree(empty.location, tmp_path / "repository")
    return restic.Repository(str(tmp_path / "repository"), empty.password)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "dump").mkdir(parents=True)
    (folder / "dump" / "big.dat").write_bytes(os.urandom(2_000_000))
    (folder / "manifest.json").write_text('{"名": "值"}')
    return folder


def take(repository: restic.Repository, source: Path, **extra: object) -> restic.Summary:
    return restic.backup(repository, ["dump", "manifest.json"], cwd=source, tags=TAGS, **extra)  # type: ignore[arg-type]


def listing(repository: restic.Repository, snapshot: str) -> dict[str, int]:
    found: dict[str, int] = {}
    restic.entries(repository, snapshot, lambda entry: found.update({entry.path: entry.size}) if entry.kind == "file" else None)
    return found


def test_what_is_stored_is_listed_read_and_restored(repository: restic.Repository, source: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    summary = take(repository, source, on_progress=lambda done: seen.append(done.fraction))
    assert (summary.files, summary.bytes) == (2, 2_000_000 + len((source / "manifest.json").read_bytes()))
    assert summary.added >= 2_000_000
    assert listing(repository, summary.snapshot) == {"/dump/big.dat": 2_000_000, "/manifest.json": (source / "manifest.json").stat().st_size}
    assert restic.read_text(repository, summary.snapshot, "/manifest.json") == '{"名": "值"}'
    restic.restore(repository, summary.snapshot, tmp_path / "back")
    assert (tmp_path / "back/dump/big.dat").read_bytes() == (source / "dump/big.dat").read_bytes()
    assert seen == sorted(seen)


def test_the_same_content_is_stored_once(repository: restic.Repository, source: Path) -> None:
    first = take(repository, source)
    moved = source.with_name("moved")
    source.rename(moved)
    assert take(repository, moved, parent=first.snapshot).added < 20_000


def test_snapshots_are_found_by_their_tags(repository: restic.Repository, source: Path) -> None:
    one = take(repository, source)
    other = restic.backup(repository, ["dump"], cwd=source, tags=["system=1", "set=b"])
    assert [found.id[:8] for found in restic.snapshots(repository, tags=["set=b"])] == [other.snapshot]
    assert len(restic.snapshots(repository, tags=["system=1"])) == 2
    restic.forget(repository, [one.snapshot, "0123456789"])
    assert [found.id[:8] for found in restic.snapshots(repository)] == [other.snapshot]
    restic.forget(repository, [one.snapshot])
    assert restic.entries(repository, other.snapshot, lambda _entry: None).startswith(other.snapshot)


def test_forgotten_data_is_given_back_and_the_rest_stays(repository: restic.Repository, source: Path, tmp_path: Path) -> None:
    old = take(repository, source)
    (source / "dump" / "big.dat").write_bytes(os.urandom(2_000_000))
    new = take(repository, source)
    before = restic.stored_bytes(repository)
    restic.forget(repository, [old.snapshot])
    restic.prune(repository)
    assert restic.stored_bytes(repository) < before - 1_900_000
    restic.check(repository, read="all")
    restic.restore(repository, new.snapshot, tmp_path / "back")
    assert (tmp_path / "back/dump/big.dat").read_bytes() == (source / "dump/big.dat").read_bytes()


def test_a_wrong_password_is_told_and_not_shown(repository: restic.Repository) -> None:
    wrong = restic.Repository(repository.location, "guessed-password")
    with pytest.raises(restic.WrongKey) as told:
        restic.identity(wrong)
    assert "guessed-password" not in str(told.value)
    assert "guessed-password" not in repr(wrong)


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(restic.NoRepository):
        restic.identity(restic.Repository(str(tmp_path / "nothing"), "x"))


def test_a_server_that_does_not_answer_is_told() -> None:
    with pytest.raises(restic.Unreachable):
        restic.identity(restic.Repository("rest:http://127.0.0.1:9/", "x"))


def flip(pack: Path) -> None:
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[len(content) // 3] ^= 0x10
    pack.write_bytes(content)


def truncate(pack: Path) -> None:
    pack.chmod(0o600)
    os.truncate(pack, pack.stat().st_size // 2)


@pytest.mark.parametrize(("damage", "read"), [(flip, "all"), (truncate, ""), (Path.unlink, ""), (Path.unlink, "all")])
def test_damage_is_found_by_a_check(repository: restic.Repository, source: Path, damage: Callable[[Path], None], read: str) -> None:
    take(repository, source)
    restic.check(repository, read="all")
    largest = max(Path(repository.location, "data").glob("*/*"), key=lambda pack: pack.stat().st_size)
    damage(largest)
    before = time.monotonic()
    with pytest.raises(restic.Damaged):
        restic.check(repository, read=read)
    assert time.monotonic() - before < 40, "it tried again and again to read what is not there"
    assert list(Path(repository.location, "locks").iterdir()) == []


def test_every_pack_with_a_flipped_bit_is_found(repository: restic.Repository, source: Path, tmp_path: Path) -> None:
    snapshot = take(repository, source).snapshot
    packs = [pack.relative_to(repository.location) for pack in Path(repository.location, "data").glob("*/*")]
    for pack in packs:
        copy = restic.Repository(str(tmp_path / f"copy-{pack.name[:8]}"), repository.password)
        shutil.copytree(repository.location, copy.location)
        flip(Path(copy.location) / pack)
        with pytest.raises(restic.Damaged):
            restic.restore(copy, snapshot, tmp_path / "back")
    assert len(packs) >= 2


@pytest.mark.parametrize("path", ["missing-file", f"/proc/{os.getpid()}/mem"], ids=["missing", "unreadable"])
def test_a_file_that_cannot_be_read_makes_it_incomplete(repository: restic.Repository, source: Path, path: str) -> None:
    with pytest.raises(restic.Incomplete) as told:
        restic.backup(repository, ["dump", path], cwd=source, tags=TAGS)
    assert Path(path).name in str(told.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_told_and_leaves_no_snapshot(tmp_path: Path, source: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk])
    try:
        small = restic.Repository(str(disk / "repository"), "x")
        restic.init(small)
        take(small, source)
        (source / "dump" / "more.dat").write_bytes(os.urandom(4_000_000))
        with pytest.raises(restic.Full):
            take(small, source)
        assert len(restic.snapshots(small)) == 1
    finally:
        command.run(["umount", disk])


def test_secrets_are_not_among_the_arguments(repository: restic.Repository, source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program in restic's place writes down what it was called with."""
    spy = tmp_path / "bin" / "restic"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline >> {tmp_path}/seen\nexec {shutil.which("restic")} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
    take(restic.Repository(repository.location, repository.password, {"AWS_SECRET_ACCESS_KEY": "sssecret"}), source)
    seen = (tmp_path / "seen").read_text()
    assert "backup --json" in seen
    assert repository.password not in seen
    assert "sssecret" not in seen


@pytest.mark.parametrize(
    ("typed", "place", "credentials"),
    [
        ("/srv/backups/", "/srv/backups", {}),
        ("rest:https://me:p%40ss@host:8000/erp", "rest:https://host:8000/erp", {"REST_USER": "me", "REST_PASSWORD": "p%40ss"}),
        ("sftp:backup@host:/srv/erp", "sftp:backup@host:/srv/erp", {}),
        ("sftp://backup@host:2222//srv/erp", "sftp://backup@host:2222//srv/erp", {}),
        ("s3:https://host/bucket", "s3:https://host/bucket", {}),
    ],
)
def test_a_place_is_split_from_its_secrets(typed: str, place: str, credentials: dict[str, str]) -> None:
    assert restic.parse_location(typed) == (place, credentials)
    if credentials:
        assert restic.Repository(place, "x", credentials).env()["RESTIC_REPOSITORY"] == typed


@pytest.mark.parametrize(
    "wrong",
    [
        "backups",
        "rclone:remote:path",
        "sftp:-oProxyCommand=touch${IFS}x:/srv",
        "sftp:me@-oProxyCommand=x:/srv",
        "s3:https://key:secret@host/bucket",
        "",
        "file:///etc",
        "rest:http://h/\nx",
        "/srv/\0x",
    ],
)
def test_a_place_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"repository|sftp|credentials"):
        restic.parse_location(wrong)


def test_a_check_does_not_disturb_a_backup(repository: restic.Repository, source: Path) -> None:
    checked: list[restic.Progress] = []

    def during(done: restic.Progress) -> None:
        if not checked:
            assert list(Path(repository.location, "locks").iterdir())
            restic.check(repository)
            checked.append(done)

    take(repository, source, on_progress=during)
    assert checked
    assert len(restic.snapshots(repository)) == 1


def test_a_living_lock_is_respected_and_a_dead_one_removed(repository: restic.Repository, source: Path) -> None:
    """A backup that was killed leaves its lock; unlocking removes it because its process is gone."""
    with command.scope() as scope, pytest.raises(command.CommandStopped):
        restic.backup(repository, ["dump"], cwd=source, tags=TAGS, on_progress=lambda _done: scope.stop())
    locks = Path(repository.location, "locks")
    assert len(list(locks.iterdir())) == 1
    restic.unlock(repository)
    assert list(locks.iterdir()) == []
    assert restic.snapshots(repository) == []


def begun(repository: restic.Repository, place: Path) -> int:
    """A backup of two folders that has opened the repository and waits."""
    (place / "set").mkdir()
    (place / "files").mkdir()
    group = restic.begin_backup(repository, ["set", "files"], place=place, tags=TAGS)
    deadline = time.monotonic() + 20
    while not list(Path(repository.location, "locks").iterdir()):
        assert time.monotonic() < deadline, (place / restic.LOG).read_text()
        time.sleep(0.02)
    return group


def test_a_backup_that_began_early_holds_what_was_made_meanwhile(repository: restic.Repository, tmp_path: Path) -> None:
    group = begun(repository, tmp_path)
    (tmp_path / "set" / "late").write_text("made while restic waited")
    seen: list[str] = []
    done = restic.end_backup(repository, group, place=tmp_path, on_progress=lambda _done: None, on_item=seen.append)
    assert (done.files, "/set/late" in seen) == (1, True)
    assert restic.read_text(repository, done.snapshot, "/set/late") == "made while restic waited"
    assert not command.group_alive(group)


def test_a_backup_that_began_early_and_is_not_wanted_leaves_nothing(repository: restic.Repository, tmp_path: Path) -> None:
    group = begun(repository, tmp_path)
    restic.give_up(repository, group)
    assert not command.group_alive(group)
    assert (restic.snapshots(repository), list(Path(repository.location, "locks").iterdir())) == ([], [])


def test_a_backup_that_began_early_is_stopped_with_its_step(repository: restic.Repository, tmp_path: Path) -> None:
    group = begun(repository, tmp_path)
    with command.scope() as scope, pytest.raises(command.CommandStopped):
        restic.end_backup(repository, group, place=tmp_path, on_progress=lambda _done: None, on_item=lambda _path: scope.stop())
    assert not command.group_alive(group)


def test_a_backup_that_began_early_tells_why_it_failed(repository: restic.Repository, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    wrong = replace(repository, password="another")
    group = restic.begin_backup(wrong, ["set"], place=tmp_path, tags=TAGS)
    with pytest.raises(restic.WrongKey):
        restic.end_backup(wrong, group, place=tmp_path, on_progress=lambda _done: None, on_item=lambda _path: None)


def test_a_backup_that_began_early_names_what_it_could_not_read(repository: restic.Repository, tmp_path: Path) -> None:
    group = begun(repository, tmp_path)
    (tmp_path / "set" / "late").touch()
    (tmp_path / "files").rmdir()
    with pytest.raises(restic.Incomplete, match="files"):
        restic.end_backup(repository, group, place=tmp_path, on_progress=lambda _done: None, on_item=lambda _path: None)
