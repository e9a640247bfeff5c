"""Exactly which packages a new release is made of.

The list is made when a rehearsal begins, before anything is stopped, and kept with it: production gets what was rehearsed, to the hash.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from wellkept import home
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.upgrades import work
from wellkept.upgrades.models import Rehearsal
from wellkept.upgrades.notes import Effective


def resolve(environment: Environment, target: str, modules: Iterable[str], notes: Sequence[Effective], *, newest: bool) -> str:
    """The list for a release with these modules; those that a note takes out before the migration are left out.

    Raises Unreachable, Invalid for a module that nobody has, naming it.
    """
    leaving = {name for one in notes if one.note.phase == "before" and one.note.action for name in one.note.replaced_by}
    ability = connect.ability(environment, "releases")
    return str(ability.resolve(target, sorted(set(modules) - leaving), newest=newest, cache=home.cache()))


def install(rehearsal: Rehearsal, folder: Path) -> Path:
    """Install what was rehearsed into a folder of its own; the interpreter. Everything is downloaded and checked against its hash here."""
    ability = connect.ability(rehearsal.environment, "releases")
    made: Path = ability.install(folder, rehearsal.target, cache=home.cache(), on_line=work.say, packages=rehearsal.packages)
    return made
