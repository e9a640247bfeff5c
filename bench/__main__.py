"""``python -m bench [NAME …] [--runs N] [--psplib FOLDER] [--history FILE] [--series FILE]``: measure, write bench.json and the table.

Ends with 1 when a goal is missed. Without names all are measured but the upgrades; ``upgrade-large`` takes most of an hour.
"""

import argparse
import signal
import sys
from pathlib import Path

from bench import place, result

COMPUTED = ("solver", "forecasts", "detection")
"""What needs no installation."""
NAMES = (*COMPUTED, "steps", "today", "figures", "backup")
LONG = ("upgrade", "upgrade-large")


def main() -> int:
    """Run the measurements that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what the goals are checked with.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"what to measure: {', '.join((*NAMES, *LONG))} (default: all but the upgrades)")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--psplib", type=Path, metavar="FOLDER", help="projects (*.sm) for the solver, in the place of made-up ones")
    parser.add_argument("--history", type=Path, help="real runs to forecast, too, as python -m bench.histories writes them")
    parser.add_argument("--series", type=Path, help="real series to detect changes in, too, see bench/series.py")
    options = parser.parse_args()
    unknown = set(options.names) - {*NAMES, *LONG}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped on the way out
    names = set(options.names) or set(NAMES)
    results = compute(names, options)
    if names - set(COMPUTED):
        results += measure(names, options.runs)
    result.write(results)
    for one in results:
        print(f"{one.name}: {one.value:g} {one.unit} (goal ≤ {one.goal:g}) {'holds' if one.holds else 'MISSED'}")
    return 0 if all(one.holds for one in results) else 1


def compute(names: set[str], options: argparse.Namespace) -> list[result.Result]:
    """The results that need no installation."""
    from bench import detection, forecasts, solver

    found: list[result.Result] = []
    if "solver" in names:
        found += solver.measure(options.runs, options.psplib)
    if "forecasts" in names:
        found += forecasts.measure(options.history)
    if "detection" in names:
        found += detection.measure(options.series)
    return found


def measure(names: set[str], runs: int) -> list[result.Result]:
    """All results of what needs an installation, in the order of NAMES."""
    found: list[result.Result] = []
    with place.installation() as home:
        from bench import backup, figures, steps, today, upgrade
        from wellkept.estate.models import Organisation

        if "steps" in names:
            found += steps.measure(home, runs)
        if "today" in names:
            found += today.measure(home)
        organisation = Organisation.objects.create(slug="bench", name="Bench")
        if "upgrade" in names:
            found += upgrade.measure(home, place.company(organisation, "small"), "small")
        if names & {"figures", "backup", "upgrade-large"}:
            environment = place.company(organisation, "large")
            if "figures" in names:
                found += figures.measure(environment, runs)
            if "backup" in names:
                found += backup.measure(home, environment, runs)
            if "upgrade-large" in names:
                found += upgrade.measure(home, environment, "large")
        found += upgrade.spread(found)
    return found


if __name__ == "__main__":
    sys.exit(main())
