"""The server of a repository dies in the middle of a backup: what was kept stays, no half set counts, and the next backup works."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.services import outage, places
from tests.services.outage import Line
from tests.services.places import Place
from tests.services.sets import Frozen, Rows, new_run, stored_snapshots, take_backup, thawed
from tests.services.turns import in_turn
from wellkept.adapters.base import Site
from wellkept.backups import choose, reach, repositories, staging, take, verify
from wellkept.backups.models import Backup, BackupState
from wellkept.estate.models import Organisation
from wellkept.lib.text import say
from wellkept.operations import scratch
from wellkept.operations.errors import Failed
from wellkept.tools import command

SERVERS = {"sftp": places.sftp_server, "rest": places.rest_server, "s3": places.s3_server}
NEW_BYTES = 3_000_000
HALF = NEW_BYTES // 2
WAIT = 2.0


@dataclass
class World:
    """A kept company whose repository is behind a line to its server; ``cut`` is set when the server died."""

    place: Place
    line: Line
    rows: Rows
    cut: threading.Event
    runs: list[str] = field(default_factory=list)

    def run(self) -> str:
        self.runs.append(new_run(self.rows.environment.system.organisation))
        return self.runs[-1]

    def staged(self) -> tuple[str, int]:
        """A backup that is about to be stored."""
        run_id = self.run()
        backup_id = take.begin(run_id, choose.Wish(self.rows.environment.system_id, None, None))["backup_id"]
        staging.stage(run_id, backup_id)
        return run_id, backup_id

    def back(self) -> None:
        """The server is there again."""
        self.place.start()
        self.line.open()

    def snapshots(self) -> set[str]:
        return stored_snapshots(self.place.stored("erp"))

    def good(self) -> set[int]:
        return set(Backup.objects.filter(state=BackupState.GOOD).values_list("pk", flat=True))


@pytest.fixture(params=in_turn([list(SERVERS)]))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with SERVERS[request.param]() as running:
        yield running


@pytest.fixture
def fresh_file(company: Site) -> Iterator[Path]:
    """Something new in the ERP's files that no repository has: as long as half of it is on its way, a backup is in its middle."""
    assert company.files is not None
    path = company.files / "never-seen-before"
    path.write_bytes(os.urandom(NEW_BYTES))
    yield path
    path.unlink()


@pytest.fixture
def world(place: Place, frozen: Frozen, company: Site, organisation: Organisation, fresh_file: Path) -> Iterator[World]:
    cut = threading.Event()

    def die() -> None:
        place.cut()
        cut.set()

    with outage.line(place.port, die) as line:
        far = replace(place, address=place.address.replace(f":{place.port}", f":{line.port}"))
        far.put(frozen.folder, "erp")
        rows = thawed(frozen, company, organisation, far.location("erp"))
        repositories._keep_access(rows.repository, reach.Access(place.credentials, place.host_key, place.ca))
        made = World(place, line, rows, cut)
        yield made
        for run_id in made.runs:
            scratch.remove(run_id)


def until_it_gives_up(store: Callable[[], object], cut: threading.Event) -> Exception:
    """How storing ends when the server does not come back: by itself, or, where restic goes on trying, because somebody cancels it."""
    with command.scope() as work:

        def cancel() -> None:
            cut.wait(60)
            time.sleep(WAIT)
            work.stop()

        threading.Thread(target=cancel, daemon=True).start()
        with pytest.raises((Failed, command.CommandStopped)) as ended:
            store()
    return ended.value


def test_a_server_that_dies_in_the_middle_leaves_what_was_kept(world: World, place: Place) -> None:
    older = world.rows.backup
    run_id, backup_id = world.staged()
    world.line.cut_after(HALF)
    ended = until_it_gives_up(lambda: take.store(run_id, backup_id), world.cut)
    assert world.cut.wait(60)
    if isinstance(ended, Failed):
        assert ended.retryable
        assert "does not answer" in say(ended.message)
    assert (isinstance(ended, Failed), "sftp" in place.address) in {(True, True), (False, False)}
    assert world.good() == {older.pk}
    assert world.snapshots() == {older.snapshot}
    take.clean_up(run_id)
    assert Backup.objects.get(pk=backup_id).state == BackupState.FAILED
    world.back()
    assert verify.check_repository(older.pk, whole=True) == {"damage": None}
    later = take_backup(world.rows.environment, world.run())
    assert world.good() == {older.pk, later.pk}
    assert world.snapshots() == {older.snapshot, later.snapshot}
    for backup in (older, later):
        assert verify.read_back(world.run(), backup.pk)["damage"] is None


def test_a_server_that_comes_back_gets_the_whole_set_once(world: World, place: Place) -> None:
    older = world.rows.backup
    run_id, backup_id = world.staged()
    world.line.cut_after(HALF)

    is_back, over = threading.Event(), threading.Event()

    def come_back() -> None:
        world.cut.wait(60)
        time.sleep(WAIT)
        world.back()
        is_back.set()
        # The server ends with the thread that started it.
        over.wait()

    returning = threading.Thread(target=come_back, daemon=True)
    returning.start()
    if "sftp" in place.address:
        with pytest.raises(Failed, match="does not answer") as failed:
            take.store(run_id, backup_id)
        # The step is tried again after a while, as its operation declares.
        assert failed.value.retryable
        assert is_back.wait(60)
    stored = take.store(run_id, backup_id)
    assert is_back.wait(60)
    checked = take.check_set(run_id, backup_id, stored["snapshot"])
    assert [*stored["missing"], *checked["missing"]] == []
    take.finish(run_id, backup_id, {**stored, "snapshot": checked["snapshot"]})
    made = Backup.objects.get(pk=backup_id)
    assert world.good() == {older.pk, made.pk}
    assert world.snapshots() == {older.snapshot, made.snapshot}
    assert verify.read_back(world.run(), made.pk)["damage"] is None
    over.set()
