"""Hashes of files that still grow."""

import random
import threading
from pathlib import Path

import pytest

from wellkept.backups import sets
from wellkept.lib.hashing import BLOCK, GrowingHash, file_sha256


@pytest.mark.parametrize("sizes", [[0], [1], [BLOCK], [BLOCK + 1, 0, 3], [5, BLOCK * 2, 7]])
def test_a_growing_file_has_the_hash_of_the_whole(tmp_path: Path, sizes: list[int]) -> None:
    path = tmp_path / "table.dat"
    path.touch()
    hashed = GrowingHash(path)
    source = random.Random(1)
    for size in sizes:
        with path.open("ab") as file:
            file.write(source.randbytes(size))
        hashed.read()
    assert hashed.size == sum(sizes)
    assert hashed.digest() == file_sha256(path)


def test_a_dump_is_hashed_while_it_is_written(tmp_path: Path) -> None:
    """Files that appear, grow at the same time, and are written at once at the end."""
    folder, whole, found = tmp_path / "dump", threading.Event(), {}
    reader = threading.Thread(target=lambda: found.update(sets.growing_hashes(folder, whole)))
    reader.start()
    source = random.Random(2)
    folder.mkdir()
    for turn in range(6):
        for name in [f"{number}.dat" for number in range(turn + 1)]:
            with (folder / name).open("ab") as file:
                file.write(source.randbytes(source.randrange(3 * BLOCK)))
        whole.wait(0.08)
    for name in ("toc.dat", "blobs.toc", "blob_16400.dat"):
        (folder / name).write_bytes(source.randbytes(1000))
    whole.set()
    reader.join()
    assert found == {path.name: file_sha256(path) for path in folder.iterdir()}
    assert len(found) == 9


def test_a_dump_that_never_began_has_no_files(tmp_path: Path) -> None:
    whole = threading.Event()
    whole.set()
    assert sets.growing_hashes(tmp_path / "dump", whole) == {}
