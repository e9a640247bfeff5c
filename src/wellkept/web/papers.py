"""Assessments and rehearsals on paper."""

from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from wellkept.upgrades.models import Assessment, Rehearsal
from wellkept.web import found


@dataclass(frozen=True)
class Section:
    """One part of the details: its title, how much is in it, and the template that shows it."""

    title: str
    count: str
    template: str


def content(one: Assessment) -> dict[str, Any]:
    """What the templates of an assessment need; no query."""
    report = one.report
    notes = [note["applies"] for note in report["notes"]]
    wanting = [need for need in report["requirements"] or [] if not need["holds"]]
    room = [place for place in report["space"] if place["enough"] is False]
    sections = [
        Section(_("Modules and their use"), str(len(report["modules"])), "upgrades/modules.html"),
        Section(_("Manual steps"), str(len(notes)), "upgrades/steps.html"),
        Section(_("What it needs"), _("not enough") if wanting or room else "", "upgrades/needs.html"),
        Section(_("Releases"), str(len(report["releases"])), "upgrades/releases.html"),
    ]
    counts = {verdict: notes.count(verdict) for verdict in ("yes", "later", "no", "unknown")}
    refused = sum(breach["rows"] for breach in report["breaches"])
    return {"one": one, "report": report, "counts": counts, "refused": refused, "sections": sections}


def pdf(one: Assessment) -> bytes:
    """An assessment as PDF in the active language."""
    return _printed("upgrades/paper.html", content(one))


def rehearsal_pdf(one: Rehearsal) -> bytes:
    """A rehearsal as PDF in the active language."""
    return _printed("upgrades/rehearsal_paper.html", found.content(one))


def _printed(template: str, context: dict[str, Any]) -> bytes:
    """Nothing is fetched: the page refers to no other file."""
    from weasyprint import HTML

    return bytes(HTML(string=render_to_string(template, context)).write_pdf())
