"""Where the parts of a run's bar lie, in percent of its width; the drawing is plain SVG, so that it needs neither a script nor an inline style."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

UNKNOWN_SHARE = 1.0


@dataclass(frozen=True)
class Part:
    """A piece of a bar: start and width as text for an SVG attribute, its look and its title."""

    x: str
    width: str
    look: str
    title: str = ""


@dataclass(frozen=True)
class Bar:
    """The real bar, the forecast under it, and where nine in ten runs have ended."""

    parts: list[Part]
    ghosts: list[Part]
    tail: Part | None
    fraction: float


LOOKS = {"done": "d-done", "failed": "d-fail", "cancelled": "d-stop"}


def run_bar(phases: Sequence[dict[str, Any]]) -> Bar:
    """The bar of a run from the phases of ``operations.queries.live``: done, now, to come; under it the forecast made before the start."""
    lengths = [_length(phase, _usual(phases)) for phase in phases]
    way = [phase for phase in phases if not detoured(phase)]
    known = [phase for phase in way if phase["p50"] is not None]
    planned, late = sum(phase["p50"] for phase in known), sum(phase["p90"] for phase in known)
    whole = max(sum(lengths), late if len(known) == len(way) else 0.0) or 1.0
    parts, at, filled = [], 0.0, 0.0
    for phase, length in zip(phases, lengths, strict=True):
        done = _done(phase, length)
        filled += done
        if done:
            parts.append(_part(at, done, whole, LOOKS.get(phase["state"], "d-now"), phase["title"]))
        if length > done and phase["state"] in {"waiting", "running"}:
            parts.append(_part(at + done, length - done, whole, "d-wait", phase["title"]))
        at += length
    ghosts, at = [], 0.0
    if len(known) == len(way):
        for phase in way:
            ghosts.append(_part(at, phase["p50"], whole, "d-ghost", phase["title"]))
            at += phase["p50"]
    tail = _part(planned, late - planned, whole, "d-ghost-soft") if ghosts and late > planned else None
    return Bar(parts, ghosts, tail, min(1.0, filled / (sum(lengths) or 1.0)))


def phase_bars(phases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each phase with its own small bars on one common scale: ``real`` and, where there is a history, ``p50`` and ``p90``."""
    whole = max([max(phase["seconds"] or 0.0, phase["p90"] or 0.0) for phase in phases], default=0.0) or 1.0
    return [
        {
            **phase,
            "real": _part(0, phase["seconds"], whole, LOOKS.get(phase["state"], "d-now")) if phase["seconds"] else None,
            "half": _part(0, phase["p50"], whole, "d-ghost") if phase["p50"] is not None else None,
            "most": _part(phase["p50"], phase["p90"] - phase["p50"], whole, "d-ghost-soft") if phase["p50"] is not None else None,
        }
        for phase in phases
    ]


def detoured(phase: dict[str, Any]) -> bool:
    """Whether the phase is one for when something goes wrong, and nothing has."""
    return bool(phase.get("detour")) and phase["state"] in {"waiting", "skipped"}


def _usual(phases: Sequence[dict[str, Any]]) -> float:
    """What stands for the length of a phase nobody has timed yet: the mean of those that are known."""
    known = [phase["p50"] if phase["p50"] is not None else phase["seconds"] for phase in phases]
    timed = [seconds for seconds in known if seconds]
    return sum(timed) / len(timed) if timed else UNKNOWN_SHARE


def _length(phase: dict[str, Any], usual: float) -> float:
    seconds, expected = phase["seconds"] or 0.0, phase["p50"] if phase["p50"] is not None else usual
    if phase["state"] == "skipped" or detoured(phase):
        return 0.0
    if phase["state"] == "waiting":
        return float(expected)
    if phase["state"] == "running":
        fraction = phase["fraction"]
        return max(seconds / fraction if fraction and fraction >= 0.05 else expected, seconds * 1.02, 0.001)
    return float(seconds)


def _done(phase: dict[str, Any], length: float) -> float:
    if phase["state"] in {"waiting", "skipped"}:
        return 0.0
    if phase["state"] == "running" and phase["fraction"]:
        return length * float(phase["fraction"])
    return float(phase["seconds"] or 0.0)


def _part(start: float, length: float, whole: float, look: str, title: str = "") -> Part:
    return Part(f"{100 * start / whole:.2f}%", f"{max(0.25, 100 * length / whole):.2f}%", look, title)
