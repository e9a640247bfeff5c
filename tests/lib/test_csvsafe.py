import csv
import io

import pytest

from wellkept.lib import csvsafe


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1+2", "@SUM(A1)", "\tx", "\rx", "\nx", "  =cmd|' /C calc'!A0", "＝1", "＋1", "－1", "＠x", "\u00a0=1"]
)
def test_what_a_spreadsheet_could_run_becomes_text(text: str) -> None:
    assert csvsafe.cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "a=b", "1-2", "漢字", "'already"])
def test_other_text_stays(text: str) -> None:
    assert csvsafe.cell(text) == text


@pytest.mark.parametrize(("value", "cell"), [(None, ""), (-5, -5), (-1.5, -1.5), (True, True)])
def test_numbers_stay_numbers(value: object, cell: object) -> None:
    assert csvsafe.cell(value) == cell


def test_a_negative_amount_that_is_text_is_not_run() -> None:
    out = io.StringIO()
    csv.writer(out).writerow([csvsafe.cell("-12,430.00"), csvsafe.cell('=HYPERLINK("http://evil","x")')])
    assert next(csv.reader(io.StringIO(out.getvalue()))) == ["'-12,430.00", '\'=HYPERLINK("http://evil","x")']
