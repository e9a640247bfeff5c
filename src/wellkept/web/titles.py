"""How things that have internal names are called on pages."""

from functools import cache

from django.utils.translation import gettext

from wellkept.operations import registry


@cache
def _operations() -> dict[str, str]:
    return {name: operation.title for name, operation in registry.registered().items()}


def operation(name: str) -> str:
    """The operation's title in the reader's language; the name itself for an operation of an older version that is gone."""
    title = _operations().get(name)
    return gettext(title) if title else name


def operations() -> list[tuple[str, str]]:
    """All operations as choices of a filter."""
    return sorted(((name, gettext(title)) for name, title in _operations().items()), key=lambda pair: pair[1])
