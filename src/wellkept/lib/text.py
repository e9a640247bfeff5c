"""Sentences that are stored now and shown later in the reader's language.

A stored sentence is plain data, ``{"id": "…{name}…", "params": {…}}``: the English template is the key of its translation. Templates are marked for
translation with ``gettext_noop`` where they are written.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

Message = dict[str, object]


def gettext_noop(template: str) -> str:
    """The template itself, marked for translation; the one of Django needs settings."""
    return template


SEPARATOR = gettext_noop("; ")


def message(template: str, **params: object) -> Message:
    """A sentence to be stored; parameters are text, numbers or other plain data."""
    return {"id": template, "params": dict(params)}


def said(program: str, words: str) -> Message:
    """What a program said, in its own words, as a part of a sentence of ours."""
    return message(gettext_noop("{program} said: “{words}”"), program=program, words=words)


class Told(Exception):
    """An error that knows its sentence: ``message`` is stored and said in the reader's language, ``str()`` says it in English."""

    def __init__(self, text: str | Message = "", /, **params: object) -> None:
        self.message: Message = text if isinstance(text, dict) else message(text, **params)
        super().__init__(say(self.message))


def reason(error: BaseException) -> Message | str:
    """Why something went wrong, as a part of another sentence: the error's own sentence, or its text, or at least its kind."""
    stored = getattr(error, "message", None)
    return stored if isinstance(stored, dict) else str(error).strip() or type(error).__name__


def say(stored: Mapping[str, object] | str | None, translate: Callable[[str], str] = str) -> str:
    """The stored sentence in the language of ``translate``; a parameter may be a stored sentence itself, or a list of them.

    A missing parameter leaves the template readable instead of failing.
    """
    if not stored:
        return ""
    if isinstance(stored, str):
        return stored
    template, params = str(stored.get("id", "")), stored.get("params")
    try:
        if not isinstance(params, dict):
            return translate(template)
        said = {name: _said_part(value, translate) for name, value in params.items()}
        return translate(template).format(**said)
    except (KeyError, IndexError, ValueError):
        return template


def _said_part(value: object, translate: Callable[[str], str]) -> object:
    if isinstance(value, list):
        return translate(SEPARATOR).join(str(_said_part(one, translate)) for one in value)
    return say(value, translate) if isinstance(value, dict) and "id" in value else value


def recognised(text: str, templates: Iterable[str]) -> Message | str:
    """The stored sentence that ``text`` is when the first fitting template was filled in; the text itself when none fits."""
    for template in templates:
        found = _pattern(template).fullmatch(text)
        if found is not None:
            return message(template, **found.groupdict())
    return text


@lru_cache(maxsize=1000)
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)), re.DOTALL)
