import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.installation import alive, until
from wellkept.operations import scratch
from wellkept.tools import command, postgres


@pytest.fixture
def run_id() -> Iterator[str]:
    made = str(uuid.uuid4())
    yield made
    scratch.remove(made)


def test_the_folder_is_short_and_belongs_to_the_service_user(run_id: str) -> None:
    made = scratch.folder(run_id)
    assert made == scratch.folder(run_id)
    assert made.name == run_id[:8]
    assert made.owner() == postgres.service_user()


def test_two_runs_never_share_a_folder(run_id: str) -> None:
    scratch.folder(run_id)
    with pytest.raises(FileExistsError, match="another run"):
        scratch.folder(run_id[:8] + str(uuid.uuid4())[8:])


def test_a_remembered_program_ends_with_the_run(run_id: str, tmp_path: Path) -> None:
    group = command.spawn(["sleep", "300"], log=tmp_path / "elsewhere.log")
    scratch.keep(run_id, "sleep", group)
    scratch.remove(run_id)
    assert not alive(group)
    assert not scratch.path(run_id).exists()
    scratch.remove(run_id)


def test_a_program_that_nobody_remembered_ends_when_it_writes_into_the_folder(run_id: str, tmp_path: Path) -> None:
    forgotten = command.spawn(["sleep", "300"], log=scratch.folder(run_id) / "sleep.log")
    other = command.spawn(["sleep", "300"], log=tmp_path / "other.log")
    try:
        scratch.remove(run_id)
        assert (alive(forgotten), alive(other)) == (False, True)
    finally:
        command.stop(other)


def test_a_later_process_with_the_same_number_is_left_alone(run_id: str, tmp_path: Path) -> None:
    innocent = command.spawn(["sleep", "300"], log=tmp_path / "innocent.log")
    try:
        scratch.keep(run_id, "old", innocent)
        entry = next(scratch.path(run_id).glob("*.group"))
        started = command.started_at(innocent)
        entry.write_text(entry.read_text().replace(str(started), str((started or 0) - 100)))
        scratch.remove(run_id)
        assert alive(innocent)
    finally:
        command.stop(innocent)


def test_a_group_without_its_leader_ends_only_when_it_writes_into_the_folder(run_id: str, tmp_path: Path) -> None:
    orphaning = ["sh", "-c", "sleep 300 & exit 0"]
    own = command.spawn(orphaning, log=scratch.folder(run_id) / "own.log")
    foreign = command.spawn(orphaning, log=tmp_path / "foreign.log")
    try:
        until(lambda: not alive(own) and not alive(foreign), 20, "the end of both leaders")
        for name, group in (("own", own), ("foreign", foreign)):
            note = {"group": group, "started": 1}
            (scratch.folder(run_id) / f"{name}-{group}.group").write_text(json.dumps(note))
        scratch.remove(run_id)
        assert (command.group_alive(own), command.group_alive(foreign)) == (False, True)
    finally:
        command.stop(foreign)


def test_a_cluster_in_the_folder_ends_with_the_run(run_id: str) -> None:
    folder = scratch.folder(run_id)
    cluster = postgres.Cluster(folder / "pg" / "data", folder / "s", 5432, postgres.service_user())
    postgres.create_cluster(cluster, durable=False)
    postgres.start(cluster)
    postmaster = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
    started = time.monotonic()
    scratch.remove(run_id)
    assert not alive(postmaster)
    assert not folder.exists()
    assert time.monotonic() - started < 10
