"""What pages about upgrades call things."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from wellkept.lib.text import Message, recognised

REASONS = (
    gettext_noop("not active here: {modules}"),
    gettext_noop("installed for the new series: {modules}"),
    gettext_noop("nothing in this database needs it, or it was done before"),
    gettext_noop("active here: {modules}"),
    gettext_noop("rows or columns of this database need it"),
)
"""Why a manual step applies or does not, as the adapters say it."""


def applies(verdict: str) -> str:
    """Whether a manual step applies: yes, no, later, unknown."""
    known = {"yes": _("applies"), "no": _("does not apply"), "later": _("decided after the migration"), "unknown": _("cannot be said")}
    return known.get(verdict, verdict)


def reason(text: str) -> Message | str:
    """A reason as a stored sentence, where it is one that we know; otherwise as it is."""
    return recognised(text, REASONS)


def part(name: str) -> str:
    """A part of an upgrade: backup, restore, migration; another name as it is."""
    return {"backup": _("the backup"), "restore": _("the restore of a copy"), "migration": _("the migration")}.get(name, name)
