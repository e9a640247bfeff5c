import copy
import tracemalloc
from collections.abc import Iterator
from typing import Any

from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.lib import crypt, hashchain, signing

SEED = crypt.derive(Fernet.generate_key().decode(), "test")
KEY = signing.public_key(SEED)


def chain(length: int) -> Iterator[dict[str, Any]]:
    previous = hashchain.GENESIS
    for number in range(1, length + 1):
        entry: dict[str, Any] = {"organisation": 7, "number": number, "text": f"entry {number}", "previous_hash": previous}
        entry["hash"] = previous = hashchain.entry_hash(entry)
        yield entry


def signed(entry: dict[str, Any]) -> hashchain.Checkpoint:
    point = hashchain.Checkpoint(7, entry["number"], entry["hash"], "2026-01-01T00:00:00+00:00")
    return hashchain.Checkpoint(point.chain, point.number, point.hash, point.at, signing.sign(point.statement(), SEED))


def check(entries: list[dict[str, Any]], points: list[hashchain.Checkpoint]) -> hashchain.Verdict:
    return hashchain.check(entries, points, [KEY], chain=7)


def test_an_empty_chain_holds() -> None:
    assert check([], []) == hashchain.Verdict(0, hashchain.GENESIS, 0, None)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), length=st.integers(2, 12))
def test_any_single_change_is_found_at_or_before_its_place(data: st.DataObject, length: int) -> None:
    """Edited, removed, repeated or exchanged, with or without hashes computed anew: a chain whose end is signed never passes as whole."""
    whole = list(chain(length))
    points = [signed(whole[-1])]
    assert check(whole, points).broken is None
    entries = copy.deepcopy(whole)
    index = data.draw(st.integers(0, length - 1))
    change = data.draw(st.sampled_from(["edit", "edit and rehash", "rewrite", "remove", "repeat", "exchange", "cut"]))
    first = index
    if change in {"edit", "edit and rehash", "rewrite"}:
        entries[index]["text"] += "!"
        last = {"edit": index, "edit and rehash": index + 1, "rewrite": length}[change]
        for at in range(index, last):
            entries[at]["previous_hash"] = entries[at - 1]["hash"] if at else hashchain.GENESIS
            entries[at]["hash"] = hashchain.entry_hash(entries[at])
        first = length - 1 if change == "rewrite" else index
    elif change == "remove":
        del entries[index]
    elif change == "repeat":
        entries.insert(index, entries[index])
    elif change == "exchange":
        other = data.draw(st.integers(0, length - 1).filter(lambda found: found != index))
        entries[index], entries[other] = entries[other], entries[index]
        first = min(index, other)
    else:
        del entries[index:]
    broken = check(entries, points).broken
    assert broken is not None
    assert broken.number == first + 1


def test_only_our_signature_counts() -> None:
    whole = list(chain(3))
    point = signed(whole[2])
    stranger = signing.public_key(crypt.derive(Fernet.generate_key().decode(), "test"))
    for keys in ([stranger], [], ["not a key"], ["AAAA"]):
        broken = hashchain.check(whole, [point], keys, chain=7).broken
        assert broken is not None
        assert (broken.number, broken.how) == (3, "forged")
    assert hashchain.check(whole, [point], [stranger, KEY], chain=7).broken is None


def test_a_checkpoint_of_another_chain_does_not_count() -> None:
    whole = list(chain(3))
    broken = hashchain.check(whole, [signed(whole[2])], [KEY], chain=8).broken
    assert broken is not None
    assert broken.how == "foreign"


def test_what_is_no_entry_is_named() -> None:
    for wrong in ({}, {"number": "1", "hash": "x"}, {"number": 1}, {"number": 1, "hash": None}):
        broken = check([wrong], []).broken
        assert broken is not None
        assert (broken.number, broken.how) == (1, "malformed")


def test_memory_does_not_grow_with_the_chain() -> None:
    def peak(length: int) -> int:
        tracemalloc.start()
        assert hashchain.check(chain(length), [], [], chain=7).entries == length
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(100)
    assert peak(5000) < 2 * peak(500)
