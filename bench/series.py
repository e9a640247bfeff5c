"""Measured series to detect changes in: made ones with a weekly pattern and heavy tails, real ones from a file, and changes put into both."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

EVERY = 10
WEEK, DAY, HOUR = 604800 // EVERY, 86400 // EVERY, 3600 // EVERY
LEARNT = 4 * WEEK
MONTH = 30 * DAY
BEGIN = 1_767_571_200
"""Monday, 5 January 2026, 0:00 UTC."""
SHIFT_LASTS, SHIFT_EVERY = 4 * HOUR, 3 * DAY
SHIFT = 0.5
"""A shift: half as much again for what varies by factors, else half of what the series rarely exceeds (95 %)."""


@dataclass(frozen=True)
class Trace:
    """A series of a system: one value each ten seconds from a Monday at 0:00, and the changes in it as (first, end, reached) positions."""

    system: str
    name: str
    relative: bool
    values: Any
    changes: Sequence[tuple[int, int, int]] = ()


def made(seed: int, system: str) -> list[Trace]:
    """Eight weeks of eight series of one system.

    They follow its working hours (each day at its own strength, 8 %, each hour at its own, 6 %) and a nightly job of twenty minutes. Noise: AR(1)
    over a minute, and for each sample Student's t with three degrees of freedom; once in three hours a minute of outliers of six times the level.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    count = LEARNT + MONTH
    hours = np.arange(count) * EVERY / 3600
    of_day, weekday = hours % 24, (hours // 24 % 7).astype(int)
    at_work = 1 / (1 + np.exp(-(of_day - 8) * 3)) - 1 / (1 + np.exp(-(of_day - 17.5) * 2))
    strength = np.array([1.0, 1.1, 1.05, 1.0, 0.9, 0.1, 0.05])[weekday]
    of_days = np.exp(random.normal(0, 0.08, count // DAY + 1))[np.arange(count) // DAY]
    found = []
    for number in range(8):
        of_hours = np.exp(random.normal(0, 0.06, count // HOUR + 2))
        uneven = np.interp(hours, np.arange(len(of_hours)), of_hours)
        use = at_work * strength * of_days * uneven
        relative = number < 4
        rest, busy = random.uniform(20, 80), random.uniform(0.5, 2.0)
        level = rest * (1 + busy * use)
        level = level + rest * random.uniform(0, 0.8) * ((of_day >= 2) & (of_day < 2.33))
        noise = _wander(random, count, EVERY / 60) * random.uniform(0.03, 0.08) + random.standard_t(3, count) * random.uniform(0.03, 0.10)
        values = level * np.exp(np.clip(noise, -2, 3)) if relative else np.maximum(level + rest * noise, 0)
        for first in random.integers(0, count - 6, count // (3 * HOUR)):
            hit = random.random(6) < 0.5
            values[first : first + 6][hit] *= 6
        found.append(Trace(system, f"made {number}", relative, values))
    return found


def read(path: Path) -> list[Trace]:
    """From JSON: a list of ``{"system", "name", "relative", "values"}``, a value each ten seconds from a Monday at 0:00 UTC, null for none.

    Raises ValueError for series under six weeks.
    """
    import numpy as np

    rows = json.loads(path.read_text())
    found = [Trace(row["system"], row["name"], row["relative"], np.array(row["values"], dtype=float)) for row in rows]
    short = [trace.name for trace in found if len(trace.values) < LEARNT + 2 * WEEK]
    if short:
        raise ValueError(f"six weeks are needed; too short: {', '.join(short)}")
    return found


def with_shifts(trace: Trace) -> Trace:
    """After what is learnt from: four hours higher, each three days at another time of day."""
    values, changes = trace.values.copy(), []
    for number, day in enumerate(range(LEARNT + DAY, len(values) - SHIFT_EVERY, SHIFT_EVERY)):
        first = day + (number * 7 % 20) * HOUR + number * 41
        changes.append((first, first + SHIFT_LASTS, first))
    size = _size(trace)
    for first, end, _reached in changes:
        values[first:end] = values[first:end] * (1 + SHIFT) if trace.relative else values[first:end] + size
    return replace(trace, values=values, changes=changes)


def with_drift(trace: Trace) -> Trace:
    """From the second week after what is learnt from: ten days up to the size of a shift, and there it stays."""
    import numpy as np

    first, reached = LEARNT + WEEK, LEARNT + WEEK + 10 * DAY
    reached = min(reached, len(trace.values) - DAY)
    part = np.clip((np.arange(len(trace.values)) - first) / (reached - first), 0, 1)
    values = trace.values * (1 + SHIFT * part) if trace.relative else trace.values + _size(trace) * part
    return replace(trace, values=values, changes=[(first, len(values), reached)])


def _size(trace: Trace) -> float:
    import numpy as np

    return float(np.nanpercentile(trace.values[:LEARNT], 95) * SHIFT)


def _wander(random: Any, count: int, rate: float) -> Any:
    """AR(1) of variance 1: as a sum of the past 40 shocks, which is all but 0.1 %."""
    import numpy as np

    kept = np.exp(-rate)
    weights = kept ** np.arange(40) * np.sqrt(1 - kept**2)
    return np.convolve(random.standard_normal(count + 39), weights, mode="valid")
