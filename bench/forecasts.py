"""Ways to forecast how long runs take, beside each other on the same history: what each costs, and how often its p90 held.

Each forecast sees what was known when its run began: the runs before it and the drivers that can be read before.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil, exp, log
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any
from zoneinfo import ZoneInfo

from bench.histories import Done, drifting, read
from bench.place import peak_rss
from bench.result import Result
from wellkept.planning.calibration import Outcome, by_month, loss
from wellkept.planning.durations import NEWEST, Kin, PastRun, expected
from wellkept.planning.forecast import Forecast, early, quantile

SEEDS = (1, 2, 3)
GOAL_LOSS, GOAL_OFF = 0.85, 0.05
LEAST_MONTH, LEAST_BOOSTED = 50, 500
"""In a month of fewer runs a share of nine in ten says too little; from a history of fewer runs nothing is trained."""
UTC = ZoneInfo("UTC")

Way = Callable[[Done, Sequence[Done], Sequence[Done]], Forecast | None]
"""Forecasts a run from the past ones of its system and operation, and from all past ones of its operation."""


def measure(history: Path | None) -> list[Result]:
    """The chosen way against plain quantiles on made histories that drift, and on a real one where its file is given."""
    made = {f"drifting {seed}": compared(drifting(seed)) for seed in SEEDS}
    results = [_loss("forecast_loss", "drifting histories", made), _coverage("forecast_p90", "drifting histories", made)]
    if history is not None:
        real = {history.name: compared(read(history))}
        results += [_loss("forecast_loss_real", "a real history", real), _coverage("forecast_p90_real", "a real history", real)]
    return results


def compared(history: Sequence[Done]) -> dict[str, dict[str, Any]]:
    """For each way: its loss (each run's seconds divided by the mean of its system and operation) and its coverage by month."""
    mean = {key: fmean(done.whole for done in runs) for key, runs in _grouped(history).items()}
    ways: dict[str, Way] = {"replayed": replayed, "plain quantiles": plain, "plain mean": mean_and_deviation}
    if len(history) >= LEAST_BOOSTED:
        ways["boosted, conformal"] = Boosted()
    judged: dict[str, list[Outcome]] = {name: [] for name in ways}
    past: dict[tuple[str, str], list[Done]] = defaultdict(list)
    relatives: dict[str, list[Done]] = defaultdict(list)
    for done in history:
        own, wide = past[done.system, done.operation], relatives[done.operation]
        found = {name: way(done, own, wide) for name, way in ways.items()}
        scale = mean[done.system, done.operation]
        for name, one in found.items():
            if one is not None and all(found.values()):
                judged[name].append(Outcome(done.at, Forecast(one.p50 / scale, one.p90 / scale), done.whole / scale))
        own.append(done)
        wide.append(done)
    return {name: _judged(outcomes) for name, outcomes in judged.items()}


def replayed(done: Done, own: Sequence[Done], wide: Sequence[Done]) -> Forecast | None:
    """What planning does."""
    others = [one for one in wide if one.system != done.system][-NEWEST:] if len(own) < 5 else []
    past = [*(_past(one, done, Kin.OWN) for one in own[-NEWEST:]), *(_past(one, done, Kin.OTHER) for one in others)]
    found = expected(done.work, past)
    return found.whole if found else None


def plain(_done: Done, own: Sequence[Done], _wide: Sequence[Done]) -> Forecast | None:
    """Empirical quantiles of the newest 30 runs of the same system."""
    return early([one.whole for one in own[-30:]]) if own else None


def mean_and_deviation(_done: Done, own: Sequence[Done], _wide: Sequence[Done]) -> Forecast | None:
    """The mean of the newest 30, and 1.28 standard deviations more."""
    newest = [one.whole for one in own[-30:]]
    return Forecast(fmean(newest), fmean(newest) + 1.2816 * pstdev(newest)) if newest else None


class Boosted:
    """LightGBM quantiles of seconds ÷ the median of the last five, over all systems, trained anew every 30 days.

    Its p90 is moved by what nine in ten of the newest quarter, kept back from training, needed (split conformal correction, Romano et al. 2019).
    """

    def __init__(self) -> None:
        self.trained: dict[str, tuple[Any, Any, float, Any]] = {}
        self.rows: dict[str, list[tuple[list[float], float]]] = defaultdict(list)

    def __call__(self, done: Done, own: Sequence[Done], wide: Sequence[Done]) -> Forecast | None:
        import numpy as np

        if not own:
            return None
        row, middle = self._row(done, own, wide), median(log(one.whole) for one in own[-5:])
        rows = self.rows[done.operation]
        at = self.trained[done.operation][3] if done.operation in self.trained else None
        if len(rows) >= 60 and (at is None or done.at - at >= timedelta(days=30)):
            self.trained[done.operation] = (*_train(rows), done.at)
        rows.append((row, log(done.whole) - middle))
        if done.operation not in self.trained:
            return None
        half, nine, more, _at = self.trained[done.operation]
        one = np.array([row])
        return Forecast(exp(middle + half.predict(one)[0]), exp(middle + nine.predict(one)[0] + more))

    @staticmethod
    def _row(done: Done, own: Sequence[Done], wide: Sequence[Done]) -> list[float]:
        last = own[-1].work
        ratios = [
            log(value / last.steps[step][name])
            for step, drivers in done.work.steps.items()
            for name, value in drivers.items()
            if name in last.steps.get(step, {})
        ]
        fresh = float(done.work.release != last.release)
        faster = log(done.work.speed / own[-5:][0].work.speed)
        newest = log(own[-1].whole) - median(log(one.whole) for one in own[-5:])
        age = (done.at - wide[0].at).total_seconds() / 86400
        return [fmean(ratios) if ratios else 0.0, faster, fresh, float(len(done.work.steps)), newest, float(min(len(own), 30)), age]


def _train(rows: list[tuple[list[float], float]]) -> tuple[Any, Any, float]:
    import lightgbm
    import numpy as np

    cut = len(rows) * 3 // 4
    inputs, outputs = np.array([row for row, _y in rows]), np.array([y for _row, y in rows])
    settings = {"objective": "quantile", "num_threads": 1, "verbosity": -1, "seed": 1, "deterministic": True, "num_leaves": 15, "learning_rate": 0.05}
    models = [
        lightgbm.train(settings | {"alpha": alpha, "min_data_in_leaf": 15}, lightgbm.Dataset(inputs[:cut], outputs[:cut]), 150)
        for alpha in (0.5, 0.9)
    ]
    short = sorted(outputs[cut:] - models[1].predict(inputs[cut:]))
    return models[0], models[1], float(quantile(short, min(1.0, ceil(0.9 * (len(short) + 1)) / len(short))))


def _past(one: Done, now: Done, kin: Kin) -> PastRun:
    return PastRun(one.work, one.seconds, (now.at - one.at).total_seconds() / 86400, kin)


def _grouped(history: Sequence[Done]) -> dict[tuple[str, str], list[Done]]:
    groups: dict[tuple[str, str], list[Done]] = defaultdict(list)
    for done in history:
        groups[done.system, done.operation].append(done)
    return groups


def _judged(outcomes: list[Outcome]) -> dict[str, Any]:
    inside = sum(one.inside for one in outcomes) / len(outcomes) if outcomes else 0.0
    months = {f"{month.first:%Y-%m}": round(month.share, 3) for month in by_month(outcomes, UTC) if month.runs >= LEAST_MONTH}
    return {"runs": len(outcomes), "loss": round(loss(outcomes), 5), "inside_p90": round(inside, 3), "months": months or {"all": round(inside, 3)}}


def _loss(name: str, what: str, histories: dict[str, dict[str, Any]]) -> Result:
    ratios = [ways["replayed"]["loss"] / ways["plain quantiles"]["loss"] for ways in histories.values()]
    return Result(name, f"Durations: pinball loss ÷ that of plain quantiles, {what}", round(max(ratios), 3), GOAL_LOSS, "", [histories, peak_rss()])


def _coverage(name: str, what: str, histories: dict[str, dict[str, Any]]) -> Result:
    off = [abs(share - 0.9) for ways in histories.values() for share in ways["replayed"]["months"].values()]
    months = [{"history": key, **ways["replayed"]["months"]} for key, ways in histories.items()]
    value = round(max(off, default=1.0), 3)
    return Result(name, f"Durations: runs inside their p90, the month farthest from 90 %, {what}", value, GOAL_OFF, "", months)
