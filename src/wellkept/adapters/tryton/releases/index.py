"""Which series of Tryton there are, until when they are maintained, and which jumps between them are allowed."""

import datetime as dt
import json
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from wellkept.adapters.base import Invalid, Release, Unreachable, Unsupported
from wellkept.adapters.tryton import manifest
from wellkept.lib.text import gettext_noop
from wellkept.tools import command

INDEX_SECONDS = 120.0
PIP_SETTINGS = re.compile(r"PIP_.*|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(HTTP|HTTPS|ALL|NO)_PROXY", re.IGNORECASE)
UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
SERIES = re.compile(r"\d+\.\d*[02468]")
VERSIONS = re.compile(r"^Available versions: (.+)$", re.MULTILINE)
UNREACHED = re.compile(r"NewConnectionError|ConnectTimeout|ReadTimeout|MaxRetryError|ProxyError|SSLError|Could not fetch URL|connection broken")
ASK = """
import contextlib, io, json, re, runpy, sys
unreached, *packages = sys.argv[1:]
for package in packages:
    sys.argv = ["pip", "index", "--no-input", "--retries", "1", "--no-color", "versions", package]
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module("pip", run_name="__main__", alter_sys=True)
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 1
    print(json.dumps([package, code, out.getvalue(), err.getvalue()]), flush=True)
    if code and re.search(unreached, err.getvalue()):
        break
"""
RELEASED = {
    "6.0": dt.date(2021, 5, 3),
    "6.2": dt.date(2021, 11, 1),
    "6.4": dt.date(2022, 5, 2),
    "6.6": dt.date(2022, 10, 31),
    "6.8": dt.date(2023, 5, 1),
    "7.0": dt.date(2023, 10, 30),
    "7.2": dt.date(2024, 4, 29),
    "7.4": dt.date(2024, 11, 4),
    "7.6": dt.date(2025, 4, 28),
    "7.8": dt.date(2025, 12, 15),
    "8.0": dt.date(2026, 4, 20),
    "8.2": dt.date(2026, 10, 5),
}
"""When the first version of each series came into the package index: the index's client does not tell dates."""
LONG_TERM_YEARS = 5
YEARS = 1
MOST_LONG_TERM = 2


def available(*, cache: Path) -> Sequence[Release]:
    """Every series in the package index from 6.0 on, oldest first, each with its newest version.

    The maintenance ends follow Tryton's published rule: a series comes every six months and is maintained for at least one year, a series
    ending in ``.0`` for at least five. Asked through pip, the index's ordinary client, with the administrator's own settings. Raises
    Unreachable when the index does not answer.
    """
    newest: dict[str, tuple[int, ...]] = {}
    for version in versions([manifest.DISTRIBUTION], cache=cache)[manifest.DISTRIBUTION]:
        series = ".".join(version.split(".")[:2])
        if SERIES.fullmatch(series) and _key(series) >= (6, 0):
            newest[series] = max(newest.get(series, ()), _key(version))
    return [_release(series, ".".join(map(str, newest[series]))) for series in sorted(newest, key=_key)]


def versions(packages: Sequence[str], *, cache: Path) -> Mapping[str, Sequence[str]]:
    """The released versions of packages in the index; none of one that it does not have. Raises Unreachable.

    All are asked for by one process of pip: starting it anew takes a second of a processor, an answer a quarter of that.
    """
    if not packages:
        return {}
    settings = {name: value for name, value in os.environ.items() if PIP_SETTINGS.fullmatch(name)}
    for name in UV_INDEXES:
        if name in os.environ:
            settings.setdefault("PIP_INDEX_URL", os.environ[name])
    settings |= {"PIP_CACHE_DIR": str(cache / "pip"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    asking = f"{packages[0]} and {len(packages) - 1} more" if len(packages) > 1 else packages[0]
    try:
        done = command.run([sys.executable, "-c", ASK, UNREACHED.pattern, *packages], env=settings, timeout=INDEX_SECONDS)
    except command.CommandTimeout as error:
        text = gettext_noop("the package index has not told the versions of {packages} within {seconds} s")
        raise Unreachable(text, packages=asking, seconds=round(INDEX_SECONDS)) from error
    except command.CommandError as error:
        raise Unreachable(f"the package index could not be asked for {asking}: {error}") from error
    return {package: _listed(package, *told) for package, *told in map(json.loads, done.stdout.splitlines())}


def _listed(package: str, code: int, said: str, complained: str) -> Sequence[str]:
    """The versions in what pip said of a package."""
    listed = VERSIONS.search(said)
    if listed is not None:
        return [version for version in listed.group(1).split(", ") if re.fullmatch(r"[\d.]+", version)]
    if code != 0 and (UNREACHED.search(complained) or "No matching distribution found" not in complained):
        last = next((line for line in reversed(complained.splitlines()) if UNREACHED.search(line)), complained.strip()[-200:])
        raise Unreachable(f"the package index does not answer, so the versions of {package} are not known: {last[-200:]}")
    return []


def path(current: str, target: str, known: Collection[str]) -> Sequence[str]:
    """The series to go through, the target last: one jump where Tryton allows it.

    ``known`` are the series that exist. Raises Unsupported, naming the legal path, for a downgrade, an unknown series, and for a jump over
    more than two series ending in ``.0``.
    """
    for series in (current, target):
        if not SERIES.fullmatch(series):
            raise Invalid(f"{series} is not a series of Tryton; a series looks like 7.0")
    ordered = sorted({*known, current}, key=_key)
    if target not in ordered:
        later = [series for series in ordered if _key(series) > _key(current)]
        raise Unsupported(f"there is no series {target}; from {current} it goes to {', '.join(later) or 'nothing newer yet'}")
    if _key(target) < _key(current):
        raise Unsupported(f"{target} is older than {current}: Tryton has no way back; restore a backup from before instead")
    if target == current:
        raise Unsupported(f"{current} is installed already; a newer version of the same series needs no migration")
    skipped = [f"{major}.0" for major in range(_key(current)[0] + 1, _key(target)[0] + 1) if f"{major}.0" != target]
    if len(skipped) > MOST_LONG_TERM:
        legal = [*skipped[MOST_LONG_TERM :: MOST_LONG_TERM + 1], target]
        raise Unsupported(
            f"from {current} to {target} skips {len(skipped)} series ending in .0 ({', '.join(skipped)}), and Tryton allows {MOST_LONG_TERM}; "
            f"the legal path is {' → '.join([current, *legal])}"
        )
    return [target]


def _release(series: str, newest: str) -> Release:
    long_term = series.endswith(".0")
    released = RELEASED.get(series)
    end = _years_later(released, LONG_TERM_YEARS if long_term else YEARS) if released is not None else None
    return Release(series, newest, released, end, long_term)


def _years_later(day: dt.date, years: int) -> dt.date:
    return (day - dt.timedelta(days=1 if (day.month, day.day) == (2, 29) else 0)).replace(year=day.year + years)


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
