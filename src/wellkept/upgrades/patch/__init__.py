"""Patches: a newer version of the same series. Only the code changes, so there is nothing to migrate, and it goes back by the link at any time."""

from pathlib import Path

from django.utils.translation import gettext_noop

from wellkept.adapters import registry
from wellkept.adapters.base import Unsupported
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import Message, message
from wellkept.operations.errors import Failed
from wellkept.upgrades import releases
from wellkept.upgrades.models import Upgrade, UpgradeState


def brought(adapter: str, version: str) -> str | None:
    """The version of the same series that can be installed from here, where it is newer than the one that is known to be there; nobody is asked."""
    series = releases.series_of(version)
    if not series or not registry.has(adapter, "releases"):
        return None
    try:
        newest = str(registry.ability(adapter, "releases").brings(series))
    except Unsupported:
        return None
    return newest if releases.order(newest) > releases.order(version) else None


def refuse(environment: Environment, series: str) -> None:
    """Raises Failed where there is no newer version of the series to go to; the ERP is asked for its own."""
    why = lacking(environment, series)
    if why is not None:
        raise Failed(why)


def lacking(environment: Environment, series: str) -> Message | None:
    """Why there is nothing to go to; None when there is a newer version of the series."""
    there = connect.ability(environment, "inspect").discover(connect.site(environment)).version_on_disk or ""
    try:
        offered = str(connect.ability(environment, "releases").brings(series))
    except Unsupported as error:
        return error.message
    if releases.order(offered) > releases.order(there):
        return None
    text = gettext_noop("{there} is installed, and {offered} is the newest version of {series} that can be installed from here")
    return message(text, there=there or "?", offered=offered, series=series)


def operation(name: str, environment: Environment, target: str) -> str:
    """Which operation goes there: the one of a name, or the one for a patch, where the target is the environment's own series."""
    return f"{name}_patch" if releases.series_of(environment.version) == target else name


def kept(environment: Environment) -> Upgrade | None:
    """The patch that was installed last and can be taken back: the newest upgrade, when it is one."""
    newest = Upgrade.objects.filter(environment=environment, state=UpgradeState.KEPT).order_by("-started_at").first()
    return newest if newest is not None and newest.is_patch and Path(newest.old_interpreter).exists() else None
