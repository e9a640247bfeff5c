"""What templates need: icons, times in words, amounts, stored sentences, addresses that keep the rest of the query."""

import re
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from django import forms, template
from django.conf import settings
from django.forms import BoundField
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext

from wellkept.lib.text import Message
from wellkept.upgrades.consent import accept
from wellkept.upgrades.models import Acceptance
from wellkept.upgrades.report import PLACES
from wellkept.web import marks, release_words, titles, words
from wellkept.web.told import told

register = template.Library()


@cache
def _drawing(name: str) -> str:
    source = (settings.FRONT_END / "@tabler" / "icons" / "icons" / "outline" / f"{name}.svg").read_text()
    return re.sub(r"\s+", " ", source[source.index(">") + 1 : source.index("</svg>")]).strip()


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """The drawing of this name as inline SVG; without a label it is decoration and hidden from screen readers."""
    return _icon(name, label)


@lru_cache(maxsize=500)
def _icon(name: str, label: str) -> SafeString:
    meaning = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"'
        ' stroke-linejoin="round" {}>{}</svg>',
        meaning,
        mark_safe(_drawing(name)),  # noqa: S308 - a file of the installed icon package
    )


@register.filter
def ago(moment: datetime | str | None) -> str:
    """A moment as "6 h ago" or "in 3 h", with the exact time and zone on hover."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment) if moment else None
    if moment is None:
        return "–"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), words.exact(moment), words.ago(moment))


@register.filter
def exact(moment: datetime | str | None) -> str:
    """The exact time with its zone."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment) if moment else None
    return words.exact(moment) if moment else "–"


@register.filter
def clock(moment: datetime | None) -> str:
    """Hour, minute and second in the reader's zone."""
    return f"{timezone.localtime(moment):%H:%M:%S}" if moment else "–"


@register.filter
def minute(moment: datetime | None) -> str:
    """Hour and minute in the reader's zone."""
    return f"{timezone.localtime(moment):%H:%M}" if moment else "–"


@register.filter
def duration(value: float | timedelta | None) -> str:
    """Seconds (or a timedelta) in words: "45 s", "12 min", "1 h 05 min", "3 days"."""
    if value is None:
        return "–"
    return words.duration(value.total_seconds() if isinstance(value, timedelta) else float(value))


@register.filter
def amount(value: object) -> str:
    """A number with the reader's separators; anything else as it is."""
    return (
        formats.number_format(value, use_l10n=True, force_grouping=True)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else str(value)
    )


@register.filter
def size(value: float | None) -> str:
    """Bytes as "3.4 MB"."""
    return words.size(value) if value is not None else "–"


@register.filter
def say(stored: Any) -> str:
    """A stored sentence in the reader's language."""
    return told(stored)


@register.filter
def translate(text: str) -> str:
    """A title that was marked for translation where it is defined."""
    return gettext(text) if text else ""


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether a form field is a single check box."""
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's input with the classes of the look."""
    widget = field.field.widget
    # The label says the same, and a placeholder is gone when it is needed.
    widget.attrs.pop("placeholder", None)
    if isinstance(widget, forms.CheckboxInput):
        name = "form-check-input"
    elif isinstance(widget, (forms.RadioSelect, forms.CheckboxSelectMultiple)):
        name = ""
    else:
        name = "form-select" if isinstance(widget, forms.Select) else "form-control"
    attributes: dict[str, str | bool] = {"class": f"{name} is-invalid" if field.errors and name else name}
    described = [f"{field.auto_id}_helptext"] if field.help_text else []
    described += [f"{field.auto_id}_error"] if field.errors else []
    if described:
        attributes["aria-describedby"] = " ".join(described)
    return field.as_widget(attrs=attributes)


@register.filter
def lookup(mapping: dict[Any, Any], key: object) -> Any:
    """The value of a key that is only known in the template."""
    return mapping.get(key)


@register.simple_tag
def mark(kind: str, state: str) -> SafeString:
    """The state of a run, a backup, a drill, or a verdict, as word, colour and icon."""
    return _mark(kind, state, get_language())


@lru_cache(maxsize=200)
def _mark(kind: str, state: str, _language: str | None) -> SafeString:
    shown = marks.KINDS[kind][state]
    return format_html('<span class="mark mark-{}">{}{}</span>', shown.tone, icon(shown.icon), shown.word)


@register.simple_tag
def dot(kind: str, state: str) -> SafeString:
    """The same as a round dot for a story; the word is on hover and for screen readers."""
    shown = marks.KINDS[kind][state]
    return format_html('<span class="story-dot dot-{}" title="{}">{}</span>', shown.tone, shown.word, icon(shown.icon, str(shown.word)))


@register.filter
def operation(name: str) -> str:
    """What an operation is called."""
    return titles.operation(name)


@register.filter
def percent(share: float | None) -> str:
    """A share of 1 as "40 %"."""
    return f"{share:.0%}" if share is not None else "–"


@register.filter
def day(moment: datetime | str | None) -> str:
    """The date in the reader's zone, as people write it."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment) if moment else None
    return words.day(moment) if moment else "–"


@register.filter
def probe(name: str) -> str:
    """What a probe tries."""
    return words.probe(name)


@register.filter
def component_kind(kind: str) -> str:
    """What kind of part a component is."""
    return words.component_kind(kind)


@register.filter
def accepted(word: Acceptance) -> Message:
    """What was accepted, as a stored sentence."""
    return accept.said(word.finding)


@register.filter
def applies(verdict: str) -> str:
    """Whether a manual step applies."""
    return release_words.applies(verdict)


@register.filter
def reason(text: str) -> str:
    """Why a manual step applies or does not."""
    return told(release_words.reason(text))


@register.filter
def place(name: str) -> str:
    """What room is needed for in an upgrade."""
    return gettext(PLACES.get(name, name))


@register.filter
def gate(name: str) -> str:
    """A gate before production."""
    return release_words.gate(name)


@register.filter
def part(name: str) -> str:
    """A part of an upgrade that takes time."""
    return release_words.part(name)
