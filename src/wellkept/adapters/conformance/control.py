"""Control: processes start, answer, are found again, make room for a notice, and stop without a rest."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import httpx

from wellkept.adapters.base import Conflicting, Notice, Site
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
        require(not control.errors(site), f"a site that has just started has no errors, but {control.errors(site)}")
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


def closes_and_opens(bench: Bench) -> None:
    """In maintenance nobody gets in and everybody is told; told anew it says something else, and after a start all is as before."""
    control, probes = bench.ability("control"), bench.ability("probes")
    told = Notice({"en": "conformance"}, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5))
    with running_copy(bench) as site:
        before = [process.pid for process in control.processes(site)]
        control.maintain(site, told)
        require(control.notice(site) == told, "the notice is there")
        require(not control.alive(site), "a closed site is not alive")
        require(not any(command.group_alive(pid) for pid in before), "no process of the ERP is left")
        errors = {timing.probe: timing.error for timing in probes.run(site)}
        require(all(errors.values()), f"no action of a user works, but {errors}")
        require(asked(site)[0] == 503 and "conformance" in asked(site)[1], "a browser is told to come back later, and why")
        control.maintain(site, replace(told, reason={"en": "another reason"}))
        require("another reason" in asked(site)[1], "what is told can be changed")
        control.start(site, roles=("web",))
        require(control.notice(site) is None, "a start ends the maintenance")
        errors = {timing.probe: timing.error for timing in probes.run(site)}
        require(not any(errors.values()), f"every action works again, but {errors}")
        control.maintain(site, told)
        control.reopen(site)
        require(control.notice(site) is None, "the maintenance ends without a start, too")
        require(asked(site)[0] == 0, "nobody answers after that")


def asked(site: Site) -> tuple[int, str]:
    """What a browser gets at the site's address: status and text; the status 0 when nobody answers."""
    url = site.url or ""
    path = url.removeprefix("unix:") if url.startswith("unix:") else None
    try:
        with httpx.Client(base_url="http://localhost" if path else url, transport=httpx.HTTPTransport(uds=path) if path else None) as client:
            answer = client.get("/")
    except httpx.TransportError:
        return 0, ""
    return answer.status_code, answer.text


CHECKS = (starts_and_stops, lets_in_only_the_new_login, closes_and_opens)
