"""Storage: every file that the database needs is named, and it is there."""

import datetime as dt
from dataclasses import replace

from wellkept.adapters.base import AdapterError
from wellkept.adapters.conformance.bench import Bench, connected, content, folder, require


def names_every_file(bench: Bench) -> None:
    """Each reference leads to a file inside the folder, and no file is left over that no row needs."""
    ability = bench.ability("storage")
    stored = ability.storage(bench.site)
    with connected(bench.site) as connection:
        references = list(ability.references(connection, bench.site.database, layout=stored.layout))
    require(bool(references), "the bench has files")
    root = folder(bench.site).resolve()
    paths = {(root / reference.path).resolve() for reference in references}
    require(all(path.is_relative_to(root) for path in paths), "no reference leaves the folder")
    missing = [reference for reference in references if not (root / reference.path).is_file()]
    require(not missing, f"each file is where the reference says, but {missing[:3]}")
    unknown = {path for path in root.rglob("*") if path.is_file()} - paths
    require(not unknown, f"each file is needed by a row, but {sorted(unknown)[:3]}")
    require(all(reference.owner for reference in references), "each reference says who needs it")


def knows_the_settings(bench: Bench) -> None:
    """The folder and the settings that belong in a backup are named and readable."""
    stored = bench.ability("storage").storage(bench.site)
    require(stored.files == bench.site.files, "the file folder is named")
    require(bool(stored.settings) and all(path.read_bytes() for path in stored.settings), "the settings can be read")


def knows_the_newest_document(bench: Bench) -> None:
    """The time of the newest document is an ISO time in UTC, not in the future."""
    ability = bench.ability("storage")
    with connected(bench.site) as connection:
        newest = ability.newest_document(connection)
    require(newest is not None, "the bench has documents")
    moment = dt.datetime.fromisoformat(newest)
    require(moment.utcoffset() == dt.timedelta(0), "the time is in UTC")
    require(dt.datetime(2000, 1, 1, tzinfo=dt.UTC) < moment <= dt.datetime.now(dt.UTC), f"{newest} is a time in the past")


def shares_files_with_a_copy(bench: Bench) -> None:
    """Under a copy's name every file is found while they are shared; then nothing is left of it, and no file was touched."""
    ability = bench.ability("storage")
    with bench.copy() as site, connected(bench.site) as connection:
        owner = replace(site, database=bench.site.database)
        layout = ability.storage(owner).layout
        before = content(site)
        ability.share_files(owner, site.database)
        ability.share_files(owner, site.database)
        lost = [one for one in ability.references(connection, site.database, layout=layout) if not (folder(site) / one.path).is_file()]
        require(not lost, f"each file is found under the copy's name, but {lost[:3]}")
        ability.unshare_files(owner, site.database)
        ability.unshare_files(owner, site.database)
        require(content(site) == before, "no file was touched")
        (folder(site) / site.database).mkdir()
        try:
            ability.share_files(owner, site.database)
        except AdapterError:
            return
        require(holds=False, claim="a copy that has files of its own is refused")


CHECKS = (names_every_file, knows_the_settings, knows_the_newest_document, shares_files_with_a_copy)
