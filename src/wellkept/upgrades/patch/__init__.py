"""Patches: a newer version of the same series. Only the code changes, so there is nothing to migrate, and it goes back by the link at any time."""

from pathlib import Path

from django.utils.translation import gettext_noop

from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import Message, message
from wellkept.operations.errors import Failed
from wellkept.upgrades import releases
from wellkept.upgrades.models import GivenModule, Release, Upgrade, UpgradeState


def brought(version: str, newest: str) -> str | None:
    """The newest version of a series, as far as the package index was asked, where it is newer than the one that is known to be there."""
    return newest if version and newest and releases.order(newest) > releases.order(version) else None


def known(adapter: str, version: str) -> str | None:
    """The same by a query: what was kept of the index."""
    one = Release.objects.filter(adapter=adapter, series=releases.series_of(version)).first()
    return brought(version, one.newest) if one is not None else None


def refuse(environment: Environment, series: str, packages: str) -> None:
    """Raises Failed where a list of packages has nothing newer than what is there; the ERP is asked for its own."""
    why = lacking(environment, series, packages)
    if why is not None:
        raise Failed(why)


def lacking(environment: Environment, series: str, packages: str) -> Message | None:
    """Why there is nothing to go to; None when a list of packages has something newer than what is there."""
    seen = connect.ability(environment, "inspect").discover(connect.site(environment))
    there = {part.name: part.installed for part in seen.components if part.installed}
    listed = dict(connect.ability(environment, "releases").pinned(packages)) if packages else {}
    own = GivenModule.objects.filter(system=environment.system_id, target=series)
    listed |= {name: one.version for one in own if one.sha256 in packages for name in one.modules}
    if any(name in there and releases.order(version) > releases.order(there[name]) for name, version in listed.items()):
        return None
    text = gettext_noop("{there} is installed, and the package index has nothing newer of {series} for it")
    return message(text, there=seen.version_on_disk or "?", series=series)


def operation(name: str, environment: Environment, target: str) -> str:
    """Which operation goes there: the one of a name, or the one for a patch, where the target is the environment's own series."""
    return f"{name}_patch" if releases.series_of(environment.version) == target else name


def kept(environment: Environment) -> Upgrade | None:
    """The patch that was installed last and can be taken back: the newest upgrade, when it is one."""
    newest = Upgrade.objects.filter(environment=environment, state=UpgradeState.KEPT).order_by("-started_at").first()
    return newest if newest is not None and newest.is_patch and Path(newest.old_interpreter).exists() else None
