"""Neutralise: only a copy is touched, everything is proven, and the business data stays what it was."""

from collections.abc import Callable

from wellkept.adapters.base import AdapterError, Site
from wellkept.adapters.conformance.bench import SINK, Bench, connected, content, require
from wellkept.planning.figures import Figure, compare, explain


def _read(bench: Bench, site: Site) -> list[Figure]:
    with connected(site) as connection:
        return list(bench.ability("figures").read(connection, site.files, bench.site.database))


def leaves_a_running_site_alone(bench: Bench) -> None:
    """The original is refused, with nothing changed, whatever it is called."""
    ability = bench.ability("neutralise")
    before = content(bench.site)
    attempts: list[Callable[[], object]] = [
        lambda: ability.neutralise(bench.site),
        lambda: ability.configure_copy(bench.site, original=bench.site.database, sink_smtp=SINK),
    ]
    for attempt in attempts:
        try:
            attempt()
        except AdapterError:
            continue
        require(holds=False, claim="the original is refused")
    require(content(bench.site) == before, "the original is untouched")


def refuses_mail_to_others(bench: Bench) -> None:
    """A sink that is not on this machine is refused."""
    with bench.copy() as copy:
        try:
            bench.ability("neutralise").configure_copy(copy, original=bench.site.database, sink_smtp="smtp://mail.example.com:25")
        except AdapterError:
            return
        require(holds=False, claim="mail of a copy stays on this machine")


def proves_nothing_before(bench: Bench) -> None:
    """On a copy that is only configured the proof does not hold: a proof that cannot fail is none."""
    ability = bench.ability("neutralise")
    with bench.copy() as raw:
        made = ability.configure_copy(raw, original=bench.site.database, sink_smtp=SINK)
        failing = {proof.name for proof in ability.prove(made) if not proof.holds}
        require(len(failing) >= 2, f"jobs and passwords of a fresh copy are still alive, but only {failing} fail")


def proves_everything_after(bench: Bench) -> None:
    """Each proof holds, and only the figures that the adapter names have changed."""
    ability = bench.ability("neutralise")
    with bench.copy() as raw:
        before = _read(bench, raw)
        made = ability.configure_copy(raw, original=bench.site.database, sink_smtp=SINK)
        counts = ability.neutralise(made)
        require(sum(counts.values()) > 0, "something was switched off")
        failing = [proof for proof in ability.prove(made) if not proof.holds]
        require(not failing, f"each proof holds, but {failing}")
        found = compare(before, _read(bench, made), ignore=ability.CHANGES)
        require(not found, f"the business data stays, but {explain(found, most=3)}")
        require(sum(ability.neutralise(made).values()) <= 1, "doing it again changes nothing but the login")


def keeps_secrets_out_of_sight(bench: Bench) -> None:
    """The copy's settings are readable by their owner only; its login does not show in a repr."""
    with bench.harmless_copy() as made:
        require(made.config is not None and made.config.stat().st_mode & 0o077 == 0, "the copy's settings are private")
        require(made.login is not None and made.login.password not in repr(made), "a password does not show")
        require(made.login != bench.site.login, "the login is the copy's own")


CHECKS = (leaves_a_running_site_alone, refuses_mail_to_others, proves_nothing_before, proves_everything_after, keeps_secrets_out_of_sight)
