"""What one watched environment shows at a moment: its database server, its ERP, the machine it is on, and what users feel.

What cannot be read is left out and said; the rest is read all the same.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from wellkept.adapters import registry
from wellkept.adapters.base import AdapterError, Connection, Site
from wellkept.lib.samples import Sample
from wellkept.lib.text import Message, gettext_noop, message, reason
from wellkept.monitoring.models import Rhythm
from wellkept.tools import host, pg_statistics, postgres

STATEMENT_SECONDS = 5.0
TABLES = 200
"""How many tables are kept one by one, the largest ones; the others are kept together."""
LOCAL = {"127.0.0.1", "::1", "localhost"}
Series = tuple[str, str]
"""A name and a label."""
DATABASE_UP, ERP_UP, PROBE_SECONDS = "database_up", "erp_up", "probe_seconds"


@dataclass
class Place:
    """An environment that is being watched: how to reach it, the one connection that is kept open, and its counters as they were read last."""

    adapter: str
    site: Site
    connection: Connection | None = None
    counted: dict[str, tuple[float, dict[Series, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """The values by series; what is wrong, and what could not be seen, with the reason of each."""

    values: dict[Series, float | None]
    problem: Message | None
    blind: Sequence[Message]


class Unseen(Exception):
    """A part that cannot be read, but for what was ``found``; a ``problem`` is the ERP's or its database's, otherwise only we are blind."""

    def __init__(self, said: Message, *, problem: bool, found: Sequence[Sample] = ()) -> None:
        super().__init__()
        self.said = said
        self.problem = problem
        self.found = found


def read(place: Place, rhythm: str) -> Reading:
    """Read everything that this rhythm asks for; at most one connection to the database and one session of the ERP are used."""
    found: list[Sample] = []
    problem: Message | None = None
    blind: list[Message] = []
    for part in PARTS[Rhythm(rhythm)]:
        try:
            found += part(place)
        except Unseen as error:
            found += error.found
            if error.problem:
                problem = problem or error.said
            else:
                blind.append(error.said)
    return Reading({**_gauges(found), **_rates(place, rhythm, found)}, problem, blind)


def leave(place: Place) -> None:
    """Close the connection that is kept open."""
    if place.connection is not None:
        with contextlib.suppress(psycopg.Error):
            place.connection.close()
        place.connection = None


def _gauges(found: Iterable[Sample]) -> dict[Series, float | None]:
    return {(one.name, one.label): one.value for one in found if not one.counter}


def _rates(place: Place, rhythm: str, found: Iterable[Sample]) -> dict[Series, float | None]:
    """How much counters grew per second since they were read last; None for the first time, and for one that began again."""
    now, counters = time.monotonic(), {(one.name, one.label): one.value for one in found if one.counter}
    then, before = place.counted.get(rhythm, (now, {}))
    place.counted[rhythm] = (now, counters)
    elapsed = now - then
    return {
        series: (value - before[series]) / elapsed if elapsed > 0 and value >= before.get(series, float("inf")) else None
        for series, value in counters.items()
    }


def _server(place: Place) -> list[Sample]:
    if place.site.server is None:
        return []
    try:
        return [Sample(DATABASE_UP, 1.0), *_asked(place, pg_statistics.server)]
    except psycopg.OperationalError as error:
        text = gettext_noop("The database does not answer: {reason}")
        raise Unseen(message(text, reason=_first_line(error)), problem=True, found=[Sample(DATABASE_UP, 0.0)]) from error
    except psycopg.Error as error:
        text = gettext_noop("What the database server counts could not be read: {reason}")
        raise Unseen(message(text, reason=_first_line(error)), problem=False, found=[Sample(DATABASE_UP, 1.0)]) from error


def _tables(place: Place) -> list[Sample]:
    try:
        return _asked(place, lambda connection: pg_statistics.tables(connection, TABLES)) if place.site.server is not None else []
    except psycopg.Error as error:
        text = gettext_noop("The sizes of the tables could not be read: {reason}")
        raise Unseen(message(text, reason=_first_line(error)), problem=False) from error


def _present(place: Place) -> list[Sample]:
    if place.site.server is None or not registry.has(place.adapter, "activity"):
        return []
    user = place.site.login.user if place.site.login is not None else ""
    try:
        return _asked(place, lambda connection: list(registry.ability(place.adapter, "activity").present(connection, besides=user)))
    except (psycopg.Error, AdapterError) as error:
        text = gettext_noop("What goes on in the ERP could not be read: {reason}")
        raise Unseen(message(text, reason=reason(error)), problem=False) from error


def _host(place: Place) -> list[Sample]:
    """The machine of an environment that is on this one; of others nothing is known here."""
    on_disk = [path for path in (place.site.config, place.site.files, place.site.state) if path is not None]
    if place.site.server is None or not (place.site.server.host.startswith("/") or place.site.server.host in LOCAL) or not on_disk:
        return []
    try:
        return host.read([Path("/"), *on_disk])
    except OSError as error:
        raise Unseen(message(gettext_noop("The machine could not be looked at: {reason}"), reason=str(error)), problem=False) from error


def _probes(place: Place) -> list[Sample]:
    """What users do, timed; what fails has no time, and says that the ERP does not work."""
    if place.site.login is None or place.site.url is None or not registry.has(place.adapter, "probes"):
        return []
    timings = registry.ability(place.adapter, "probes").run(place.site)
    failed = [one for one in timings if one.error]
    made = [Sample(PROBE_SECONDS, one.seconds, one.probe) for one in timings if not one.error]
    if failed:
        text = gettext_noop("Users cannot work: {probe} failed with {reason}")
        raise Unseen(message(text, probe=failed[0].probe, reason=failed[0].error), problem=True, found=[Sample(ERP_UP, 0.0), *made])
    return [Sample(ERP_UP, 1.0), *made]


def _asked(place: Place, question: Callable[[Connection], list[Sample]]) -> list[Sample]:
    """Ask over the one connection; one that broke is given up, and made anew the next time."""
    if place.connection is None and place.site.server is not None:
        place.connection = postgres.connect(
            place.site.server, place.site.database, autocommit=True, readonly=True, statement_timeout=STATEMENT_SECONDS
        )
    if place.connection is None:
        return []
    try:
        return question(place.connection)
    except psycopg.OperationalError:
        leave(place)
        raise


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


PARTS: dict[Rhythm, Sequence[Callable[[Place], list[Sample]]]] = {
    Rhythm.OFTEN: (_server, _present, _host),
    Rhythm.SOMETIMES: (_tables, _probes),
}
