import random
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellkept.planning.durations import FEW, Kin, PastRun, Work, expected

SIX = ("stop", "dump", "store", "check", "start", "look")
seconds = st.floats(min_value=0.01, max_value=1e5)


def ran(days: float, *, speed: float = 1.0, release: str = "7.0", kin: Kin = Kin.OWN, bytes_: float = 1e9, **steps: float) -> PastRun:
    return PastRun(Work({name: {"bytes": bytes_} for name in steps}, speed, release), steps, days, kin)


def coming(*steps: str, bytes_: float = 1e9, speed: float = 1.0, release: str = "7.0") -> Work:
    return Work({step: {"bytes": bytes_} for step in steps}, speed, release)


def noisy(count: int, seed: int, *, kin: Kin = Kin.OWN, whole: float = 0.0) -> list[PastRun]:
    """Runs of six steps of 100 s, lognormal 20 % each; with ``whole`` all are slow together."""
    draw = random.Random(seed)
    runs = []
    for day in range(count):
        shock = exp(draw.gauss(0, whole))
        runs.append(ran(day, kin=kin, **{step: 100 * shock * exp(draw.gauss(0, 0.2)) for step in SIX}))
    return runs


def test_nothing_is_said_of_a_step_that_nobody_ever_did() -> None:
    assert expected(coming("dump", "store"), [ran(1, dump=5.0)]) is None
    assert expected(coming("dump"), []) is None
    assert expected(coming(), [ran(1, dump=5.0)]) is None


def test_twice_the_bytes_take_twice_as_long_until_history_says_otherwise() -> None:
    same = [ran(day, dump=100.0) for day in range(5)]
    found = expected(coming("dump", bytes_=2e9), same)
    assert found is not None
    assert found.whole.p50 == pytest.approx(200, rel=0.02)
    root = [ran(20 - day, dump=100.0 * (1 + day / 10) ** 0.5, bytes_=1e9 * (1 + day / 10)) for day in range(20)]
    found = expected(coming("dump", bytes_=4e9), root)
    assert found is not None
    assert found.whole.p50 == pytest.approx(200, rel=0.05)


def test_a_host_twice_as_fast_halves_it_and_a_rehearsal_on_a_slow_copy_says_it_of_the_fast_one() -> None:
    found = expected(coming("migrate", speed=2.0), [ran(1, migrate=600.0, kin=Kin.COPY)])
    assert found is not None
    assert found.whole.p50 == pytest.approx(300, rel=0.05)
    assert found.whole.p90 > 1.5 * found.whole.p50


def test_the_step_that_explains_by_the_better_driver() -> None:
    draw = random.Random(5)
    past = []
    for day in range(30):
        rows, files = exp(draw.gauss(10, 0.5)), exp(draw.gauss(5, 0.5))
        past.append(PastRun(Work({"load": {"files": files, "rows": rows}}), {"load": rows / 1000}, day))
    found = expected(Work({"load": {"files": exp(5), "rows": 1e5}}), past)
    assert found is not None
    assert found.whole.p50 == pytest.approx(100, rel=0.1)


def test_the_band_is_wide_under_five_runs_and_narrows() -> None:
    widths = []
    for count in (1, 4, 30):
        found = expected(coming(*SIX), noisy(count, 1))
        assert found is not None
        widths.append(found.whole.p90 / found.whole.p50)
    assert widths[0] > 1.4
    assert widths[0] > widths[1] > widths[2] > 1.0


def test_steps_that_are_slow_together_make_the_sum_wider_than_steps_that_are_slow_alone() -> None:
    alone, together = (expected(coming(*SIX), noisy(40, 2, whole=whole)) for whole in (0.0, 0.4))
    assert alone is not None
    assert together is not None
    assert alone.whole.p90 < 0.95 * sum(step.p90 for step in alone.steps.values())
    assert together.whole.p90 / together.whole.p50 > 1.25 * alone.whole.p90 / alone.whole.p50


def test_relatives_help_only_until_there_are_enough_runs_of_ones_own() -> None:
    others = [ran(day, dump=1000.0, kin=Kin.OTHER) for day in range(30)]
    alone = [ran(day, dump=100.0) for day in range(FEW)]
    assert expected(coming("dump"), [*alone, *others]) == expected(coming("dump"), alone)
    first = expected(coming("dump"), others)
    assert first is not None
    assert first.whole.p50 == pytest.approx(1000, rel=0.05)
    assert first.whole.p90 > 2 * first.whole.p50
    second = expected(coming("dump"), [alone[0], *others])
    assert second is not None
    assert second.whole.p50 < 200


def test_a_change_of_the_release_makes_old_runs_weigh_less() -> None:
    old = [ran(day + 10, dump=100.0, release="7.0") for day in range(20)]
    new = [ran(day, dump=200.0, release="8.0") for day in range(8)]
    found = expected(coming("dump", release="8.0"), [*old, *new])
    assert found is not None
    assert found.whole.p50 == pytest.approx(200, rel=0.05)


def test_a_step_that_is_new_is_drawn_into_the_runs_that_lacked_it() -> None:
    old = [ran(day + 2, dump=100.0) for day in range(10)]
    found = expected(coming("dump", "verify"), [ran(0, dump=100.0, verify=30.0), ran(1, dump=100.0, verify=50.0), *old])
    assert found is not None
    assert 125 <= found.whole.p50 <= 155
    assert found == expected(coming("dump", "verify"), [ran(0, dump=100.0, verify=30.0), ran(1, dump=100.0, verify=50.0), *old])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(seconds, st.floats(min_value=0, max_value=400), st.floats(min_value=1, max_value=1e12)), min_size=1, max_size=12))
def test_it_scales_with_the_unit_and_its_quantiles_are_in_order(rows: list[tuple[float, float, float]]) -> None:
    past = [ran(days, dump=spent, bytes_=size) for spent, days, size in rows]
    found = expected(coming("dump"), past)
    twice = expected(coming("dump"), [ran(days, dump=2 * spent, bytes_=size) for spent, days, size in rows])
    assert found is not None
    assert twice is not None
    assert 0 < found.whole.p50 <= found.whole.p90
    assert twice.whole.p90 == pytest.approx(2 * found.whole.p90, rel=1e-6)
    assert 0 < found.evidence <= len(rows)


@settings(max_examples=10, deadline=None)
@given(st.permutations(noisy(6, 3)))
def test_the_order_of_the_past_says_nothing(past: list[PastRun]) -> None:
    assert expected(coming(*SIX), past) == expected(coming(*SIX), noisy(6, 3))
