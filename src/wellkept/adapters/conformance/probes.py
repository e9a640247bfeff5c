"""Probes: real actions of a user, timed, which leave the data as they found it and say when they fail."""

from dataclasses import replace

from wellkept.adapters.base import Login, Site
from wellkept.adapters.conformance.bench import Bench, connected, require
from wellkept.adapters.conformance.control import running_copy
from wellkept.planning.figures import Figure, compare, explain


def _read(bench: Bench, site: Site) -> list[Figure]:
    with connected(site) as connection:
        return list(bench.ability("figures").read(connection, site.files, bench.site.database))


def times_every_action(bench: Bench) -> None:
    """Every declared action is done once, without an error and in a time above nought, and the figures stay the same."""
    ability = bench.ability("probes")
    with running_copy(bench) as site:
        before = _read(bench, site)
        timings = ability.run(site)
        require([timing.probe for timing in timings] == list(ability.NAMES), f"each declared action is timed once, but {timings}")
        require(all(timing.error is None and timing.seconds > 0 for timing in timings), f"each action works, but {timings}")
        found = compare(before, _read(bench, site))
        require(not found, f"what was saved is put back, but {explain(found, most=3)}")


def tells_what_fails(bench: Bench) -> None:
    """A wrong password and a server that is gone become errors of the actions, not exceptions."""
    ability = bench.ability("probes")
    with running_copy(bench) as site:
        wrong = ability.run(replace(site, login=Login(site.login.user if site.login else "nobody", "wrong password")))
        require(bool(wrong) and all(timing.error for timing in wrong), f"a wrong password fails every action, but {wrong}")
        bench.ability("control").stop(site)
        gone = ability.run(site)
        require(bool(gone) and all(timing.error for timing in gone), f"without a server every action fails, but {gone}")


CHECKS = (times_every_action, tells_what_fails)
