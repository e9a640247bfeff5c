"""Changes put into series: after how long they are found, what is found where nothing was changed, and the same for two simpler detectors."""

import copy
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

from bench.place import peak_rss
from bench.result import Result, percentile
from bench.series import BEGIN, EVERY, HOUR, LEARNT, MONTH, WEEK, Trace, made, read, with_drift, with_shifts
from wellkept.planning.detection import Kind, Series, observe

SEEDS = (11, 12, 13)
"""Not those on which the numbers of planning/detection.py were chosen."""
GOAL_MINUTES, GOAL_FALSE = 5.0, 1.0
MISSED_MINUTES = 240.0
THRESHOLDS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 30.0)
FALSE_POSITIVE, FALSE_NEGATIVE = 0.11, 1.0
"""Weights of the standard profile of NAB (Lavin and Ahmad 2015)."""

Change = tuple[int, int, int]


def measure(file: Path | None) -> list[Result]:
    """Delays, false alarms and scores on made series, and on real ones where their file is given."""
    results = _results("", [trace for seed in SEEDS for trace in made(seed, f"system {seed}")])
    return results + (_results("_real", read(file)) if file is not None else [])


def _results(suffix: str, traces: Sequence[Trace]) -> list[Result]:
    what = "real series" if suffix else "made series"
    rows = [_tried(trace) for trace in traces]
    shifts = [minutes for row in rows for minutes in row["shift_minutes"]]
    drifts = [row["drift_minutes"] for row in rows]
    alarms: dict[str, float] = defaultdict(float)
    for row in rows:
        alarms[row["system"]] += row["false_alarms_per_month"]
    a_system = round(sum(alarms.values()) / len(alarms), 2)
    scores = {name: round(sum(row["scores"][name] for row in rows) / len(rows), 1) for name in rows[0]["scores"]}
    spread = {f"p{percent}_minutes": percentile(shifts, percent) for percent in (50, 90, 95, 100)}
    simple = max(scores["windowed Gaussian"], scores["seasonal naive"])
    best = {"NAB-style scores": scores, "they": "the simpler ones with the threshold that suits these data best"}
    return [
        Result(
            f"detection_shift{suffix}", f"A level shift: nine in ten are found within, {what}", percentile(shifts, 90), GOAL_MINUTES, "min", [spread]
        ),
        Result(
            f"detection_drift{suffix}",
            f"A slow drift: the last is found so long after it is as large, {what}",
            max(drifts),
            GOAL_MINUTES,
            "min",
            rows,
        ),
        Result(f"detection_false{suffix}", f"False alarms of a system in a month, the mean, {what}", a_system, GOAL_FALSE, "", [dict(alarms)]),
        Result(
            f"detection_score{suffix}",
            f"Best score of a simpler detector ÷ ours, {what}",
            _ratio(simple, scores["ours"]),
            1.0,
            "",
            [best, peak_rss()],
        ),
    ]


def _ratio(simple: float, ours: float) -> float:
    return round(max(simple, 0.0) / ours, 3) if ours > 0 else 99.0


def _tried(trace: Trace) -> dict[str, Any]:
    series, began = Series(relative=trace.relative), process_time()
    _alarms(series, trace.values, 0, LEARNT)
    micros = (process_time() - began) / LEARNT * 1e6
    shifted, drifting = with_shifts(trace), with_drift(trace)
    clean, found, drift = (_alarms(copy.deepcopy(series), one.values, LEARNT, len(one.values)) for one in (trace, shifted, drifting))
    places = [at for at, kind in found if kind is Kind.SHIFT]
    first, _end, reached = drifting.changes[0]
    drifted = next((at for at, _kind in drift if at >= first), len(trace.values))
    return {
        "system": trace.system,
        "series": trace.name,
        "microseconds_a_sample": round(micros, 1),
        "false_alarms_per_month": round(len(clean) * MONTH / (len(trace.values) - LEARNT), 2),
        "shift_minutes": [_delay(places, change) for change in shifted.changes],
        "drift_minutes": round((drifted - reached) * EVERY / 60, 1),
        "scores": {"ours": score(places, shifted)} | {name: _best(judge(shifted), shifted) for name, judge in SIMPLE.items()},
    }


def _alarms(series: Series, values: Any, first: int, end: int) -> list[tuple[int, Kind]]:
    found = []
    for at, value in enumerate(values[first:end].tolist(), first):
        change = observe(series, BEGIN + at * EVERY, value)
        if change is not None:
            found.append((at, change.kind))
    return found


def _delay(places: Sequence[int], change: Change) -> float:
    first, end, _reached = change
    return next((round((at - first + 1) * EVERY / 60, 2) for at in places if first <= at < end), MISSED_MINUTES)


def score(places: Sequence[int], trace: Trace) -> float:
    """Of 100: the earlier in each change one alarm is, the better; alarms outside cost, more the farther away. 0 is what silence gets."""
    gained = 0.0
    for first, end, _reached in trace.changes:
        inside = [at for at in places if first <= at < end]
        gained += _sigmoid((inside[0] - end) / (end - first)) if inside else -FALSE_NEGATIVE
    for at in places:
        if not any(first <= at < end for first, end, _reached in trace.changes):
            before = [(at - end) / (end - first) for first, end, _reached in trace.changes if end <= at]
            gained += FALSE_POSITIVE * _sigmoid(min(before, default=99.0) + 1e-9)
    silent, perfect = -FALSE_NEGATIVE * len(trace.changes), _sigmoid(-1.0) * len(trace.changes)
    return round(100 * (gained - silent) / (perfect - silent), 1)


def _sigmoid(place: float) -> float:
    import numpy as np

    return float(2 / (1 + np.exp(5 * np.clip(place, -9, 9))) - 1)


def windowed_gaussian(trace: Trace) -> Any:
    """How many standard deviations the median of a minute is from the mean of those of the hour before it."""
    import numpy as np

    minutes = _minutes(trace)
    windows = np.lib.stride_tricks.sliding_window_view(minutes, 60)[:-1]
    deviations = np.zeros(len(minutes))
    deviations[60:] = (minutes[60:] - windows.mean(1)) / np.maximum(windows.std(1), 1e-9)
    return deviations


def seasonal_naive(trace: Trace) -> Any:
    """How many usual differences the median of a minute is from the one a week before."""
    import numpy as np

    minutes, week = _minutes(trace), WEEK * EVERY // 60
    difference = np.zeros(len(minutes))
    difference[week:] = minutes[week:] - minutes[:-week]
    return difference / (np.median(np.abs(difference[week : LEARNT * EVERY // 60])) * 1.4826)


SIMPLE = {"windowed Gaussian": windowed_gaussian, "seasonal naive": seasonal_naive}


def _minutes(trace: Trace) -> Any:
    import numpy as np

    per = 60 // EVERY
    values = np.log(trace.values) if trace.relative else trace.values
    return np.nanmedian(values[: len(values) // per * per].reshape(-1, per), axis=1)


def _best(deviations: Any, trace: Trace) -> float:
    """The score with the best threshold; what stays above it within an hour is one alarm."""
    import numpy as np

    scores = []
    for threshold in THRESHOLDS:
        places = (np.flatnonzero(deviations > threshold) + 1) * (60 // EVERY) - 1
        places = places[places >= LEARNT]
        scores.append(score(places[np.diff(places, prepend=-HOUR) >= HOUR].tolist(), trace))
    return max(scores)
