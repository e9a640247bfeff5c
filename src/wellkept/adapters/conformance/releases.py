"""Releases: the impossible is refused before anything starts, and every manual step is checked, repeatable, and taken back when it fails."""

import tempfile
from dataclasses import replace
from pathlib import Path

from wellkept.adapters.base import AdapterError, Note, Unsupported
from wellkept.adapters.conformance.bench import Bench, connected, content, readonly_role, require

SECONDS = 30.0


def refuses_what_cannot_be(bench: Bench) -> None:
    """A downgrade, a series that does not exist and a jump that nobody described are refused."""
    ability = bench.ability("releases")
    require(bool(ability.JUMPS), "at least one jump is described")
    for current, target in ability.JUMPS:
        require(list(ability.path(current, target, [current, target])) == [target], f"from {current} to {target} is one jump")
        for start, end in ((target, current), (current, "98.76")):
            try:
                ability.path(start, end, [current, target])
            except AdapterError:
                continue
            require(holds=False, claim=f"the way from {start} to {end}, which is none, is refused")
    try:
        ability.notes("98.76", "98.78")
    except Unsupported:
        return
    require(holds=False, claim="steps that nobody described are refused")


def names_what_is_missing(bench: Bench) -> None:
    """Of the active modules, exactly those that the target does not bring are named."""
    ability = bench.ability("releases")
    seen = bench.ability("inspect").discover(bench.site)
    active = [part.name for part in seen.components if part.kind == "module" and part.active]
    for _, target in ability.JUMPS:
        lost = set(ability.missing(active, target))
        found = ability.missing([*active, "made_up_by_nobody"], target)
        require(set(found) - lost == {"made_up_by_nobody"}, f"a module that {target} does not have is named, but {found}")


def lists_what_it_installs(bench: Bench) -> None:
    """The list of a target names the ERP and modules by exact versions, the same each time, and a file that is no module is refused."""
    ability = bench.ability("releases")
    for _, target in ability.JUMPS:
        with tempfile.TemporaryDirectory() as folder:
            listed = ability.resolve(target, [], cache=Path(folder))
            require(ability.resolve(target, [], cache=Path(folder)) == listed, "the same wish gives the same list")
            other = Path(folder) / "module.whl"
            other.write_text("nothing")
            versions = ability.pinned(listed)
            require(len(versions) > 1 and all(one.startswith(f"{target}.") for one in versions.values()), f"exact versions of {target} are listed")
            require(listed.count("sha256:") >= len(versions), "what is listed has hashes")
            try:
                ability.read_module(other)
            except AdapterError:
                continue
            require(holds=False, claim="a file that is no module is refused")


def every_step_is_whole(bench: Bench) -> None:
    """Each step has a reason, a source and a check, and only one that a person has to do has no action."""
    for current, target in bench.ability("releases").JUMPS:
        notes = bench.ability("releases").notes(current, target)
        require(len({note.id for note in notes}) == len(notes), "no two steps have the same name")
        require(
            all(note.title and note.source and note.why and note.check for note in notes), "each step says what, whence, why and how it is checked"
        )
        phases = [note.phase for note in notes]
        require(phases == sorted(phases, key=lambda phase: phase != "before"), "the steps before the migration come first")


def steps_hold_and_repeat(bench: Bench) -> None:
    """What applies before a migration is done on a copy, holds, applies no more, and does no harm when it is done again."""
    ability = bench.ability("releases")
    series = bench.ability("inspect").discover(bench.site).version_in_database
    notes = [note for current, target in ability.JUMPS if current == series for note in ability.notes(current, target) if note.phase == "before"]
    with bench.copy() as site, connected(site, readonly=False) as connection:
        connection.autocommit = True
        for note in notes:
            if not ability.applies(connection, note).applies or not note.action:
                continue
            ability.run_note(connection, note, timeout=SECONDS)
            require(ability.holds(connection, note), f"{note.id} holds after it ran")
            require(not ability.applies(connection, note).applies, f"{note.id} applies no more after it ran")
            before = content(site)
            ability.run_note(connection, note, timeout=SECONDS)
            require(content(site) == before, f"{note.id} changes nothing when it runs again")


def takes_a_failed_step_back(bench: Bench) -> None:
    """A step that fails in its middle, and one whose check does not hold, leave the database as it was."""
    ability = bench.ability("releases")
    whole = Note("made-up", "A made up step", "nobody", "before", "to fail", check="SELECT true", action="CREATE TABLE made_up (id integer)")
    middle = replace(whole, action="CREATE TABLE made_up (id integer); SELECT 1 / 0")
    ends = replace(whole, action="CREATE TABLE made_up (id integer); COMMIT; SELECT 1 / 0")
    unchecked = replace(whole, check="SELECT false")
    with bench.copy() as site, connected(site, readonly=False) as connection:
        connection.autocommit = True
        before = content(site)
        for note in (middle, ends, unchecked):
            try:
                ability.run_note(connection, note, timeout=SECONDS)
            except AdapterError:
                require(content(site) == before, "a step that failed was taken back")
                continue
            require(holds=False, claim="a step that fails is an error")


def foresees_without_touching(bench: Bench) -> None:
    """What the target would refuse is asked of a role that may only read, gives rows that are there, and changes nothing."""
    ability = bench.ability("releases")
    series = bench.ability("inspect").discover(bench.site).version_in_database
    before = content(bench.site)
    with readonly_role(bench) as site, connected(site) as connection:
        for current, target in ability.JUMPS:
            for found in ability.breaches(connection, current, target) if current == series else ():
                require(found.rows >= len(found.examples) > 0, f"the rows of {found.table} that would be refused are counted and shown")
    require(content(bench.site) == before, "looking changes nothing")


CHECKS = (
    refuses_what_cannot_be,
    names_what_is_missing,
    lists_what_it_installs,
    every_step_is_whole,
    steps_hold_and_repeat,
    takes_a_failed_step_back,
    foresees_without_touching,
)
