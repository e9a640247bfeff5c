"""The releases that there are: asked of the package index, and kept, so that they are known when it does not answer."""

import datetime as dt
import re
from dataclasses import asdict, dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept import home
from wellkept.adapters import registry
from wellkept.adapters.base import Unreachable
from wellkept.estate.errors import Invalid
from wellkept.upgrades.models import Release

SERIES = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True)
class Known:
    """What is known of the index: when it was last asked with success (None: never), and why it does not answer now ("": it does)."""

    seen_at: dt.datetime | None
    problem: str


def look(adapter: str) -> Known:
    """Ask the index for the releases of a kind of ERP and keep what it says. Raises Unsupported.

    When it does not answer, or has none (an index of one's own, half filled), what was kept stays.
    """
    ability = registry.ability(adapter, "releases")
    try:
        found, problem = ability.available(cache=home.cache()), ""
    except Unreachable as error:
        found, problem = [], str(error)
    if not found:
        newest = Release.objects.filter(adapter=adapter).order_by("-seen_at").first()
        return Known(newest.seen_at if newest else None, problem or f"it has no release of {adapter}")
    now = timezone.now()
    with transaction.atomic():
        for one in found:
            facts = {name: value for name, value in asdict(one).items() if name != "series"}
            Release.objects.update_or_create(adapter=adapter, series=one.series, defaults={**facts, "seen_at": now})
        Release.objects.filter(adapter=adapter).exclude(seen_at=now).delete()
    return Known(now, "")


def kept(adapter: str) -> list[Release]:
    """The releases that are known of a kind of ERP, oldest series first."""
    return sorted(Release.objects.filter(adapter=adapter), key=lambda one: order(one.series))


def newer(adapter: str, current: str) -> list[Release]:
    """The known releases after a series."""
    return [one for one in kept(adapter) if order(one.series) > order(current)]


def series_of(version: str) -> str:
    """The series of a version: "7.0" of "7.0.59"; "" of none."""
    return ".".join(version.split(".")[:2])


def check(series: str) -> None:
    """Raises Invalid for what is no series."""
    if not SERIES.fullmatch(series) or not order(series) > (0,) or len(series) > 30:
        raise Invalid(gettext_noop("{series} is not a series, which looks like 8.0"), series=series)


def order(series: str) -> tuple[int, ...]:
    """By which series are sorted: 10.0 comes after 9.0."""
    return tuple(int(part) if part.isdigit() else 0 for part in series.split("."))
