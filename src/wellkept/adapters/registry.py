"""Which adapter has which ability: dotted paths, imported on use."""

from importlib import import_module
from typing import Any

from wellkept.adapters.base import Unsupported
from wellkept.lib.text import gettext_noop

ABILITIES: dict[str, dict[str, str]] = {
    "tryton": {
        "inspect": "wellkept.adapters.tryton.inspect",
        "control": "wellkept.adapters.tryton.control",
        "storage": "wellkept.adapters.tryton.storage",
        "figures": "wellkept.adapters.tryton.figures",
        "neutralise": "wellkept.adapters.tryton.neutralise",
        "probes": "wellkept.adapters.tryton.probes",
        "releases": "wellkept.adapters.tryton.releases",
        "trials": "wellkept.adapters.tryton.trials",
        "activity": "wellkept.adapters.tryton.activity",
        "written": "wellkept.adapters.tryton.written",
    },
}


def has(adapter: str, ability: str) -> bool:
    """Whether an adapter has an ability; pages and commands show only what is there."""
    return ability in ABILITIES.get(adapter, {})


def ability(adapter: str, name: str) -> Any:
    """The module that fulfils an ability. Raises Unsupported when the adapter does not have it."""
    if not has(adapter, name):
        raise Unsupported(gettext_noop("the adapter {adapter} cannot do this: it has no {name}"), adapter=adapter, name=name)
    return import_module(ABILITIES[adapter][name])
