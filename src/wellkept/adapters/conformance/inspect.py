"""Inspect: it sees what is there, says what it cannot see, and changes nothing."""

from wellkept.adapters.base import AdapterError, Site
from wellkept.adapters.conformance.bench import Bench, connected, content, require


def sees_a_complete_site(bench: Bench) -> None:
    """With every right nothing stays hidden, and what is seen agrees with what the database says itself."""
    seen = bench.ability("inspect").discover(bench.site)
    require(not seen.blind, f"nothing is hidden on a complete site, but: {seen.blind}")
    require(bool(seen.version_on_disk) and bool(seen.version_in_database), "both versions are seen")
    active = [part for part in seen.components if part.kind == "module" and part.active]
    require(len(active) >= 2 and all(part.installed for part in active), "the active modules are seen, each with its installed version")
    require(bool(seen.users_active) and seen.users_active <= (seen.users_total or 0), "users are counted")
    with connected(bench.site) as connection:
        row = connection.execute("SELECT pg_database_size(current_database()), current_setting('server_version')").fetchone()
    require(
        row is not None and abs((seen.database_bytes or 0) - row[0]) < 10_000_000 and seen.postgresql == row[1],
        "size and version of the database agree",
    )
    folder = bench.site.files
    present = [path for path in folder.rglob("*") if path.is_file()] if folder else []
    require(seen.files_count == len(present), f"{len(present)} files are there, {seen.files_count} were counted")
    require(seen.files_bytes == sum(path.stat().st_size for path in present), "the size of the files agrees")


def finds_the_site_by_its_configuration(bench: Bench) -> None:
    """The configuration file alone leads to the database and the files."""
    site = bench.site
    if site.config is None:
        require(holds=False, claim="the bench has a configuration")
        return
    found = bench.ability("inspect").from_config(site.config, site.database)
    ours, theirs = site.server, found.server
    require(ours is not None and theirs is not None and (ours.host, ours.port) == (theirs.host, theirs.port), "the configuration leads to the server")
    require((found.database, found.files) == (site.database, site.files), "the configuration leads to the database and to the files")


def changes_nothing(bench: Bench) -> None:
    """No row, no file, no time stamp and no setting differs after looking."""
    before, ability = content(bench.site), bench.ability("inspect")
    ability.discover(bench.site)
    if bench.site.config is not None:
        ability.discover(ability.from_config(bench.site.config, bench.site.database))
    after = content(bench.site)
    require(before == after, f"looking changed {sorted(key for key in {*before, *after} if before.get(key) != after.get(key))[:5]}")


def says_what_it_cannot_see(bench: Bench) -> None:
    """A site of which only a name is known gives no error, but for each hidden thing a reason and one action."""
    seen = bench.ability("inspect").discover(Site(bench.site.database))
    require(len(seen.blind) >= 3, "a bare name hides the database, the files and the processes")
    require(all(blind.what and blind.why and blind.remedy for blind in seen.blind), "each hidden thing has a reason and a remedy")
    require(seen.users_total is None and seen.database_bytes is None and not seen.components, "nothing is made up")


def refuses_what_is_no_configuration(bench: Bench) -> None:
    """A file that is not the ERP's configuration is refused with an error of the adapter."""
    wrong = bench.site.files
    try:
        bench.ability("inspect").from_config(wrong, None)
    except AdapterError:
        return
    require(holds=False, claim="a folder is refused as a configuration")


CHECKS = (
    sees_a_complete_site,
    finds_the_site_by_its_configuration,
    changes_nothing,
    says_what_it_cannot_see,
    refuses_what_is_no_configuration,
)
