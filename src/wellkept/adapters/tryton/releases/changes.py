"""What differs after a migration although the release does not change it on purpose."""

import re
from collections.abc import Sequence
from dataclasses import replace

from wellkept.adapters.base import ExpectedChange
from wellkept.adapters.tryton.releases.jumps import jump
from wellkept.planning.figures import Difference, Figure, compare

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")


def unexpected(before: Sequence[Figure], after: Sequence[Figure], current: str, target: str) -> Sequence[Difference]:
    """The differences between the reading before and the one after a migration that its data does not expect.

    What the release renames is renamed in the earlier reading first, so that its content is compared all the same. Raises Unsupported for a
    jump that is not described.
    """
    rules = jump(current, target).expected
    renames = [rule for rule in rules if rule.kind == "renamed"]
    names = {rule.figure for rule in renames}
    old = [_renamed(figure, [rule for rule in renames if rule.figure == figure.name]) if figure.name in names else figure for figure in before]
    new = [_renamed(figure, []) if figure.name in names else figure for figure in after]
    return [found for found in compare(old, new) if not any(_allows(rule, found) for rule in rules)]


def _renamed(figure: Figure, rules: Sequence[ExpectedChange]) -> Figure:
    """The figure under its new names, each list in a value in one order: names that changed stand elsewhere in it."""
    values, labels = {}, {}
    for key, value in figure.values.items():
        new_key, label, new_value = key, figure.labels.get(key, key), value
        for rule in rules:
            if re.fullmatch(rule.label, figure.labels.get(key, key)):
                new_key, label, new_value = (re.sub(rule.before, rule.after, text) for text in (new_key, label, new_value))
        values[new_key], labels[new_key] = _ordered(new_value), label
    return replace(figure, values=values, labels=labels)


def _ordered(value: str) -> str:
    """``groups: b, , a`` → ``groups: a, b``."""
    parts = []
    for part in value.split("; "):
        name, colon, listed = part.partition(": ")
        parts.append(f"{name}: {', '.join(sorted({one for one in listed.split(', ') if one}))}" if colon else part)
    return "; ".join(parts)


def _allows(rule: ExpectedChange, found: Difference) -> bool:
    if rule.figure != found.figure or rule.kind == "renamed" or not re.fullmatch(rule.label, found.label):
        return False
    fits = all(
        not pattern or value is None or re.fullmatch(pattern, value) for pattern, value in ((rule.before, found.before), (rule.after, found.after))
    )
    if rule.kind == "added":
        return found.before is None and fits
    if rule.kind == "removed":
        return found.after is None and fits
    if found.before is None or found.after is None:
        return False
    return fits and (rule.kind == "changed" or _more(found.before, found.after))


def _more(before: str, after: str) -> bool:
    old, new = ([float(number) for number in NUMBER.findall(text)] for text in (before, after))
    return len(old) == len(new) and old != new and all(second >= first for first, second in zip(old, new, strict=True))
