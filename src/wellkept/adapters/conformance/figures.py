"""Figures: at least twelve, exact, the same twice, read in one snapshot with SELECT rights only."""

from decimal import Decimal
from pathlib import Path

from wellkept.adapters.base import Site
from wellkept.adapters.conformance.bench import Bench, connected, folder, readonly_role, require
from wellkept.planning.figures import Figure, compare, explain, from_json, to_json

LEAST = 12


def _read(bench: Bench, site: Site, *, thorough: bool = False) -> list[Figure]:
    layout = bench.ability("storage").storage(bench.site).layout
    with connected(site) as connection:
        return list(bench.ability("figures").read(connection, site.files, bench.site.database, layout=layout, thorough=thorough))


def reads_at_least_twelve(bench: Bench) -> None:
    """Twelve figures and more have values; their names are those that the adapter declares."""
    found = _read(bench, bench.site)
    names = [figure.name for figure in found]
    declared = list(bench.ability("figures").NAMES)
    require(names == [name for name in declared if name in names], "figures come once each, in the declared order, under declared names")
    filled = [figure.name for figure in found if figure.values]
    require(len(filled) >= LEAST, f"{LEAST} figures have values on a company at work, but only {filled}")
    require(all(figure.title and figure.labels.keys() == figure.values.keys() for figure in found), "figures and their values are called something")


def keeps_numbers_exact(bench: Bench) -> None:
    """Values are text; no number went through a float."""
    for figure in _read(bench, bench.site):
        for key, value in figure.values.items():
            require(isinstance(value, str), f"{figure.name} {key} is text")
            plain = value.removeprefix("-").replace(".", "", 1)
            require("e" not in value.lower() or not plain.replace("e", "").isdecimal(), f"{figure.name} {key} = {value} is not an exact number")
            if plain.isdecimal() and plain.isascii():
                require(len(Decimal(value).as_tuple().digits) <= 40, f"{figure.name} {key} = {value} has digits that nobody entered")


def reads_the_same_twice(bench: Bench) -> None:
    """Two readings of an untouched site, one of them thorough, have no difference, also after being written down."""
    first, second = _read(bench, bench.site), _read(bench, bench.site, thorough=True)
    found = compare(from_json(to_json(first)), second)
    require(not found, f"an untouched site has no differences, but {explain(found, most=3)}")


def needs_only_select(bench: Bench) -> None:
    """A role with the adapter's own read-only grants reads the same figures."""
    with readonly_role(bench) as site:
        found = compare(_read(bench, bench.site), _read(bench, site))
    require(not found, f"a read-only role sees the same, but {explain(found, most=3)}")


def reads_one_snapshot(bench: Bench) -> None:
    """What others commit while figures are being read does not show in a snapshot that was taken before."""
    with bench.copy() as copy, connected(copy) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        before = bench.ability("figures").read(connection, copy.files, bench.site.database)
        victim = _largest_table(bench, copy)
        with connected(copy, readonly=False) as other:
            other.execute("SET LOCAL session_replication_role = replica")
            other.execute(f'DELETE FROM "{victim}"')
            other.commit()
        inside = bench.ability("figures").read(connection, copy.files, bench.site.database)
        require(not compare(before, inside), "a snapshot does not move")
        connection.rollback()
        later = bench.ability("figures").read(connection, copy.files, bench.site.database)
        require(bool(compare(before, later)), f"after the snapshot the loss of every row of {victim} shows")


def lets_counters_be_read_first(bench: Bench) -> None:
    """Counters can be read before a dump and are then taken as they are; a later higher one is no difference."""
    ability = bench.ability("figures")
    with connected(bench.site) as connection:
        counted = ability.counters(connection)
        marked = [Figure(figure.name, figure.title, dict.fromkeys(figure.values, "0"), figure.labels, figure.rule) for figure in counted]
        earlier = ability.read(connection, bench.site.files, bench.site.database, counted=marked)
        now = ability.read(connection, bench.site.files, bench.site.database)
    require([figure for figure in earlier if figure in marked] == marked, "counters that were read before are taken as they are")
    require(not compare(earlier, now), "counters that went on are no difference")
    require(not marked or bool(compare(now, earlier)), "counters that went back are a difference")


def _largest_table(bench: Bench, site: Site) -> str:
    """The table with most rows among those that the figure of documents counts."""
    found = {figure.name: figure for figure in _read(bench, site)}
    counts: dict[str, int] = {}
    for key, value in found["documents"].values.items():
        counts[key.split("/")[0]] = counts.get(key.split("/")[0], 0) + int(value)
    return max(counts, key=lambda name: counts[name])


def sees_harm_to_files(bench: Bench) -> None:
    """A missing file shows at once; a changed byte shows in a thorough reading."""
    with bench.copy() as copy:
        before = _read(bench, copy, thorough=True)
        with connected(copy) as connection:
            references = list(bench.ability("storage").references(connection, bench.site.database))
        path = folder(copy) / references[0].path
        whole = path.read_bytes()
        _flip(path, whole)
        require(bool(compare(before, _read(bench, copy, thorough=True))), "a changed byte shows in a thorough reading")
        path.unlink()
        told = explain(compare(before, _read(bench, copy)))
        require(any("missing" in line for line in told), f"a missing file is called missing: {told}")


def _flip(path: Path, whole: bytes) -> None:
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])


CHECKS = (
    reads_at_least_twelve,
    keeps_numbers_exact,
    reads_the_same_twice,
    needs_only_select,
    reads_one_snapshot,
    lets_counters_be_read_first,
    sees_harm_to_files,
)
