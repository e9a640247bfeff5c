"""The second person who has to approve what somebody wrote before production takes it."""

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Denied, Who
from wellkept.upgrades.models import Acceptance, Approval, NoteVersion

Written = NoteVersion | Acceptance | Approval


def refuse_author(row: Written, who: Who) -> None:
    """Raise Denied when the author asks, in whatever clothes: the person and their tokens are one."""
    person = access.person_of(who)
    both_known = person is not None and row.author_person_id is not None
    if access.person_of(who) == row.author_person if both_known else access.actor(who) == row.author:
        raise Denied(gettext_noop("a second person has to approve this: it was written by {author}"), author=row.author)


def sign(row: Written, who: Who) -> None:
    """Note that this person approved the row, which the caller has locked."""
    row.approver, row.approver_person, row.approved_at = access.actor(who), access.person_of(who), timezone.now()
    row.save(update_fields=["approver", "approver_person", "approved_at"])
