"""Written: what a user saves is found with its user, nothing else is, and no password leaves the ERP."""

import time

from wellkept.adapters.base import Invalid
from wellkept.adapters.conformance.bench import Bench, connected, require
from wellkept.adapters.conformance.control import running_copy

ALL = 10.0**9
"""Seconds that reach back to before everything."""


def finds_what_was_saved(bench: Bench) -> None:
    """What the probes save is found, by the user who saved it; an hour ahead of it there is nothing."""
    ability = bench.ability("written")
    with running_copy(bench) as site:
        before = time.monotonic()
        timings = {timing.probe: timing.error for timing in bench.ability("probes").run(site)}
        require(timings["save"] is None, f"something was saved, but {timings}")
        with connected(site) as connection:
            seconds = time.monotonic() - before + 0.5
            found = ability.kinds(connection, seconds)
            login = site.login.user if site.login else ""
            mine = [kind for kind in found if login in kind.people and kind.changed]
            require(bool(mine), f"what {login} saved is found, but {found}")
            for kind in found:
                require(kind.title == kind.called.get("en", kind.table), f"a kind has its English name, or none: {kind}")
                names, *rows = ability.rows(connection, kind.table, seconds)
                require(len(rows) == kind.created + kind.changed, f"each row of {kind} is given once, but {len(rows)} are")
                require(all(len(row) == len(names) for row in rows), "each row has a value for each column")
            require(not ability.kinds(connection, -3600.0), "nothing was written in an hour from now")


def gives_no_secrets(bench: Bench) -> None:
    """Of everything that was ever written no column with a password or a key is given, and files are those that are referred to."""
    ability = bench.ability("written")
    with connected(bench.site) as connection:
        kinds = ability.kinds(connection, ALL)
        require(bool(kinds), "a company was written at some time")
        columns = {column for kind in kinds for column in next(iter(ability.rows(connection, kind.table, ALL)))}
        require("id" in columns and not [name for name in columns if "password" in name], f"no column holds passwords: {sorted(columns)}")
        known = {one.path for one in bench.ability("storage").references(connection, bench.site.database)}
        found = {one.path for one in ability.files(connection, bench.site.database, ALL)}
        require(found == known and bool(found), f"the files of all rows are all files, but {sorted(found ^ known)[:3]}")
        try:
            list(ability.rows(connection, "pg_authid", ALL))
        except Invalid:
            return
        require(holds=False, claim="a table without work is refused")


CHECKS = (finds_what_was_saved, gives_no_secrets)
