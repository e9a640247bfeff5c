"""A small curve of a figure over time with its target, as plain SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240.0, 40.0


@dataclass(frozen=True)
class Spark:
    """``path`` in a box of WIDTH × HEIGHT from ``least`` to ``most``; ``target`` is the height of the target line, None when it is none."""

    path: str
    least: float
    most: float
    target: str | None


def spark(values: Sequence[float], target: float | None) -> Spark | None:
    """The curve of the values, oldest first; None when there are fewer than two."""
    if len(values) < 2:
        return None
    top = max(*values, target if target is not None and target <= 3 * max(values) else 0.0) or 1.0
    step = WIDTH / (len(values) - 1)
    dots = [(f"{step * number:.1f}", f"{HEIGHT - (HEIGHT - 4) * value / top - 2:.1f}") for number, value in enumerate(values)]
    line = f"{HEIGHT - (HEIGHT - 4) * target / top - 2:.1f}" if target is not None and target <= top else None
    return Spark("M" + " L".join(f"{x} {y}" for x, y in dots), min(values), max(values), line)
