"""Who wrote something, the second person who approved it before production takes it, and who revoked it."""

from typing import Any, TypeVar

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Denied, Who
from wellkept.estate.errors import Invalid, Taken
from wellkept.upgrades.models import Acceptance, Approval, Seconded, Waiver

Revocable = TypeVar("Revocable", Acceptance, Waiver)
Word = TypeVar("Word", Acceptance, Approval, Waiver)


def written(who: Who) -> dict[str, Any]:
    """The author, as the columns of a row."""
    return {"author": access.actor(who), "author_person": access.person_of(who)}


def reason(text: str) -> str:
    """The reason that somebody gave, tidied. Raises Invalid for none."""
    if not text.strip():
        raise Invalid(gettext_noop("say why: the reason is kept with it"))
    return text.strip()


def locked(row: Word) -> Word:
    """The row as it is now, which nobody else changes until the transaction ends."""
    rows = type(row).objects.select_for_update(of=("self",)).select_related("organisation", "system")
    return rows.get(pk=row.pk)


def refuse_author(row: Seconded, who: Who) -> None:
    """Raise Denied when the author asks, in whatever clothes: the person and their tokens are one."""
    person = access.person_of(who)
    both_known = person is not None and row.author_person_id is not None
    if access.person_of(who) == row.author_person if both_known else access.actor(who) == row.author:
        raise Denied(gettext_noop("a second person has to approve this: it was written by {author}"), author=row.author)


def sign(row: Seconded, who: Who) -> None:
    """Note that this person approved the row, which the caller has locked."""
    row.approver, row.approver_person, row.approved_at = access.actor(who), access.person_of(who), timezone.now()
    row.save(update_fields=["approver", "approver_person", "approved_at"])


def revoke(row: Revocable, who: Who) -> Revocable:
    """Have the word count no more; to be called in a transaction. Raises Taken when it was revoked already."""
    now = locked(row)
    if now.revoked_at is not None:
        raise Taken(gettext_noop("this was revoked already"))
    now.revoked_by, now.revoked_at = access.actor(who), timezone.now()
    now.save(update_fields=["revoked_by", "revoked_at"])
    return now
