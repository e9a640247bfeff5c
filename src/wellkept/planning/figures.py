"""Business figures and how two readings of them differ."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from wellkept.lib.text import Message, gettext_noop, message, recognised

EQUAL = "equal"
NOT_LESS = "not less"
RULES = (EQUAL, NOT_LESS)


@dataclass(frozen=True)
class Figure:
    """One business figure: a table of values by key.

    ``values`` maps a stable key ("1100", "sale.posted") to an exact value as text (decimals keep their digits); ``labels`` maps keys to what a
    person calls them ("account 1100 Receivable"), where that differs from the key. ``rule`` says what a later value may be: ``EQUAL``, or
    ``NOT_LESS`` for counters that a database moves on outside of snapshots.
    """

    name: str
    title: str
    values: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    rule: str = EQUAL


@dataclass(frozen=True)
class Difference:
    """A value that is not the same in two readings; None stands for a key that is missing there."""

    figure: str
    key: str
    label: str
    before: str | None
    after: str | None
    title: str = ""

    def explain(self) -> str:
        """The difference in a person's words: ``account 1100 Receivable: 12,430.00 → 12,130.00``."""
        return f"{self.label}: {_spoken(self.before)} → {_spoken(self.after)}"


def compare(before: Sequence[Figure], after: Sequence[Figure], *, ignore: Collection[str] = ()) -> list[Difference]:
    """Every difference between two readings, in the order of the figures and then of the keys. Equal readings give an empty list.

    ``ignore`` names figures that are left out. Numbers that differ only in trailing zeros (1.5 and 1.50) are the same.
    """
    first, second = {figure.name: figure for figure in before}, {figure.name: figure for figure in after}
    empty = Figure("", "", {})
    found = []
    for name in dict.fromkeys([*first, *second]):
        if name in ignore:
            continue
        old, new = first.get(name, empty), second.get(name, empty)
        labels, title = {**new.labels, **old.labels}, old.title or new.title
        rule = old.rule if name in first else new.rule
        for key in sorted({*old.values, *new.values}):
            left, right = old.values.get(key), new.values.get(key)
            if not _agrees(left, right, rule):
                found.append(Difference(name, key, labels.get(key, key), left, right, title))
    return found


def explain(differences: Sequence[Difference], *, most: int = 20) -> list[str]:
    """The differences as sentences, each with its figure's title; after ``most`` of them one line says how many more there are."""
    lines = [f"{found.title or found.figure}: {found.explain()}" for found in differences[:most]]
    if len(differences) > most:
        lines.append(f"and {len(differences) - most:,} more")
    return lines


def sentences(differences: Sequence[Difference], labels: Mapping[str, Sequence[str]], *, most: int = 20) -> list[Message]:
    """The same as stored sentences; by ``labels``, templates by the name of the figure, an adapter's labels and worded values are recognised."""
    said = [
        message(
            gettext_noop("{figure}: {what}: {before} → {after}"),
            figure=found.title or found.figure,
            what=recognised(found.label, labels.get(found.figure, ())),
            before=_stored(found.before, labels.get(found.figure, ())),
            after=_stored(found.after, labels.get(found.figure, ())),
        )
        for found in differences[:most]
    ]
    if len(differences) > most:
        said.append(message(gettext_noop("and {count} more"), count=len(differences) - most))
    return said


def to_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Plain data for a manifest or a record."""
    return [{"name": f.name, "title": f.title, "values": dict(f.values), "labels": dict(f.labels), "rule": f.rule} for f in figures]


def from_json(data: object) -> list[Figure]:
    """The figures of ``to_json``. Titles, labels and the rule may be missing and unknown fields are passed over, so that a reading of an older
    or a newer version can be compared. Raises ValueError when a name or the values are missing or of another shape.
    """
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise ValueError("a reading is a list of figures")  # noqa: TRY004 - the caller decides on bad data, not on types
    return [_figure(entry) for entry in data]


def _figure(entry: object) -> Figure:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise ValueError("a figure needs a name")
    name, values = entry["name"], entry.get("values")
    labels, rule = entry.get("labels") or {}, entry.get("rule", EQUAL)
    if not isinstance(values, Mapping) or not isinstance(labels, Mapping):
        raise ValueError(f"the figure {name} needs a table of values")  # noqa: TRY004 - as above
    if rule not in RULES:
        raise ValueError(f"the figure {name} has the unknown rule {rule!r}")
    texts = {str(key): str(value) for key, value in values.items()}
    return Figure(name, str(entry.get("title") or name), texts, {str(key): str(value) for key, value in labels.items()}, rule)


def _agrees(before: str | None, after: str | None, rule: str) -> bool:
    if before == after:
        return True
    if before is None or after is None:
        return False
    left, right = _number(before), _number(after)
    if left is None or right is None:
        return False
    return right >= left if rule == NOT_LESS else right == left


def _number(value: str) -> Decimal | None:
    """The value as a finite number; None for words and for codes such as 007, whose zeros mean something."""
    digits = value.removeprefix("-")
    if len(digits) > 1 and digits[0] == "0" and digits[1] != ".":
        return None
    if not digits.replace(".", "", 1).isdecimal() or not digits.isascii():
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _spoken(value: str | None) -> str:
    if value is None:
        return "nothing"
    if _number(value) is None:
        return value or "empty"
    whole, point, part = value.partition(".")
    digits = whole.removeprefix("-")
    return f"{'-' if value.startswith('-') else ''}{int(digits):,}{point}{part}" if len(digits) > 3 else value


def _stored(value: str | None, templates: Sequence[str]) -> Message | str:
    """The value for a stored sentence; what is not there is a word, and words are translated."""
    if value is None:
        return message(gettext_noop("nothing"))
    if not value:
        return message(gettext_noop("empty"))
    return _spoken(value) if _number(value) is not None else recognised(value, templates)
