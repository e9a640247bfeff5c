"""Stored sentences as pages say them: in the reader's language, with titles instead of internal names and with times in the reader's zone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from wellkept.estate.models import Role
from wellkept.lib.text import say
from wellkept.operations import schedule_words
from wellkept.web import release_words, titles, words

MOMENTS = ("at", "since", "until")
WORDS = {
    "operation": titles.operation,
    "cron": schedule_words.when,
    "probe": words.probe,
    "proof": words.proof,
    "state": words.state,
    "unit": words.unit,
    "groups": words.groups,
    "gate": release_words.gate,
    "way": words.way,
}
"""How the values of parameters of these names are called."""


def told(stored: Mapping[str, Any] | str | None) -> str:
    """The sentence for a page."""
    if not stored or isinstance(stored, str) or not isinstance(stored.get("params"), dict):
        return say(stored, gettext)
    params = stored["params"]
    if isinstance(params.get("called"), dict):
        params = {**params, "kind": words.kind(params["called"], str(params.get("kind", "")))}
    return say({**stored, "params": {name: shown(name, value) for name, value in params.items()}}, gettext)


def refusal(error: Exception) -> str:
    """Why something was refused, as a sentence of a page: in the person's language where the error knows its sentence."""
    stored = getattr(error, "message", None)
    text = told(stored) if isinstance(stored, Mapping) else str(error)
    is_name = isinstance(stored, Mapping) and str(stored["id"]).startswith("{")
    return text if is_name else text[:1].upper() + text[1:]


def shown(name: str, value: Any) -> Any:
    """A parameter of a sentence as people know it."""
    if isinstance(value, dict) and "id" in value:
        return told(value)
    if isinstance(value, list):
        return [shown(name, one) for one in value]
    if not isinstance(value, str):
        return value
    if name in {"role", "held", "scope"} and value in Role.values:
        return str(Role(value).label)
    if name in {"step", "figure"}:
        return gettext(value) if value else value
    if name in WORDS:
        return WORDS[name](value)
    if name in MOMENTS:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return words.exact(moment) if moment.tzinfo else value
    return value
