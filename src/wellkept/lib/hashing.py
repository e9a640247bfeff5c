"""Hashes over plain data."""

import hashlib
import json
from pathlib import Path


def canonical_json(data: object) -> bytes:
    """The one way to write plain data as bytes: keys sorted, no spaces, UTF-8, no NaN (in the spirit of RFC 8785)."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
