"""Trials: business flows leave real traces, are done by the people whose work they are, and never touch what is not a harmless copy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wellkept.adapters.base import AdapterError, Site
from wellkept.adapters.conformance.bench import Bench, connected, content, require
from wellkept.adapters.conformance.control import running_copy
from wellkept.adapters.trial import FAILED, LEFT_OUT, PASSED, Trial
from wellkept.planning.figures import compare

EVERYTHING = ("web", "worker")
WRITTEN = "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
MOVED = ("trial_balance", "stock_quantity", "documents")


def touches_only_harmless_copies(bench: Bench) -> None:
    """The original, and a copy on which something is alive again, are refused with nothing changed."""
    trials = bench.ability("trials")
    before = content(bench.site)
    try:
        trials.run(bench.site)
    except AdapterError:
        require(content(bench.site) == before, "the original is untouched")
    else:
        require(holds=False, claim="the original is refused")
    with bench.copy() as raw:
        made = bench.ability("neutralise").configure_copy(raw, original=bench.site.database, sink_smtp="smtp://127.0.0.1:2")
        before = content(made)
        try:
            trials.run(made)
        except AdapterError:
            require(content(made) == before, "a copy that is not harmless yet is untouched")
            return
        require(holds=False, claim="a copy that is not harmless yet is refused")


def does_every_flow(bench: Bench) -> None:
    """On a company at work each flow passes or says why it is left out; it moves the books, and the copy is as harmless as before."""
    with running_copy(bench, EVERYTHING) as site:
        every_flow(bench, site)


def every_flow(bench: Bench, site: Site) -> Sequence[Trial]:
    """The same on a running harmless copy; returns what became of each flow."""
    trials, figures, neutralise = bench.ability("trials"), bench.ability("figures"), bench.ability("neutralise")
    with connected(site) as connection:
        before = figures.read(connection, site.files, bench.site.database)
    made: Sequence[Trial] = trials.run(site)
    with connected(site) as connection:
        moved = {difference.figure for difference in compare(before, figures.read(connection, site.files, bench.site.database))}
    failing = [proof for proof in neutralise.prove(site) if not proof.holds]
    require([trial.flow for trial in made] == list(trials.NAMES), "each flow has one result, in their order")
    failed = [f"{trial.flow}: {trial.reason}" for trial in made if trial.outcome == FAILED]
    require(not failed, f"no flow fails on a sound company, but {failed}")
    require(all(trial.reason and not trial.steps for trial in made if trial.outcome == LEFT_OUT), "what is left out has a reason and did nothing")
    passed = [trial for trial in made if trial.outcome == PASSED]
    require(bool(passed) and set(MOVED) <= moved, f"what passed moves {MOVED}, but only {sorted(moved)} have moved")
    steps = [step for trial in passed for step in trial.steps]
    require(all(step.seconds > 0 and step.assertions for step in steps), "every step takes time and asserts something")
    administrator = site.login.user if site.login else ""
    require(all(step.user and step.user != administrator for step in steps), "no step is done by the administrator")
    require(not failing, f"the copy is harmless afterwards, too, but {failing}")
    return made


def looks_without_a_trace(bench: Bench) -> None:
    """Lists, records and new forms open without an error; afterwards every row is the same, and only tables of sessions were written at all."""
    trials, control = bench.ability("trials"), bench.ability("control")
    with bench.harmless_copy() as site:
        before, written = content(site), _written(site)
        with processes(control, site):
            sights = trials.look(site, at_once=2)
        require(content(site) == before, "every row and every file is what it was")
        touched = {table for table, count in _written(site).items() if count != written.get(table)}
        with connected(site) as connection:
            kept = [table for table in touched if connection.execute(f'SELECT FROM "{table}"').fetchone() is not None]
        require(not kept, f"only sessions, which are gone again, were written, but also {kept}")
    require({sight.way for sight in sights} == {"login", "list", "record", "new"}, f"lists, records and new forms are looked at, but {sights}")
    kinds = {sight.what for sight in sights} - {"login"}
    with connected(bench.site) as connection:
        called = trials.titles(connection, [*kinds, "no.such.kind"])
    require(called.keys() == kinds and all(words.get("en") for words in called.values()), f"each kind has its name, and only those, but {called}")
    failed = [f"{sight.what} {sight.way}: {sight.error}" for sight in sights if sight.error]
    require(not failed, f"everything opens on a sound company, but {failed[:3]}")
    with bench.harmless_copy() as site:
        gone = trials.look(site)
    require(len(gone) == 1 and bool(gone[0].error), f"where nobody answers, that is all that is said, but {gone}")


@contextmanager
def processes(control: Any, site: Site) -> Iterator[None]:
    """The site's web server, for the time of the block: when it has ended, PostgreSQL has counted everything it did."""
    control.start(site, roles=("web",))
    try:
        yield
    finally:
        control.stop(site)


def _written(site: Site) -> dict[str, int]:
    with connected(site) as connection:
        return dict(connection.execute(WRITTEN).fetchall())


CHECKS = (touches_only_harmless_copies, does_every_flow, looks_without_a_trace)
