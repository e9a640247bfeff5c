"""All business figures of the large company."""

import time
from typing import Any

from bench.place import peak_rss
from bench.result import Result, median
from wellkept.tools import postgres

GOAL_SECONDS = 5.0


def measure(environment: Any, runs: int) -> list[Result]:
    """Read every figure in a snapshot, as a backup does."""
    from wellkept.estate import connect

    site = connect.site(environment)
    storage = connect.ability(environment, "storage").storage(site)
    details = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        with postgres.snapshot(site.server, site.database) as (connection, _id):
            read = connect.ability(environment, "figures").read(connection, storage.files, site.database, layout=storage.layout)
        details.append({"seconds": round(time.perf_counter() - began, 3), "figures": len(read), "rows": sum(len(figure.values) for figure in read)})
    details = details[1:]
    value = median([detail["seconds"] for detail in details])
    return [Result("figures", "All figures of the large company", value, GOAL_SECONDS, "s", [*details, peak_rss()])]
