"""The strip of one system: when what happened, in percent of its width, for a drawing in plain SVG."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from wellkept.web import words

LANES = ("backup", "drill", "run")
MARGIN = 1.5


@dataclass(frozen=True)
class Moment:
    """Something that happened: ``lane`` is one of LANES, ``good`` how it ended."""

    lane: str
    at: datetime
    good: bool
    address: str


@dataclass(frozen=True)
class Point:
    """A moment in the drawing."""

    x: str
    good: bool
    address: str
    title: str


@dataclass(frozen=True)
class Strip:
    """The lanes with their points, and the labels of the time axis."""

    lanes: dict[str, list[Point]]
    labels: list[tuple[str, str]]

    @property
    def empty(self) -> bool:
        """Whether nothing happened in this time."""
        return not any(self.lanes.values())


def strip(start: datetime, end: datetime, moments: Iterable[Moment], marks: int = 4) -> Strip:
    """Place the moments between start and end; ``marks`` is the number of spans between the labels."""
    lanes: dict[str, list[Point]] = {lane: [] for lane in LANES}
    for moment in sorted(moments, key=lambda one: one.at):
        lanes[moment.lane].append(Point(place(moment.at, start, end), moment.good, moment.address, words.exact(moment.at)))
    return Strip(lanes, axis(start, end, marks))


def place(at: datetime, start: datetime, end: datetime) -> str:
    """The position of a moment as an SVG length."""
    share = (at - start) / (end - start)
    return f"{MARGIN + (100 - 2 * MARGIN) * min(1.0, max(0.0, share)):.2f}%"


def axis(start: datetime, end: datetime, marks: int) -> list[tuple[str, str]]:
    """Days to write under the strip, with their positions."""
    step = (end - start) / marks
    days = [start + step * number for number in range(marks)] + [end - timedelta(seconds=1)]
    return [(place(day, start, end), words.day_of_year(day)) for day in days]
