"""Activity: what is said about use covers every active module, comes from the data, and is only read."""

import datetime as dt

from wellkept.adapters.conformance.bench import Bench, connected, content, readonly_role, require


def speaks_of_every_active_module(bench: Bench) -> None:
    """Each module that is active, once, and no other; use that is dated is not in the future, and rows without use do not exist."""
    active = {part.name for part in bench.ability("inspect").discover(bench.site).components if part.kind == "module" and part.active}
    with connected(bench.site) as connection:
        uses = bench.ability("activity").modules(connection)
    require(sorted(use.module for use in uses) == sorted(active), "exactly the active modules are spoken of")
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    require(all(use.last is None or use.last < tomorrow for use in uses), "no use is in the future")
    require(all(use.used or not use.rows for use in uses), "a module with rows is used")
    require({use.used for use in uses} >= {True, False}, "a company of this size uses some of its modules and others not")


def only_reads(bench: Bench) -> None:
    """A role that may only SELECT sees the same, and nothing changes."""
    before = content(bench.site)
    with connected(bench.site) as connection:
        uses = bench.ability("activity").modules(connection)
    with readonly_role(bench) as site, connected(site) as connection:
        require(bench.ability("activity").modules(connection) == uses, "a role that may only read sees the same")
    require(content(bench.site) == before, "looking at the use changes nothing")


CHECKS = (speaks_of_every_active_module, only_reads)
