"""Which place a series has in the readings of its environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from wellkept.monitoring.models import Panel
from wellkept.monitoring.readings import Series

MOST = 2000
"""How many series one panel keeps; what comes beyond that is not kept."""


@dataclass
class Places:
    """The number of a panel, and the place of each of its series."""

    panel_id: int
    of: dict[Series, int]


Known = dict[tuple[int, str], Places]


def row(known: Known, environment_id: int, rhythm: str, values: Mapping[Series, float | None]) -> tuple[int, Sequence[float | None], int]:
    """The panel's number, the values in the order of its series, and how many were left out because there are too many.

    Series that were not there before are added to the panel. ``known`` remembers panels between calls.
    """
    places = known.get((environment_id, rhythm))
    if places is None or (len(places.of) < MOST and not values.keys() <= places.of.keys()):
        places = known[environment_id, rhythm] = _extended(environment_id, rhythm, values)
    ordered: list[float | None] = [None] * len(places.of)
    left_out = 0
    for series, value in values.items():
        place = places.of.get(series)
        if place is None:
            left_out += 1
        else:
            ordered[place] = value
    return places.panel_id, ordered, left_out


@transaction.atomic
def _extended(environment_id: int, rhythm: str, values: Mapping[Series, float | None]) -> Places:
    panel, _made = Panel.objects.get_or_create(environment_id=environment_id, rhythm=rhythm)
    panel = Panel.objects.select_for_update().get(pk=panel.pk)
    there = [(name, label) for name, label in panel.series]
    new = [series for series in values if series not in set(there)][: MOST - len(there)]
    if new:
        there += new
        panel.series = [list(series) for series in there]
        panel.save(update_fields=["series"])
    return Places(panel.pk, {series: place for place, series in enumerate(there)})


def find(environment_id: int, name: str, label: str = "") -> tuple[int, int] | None:
    """The number of the panel that has a series, and the place of the series in it; None when it was never read."""
    for number, series in Panel.objects.filter(environment_id=environment_id).values_list("pk", "series"):
        if [name, label] in series:
            return number, series.index([name, label])
    return None
