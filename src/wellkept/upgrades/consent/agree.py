"""Agree on an upgrade of production: one person asks, a second one approves.

The word is for one rehearsal and all that it stands for: where, from which release to which exact version, with which modules, notes and
accepted findings. When any of these is another one, it does not count. An approval is good for one upgrade, and can be withdrawn until that has
closed the ERP.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Environment, Role
from wellkept.lib.hashing import canonical_json, sha256
from wellkept.lib.text import message
from wellkept.operations import records, schedule
from wellkept.operations.errors import Failed
from wellkept.upgrades import releases
from wellkept.upgrades.consent import signing
from wellkept.upgrades.models import Acceptance, Approval, Rehearsal, RehearsalState, Upgrade, Waiver

PRODUCTION = ("upgrades.apply", "upgrades.apply_patch")
"""The operations that an approval is for."""


def rehearsed(environment: Environment, target: str, current: str = "") -> Rehearsal | None:
    """The newest rehearsal of the way that ended by itself, with success or not; ``current`` is the environment's series unless it is given."""
    current = current or releases.series_of(environment.version)
    ended = (RehearsalState.SUCCEEDED, RehearsalState.FAILED)
    return Rehearsal.objects.filter(environment=environment, current=current, target=target, state__in=ended).order_by("-ended_at").first()


def digest(rehearsal: Rehearsal) -> str:
    """A SHA-256 of all that people agree to; one query."""
    accepted = Acceptance.objects.filter(
        system=rehearsal.system_id, current=rehearsal.current, target=rehearsal.target, revoked_at=None, approved_at__isnull=False
    )
    names = ("environment_id", "current", "target", "version", "notes_digest")
    facts = {name: getattr(rehearsal, name) for name in names}
    facts |= {"rehearsal": rehearsal.pk, "modules": sorted(rehearsal.modules), "accepted": _findings(accepted)}
    return sha256(canonical_json({**facts, "packages": sha256(rehearsal.packages.encode())}))


def standing(rehearsal: Rehearsal) -> Approval | None:
    """The approval that waits or counts for exactly this; None where nobody asked, or something has changed since. Two queries."""
    return Approval.objects.filter(rehearsal=rehearsal, digest=digest(rehearsal), withdrawn_at=None, used_at=None).first()


def ask(environment: Environment, target: str, *, who: Who, planned_for: datetime | None = None) -> Approval:
    """Ask for the approval of the upgrade as it was rehearsed. An older one for something else goes.

    Raises Denied, Invalid without a rehearsal that succeeded or with a start that is past, Taken when it was asked for already.
    """
    access.require(who, Role.OPERATOR, environment)
    one = succeeded(environment, target)
    if planned_for is not None and planned_for <= timezone.now():
        raise Invalid(gettext_noop("the planned start is past already"))
    sealed = digest(one)
    try:
        with transaction.atomic():
            _withdraw_others(one, sealed, who)
            made = Approval.objects.create(**place(one), **signing.written(who), digest=sealed, planned_for=planned_for)
            _record(made, gettext_noop("The approval was asked for: {system}, from {current} to {version}"), who)
    except IntegrityError as error:
        raise Taken(gettext_noop("this was asked for already")) from error
    return made


def approve(approval: Approval, *, who: Who) -> Approval:
    """Agree to it. Raises Denied to whoever asked or may not approve, Taken when it is approved, withdrawn or of something else meanwhile."""
    access.require(who, Role.APPROVER, approval)
    signing.refuse_author(approval, who)
    with transaction.atomic():
        row = signing.locked(approval)
        if row.approved_at or row.withdrawn_at or row.used_at or row.digest != digest(row.rehearsal):
            raise Taken(gettext_noop("nothing was approved: it is approved or withdrawn already, or something has changed since it was asked for"))
        signing.sign(row, who)
        _record(row, gettext_noop("Approved: {system}, from {current} to {version}"), who)
    return row


def withdraw(approval: Approval, *, who: Who) -> Approval:
    """Take it back, approved or not: whoever asked may, and whoever may approve. Raises Denied, Taken once an upgrade has closed the ERP by it."""
    access.require(who, Role.OPERATOR, approval)
    if access.person_of(who) is None or access.person_of(who) != approval.author_person:
        access.require(who, Role.APPROVER, approval)
    with transaction.atomic():
        row = signing.locked(approval)
        if row.used_at is not None:
            raise Taken(gettext_noop("it is too late: an upgrade has closed the ERP by this approval; cancel its run to take it back"))
        if row.withdrawn_at is not None:
            raise Taken(gettext_noop("this was withdrawn already"))
        _end(row, who)
    return row


@transaction.atomic
def use(upgrade: Upgrade) -> None:
    """Use the approval up, as the last thing before the ERP is closed: from here on it cannot be withdrawn. Raises Failed when it was."""
    schedule.call_off(upgrade.system, PRODUCTION, schedule.ACTOR, waiting=True)
    if upgrade.approval_id is None:
        return
    row = Approval.objects.select_for_update().get(pk=upgrade.approval_id)
    if row.withdrawn_at is not None:
        text = gettext_noop("{who} withdrew the approval at {at}, so the ERP was not closed and nothing was changed")
        raise Failed(message(text, who=row.withdrawn_by, at=row.withdrawn_at.isoformat(timespec="seconds")))
    if row.used_at is None:
        row.used_at = timezone.now()
        row.save(update_fields=["used_at"])


def open_approval(environment: Environment, target: str) -> Approval:
    """The approval of the way that waits or counts now. Raises Invalid where there is none."""
    one = rehearsed(environment, target)
    found = standing(one) if one is not None else None
    if found is None:
        raise Invalid(gettext_noop("nobody has asked for the approval of this upgrade yet, or something has changed since"))
    return found


def succeeded(environment: Environment, target: str) -> Rehearsal:
    """The newest rehearsal of the way, which counts. Raises Invalid where there is none, or it failed."""
    one = rehearsed(environment, target)
    if one is None or one.state != RehearsalState.SUCCEEDED:
        raise Invalid(gettext_noop("the newest rehearsal of this upgrade has to have succeeded first"))
    return one


def _withdraw_others(one: Rehearsal, sealed: str, who: Who) -> None:
    """Older approvals of the same way that are for something else count no more anyway; this says so."""
    rows = Approval.objects.select_for_update(of=("self",)).select_related("organisation", "system", "rehearsal")
    way = {"environment": one.environment_id, "rehearsal__current": one.current, "rehearsal__target": one.target}
    for row in rows.filter(**way, withdrawn_at=None, used_at=None).exclude(rehearsal=one, digest=sealed):
        _end(row, who)


def _end(row: Approval, who: Who) -> None:
    row.withdrawn_by, row.withdrawn_at = access.actor(who), timezone.now()
    row.save(update_fields=["withdrawn_by", "withdrawn_at"])
    schedule.call_off(row.system, PRODUCTION, access.actor(who))
    _record(row, gettext_noop("The approval was withdrawn: {system}, from {current} to {version}"), who)


def _findings(rows: Any) -> list[list[str]]:
    return sorted([one, rule] for one, rule in rows.values_list("digest", "rule"))


def place(one: Rehearsal) -> dict[str, Any]:
    """What a word about a rehearsal belongs to, as the columns of a row."""
    return {"organisation_id": one.organisation_id, "system_id": one.system_id, "environment_id": one.environment_id, "rehearsal": one}


def _record(row: Approval, told: str, who: Who) -> None:
    record("upgrades.approval", row, told, who)


def record(kind: str, row: Approval | Waiver, told: str, who: Who, **more: str) -> None:
    """Note in the record what somebody said about a rehearsal; ``told`` may name the system, current, target, version and ``more``."""
    one = row.rehearsal
    names: Mapping[str, str] = {"current": one.current, "target": one.target, "version": one.version, **more}
    said = message(told, system=row.system.name, **names)
    data = {"id": row.pk, "rehearsal": one.pk, "digest": row.digest, **names}
    records.append(row.organisation, kind, said, actor=access.actor(who), system=row.system, data=data)
