"""What went wrong in a Tryton, by the output of the processes that we started: the last line of each traceback, numbers and values left out."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wellkept.adapters.base import Site
from wellkept.adapters.tryton import server

MOST_BYTES = 20 << 20
LONGEST = 300
TRACEBACK = "Traceback (most recent call last):"
CHANGING = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")


def errors(site: Site) -> Mapping[str, int]:
    """Each error with how often it is there, in the last 20 MB of each process's output; none for a Tryton that somebody else starts."""
    found: Counter[str] = Counter()
    if site.state is not None and site.commands is None:
        for role in server.ROLES:
            found.update(CHANGING.sub("…", text)[:LONGEST] for text in _ends(_tail(site.state / f"{role}.log")))
    return dict(found)


def _tail(path: Path) -> Sequence[str]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MOST_BYTES))
        return file.read().decode(errors="replace").splitlines()


def _ends(lines: Sequence[str]) -> Iterator[str]:
    """The line that ends each traceback: the first after its heading that is not indented and not empty."""
    inside = False
    for line in lines:
        if line.startswith(TRACEBACK):
            inside = True
        elif inside and line.strip() and not line.startswith((" ", "\t")):
            inside = False
            yield line.strip()
