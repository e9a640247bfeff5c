"""Which modules have something newer in their series, as far as that is known without asking the package index."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wellkept import home
from wellkept.adapters import registry
from wellkept.adapters.base import AdapterError
from wellkept.estate.models import Component, Kind, System
from wellkept.upgrades import releases
from wellkept.upgrades.models import GivenModule


@dataclass(frozen=True)
class Newer:
    """A module: the version that is there, and one that would take its place."""

    module: str
    there: str
    offered: str

    def __str__(self) -> str:
        return f"{self.module} {self.there} → {self.offered}"


def modules(systems: Collection[System], series: Mapping[int, str]) -> dict[int, list[Newer]]:
    """By system: the modules of which somebody gave something newer for its present series, or of which the list that comes with us has it.

    ``series`` is by system, too. What is there is what the last look at the system saw. Two queries, however many there are.
    """
    rows = Component.objects.filter(environment__system__in=systems, environment__kind=Kind.PRODUCTION, kind="module").exclude(installed="")
    given: dict[tuple[int, str], dict[str, str]] = {}
    for one in GivenModule.objects.filter(system__in=systems, removed_at=None):
        given.setdefault((one.system_id, one.target), {}).update(dict.fromkeys(one.modules, one.version))
    adapters = {one.pk: one.adapter for one in systems}
    listed = {known: _listed(*known) for known in {(adapters[pk], series.get(pk, "")) for pk in adapters}}
    found: dict[int, list[Newer]] = {pk: [] for pk in adapters}
    for pk, module, there in rows.values_list("environment__system_id", "name", "installed").order_by("name"):
        offered = {**listed[adapters[pk], series.get(pk, "")], **given.get((pk, series.get(pk, "")), {})}.get(module, "")
        if releases.order(offered) > releases.order(there):
            found[pk].append(Newer(module, there, offered))
    return found


def _listed(adapter: str, series: str) -> Mapping[str, str]:
    """The versions of the modules in the list of a series that comes with us; nothing is asked for it."""
    if not series or not registry.has(adapter, "releases"):
        return {}
    ability = registry.ability(adapter, "releases")
    try:
        listed: Mapping[str, str] = ability.pinned(ability.resolve(series, [], cache=home.cache()))
    except AdapterError:
        return {}
    return listed
