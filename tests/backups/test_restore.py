from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backups.test_verify import flip, packs
from tests.services.sets import Rows
from wellkept.adapters import registry
from wellkept.adapters.base import Site
from wellkept.backups import restore, sets
from wellkept.backups.models import Backup
from wellkept.lib.text import say
from wellkept.operations.errors import Failed
from wellkept.planning import figures
from wellkept.tools import postgres

NAME = "restored_for_test"


@pytest.fixture
def target(company: Site, tmp_path: Path) -> Iterator[Path]:
    """A folder that is not there yet; the database NAME is removed afterwards."""
    yield tmp_path / "restored"
    assert company.server is not None
    postgres.drop_database(company.server, NAME)


def wish(rows: Rows, folder: Path, database: str = NAME) -> dict[str, Any]:
    return {"backup_id": rows.backup.pk, "folder": str(folder), "database": database, "server": ""}


def restored(run_id: str, wished: dict[str, Any]) -> None:
    restore.check(run_id, wished)
    restore.files(run_id, wished)
    restore.into_database(run_id, wished)
    restore.compare(wished)
    restore.complete(run_id, wished)


def refused(wished: dict[str, Any]) -> str:
    """Why a plan is refused; nothing of it may have been made."""
    existed = Path(wished["folder"]).exists()
    with pytest.raises(Failed) as told:
        restore.plan(**wished)
    assert Path(wished["folder"]).exists() == existed
    return say(told.value.message)


def test_a_backup_is_restored_beside_the_erp(rows: Rows, company: Site, target: Path, run_id: str) -> None:
    planned = restore.plan(**wish(rows, target))
    assert (planned["system"], planned["folder"], planned["database"]) == ("erp1", str(target), NAME)
    assert not target.exists()
    restored(run_id, wish(rows, target))
    restore.clean_up(run_id, wish(rows, target))
    manifest = sets.load(target, rows.backup.manifest["sha256"])
    assert not (target / restore.MARKER).exists()
    assert company.server is not None
    with postgres.connect(company.server, NAME, readonly=True) as connection:
        now = registry.ability("tryton", "figures").read(connection, sets.files_root(target, manifest), company.database, thorough=True)
    assert figures.compare(sets.figures(manifest), now) == []


def test_every_step_may_be_repeated(rows: Rows, target: Path, run_id: str) -> None:
    wished = wish(rows, target)
    for _time in range(2):
        restore.check(run_id, wished)
        restore.files(run_id, wished)
    for _time in range(2):
        restore.into_database(run_id, wished)
    restore.compare(wished)
    for _time in range(2):
        restore.complete(run_id, wished)


def test_a_restore_that_fails_takes_away_exactly_what_it_made(rows: Rows, company: Site, target: Path, run_id: str) -> None:
    wished = wish(rows, target)
    restore.check(run_id, wished)
    restore.files(run_id, wished)
    restore.into_database(run_id, wished)
    assert company.server is not None
    with postgres.connect(company.server, NAME) as connection:
        connection.execute("UPDATE party_party SET active = NOT active WHERE id = (SELECT min(id) FROM party_party)")
    with pytest.raises(Failed, match="books differ"):
        restore.compare(wished)
    restore.clean_up(run_id, wished)
    restore.clean_up(run_id, wished)
    assert list(target.iterdir()) == []
    assert not postgres.database_exists(company.server, NAME)


def test_damage_stops_it_and_leaves_nothing(rows: Rows, target: Path, run_id: str) -> None:
    flip(packs(rows)[-1])
    wished = wish(rows, target, database="")
    restore.check(run_id, wished)
    with pytest.raises(Failed, match="damaged"):
        restore.files(run_id, wished)
    restore.clean_up(run_id, wished)
    assert list(target.iterdir()) == []


def test_the_clean_up_of_one_run_leaves_the_folder_of_another(rows: Rows, target: Path, run_id: str) -> None:
    target.mkdir()
    (target / "mine").write_text("x")
    restore.clean_up(run_id, wish(rows, target))
    assert (target / "mine").read_text() == "x"


def test_a_folder_with_something_in_it_is_refused(rows: Rows, target: Path) -> None:
    target.mkdir()
    (target / "mine").write_text("x")
    assert "is not an empty folder" in refused(wish(rows, target))
    assert "is not an empty folder" in refused(wish(rows, target / "mine"))
    assert (target / "mine").read_text() == "x"


def test_the_folder_of_a_running_environment_is_refused(rows: Rows, company: Site) -> None:
    assert company.files is not None
    empty = company.files / "empty"
    empty.mkdir()
    try:
        assert "never restored over an environment" in refused(wish(rows, empty))
        assert "never restored over an environment" in refused(wish(rows, company.files / "new"))
    finally:
        empty.rmdir()


def test_the_database_of_a_running_environment_is_refused(rows: Rows, company: Site, target: Path) -> None:
    assert "never restored over an environment" in refused(wish(rows, target, company.database))
    assert company.server is not None
    assert postgres.database_exists(company.server, company.database)


def test_a_database_that_exists_is_refused(rows: Rows, target: Path) -> None:
    assert "exists" in refused(wish(rows, target, "template1"))


def test_an_older_postgresql_is_refused(rows: Rows, target: Path) -> None:
    rows.backup.manifest["postgresql"]["major"] = 99
    rows.backup.save()
    assert "a server of version 15 cannot take it" in refused(wish(rows, target))


def test_a_disk_that_is_too_small_is_refused_before_the_first_byte(rows: Rows, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8)
    assert "is too small" in refused(wish(rows, disk / "restored", ""))
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("mysql://x/y", "must start with postgresql"),
        ("postgresql://me:secret@127.0.0.1/postgres", "does not belong in the address"),
        ("postgresql://x@127.0.0.1:1/postgres", "could not be used"),
    ],
)
def test_a_server_that_makes_no_sense_is_refused(rows: Rows, target: Path, server: str, reason: str) -> None:
    told = refused({**wish(rows, target), "server": server})
    assert reason in told
    assert "secret" not in told


def test_a_relative_folder_is_refused(rows: Rows) -> None:
    assert "absolute" in refused(wish(rows, Path("somewhere"), ""))


def test_a_repository_that_is_gone_is_told_before_anything_is_made(rows: Rows, target: Path) -> None:
    rows.folder.rename(rows.folder.with_name("away"))
    assert "no repository at its place" in refused(wish(rows, target, ""))
    assert Backup.objects.get().state == "good"
