"""Hashes of files that still grow."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
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
    folder = tmp_path / "dump"
    source = random.Random(2)

    def dump() -> None:
        folder.mkdir()
        for turn in range(6):
            for name in [f"{number}.dat" for number in range(turn + 1)]:
                with (folder / name).open("ab") as file:
                    file.write(source.randbytes(source.randrange(3 * BLOCK)))
            time.sleep(0.08)
        for name in ("toc.dat", "blobs.toc", "blob_16400.dat"):
            (folder / name).write_bytes(source.randbytes(1000))

    with ThreadPoolExecutor(1) as pool:
        found = sets.growing_hashes(folder, pool.submit(dump))
    assert found == {path.name: file_sha256(path) for path in folder.iterdir()}
    assert len(found) == 9


def test_a_dump_that_never_began_is_told_with_its_error(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        sets.growing_hashes(tmp_path / "dump", pool.submit(lambda: 1 / 0))
