"""Sentences that are stored now and shown later in the reader's language.

A stored sentence is plain data, ``{"id": "…{name}…", "params": {…}}``: the English template is the key of its translation. Templates are marked for
translation with ``gettext_noop`` where they are written.
"""

from collections.abc import Callable, Mapping

Message = dict[str, object]


def gettext_noop(template: str) -> str:
    """The template itself, marked for translation; the one of Django needs settings."""
    return template


def message(template: str, **params: object) -> Message:
    """A sentence to be stored; parameters are text, numbers or other plain data."""
    return {"id": template, "params": dict(params)}


def say(stored: Mapping[str, object] | str | None, translate: Callable[[str], str] = str) -> str:
    """The stored sentence in the language of ``translate``; a missing parameter leaves the template readable instead of failing."""
    if not stored:
        return ""
    if isinstance(stored, str):
        return stored
    template, params = str(stored.get("id", "")), stored.get("params")
    try:
        return translate(template).format(**params) if isinstance(params, dict) else translate(template)
    except (KeyError, IndexError, ValueError):
        return template
