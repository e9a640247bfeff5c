"""What a check of the record found, in a sentence. Needs neither a home nor a database, so that anybody can check an export."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wellkept.lib import hashchain
from wellkept.lib.text import Message, gettext_noop, message, say

BREAKS = {
    "malformed": gettext_noop("Entry {number} is not readable as an entry."),
    "edited": gettext_noop("Entry {number} was edited: its content does not fit its hash."),
    "renumbered": gettext_noop("Entry {number} was number {was} when it was written: an entry was inserted, removed or moved."),
    "replaced": gettext_noop("Entry {number} was replaced: entry {witness} was written next to another one."),
    "missing": gettext_noop("Entries {first} to {last} were removed."),
    "repeated": gettext_noop("Entry {number} exists more than once."),
    "foreign": gettext_noop("Entry {number} belongs to another organisation."),
    "rewritten": gettext_noop("Entry {number} is not the one that was signed on {at}: entries from {since} on were rewritten."),
    "truncated": gettext_noop("The end was cut off: {signed} entries were signed on {at}, {entries} are there."),
    "forged": gettext_noop("The checkpoint for entry {number} does not carry our signature."),
    "unsigned": gettext_noop("The checkpoint for entry {number} was removed from the database."),
}


@dataclass(frozen=True)
class Verification:
    """Whether a record holds: how many entries were read, the number of the first broken one, and a sentence that says how it broke."""

    ok: bool
    entries: int
    first_broken: int | None
    reason: Message | None
    checkpoints: int
    last_hash: str

    def plain(self) -> dict[str, Any]:
        """Plain data for commands and the API; the reason in English."""
        return {
            "ok": self.ok,
            "entries": self.entries,
            "first_broken": self.first_broken,
            "reason": say(self.reason) or None,
            "checkpoints": self.checkpoints,
            "last_hash": self.last_hash,
        }


def told(verdict: hashchain.Verdict, broken: hashchain.Break | None) -> Verification:
    """The finding with its sentence; ``broken`` is the break to tell about, which may be one that the verdict does not know."""
    reason = message(BREAKS[broken.how], number=broken.number, **broken.details) if broken else None
    return Verification(broken is None, verdict.entries, broken.number if broken else None, reason, verdict.checkpoints, verdict.last_hash)


def of_export(lines: Iterator[str], public_keys: list[str]) -> Verification:
    """Check an export (JSON Lines) without any server. Raises ValueError when a line is not JSON or the file is no export."""
    header = json.loads(next(lines, "null"))
    if not isinstance(header, dict) or header.get("type") != "record-export-1":
        raise ValueError("this file is not an export of a record")
    points = [hashchain.Checkpoint(**point, source="export") for point in header["checkpoints"]]
    verdict = hashchain.check(map(json.loads, lines), points, public_keys, chain=header["organisation"])
    if verdict.broken is None and verdict.entries < header["entries"]:
        lost = {"entries": verdict.entries, "signed": header["entries"], "at": header["at"]}
        return told(verdict, hashchain.Break(verdict.entries + 1, "truncated", lost))
    return told(verdict, verdict.broken)
