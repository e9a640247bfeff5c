"""Which backups are kept and why: rules in numbers, a decision with its reason for every backup."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo

from wellkept.lib.hashing import canonical_json, sha256
from wellkept.lib.text import Told, gettext_noop

LIMIT = 10_000


class InvalidRules(Told, ValueError):
    """A number of the rules makes no sense, or there is no rule of that name."""


@dataclass(frozen=True)
class Rules:
    """How many are kept: the ``last`` ones, and the newest of that many days, weeks (ISO, from Monday), months and years that have a backup."""

    last: int = 7
    daily: int = 14
    weekly: int = 8
    monthly: int = 12
    yearly: int = 3


@dataclass(frozen=True)
class Candidate:
    """A backup to decide on. ``good``: it may fill a place; ``proven``: a drill restored it."""

    id: int
    at: datetime
    good: bool = True
    proven: bool = False


@dataclass(frozen=True)
class Decision:
    """What happens to a backup. ``reasons`` are words of the table REASONS with their number: ("daily", 3) is the third newest day."""

    id: int
    keep: bool
    reasons: Sequence[tuple[str, int]]


PERIODS: Mapping[str, Callable[[datetime], tuple[int, ...]]] = {
    "daily": lambda at: (at.year, at.month, at.day),
    "weekly": lambda at: tuple(at.isocalendar()[:2]),
    "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: (at.year,),
}
REASONS = ("newest good", "newest proven", "last", *PERIODS, "broken", "beyond the rules")


def rules(data: Mapping[str, object]) -> Rules:
    """The rules in stored plain data; what is missing has the usual value. Raises InvalidRules."""
    known = asdict(Rules())
    unknown = set(data) - set(known)
    if unknown:
        raise InvalidRules(gettext_noop("there is no retention rule {name}"), name=min(unknown))
    for name, value in data.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LIMIT:
            raise InvalidRules(gettext_noop("{name} must be a whole number from 0 to {most}"), name=name, most=LIMIT)
    return Rules(**{**known, **data})


def decide(candidates: Sequence[Candidate], chosen: Rules, zone: tzinfo) -> list[Decision]:
    """A decision for every backup, newest first; days and weeks are those of ``zone``.

    The newest good one and the newest proven one are kept whatever the rules say. One that is not good fills no place and goes only when a good
    one exists.
    """
    newest_first = sorted(candidates, key=lambda one: (one.at, one.id), reverse=True)
    good = [one for one in newest_first if one.good]
    reasons: dict[int, list[tuple[str, int]]] = {one.id: [] for one in newest_first}
    if good:
        reasons[good[0].id].append(("newest good", 1))
    proven = next((one for one in good if one.proven), None)
    if proven is not None:
        reasons[proven.id].append(("newest proven", 1))
    for place, one in enumerate(good[: chosen.last], start=1):
        reasons[one.id].append(("last", place))
    for name, period in PERIODS.items():
        for place, one in enumerate(_newest_of_each(good, period, zone)[: getattr(chosen, name)], start=1):
            reasons[one.id].append((name, place))
    if not good:
        return [Decision(one.id, keep=True, reasons=[("broken", 1)]) for one in newest_first]
    goes = {True: ("beyond the rules", 1), False: ("broken", 1)}
    return [Decision(one.id, bool(reasons[one.id]), reasons[one.id] or [goes[one.good]]) for one in newest_first]


def token(decisions: Sequence[Decision]) -> str:
    """A hash of what would go: only what was previewed may be applied, so whoever applies gives the token of the preview."""
    return sha256(canonical_json(sorted(one.id for one in decisions if not one.keep)))[:16]


def _newest_of_each(good: Sequence[Candidate], period: Callable[[datetime], tuple[int, ...]], zone: tzinfo) -> list[Candidate]:
    found: dict[tuple[int, ...], Candidate] = {}
    for one in good:
        found.setdefault(period(one.at.astimezone(zone)), one)
    return list(found.values())
