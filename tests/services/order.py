"""The order of the tests when they run in parallel: the files that take longest go first, so that no process ends long after the others.

How long each test took is kept in the cache; without that, a test marked slow counts as SLOW_SECONDS.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from wellkept import home as homes

SLOW_SECONDS, OTHER_SECONDS = 20.0, 0.3
INPUT = "seconds_of_tests"


def _file() -> Path:
    return homes.cache() / "test-seconds.json"


def _kept() -> dict[str, float]:
    return dict(json.loads(_file().read_text())) if _file().exists() else {}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Every process gets the same numbers, because all must have the same order."""
    node.workerinput[INPUT] = _kept()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    given = getattr(config, "workerinput", None)
    if given is None:
        return
    seconds: Counter[Path] = Counter()
    for item in items:
        guess = SLOW_SECONDS if item.get_closest_marker("slow") else OTHER_SECONDS
        seconds[item.path] += given[INPUT].get(item.nodeid, guess)
    items.sort(key=lambda item: -seconds[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Keep what a whole run measured, and what is known of tests whose turn it was not; a part of the tests adds only what is not known."""
    took: Counter[str] = Counter()
    skipped: set[str] = set()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                took[report.nodeid] += report.duration
                skipped |= {report.nodeid} if report.skipped else set()
    measured = {name: seconds for name, seconds in took.items() if name not in skipped}
    if measured:
        known = _kept()
        of_others = {name: seconds for name, seconds in known.items() if name in skipped}
        fresh = _file().with_suffix(".new")
        fresh.write_text(json.dumps({**of_others, **measured} if _whole(config) else {**measured, **known}))
        fresh.replace(_file())


def _whole(config: pytest.Config) -> bool:
    chosen = (config.option.keyword, config.option.markexpr, config.option.maxfail, config.option.deselect, config.option.lf)
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(chosen)
