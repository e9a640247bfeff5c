"""What was read last, as OpenMetrics text (version 1.0), for Prometheus and what reads the same."""

import re
from collections.abc import Iterable, Iterator

from wellkept.estate.models import Environment
from wellkept.monitoring import queries

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PREFIX = "wellkept_"
ONE_BY_ONE = re.compile(r"postgres_table_")
"""Series of single tables: thousands for a fleet, so they are asked for by name."""


def text(environments: Iterable[Environment], *, tables: bool = False) -> str:
    """The newest value of every series of these environments (with their systems and organisations), grouped by name as the format wants it."""
    rows = {one.pk: one for one in environments}
    by_name: dict[str, list[str]] = {}
    for number, now in queries.now(rows).items():
        if now.at is None:
            continue
        where = _labels(rows[number])
        for (name, label), value in now.values.items():
            if tables or not ONE_BY_ONE.match(name):
                part = f',part="{escaped(label)}"' if label else ""
                by_name.setdefault(PREFIX + name, []).append(f"{{{where}{part}}} {value!r} {now.at.timestamp():.3f}")
    return "".join(_lines(by_name))


def escaped(label: str) -> str:
    """A label's value between quotes."""
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _labels(environment: Environment) -> str:
    system = environment.system
    return f'organisation="{escaped(system.organisation.slug)}",system="{escaped(system.name)}",environment="{escaped(environment.kind)}"'


def _lines(by_name: dict[str, list[str]]) -> Iterator[str]:
    for name, values in sorted(by_name.items()):
        yield f"# TYPE {name} gauge\n"
        for value in values:
            yield f"{name}{value}\n"
    yield "# EOF\n"
