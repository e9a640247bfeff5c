"""The notes that are in effect for a system: those that come with the release, with the system's own versions in their place."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from wellkept.adapters.base import Note
from wellkept.estate.models import System
from wellkept.lib.hashing import canonical_json, sha256
from wellkept.upgrades.models import NoteVersion


@dataclass(frozen=True)
class Effective:
    """One note as it counts for a system: ``own`` is the version that made it so (None: it comes with the release as it is)."""

    note: Note
    own: NoteVersion | None = None


def effective(system: System, current: str, target: str, shipped: Sequence[Note], *, pending: bool = False) -> list[Effective]:
    """The notes of a jump in the order in which they run: those before the migration first, a system's own after the shipped ones.

    Only versions that somebody approved count; with ``pending`` the newest ones, approved or not: that is what a rehearsal tries.
    """
    versions = newest(system, current, target, approved_only=not pending)
    made = [Effective(_note(note.id, versions[note.id]), versions[note.id]) if note.id in versions else Effective(note) for note in shipped]
    known = {note.id for note in shipped}
    made += [Effective(_note(name, version), version) for name, version in versions.items() if name not in known]
    counted = [one for one in made if one.own is None or not one.own.disabled]
    return sorted(counted, key=lambda one: one.note.phase != "before")


def newest(system: System, current: str, target: str, *, approved_only: bool) -> dict[str, NoteVersion]:
    """The newest version of each note of its own that a system has, by name; one query."""
    rows = NoteVersion.objects.filter(system=system, current=current, target=target).order_by("name", "version")
    if approved_only:
        rows = rows.filter(approved_at__isnull=False)
    return {row.name: row for row in rows}


def digest(notes: Sequence[Effective]) -> str:
    """A SHA-256 of what the notes say: the same notes have the same one, wherever they come from."""
    return sha256(canonical_json([asdict(one.note) for one in notes]))


def _note(name: str, version: NoteVersion) -> Note:
    return Note(id=name, **version.content)
