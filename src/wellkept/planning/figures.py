"""Business figures and how two readings of them differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One business figure: a table of values by key.

    ``values`` maps a stable key ("1100", "sale.posted") to an exact value as text (decimals keep their digits); ``labels`` maps keys to what a
    person calls them ("account 1100 Receivable"), where that differs from the key.
    """

    name: str
    title: str
    values: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """A value that is not the same in two readings; None stands for a key that is missing there."""

    figure: str
    key: str
    label: str
    before: str | None
    after: str | None

    def explain(self) -> str:
        """The difference in a person's words: ``account 1100 Receivable: 12,430.00 → 12,130.00``."""
        return f"{self.label}: {_spoken(self.before)} → {_spoken(self.after)}"


def compare(before: Sequence[Figure], after: Sequence[Figure]) -> list[Difference]:
    """Every difference between two readings, in the order of the figures and then of the keys. Equal readings give an empty list."""
    first, second = {figure.name: figure for figure in before}, {figure.name: figure for figure in after}
    empty = Figure("", "", {})
    found = []
    for name in dict.fromkeys([*first, *second]):
        old, new = first.get(name, empty), second.get(name, empty)
        labels = {**new.labels, **old.labels}
        for key in sorted({*old.values, *new.values}):
            if old.values.get(key) != new.values.get(key):
                found.append(Difference(name, key, labels.get(key, key), old.values.get(key), new.values.get(key)))
    return found


def to_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Plain data for a manifest or a record."""
    return [{"name": f.name, "title": f.title, "values": dict(f.values), "labels": dict(f.labels)} for f in figures]


def from_json(data: Sequence[Mapping[str, object]]) -> list[Figure]:
    """The figures of ``to_json``. Raises ValueError when the data is not of that shape."""
    made = []
    for entry in data:
        values, labels = entry.get("values"), entry.get("labels", {})
        if not isinstance(values, Mapping) or not isinstance(labels, Mapping):
            raise ValueError("a figure needs values and labels")  # noqa: TRY004 - the caller decides on bad data, not on types
        made.append(Figure(str(entry["name"]), str(entry["title"]), {str(k): str(v) for k, v in values.items()}, {str(k): str(v) for k, v in labels.items()}))
    return made


def _spoken(value: str | None) -> str:
    if value is None:
        return "nothing"
    whole, point, part = value.partition(".")
    digits = whole.removeprefix("-")
    return f"{int(whole):,}{point}{part}" if digits.isdigit() and len(digits) > 3 else value
