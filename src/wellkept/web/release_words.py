"""What pages about upgrades call things."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from wellkept.lib.text import Message, recognised

REASONS = (
    gettext_noop("not active here: {modules}"),
    gettext_noop("installed for the new series: {modules}"),
    gettext_noop("nothing in this database needs it, or it was done before"),
    gettext_noop("active here: {modules}"),
    gettext_noop("rows or columns of this database need it"),
)
"""Why a manual step applies or does not, as the adapters say it."""

GATES = {
    "rehearsal": gettext_lazy("Rehearsal"),
    "age": gettext_lazy("Age of the rehearsal"),
    "notes": gettext_lazy("Manual steps"),
    "modules": gettext_lazy("Modules"),
    "newer": gettext_lazy("New version"),
    "backup": gettext_lazy("Backup"),
    "room-copy": gettext_lazy("Room for the copy of the database"),
    "room-release": gettext_lazy("Room for the new release"),
    "role": gettext_lazy("Rights in PostgreSQL"),
    "approval": gettext_lazy("Approval"),
    "window": gettext_lazy("Window"),
    "freeze": gettext_lazy("Freeze"),
    "run": gettext_lazy("Nothing else under way"),
}


def gate(name: str) -> str:
    """A gate before production; another name as it is."""
    return str(GATES.get(name, name))


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
