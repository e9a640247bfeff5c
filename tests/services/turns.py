"""Which of many alike cases are tried, and which long journeys made: one of each group in turn, all of them with ``WELLKEPT_CHAOS_FULL=1``.

The turn comes from a seed that all processes of a run share and that failures tell; ``WELLKEPT_CHAOS_SEED`` repeats it.
"""

import os
import random
from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")
FULL = os.environ.get("WELLKEPT_CHAOS_FULL") == "1"
SEED = int(os.environ.setdefault("WELLKEPT_CHAOS_SEED", str(random.SystemRandom().randrange(10**6))))


def in_turn(groups: Sequence[Sequence[T]]) -> list[T]:
    """One case of each group, or all."""
    # The remainder by four says which journey is made (turn): in time each case meets each journey.
    return [case for alike in groups for case in (alike if FULL else [alike[SEED // 4 % len(alike)]])]


def turn(one: int, of: int) -> pytest.MarkDecorator:
    """For a test of a minute or more whose steps others try, too: it is made in one of so many runs, whose turns take about as long as each other."""
    return pytest.mark.skipif(not FULL and SEED % of != one, reason=f"in turn: one of {of} runs makes it")


def pytest_report_header() -> str:
    """The seed, at the head of the run."""
    return f"cases in turn: {'all' if FULL else f'WELLKEPT_CHAOS_SEED={SEED}'}"
