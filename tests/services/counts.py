"""What tests that enumerate have counted, printed at the end of the test run (also when tests run in parallel)."""

from collections.abc import Callable

import pytest

PROPERTY = "count"


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Call it with a line that is to appear at the end of the test run."""
    return lambda line: record_property(PROPERTY, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    lines = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    if lines:
        terminalreporter.section("counts")
        for line in lines:
            terminalreporter.write_line(line)
