"""What a set looks like: its files in a snapshot, and its manifest.

A snapshot holds ``/wellkept-set/`` (made for the set) and the ERP's file folder under its own path::

    wellkept-set/manifest.json      what the set is, with every figure read in the same database snapshot as the dump
    wellkept-set/references.jsonl   every file that a row of the database needs: {"path", "owner"}
    wellkept-set/settings/          the ERP's settings files (they hold its database password: the repository is encrypted)
    wellkept-set/dump/              pg_dump, directory format, uncompressed
    /path/of/the/erp/files/…
"""

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from wellkept.lib.hashing import GrowingHash, file_sha256, sha256
from wellkept.lib.text import Told, gettext_noop
from wellkept.planning.figures import Figure, from_json

FORMAT = 1
FOLDER = "wellkept-set"
MANIFEST, REFERENCES, SETTINGS, DUMP = "manifest.json", "references.jsonl", "settings", "dump"
TABLE_FILE = re.compile(r"\d+\.dat")
LOOK_SECONDS = 0.1
NEEDED = ("system", "database", "postgresql", "snapshot_at", "figures", "dump", "settings", "files", "references")

OTHER_MANIFEST = gettext_noop("its manifest is not the one that was written when it was made")

Manifest = dict[str, Any]


class SetError(Told):
    """A set is not what its manifest says, or not what was asked for."""


def write(folder: Path, manifest: Manifest, figures: str) -> str:
    """Write the manifest, with its figures that are JSON already, into the set's folder and return its SHA-256."""
    text = f'{json.dumps(manifest, ensure_ascii=False)[:-1]}, "figures": {figures}}}'
    (folder / MANIFEST).write_text(text)
    return sha256(text.encode())


def parse(text: str) -> Manifest:
    """The manifest of a text. Raises SetError when it is of another format or not whole."""
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise SetError(gettext_noop("its manifest is not readable")) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise SetError(gettext_noop("its manifest is of a format that this version does not know"))
    missing = [name for name in NEEDED if name not in manifest]
    if missing:
        raise SetError(gettext_noop("its manifest says nothing about {name}"), name=missing[0])
    return manifest


def load(restored: Path, expected: str | None = None) -> Manifest:
    """The manifest of a restored snapshot; ``expected`` is the SHA-256 that was noted when the set was made."""
    path = restored / FOLDER / MANIFEST
    if not path.is_file():
        raise SetError(gettext_noop("it has no manifest"))
    if expected and file_sha256(path) != expected:
        raise SetError(OTHER_MANIFEST)
    return parse(path.read_text())


def brief(manifest: Manifest, figures: Mapping[str, int], digest: str) -> Manifest:
    """The manifest without the long parts, for the database, with how many ``figures`` and values there are; the whole one stays in the set."""
    kept = {name: value for name, value in manifest.items() if name != "dump"}
    return {**kept, "figures": figures, "dump": {"bytes": manifest["dump"]["bytes"], "files": len(manifest["dump"]["hashes"])}, "sha256": digest}


def growing_hashes(folder: Path, dump: Future[Any]) -> dict[str, str]:
    """The SHA-256 of every file of a dump by its name, read while pg_dump writes it; returns when the dump is done, with its error if it has one.

    pg_dump only ever appends to a table's file. The list of contents and that of large objects are read at the end.
    """
    tables: dict[str, GrowingHash] = {}
    done = False
    while not done:
        done = bool(wait([dump], LOOK_SECONDS).done)
        for path in folder.glob("*.dat") if folder.is_dir() else ():
            if TABLE_FILE.fullmatch(path.name):
                tables.setdefault(path.name, GrowingHash(path)).read()
    dump.result()
    others = {path.name: file_sha256(path) for path in folder.iterdir() if path.name not in tables}
    return others | {name: hashed.digest() for name, hashed in tables.items()}


def check_hashes(restored: Path, manifest: Manifest) -> int:
    """Hash everything of the set again and return how many files agreed. Raises SetError naming the first file that does not."""
    folder = restored / FOLDER
    expected = {f"{DUMP}/{name}": digest for name, digest in manifest["dump"]["hashes"].items()}
    expected |= {f"{SETTINGS}/{entry['name']}": entry["sha256"] for entry in manifest["settings"]}
    expected[REFERENCES] = manifest["references"]["sha256"]
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            raise SetError(gettext_noop("the file {name} is missing"), name=name)
        if file_sha256(path) != digest:
            raise SetError(gettext_noop("the file {name} was changed"), name=name)
    return len(expected)


def figures(manifest: Manifest) -> list[Figure]:
    """The reading in the manifest. Raises SetError when it is not one."""
    try:
        return from_json(manifest["figures"])
    except ValueError as error:
        raise SetError(gettext_noop("its figures are not readable: {reason}"), reason=str(error)) from error


def check_files(restored: Path, manifest: Manifest) -> int:
    """See that every file that a row needs was restored; returns how many there are. Raises SetError naming the row."""
    root = files_root(restored, manifest)
    count = 0
    for reference in references(restored / FOLDER):
        if root is None or not (root / reference["path"]).is_file():
            raise SetError(gettext_noop("the file of {owner} is missing ({path})"), owner=reference["owner"], path=reference["path"])
        count += 1
    return count


def files_root(restored: Path, manifest: Manifest) -> Path | None:
    """Where the ERP's files are in a restored snapshot; None when it keeps none."""
    root = manifest["files"].get("root")
    return restored / str(root).lstrip("/") if root else None


def references(folder: Path) -> Iterator[Mapping[str, str]]:
    """The file references of a set, one at a time."""
    with (folder / REFERENCES).open() as lines:
        for line in lines:
            yield json.loads(line)
