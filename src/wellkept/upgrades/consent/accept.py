"""Accept a finding of a rehearsal: lines of the migration's log, or a difference of the books, that nobody has judged.

A word counts for one system and one way, and for exactly what was found. A rehearsal takes it at once, production once a second person approved it;
revoked, it counts for neither.
"""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid, NotFound, Taken
from wellkept.estate.models import Role, System
from wellkept.lib.text import Message, message
from wellkept.operations import records
from wellkept.upgrades.consent import findings, signing
from wellkept.upgrades.consent.findings import Accepted, Finding
from wellkept.upgrades.models import Acceptance, Rehearsal, Upgrade

Looked = Rehearsal | Upgrade


def valid(system: System, current: str, target: str) -> QuerySet[Acceptance]:
    """What is accepted for a way, approved or not, without what was revoked."""
    return Acceptance.objects.filter(system=system, current=current, target=target, revoked_at=None).order_by("pk")


def counting(system: System, current: str, target: str, *, pending: bool = False) -> list[Accepted]:
    """What counts for production; with ``pending`` what a rehearsal takes, approved or not. One query."""
    rows = valid(system, current, target)
    if not pending:
        rows = rows.filter(approved_at__isnull=False)
    return [Accepted(row.pk, row.finding, row.rule) for row in rows]


def open_findings(looked: Looked) -> list[Finding]:
    """The findings that nobody meant when this rehearsal or upgrade ran."""
    return findings.nobodys([*looked.judged, *looked.compared])


def used(looked: Looked) -> set[int]:
    """The numbers of the acceptances that this rehearsal or upgrade was judged by."""
    return {one["acceptance"] for one in (*looked.judged, *looked.compared) if one["by"] == findings.PERSON}


def missing(looked: Looked) -> list[Acceptance]:
    """What it was judged by and production would not take: not approved, or revoked. One query, where anything was accepted."""
    numbers = used(looked)
    rows = Acceptance.objects.filter(pk__in=numbers).order_by("pk") if numbers else ()
    return [row for row in rows if row.approved_at is None or row.revoked_at is not None]


def accept(looked: Looked, digest: str, *, rule: str = findings.EXACT, reason: str, who: Who) -> Acceptance:
    """Accept a finding of this rehearsal or upgrade, called by its digest.

    Raises Denied, NotFound, Invalid for a rule that does not fit or without a reason, Taken when it is accepted already.
    """
    access.require(who, Role.ADMINISTRATOR, looked.system)
    found = _found(looked, digest)
    why = signing.reason(reason)
    if rule not in findings.RULES or (rule == findings.SAME_CHANGE and (found["kind"] != "books" or findings.change(found) is None)):
        raise Invalid(gettext_noop("the rule {rule} does not fit: exact, or same_change for a number of the books"), rule=rule)
    try:
        with transaction.atomic():
            made = Acceptance.objects.create(
                organisation=looked.organisation,
                system=looked.system,
                current=looked.current,
                target=looked.target,
                finding=_kept(found),
                digest=digest,
                rule=rule,
                reason=why,
                **signing.written(who),
            )
            _record(made, gettext_noop("Accepted for {system}, from {current} to {target}: {finding} ({reason})"), who)
    except IntegrityError as error:
        raise Taken(gettext_noop("this is accepted already")) from error
    return made


def approve(acceptance: Acceptance, *, who: Who) -> Acceptance:
    """Let production take it. Raises Denied to its author and to whoever may not approve, Taken when it was approved or revoked meanwhile."""
    access.require(who, Role.APPROVER, acceptance)
    signing.refuse_author(acceptance, who)
    with transaction.atomic():
        row = signing.locked(acceptance)
        if row.revoked_at is not None or row.approved_at is not None:
            raise Taken(gettext_noop("nothing was approved: it is approved already, or revoked"))
        signing.sign(row, who)
        _record(row, gettext_noop("Approved for {system}, from {current} to {target}: {finding} ({reason})"), who)
    return row


def revoke(acceptance: Acceptance, *, who: Who) -> Acceptance:
    """Have it count no more. Raises Denied, Taken when it was revoked already."""
    access.require(who, Role.ADMINISTRATOR, acceptance)
    with transaction.atomic():
        row = signing.revoke(acceptance, who)
        _record(row, gettext_noop("Revoked for {system}, from {current} to {target}: {finding} ({reason})"), who)
    return row


def said(finding: Mapping[str, Any]) -> Message:
    """A finding as a stored sentence."""
    if finding["kind"] == "books":
        return dict(finding["said"])
    return message("{level} {source}: {pattern}", level=finding["level"], source=finding["source"], pattern=finding["pattern"])


def _found(looked: Looked, digest: str) -> Finding:
    found = next((one for one in open_findings(looked) if findings.digest(one) == digest), None)
    if found is None:
        raise NotFound(gettext_noop("there is nothing of that name to accept"))
    return found


def _kept(found: Finding) -> Finding:
    """What is kept of a finding: what makes it this one, and how it is said."""
    shown = ("said", "rights") if found["kind"] == "books" else ("text",)
    return {**findings.identity(found), **{name: found[name] for name in shown}}


def _record(row: Acceptance, told: str, who: Who) -> None:
    names = {"current": row.current, "target": row.target, "reason": row.reason}
    text = message(told, system=row.system.name, finding=said(row.finding), **names)
    data = {"acceptance": row.pk, "finding": findings.identity(row.finding), "rule": row.rule, **names}
    records.append(row.organisation, "upgrades.acceptance", text, actor=access.actor(who), system=row.system, data=data)
