import json
from pathlib import Path

import numpy as np
import pytest

from bench.series import LEARNT, SHIFT, WEEK, Trace, read, with_drift, with_shifts

FLAT = Trace("one", "a series", relative=True, values=np.ones(LEARNT + 2 * WEEK))


def test_shifts_are_put_in_after_what_is_learnt_from_and_nowhere_else() -> None:
    shifted = with_shifts(FLAT)
    inside = np.zeros(len(FLAT.values), dtype=bool)
    for first, end, _reached in shifted.changes:
        assert first >= LEARNT
        inside[first:end] = True
    assert len(shifted.changes) >= 3
    assert np.allclose(shifted.values[inside], 1 + SHIFT)
    assert np.all(shifted.values[~inside] == 1)
    assert np.all(FLAT.values == 1)


def test_a_drift_reaches_the_size_of_a_shift_where_it_says() -> None:
    drifting = with_drift(FLAT)
    ((first, end, reached),) = drifting.changes
    assert np.all(drifting.values[: first + 1] == 1)
    assert drifting.values[reached - 1] < 1 + SHIFT
    assert np.allclose(drifting.values[reached:end], 1 + SHIFT)


def test_a_real_series_is_read_with_its_holes_and_a_short_one_is_refused(tmp_path: Path) -> None:
    row = {"system": "one", "name": "a series", "relative": False, "values": [None, *[2.0] * (LEARNT + 2 * WEEK)]}
    file = tmp_path / "series.json"
    file.write_text(json.dumps([row]))
    (trace,) = read(file)
    assert np.isnan(trace.values[0])
    assert np.all(trace.values[1:] == 2)
    file.write_text(json.dumps([row | {"values": [1.0] * WEEK}]))
    with pytest.raises(ValueError, match=r"six weeks.*a series"):
        read(file)
