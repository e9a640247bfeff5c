"""A watcher: it reads its share of the environments in their rhythms, and keeps what it read.

Several may run, on several machines. Each holds environments for a short time and renews that, so those of a watcher that ended go to the others.
Reading waits for networks, so it happens in threads; what was read is written together, once a second, by one.
"""

import datetime as dt
import heapq
import itertools
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from wellkept.adapters.base import AdapterError
from wellkept.estate import connect
from wellkept.estate.models import Environment, Kind
from wellkept.lib.crypt import WrongKey
from wellkept.lib.text import Message, gettext_noop, message, reason
from wellkept.monitoring import panels, readings, store, use
from wellkept.monitoring.models import Rhythm, Watch, Watcher
from wellkept.monitoring.readings import Place, Reading
from wellkept.operations.models import OPEN_STATES, Lease
from wellkept.operations.watchdog import takeover_seconds

logger = logging.getLogger(__name__)
SECONDS = {Rhythm.OFTEN: 10.0, Rhythm.SOMETIMES: 60.0}
WRITE_SECONDS, TIDY_SECONDS, LEARN_SECONDS = 1.0, 20.0, 600.0
THREADS = 16
TOLD_SECONDS, LEAVE_SECONDS = 0.2, 10.0
KEPT_READINGS = 20_000
"""How many readings wait while they cannot be written; the oldest are given up beyond that."""


@dataclass(frozen=True)
class Read:
    """A reading of an environment and when it was taken (aware)."""

    environment_id: int
    rhythm: Rhythm
    at: dt.datetime
    reading: Reading


@dataclass
class Keeper:
    """What one watcher holds, what is due next (by the monotonic clock), and what it has not written yet."""

    name: str
    places: dict[int, Place] = field(default_factory=dict)
    due: list[tuple[float, int, int, Rhythm]] = field(default_factory=list)
    unwritten: deque[Read] = field(default_factory=lambda: deque(maxlen=KEPT_READINGS))
    busy: set[tuple[int, Rhythm]] = field(default_factory=set)
    said: dict[tuple[int, Rhythm], tuple[Message | None, list[Message]]] = field(default_factory=dict)
    known: panels.Known = field(default_factory=dict)


def serve(name: str, stopping: threading.Event) -> None:
    """Watch until ``stopping`` is set; then let go of everything, for others to take at once."""
    keeper, order = Keeper(name), itertools.count()
    chores: list[tuple[float, Callable[[], object]]] = [
        (takeover_seconds() / 4, lambda: renew(keeper, order)),
        (WRITE_SECONDS, lambda: write(keeper)),
        (TIDY_SECONDS, lambda: tidy(timezone.now())),
        (LEARN_SECONDS, lambda: use.learn_due(keeper.places)),
    ]
    next_time = [0.0 for _ in chores]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="reading") as threads:
        while not stopping.is_set():
            for number, (seconds, chore) in enumerate(chores):
                if time.monotonic() >= next_time[number]:
                    next_time[number] = time.monotonic() + seconds
                    _done(chore)
            begin_due(keeper, threads, order)
            earliest = min([*next_time, *(moment for moment, *_rest in keeper.due[:1])])
            stopping.wait(min(max(0.0, earliest - time.monotonic()), WRITE_SECONDS))
    _done(lambda: write(keeper))
    _done(lambda: let_go(keeper))


def run(name: str | None = None) -> None:
    """Be a watcher until SIGTERM or SIGINT."""
    stopping = threading.Event()
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # A handler interrupts this very thread: it may wait for nothing, and an Event has a lock.
        signal.signal(number, lambda got, _frame: told.append(got))
    own = f"{name or socket.gethostname()}-{secrets.token_hex(4)}"
    watching = threading.Thread(target=serve, args=(own, stopping), name="watching")
    watching.start()
    logger.info("watcher %s is ready", own)
    while not told and watching.is_alive():
        time.sleep(TOLD_SECONDS)
    logger.info("watcher %s is stopping", own)
    stopping.set()
    watching.join(LEAVE_SECONDS)
    # A reading that hangs in a network would keep the process alive; nothing is lost with it.
    os._exit(0 if told else 1)


def renew(keeper: Keeper, order: Iterable[int]) -> None:
    """Hold this watcher's share of the environments for a while longer: take free ones, leave those beyond the share and those watched no more.

    One that a run is changing is held and left alone: the run needs the database for itself, and what would be seen is what was planned.
    """
    held = set(hold(keeper.name, timezone.now()))
    changing = set(Lease.objects.filter(environment__in=held, run__state__in=OPEN_STATES).values_list("environment", flat=True))
    Watch.objects.filter(environment__in=changing).exclude(problem=None).update(problem=None, problem_since=None)
    held -= changing
    for gone in set(keeper.places) - held:
        readings.leave(keeper.places.pop(gone))
        for rhythm in Rhythm:
            keeper.said.pop((gone, rhythm), None)
    keeper.due = [one for one in keeper.due if one[2] in held]
    heapq.heapify(keeper.due)
    counter = iter(order)
    for environment in Environment.objects.filter(pk__in=held).select_related("system__organisation"):
        place = _placed(environment)
        if place is None:
            continue
        known = keeper.places.get(environment.pk)
        if known is not None:
            if known.site != place.site:
                readings.leave(known)
                known.site = place.site
            continue
        keeper.places[environment.pk] = place
        for rhythm, seconds in SECONDS.items():
            # Spread over the rhythm, and always at the same place in it.
            delay = (environment.pk * 0.618 % 1.0) * seconds
            heapq.heappush(keeper.due, (time.monotonic() + delay, next(counter), environment.pk, rhythm))


def _placed(environment: Environment) -> Place | None:
    try:
        return Place(environment.system.adapter, connect.site(environment))
    except (AdapterError, WrongKey) as error:
        text = gettext_noop("It cannot be reached: {reason}")
        Watch.objects.filter(environment=environment).update(problem=message(text, reason=reason(error)))
        Watch.objects.filter(environment=environment, problem_since=None).update(problem_since=timezone.now())
        return None


@transaction.atomic
def hold(name: str, now: dt.datetime) -> list[int]:
    """The environments that this watcher holds now: its own, and free ones up to an equal share. Production is watched unless somebody ends that."""
    unwatched = Environment.objects.filter(watch=None, kind=Kind.PRODUCTION, system__removed_at=None)
    Watch.objects.bulk_create([Watch(environment=environment) for environment in unwatched], ignore_conflicts=True)
    alive = now - dt.timedelta(seconds=takeover_seconds())
    Watcher.objects.filter(beat_at__lt=alive).delete()
    Watcher.objects.update_or_create(name=name, defaults={"beat_at": now})
    living = Watch.objects.filter(enabled=True, environment__system__removed_at=None)
    share = -(-living.count() // Watcher.objects.count())
    mine = list(living.select_for_update(of=["self"]).filter(held_by=name, held_until__gt=now).order_by("pk").values_list("pk", flat=True))
    kept, left = mine[:share], mine[share:]
    free = living.select_for_update(of=["self"], skip_locked=True).exclude(held_until__gt=now)
    kept += list(free.order_by("pk").values_list("pk", flat=True)[: share - len(kept)])
    Watch.objects.filter(pk__in=left).update(held_by="", held_until=None)
    Watch.objects.filter(pk__in=kept).update(held_by=name, held_until=now + dt.timedelta(seconds=takeover_seconds()))
    return list(Watch.objects.filter(pk__in=kept).values_list("environment_id", flat=True))


def let_go(keeper: Keeper) -> None:
    """Leave everything to others."""
    Watch.objects.filter(held_by=keeper.name).update(held_by="", held_until=None)
    Watcher.objects.filter(name=keeper.name).delete()
    for place in keeper.places.values():
        readings.leave(place)


def begin_due(keeper: Keeper, threads: ThreadPoolExecutor, order: Iterable[int]) -> None:
    """Begin every reading that is due. One that still goes on is not begun again; its next turn comes in its rhythm."""
    counter, now = iter(order), time.monotonic()
    while keeper.due and keeper.due[0][0] <= now:
        moment, _number, environment_id, rhythm = heapq.heappop(keeper.due)
        place = keeper.places.get(environment_id)
        if place is None:
            continue
        heapq.heappush(keeper.due, (max(moment + SECONDS[rhythm], now), next(counter), environment_id, rhythm))
        if (environment_id, rhythm) not in keeper.busy:
            keeper.busy.add((environment_id, rhythm))
            threads.submit(_read, keeper, place, environment_id, rhythm).add_done_callback(_tell)


def _read(keeper: Keeper, place: Place, environment_id: int, rhythm: Rhythm) -> None:
    try:
        at = timezone.now()
        keeper.unwritten.append(Read(environment_id, rhythm, at, readings.read(place, rhythm)))
    finally:
        keeper.busy.discard((environment_id, rhythm))


def _tell(done: "Future[None]") -> None:
    error = done.exception()
    if error is not None:
        logger.error("a reading failed", exc_info=error)


def write(keeper: Keeper) -> None:
    """Store what was read, and how each environment is now. What cannot be written now is kept for later, so long as there is room."""
    taken = [keeper.unwritten.popleft() for _ in range(len(keeper.unwritten))]
    if not taken:
        return
    try:
        with transaction.atomic():
            rows = [(one, *panels.row(keeper.known, one.environment_id, one.rhythm, one.reading.values)) for one in taken]
            store.write((panel_id, one.at, values) for one, panel_id, values, _left_out in rows)
    except DatabaseError:
        keeper.unwritten.extendleft(reversed(taken))
        # Panels that were made meanwhile are not there either.
        keeper.known.clear()
        raise
    for one, _panel_id, _values, left_out in rows:
        note(keeper, one, left_out)


def note(keeper: Keeper, read: Read, left_out: int) -> None:
    """Keep what is wrong with an environment, when that has changed."""
    blind = list(read.reading.blind)
    if left_out:
        blind.append(message(gettext_noop("{count} series more than are kept of one ERP were left out"), count=left_out))
    now = (read.reading.problem, blind)
    if keeper.said.get((read.environment_id, read.rhythm)) == now:
        return
    keeper.said[read.environment_id, read.rhythm] = now
    parts = [keeper.said[read.environment_id, rhythm] for rhythm in Rhythm if (read.environment_id, rhythm) in keeper.said]
    problem = next((one for one, _blind in parts if one is not None), None)
    row = Watch.objects.filter(environment_id=read.environment_id)
    row.update(problem=problem, blind=[one for _problem, several in parts for one in several])
    if problem is None:
        row.update(problem_since=None)
    else:
        row.filter(problem_since=None).update(problem_since=read.at)


def _done(chore: Callable[[], object]) -> None:
    """Do a chore; one that fails is done again in its turn, because watching has to go on."""
    try:
        chore()
    except Exception:  # one environment must not end the watching of all others
        logger.exception("watching goes on; this is tried again")
        connection.close()


def tidy(now: dt.datetime) -> None:
    """Make room for what comes, sum up what is over, and forget what is too old."""
    store.prepare(now)
    store.sum_up(now)
