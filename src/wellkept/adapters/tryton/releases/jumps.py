"""The data of each jump from one series to another, read from ``jumps/<from>-<to>.toml``."""

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wellkept.adapters.base import ExpectedChange, Note, Unsupported

FOLDER = Path(__file__).with_name("jumps")
JUMPS: Sequence[tuple[str, str]] = tuple((one, other) for one, _, other in sorted(path.stem.partition("-") for path in FOLDER.glob("*.toml")))
"""The jumps that are described, from series and to series."""


@dataclass(frozen=True)
class Known:
    """A warning or error of the migration that is harmless: ``pattern`` matches the whole text of the entry."""

    level: str
    source: str
    pattern: re.Pattern[str]
    why: str


@dataclass(frozen=True)
class Jump:
    """Everything that ships for one jump."""

    notes: Sequence[Note]
    known: Sequence[Known]
    expected: Sequence[ExpectedChange]


@functools.cache
def jump(current: str, target: str) -> Jump:
    """The data of a jump; within a series there is nothing to do or to expect. Raises Unsupported for one that nobody has described yet."""
    if current == target:
        return Jump((), (), ())
    file = FOLDER / f"{current}-{target}.toml"
    if not file.exists():
        described = ", ".join(sorted(path.stem.replace("-", " → ") for path in FOLDER.glob("*.toml")))
        raise Unsupported(f"the steps from Tryton {current} to {target} are not described here; these are: {described}")
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    return Jump(
        tuple(Note(**_checked(Note, entry)) for entry in data["note"]),
        tuple(Known(entry["level"], entry["source"], re.compile(entry["pattern"]), entry["why"]) for entry in data["known"]),
        tuple(ExpectedChange(**_checked(ExpectedChange, entry)) for entry in data["expected"]),
    )


def notes(current: str, target: str) -> Sequence[Note]:
    """The manual steps of a jump, in the order in which they run: those before the migration, then those after it."""
    return sorted(jump(current, target).notes, key=lambda note: note.phase != "before")


def _checked(kind: type, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: tuple(value) if isinstance(value, list) else value.strip() for name, value in entry.items() if name in names}
