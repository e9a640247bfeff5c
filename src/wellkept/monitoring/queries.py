"""How environments work now and how they worked, for pages, commands and programs."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from wellkept.monitoring import store
from wellkept.monitoring.models import Panel, Watch
from wellkept.monitoring.readings import DATABASE_UP, ERP_UP, PROBE_SECONDS, Series

FRESH = dt.timedelta(minutes=3)
"""What was read longer ago says nothing about now."""


@dataclass(frozen=True)
class Now:
    """How an environment works: its values by series, read at ``at`` (None: nothing was read lately), and why something cannot be read."""

    at: dt.datetime | None
    values: dict[Series, float]
    problem: Any
    since: dt.datetime | None
    blind: Sequence[Any]

    @property
    def users(self) -> int | None:
        """How many people worked in the last five minutes; None when nobody knows."""
        found = self.values.get(("erp_users_active", ""))
        return None if found is None else round(found)

    @property
    def seconds(self) -> float | None:
        """What signing in, searching, opening and saving took together; None when one of it was not done."""
        return sum(value for (name, _label), value in self.values.items() if name == PROBE_SECONDS) if self.works else None

    @property
    def works(self) -> bool:
        """Whether users can work, as far as it was tried."""
        return self.values.get((ERP_UP, "")) == 1.0 and self.values.get((DATABASE_UP, ""), 1.0) == 1.0


def now(environments: Collection[int]) -> dict[int, Now]:
    """How each of these environments works now, those that are watched; three queries, whatever their number."""
    watches = {row.environment_id: row for row in Watch.objects.filter(environment__in=environments, enabled=True)}
    panels = list(Panel.objects.filter(environment__in=watches).values_list("pk", "environment_id", "series"))
    latest = store.latest([number for number, _environment, _series in panels], timezone.now() - FRESH)
    found: dict[int, Now] = {}
    for environment_id, watch in watches.items():
        mine = [(series, *latest[number]) for number, of, series in panels if of == environment_id and number in latest]
        values = {
            (name, label): value for series, _at, several in mine for (name, label), value in zip(series, several, strict=False) if value is not None
        }
        at = max((at for _series, at, _several in mine), default=None)
        found[environment_id] = Now(at, values, watch.problem, watch.problem_since, watch.blind)
    return found


@dataclass(frozen=True)
class Curve:
    """A series over time: its points, oldest first."""

    name: str
    label: str
    points: Sequence[store.Point]


def curves(environment_id: int, names: Collection[str], start: dt.datetime, end: dt.datetime) -> list[Curve]:
    """Every series of these names between two moments (aware), those without a value left out."""
    found = []
    for number, series in Panel.objects.filter(environment_id=environment_id).values_list("pk", "series"):
        for place, (name, label) in enumerate(series):
            if name in names:
                found.append(Curve(name, label, store.points(number, place, start, end)))
    return sorted((one for one in found if one.points), key=lambda one: (one.name, one.label))
