"""What a measurement says, and where it is written."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
JSON = ROOT / "bench.json"
PAGE = ROOT / "docs" / "reference" / "performance.md"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


@dataclass(frozen=True)
class Result:
    """One measurement: its ``value`` in ``unit``, the ``goal`` it must not exceed, what it means, and every single run with its details."""

    name: str
    title: str
    value: float
    goal: float
    unit: str
    runs: Sequence[dict[str, Any]]

    @property
    def holds(self) -> bool:
        return self.value <= self.goal

    def plain(self) -> dict[str, Any]:
        return {"value": self.value, "goal": self.goal, "holds": self.holds, "unit": self.unit, "title": self.title, "runs": list(self.runs)}


def median(values: Sequence[float]) -> float:
    """The median, rounded to what a clock can tell."""
    return round(statistics.median(values), 4)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that ``percent`` of all do not exceed."""
    ranked = sorted(values)
    return round(ranked[max(0, -(-len(ranked) * percent // 100) - 1)], 4)


def write(results: Sequence[Result]) -> None:
    """Write bench.json, with what earlier calls measured and this one did not, and the table of the page."""
    known = json.loads(JSON.read_text()) if JSON.exists() else {}
    known |= {result.name: result.plain() for result in results}
    JSON.write_text(json.dumps(known, indent=1) + "\n")
    page = PAGE.read_text()
    before, _begin, rest = page.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{_table(known)}\n{END}{after}")


def _table(known: dict[str, Any]) -> str:
    lines = ["| measured | value | goal | holds |", "|---|---|---|---|"]
    for name, result in known.items():
        unit = f" {result['unit']}" if result["unit"] else ""
        holds = "yes" if result["holds"] else "**no**"
        lines.append(f"| {result['title']} (`{name}`) | {result['value']:g}{unit} | ≤ {result['goal']:g}{unit} | {holds} |")
    load = os.getloadavg()[0]
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}, {platform.system()}, load {load:.1f} at the end"
    return "\n".join([*lines, "", f"Written on {datetime.now(UTC):%Y-%m-%d} on a machine with {machine}."])
