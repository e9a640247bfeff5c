"""An administrator waives a gate for a while, with a reason: for one rehearsal and all that it stands for, as in ``agree``."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Role
from wellkept.upgrades.consent import agree, signing
from wellkept.upgrades.models import Rehearsal, Waiver

WAIVABLE = ("age", "approval", "window", "freeze")
"""Gates about people and their plans. Those about the data (what was rehearsed, what is proven, room, rights, other runs) cannot be waived."""
LONGEST_HOURS = 14 * 24


def standing(rehearsal: Rehearsal) -> dict[str, Waiver]:
    """What is waived for exactly this now, by gate. Two queries."""
    rows = Waiver.objects.filter(rehearsal=rehearsal, digest=agree.digest(rehearsal), revoked_at=None, ends_at__gt=timezone.now())
    return {row.gate: row for row in rows.order_by("ends_at")}


def waive(environment: Environment, target: str, gate: str, *, reason: str, hours: float, who: Who) -> Waiver:
    """Have a gate count as open for so many hours. Raises Denied, and Invalid for one that protects the data, without a reason or a rehearsal."""
    access.require(who, Role.ADMINISTRATOR, environment)
    if gate not in WAIVABLE:
        raise Invalid(
            gettext_noop("{gate} cannot be waived, because it protects the data; possible are {known}"), gate=gate, known=", ".join(WAIVABLE)
        )
    why = signing.reason(reason)
    if not 0 < hours <= LONGEST_HOURS:
        raise Invalid(gettext_noop("a gate is waived for at most {hours} hours"), hours=LONGEST_HOURS)
    one = agree.succeeded(environment, target)
    ends = timezone.now() + timedelta(hours=hours)
    with transaction.atomic():
        made = Waiver.objects.create(**agree.place(one), **signing.written(who), digest=agree.digest(one), gate=gate, reason=why, ends_at=ends)
        told = gettext_noop("The gate {gate} was waived until {until}: {system}, from {current} to {version} ({reason})")
        _record(made, told, who, reason=made.reason, until=ends.isoformat(timespec="seconds"))
    return made


def revoke(waiver: Waiver, *, who: Who) -> Waiver:
    """Have a waiver count no more. Raises Denied, Taken when it was revoked already."""
    access.require(who, Role.ADMINISTRATOR, waiver)
    with transaction.atomic():
        row = signing.revoke(waiver, who)
        told = gettext_noop("The gate {gate} is no longer waived: {system}, from {current} to {version}")
        _record(row, told, who)
    return row


def of_gate(environment: Environment, target: str, gate: str) -> Waiver:
    """What is waived of a gate now. Raises Invalid where it is not."""
    one = agree.rehearsed(environment, target)
    found = standing(one).get(gate) if one is not None else None
    if found is None:
        raise Invalid(gettext_noop("the gate {gate} is not waived"), gate=gate)
    return found


def _record(row: Waiver, told: str, who: Who, **more: str) -> None:
    agree.record("upgrades.waiver", row, told, who, gate=row.gate, **more)
