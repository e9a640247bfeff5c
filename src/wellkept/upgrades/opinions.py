"""What people say of the work since an upgrade: kept, read by those who act on it, taken up and settled with a note."""

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Person, Role
from wellkept.lib.text import message
from wellkept.operations import records
from wellkept.upgrades.models import Answer, Opinion, Upgrade

COLUMNS = ("upgrade", "person", "answer", "comment", "language", "at", "state", "handler", "note", "settled_at")


def answer(upgrade: Upgrade, person: Person, word: str, comment: str, language: str) -> Opinion:
    """Keep what a person says; the newest answer counts, and is open again."""
    facts = {"answer": Answer(word), "comment": comment.strip(), "language": language, "at": timezone.now(), "settled_at": None}
    return Opinion.objects.update_or_create(upgrade=upgrade, person=person, defaults=facts)[0]


def said(upgrade: Upgrade) -> QuerySet[Opinion]:
    """All that was said of an upgrade: what is open first, the newest first. One query."""
    return Opinion.objects.filter(upgrade=upgrade).select_related("person").order_by("-settled_at", "-at")


def matters(prefix: str = "") -> Q:
    """What somebody should read: who is content and writes nothing waits for no answer."""
    return Q(**{f"{prefix}answer__in": (Answer.WORSE, Answer.BLOCKED)}) | Q(**{f"{prefix}comment__gt": ""})


@transaction.atomic
def take_up(opinion: Opinion, note: str, *, who: Who) -> Opinion:
    """Say who looks after it. Raises Denied, Taken when it is settled or somebody else has taken it up meanwhile."""
    access.require(who, Role.OPERATOR, opinion)
    row = _locked(opinion)
    if row.settled_at is not None or row.handler not in {"", access.actor(who)}:
        raise Taken(gettext_noop("nothing was changed: {who} looks after it, or it is settled"), who=row.handler)
    return _handled(row, note, who, gettext_noop("{author} looks after what {person} said of the upgrade to {version}"))


@transaction.atomic
def settle(opinion: Opinion, note: str, *, who: Who) -> Opinion:
    """Close it with a note, which says what was done. Raises Denied, Invalid without a note, Taken when it is settled already."""
    access.require(who, Role.OPERATOR, opinion)
    if not note.strip():
        raise Invalid(gettext_noop("say what was done: the note is kept with it"))
    row = _locked(opinion)
    if row.settled_at is not None:
        raise Taken(gettext_noop("this is settled already"))
    row.settled_at = timezone.now()
    return _handled(row, note, who, gettext_noop("{author} settled what {person} said of the upgrade to {version}: {note}"))


def plain(one: Opinion) -> dict[str, Any]:
    """An answer as data for programs."""
    facts = {name: getattr(one, name) for name in COLUMNS if name not in {"upgrade", "person", "state"}}
    state = "settled" if one.settled_at else "taken up" if one.handler else "open"
    return {"opinion": one.pk, "upgrade": one.upgrade_id, "person": one.person.email, **facts, "answer": str(one.answer), "state": state}


def _locked(opinion: Opinion) -> Opinion:
    rows = Opinion.objects.select_for_update(of=("self",)).select_related("person", "upgrade__system", "upgrade__organisation")
    return rows.get(pk=opinion.pk)


def _handled(row: Opinion, note: str, who: Who, told: str) -> Opinion:
    row.handler, row.note = access.actor(who), note.strip() or row.note
    row.save(update_fields=["handler", "note", "settled_at"])
    upgrade = row.upgrade
    words = {"author": row.handler, "person": row.person.email, "version": upgrade.version, "note": row.note}
    data = {"opinion": row.pk, "upgrade": upgrade.pk, "answer": str(row.answer), "note": row.note, "settled": row.settled_at is not None}
    records.append(upgrade.organisation, "upgrades.opinion", message(told, **words), actor=row.handler, system=upgrade.system, data=data)
    return row
