"""Control: processes start, answer, are found again, and stop without a rest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from wellkept.adapters.base import Conflicting, Site
from wellkept.adapters.conformance.bench import Bench, require
from wellkept.tools import command


@contextmanager
def running_copy(bench: Bench, roles: Sequence[str] = ("web",)) -> Iterator[Site]:
    """A harmless copy whose processes of these roles run."""
    control = bench.ability("control")
    with bench.harmless_copy() as site:
        try:
            control.start(site, roles=roles)
            yield site
        finally:
            control.stop(site)


def starts_and_stops(bench: Bench) -> None:
    """A started site is alive and its processes are listed; after stopping none of them is left."""
    control = bench.ability("control")
    with running_copy(bench) as site:
        require(control.alive(site), "a started site is alive")
        running = control.processes(site)
        require(any(process.role == "web" for process in running), f"its web process is listed: {running}")
        with suppress(Conflicting):
            control.start(site, roles=("web",))
        again = {process.pid for process in control.processes(site)}
        require({process.pid for process in running} == again, "starting twice does not start a second one")
        control.stop(site)
        require(not control.alive(site) and not control.processes(site), "a stopped site is not alive")
        require(not any(command.group_alive(process.pid) for process in running), "no process is left")
        control.stop(site)


def lets_in_only_the_new_login(bench: Bench) -> None:
    """On a running harmless copy the new login works and that of the original does not."""
    neutralise, probes = bench.ability("neutralise"), bench.ability("probes")
    with running_copy(bench) as site:
        old = bench.site.login
        if old is None:
            require(holds=False, claim="the bench has a login")
            return
        failing = [proof for proof in neutralise.prove(site, old=[old]) if not proof.holds]
        require(not failing, f"the login of the original is refused, but {failing}")
        timings = {timing.probe: timing.error for timing in probes.run(site)}
        require(timings.get("login", "") is None, f"the new login works, but {timings}")


CHECKS = (starts_and_stops, lets_in_only_the_new_login)
