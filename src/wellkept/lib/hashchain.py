"""A chain of hashed entries with signed checkpoints: how an entry is hashed, and where a chain was tampered with.

An entry is plain data with ``number`` (1, 2, 3 …), ``previous_hash`` and ``hash``; the hash is the SHA-256 of the canonical JSON of everything
but itself. A checkpoint says, signed, that entry ``number`` had ``hash``. The chain alone shows edits in the middle; only the checkpoints show that
its end was cut off or that all of it was written anew.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wellkept.lib import signing
from wellkept.lib.hashing import canonical_json, sha256

GENESIS = "0" * 64
NEIGHBOURS = 200

Entry = Mapping[str, object]


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement about the chain ``chain``: entry ``number`` had ``hash`` at the moment ``at`` (ISO, UTC)."""

    chain: int
    number: int
    hash: str
    at: str
    signature: str = ""
    source: str = ""

    def statement(self) -> dict[str, object]:
        """What is signed."""
        return {"type": "checkpoint-1", "chain": self.chain, "number": self.number, "hash": self.hash, "at": self.at}


@dataclass(frozen=True)
class Break:
    """The first place where the chain does not hold.

    ``how``: malformed, edited, renumbered, replaced, missing, repeated, foreign, rewritten, truncated, forged.
    ``details``: plain data for the sentence about it.
    """

    number: int
    how: str
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """How many entries were read, the hash of the last good one, how many checkpoints agreed, and the first break (None: the chain holds)."""

    entries: int
    last_hash: str
    checkpoints: int
    broken: Break | None


def entry_hash(entry: Entry) -> str:
    """The hash that belongs to an entry: of every field except ``hash``."""
    return sha256(canonical_json({name: value for name, value in entry.items() if name != "hash"}))


def check(entries: Iterable[Entry], checkpoints: Sequence[Checkpoint], public_keys: Sequence[str], *, chain: int | None = None) -> Verdict:
    """Read a chain in the order of its numbers and stop at the first break; memory does not grow with the number of entries.

    ``chain`` is the id that every entry must carry in ``organisation`` (None: not checked).
    """
    signed = sorted(checkpoints, key=lambda point: point.number)
    good = {
        id(point)
        for point in signed
        if (chain is None or point.chain == chain) and signing.signed_by(point.statement(), point.signature, public_keys)
    }
    waiting = 0
    read, last_hash, agreed, agreed_number = 0, GENESIS, 0, 0
    stream = iter(entries)
    for entry in stream:
        broken = _entry_break(entry, read, last_hash, chain, stream)
        if broken is not None:
            return Verdict(read, last_hash, agreed, broken)
        read, last_hash = read + 1, str(entry["hash"])
        while waiting < len(signed) and signed[waiting].number <= read:
            point = signed[waiting]
            if id(point) not in good:
                return Verdict(read, last_hash, agreed, _forged(point))
            if point.number != read or point.hash != last_hash:
                return Verdict(read, last_hash, agreed, Break(point.number, "rewritten", {"since": agreed_number + 1, "at": point.at}))
            waiting, agreed, agreed_number = waiting + 1, agreed + 1, read
    for point in signed[waiting:]:
        if id(point) in good:
            return Verdict(read, last_hash, agreed, Break(read + 1, "truncated", {"entries": read, "signed": point.number, "at": point.at}))
    if waiting < len(signed):
        return Verdict(read, last_hash, agreed, _forged(signed[waiting]))
    return Verdict(read, last_hash, agreed, None)


def _forged(point: Checkpoint) -> Break:
    return Break(point.number, "forged", {"at": point.at, "source": point.source})


def _entry_break(entry: Entry, read: int, last_hash: str, chain: int | None, rest: Iterator[Entry]) -> Break | None:
    number = entry.get("number")
    if not isinstance(number, int) or not isinstance(entry.get("hash"), str):
        return Break(read + 1, "malformed")
    if number <= read:
        return Break(number, "repeated")
    if chain is not None and entry.get("organisation") != chain:
        return Break(number, "foreign")
    computed = entry_hash(entry)
    if computed != entry["hash"]:
        return _content_break(entry, read, computed)
    if number > read + 1:
        return Break(read + 1, "missing", {"first": read + 1, "last": number - 1, "next": number})
    if entry.get("previous_hash") != last_hash:
        return _link_break(entry, number, rest)
    return None


def _content_break(entry: Entry, read: int, computed: str) -> Break:
    """The content does not fit the hash: the entry was edited, or it carries a number that it did not have when it was written."""
    number = int(str(entry["number"]))
    if number > read + 1:
        return Break(read + 1, "missing", {"first": read + 1, "last": number - 1, "next": number})
    for other in range(max(1, number - NEIGHBOURS), number + NEIGHBOURS):
        if entry_hash({**entry, "number": other}) == entry["hash"]:
            return Break(number, "renumbered", {"was": other})
    return Break(number, "edited", {"stored": entry["hash"], "computed": computed})


def _link_break(entry: Entry, number: int, rest: Iterator[Entry]) -> Break:
    """Two neighbours that each fit their own hash but not each other: the one that no other neighbour vouches for was replaced."""
    following = next(itertools.islice(rest, 1), None)
    vouched = following is None or following.get("previous_hash") == entry["hash"]
    replaced = number - 1 if vouched and number > 1 else number
    return Break(replaced, "replaced", {"witness": number if vouched else number + 1})
