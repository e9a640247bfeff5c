"""Hashes over plain data."""

import hashlib
import json
from pathlib import Path

BLOCK = 1 << 20


def canonical_json(data: object) -> bytes:
    """The one way to write plain data as bytes: keys sorted, no spaces, UTF-8, no NaN (in the spirit of RFC 8785)."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class GrowingHash:
    """The SHA-256 of a file that something else still appends to; each ``read`` takes in what has come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()

    def read(self) -> None:
        """Take in what was appended since the last time."""
        if self.path.stat().st_size == self.size:
            return
        with self.path.open("rb") as file:
            file.seek(self.size)
            while block := file.read(BLOCK):
                self._hash.update(block)
                self.size += len(block)

    def digest(self) -> str:
        """The hash of what was read so far, in hexadecimal."""
        return self._hash.hexdigest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
