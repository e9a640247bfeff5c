"""What restic says while it makes a backup, and at its end."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wellkept.lib.text import gettext_noop, said
from wellkept.tools.restic_errors import Incomplete, ResticError

SUMMARY_FIELDS = {"files": "total_files_processed", "bytes": "total_bytes_processed", "added": "data_added"}


@dataclass(frozen=True)
class Summary:
    """What a backup did: sizes in bytes, ``added`` is what the repository grew by before compression, ``seconds`` monotonic."""

    snapshot: str
    files: int
    bytes: int
    added: int
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How far a backup is: ``fraction`` of 1, bytes read so far and in total."""

    fraction: float
    bytes_done: int
    bytes_total: int


class Told:
    """What restic says about a backup, line by line."""

    def __init__(self, on_progress: Callable[[Progress], None] | None, on_item: Callable[[str], object] | None) -> None:
        self.on_progress = on_progress
        self.on_item = on_item
        self.numbers: dict[str, object] = {}
        self.troubles: list[str] = []
        self.others: list[str] = []

    def read(self, line: str) -> None:
        """Take up a line of its output; what is no message goes to ``others``."""
        message = parsed(line)
        kind = message.get("message_type")
        if kind == "summary":
            self.numbers.update(message)
        elif kind == "error":
            self.troubles.append(f"{message.get('item', '')}: {message.get('error', '')}")
        elif kind == "verbose_status" and self.on_item is not None:
            self.on_item(str(message.get("item", "")))
        elif kind == "status" and self.on_progress is not None:
            self.on_progress(_progress(message))
        elif kind is None and line.strip():
            self.others.append(line)
            # A path that is not there at all is only mentioned: restic 0.14 ends with success.
            self.troubles += [line] if line.endswith("skipping") else []

    def summary(self, seconds: float, *, unreadable: bool = False) -> Summary:
        """What was stored. Raises Incomplete when something could not be read."""
        if self.troubles or unreadable:
            raise Incomplete(said("restic", [*self.troubles, *self.others, "…"][0]))
        if not self.numbers:
            raise ResticError(gettext_noop("restic ended without a summary"))
        found = {name: int(str(self.numbers.get(key, 0))) for name, key in SUMMARY_FIELDS.items()}
        return Summary(str(self.numbers["snapshot_id"]), found["files"], found["bytes"], found["added"], seconds)


def parsed(line: str) -> dict[str, object]:
    """A line of JSON as a table; empty for anything else."""
    try:
        read = json.loads(line)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _progress(message: Mapping[str, object]) -> Progress:
    def number(name: str) -> float:
        value = message.get(name, 0)
        return float(value) if isinstance(value, int | float) else 0.0

    return Progress(min(1.0, number("percent_done")), int(number("bytes_done")), int(number("total_bytes")))
