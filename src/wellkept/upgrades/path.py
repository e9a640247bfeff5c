"""The way of one system to a release, as far as it was gone: assessed, rehearsed, agreed on, applied, followed up; and what comes next."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop

from wellkept.estate import access
from wellkept.estate.access import Who
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Kind, Role, System
from wellkept.operations import runtime
from wellkept.operations.models import OPEN_STATES, Run
from wellkept.upgrades import gates, patch, planned, queries, releases
from wellkept.upgrades.consent import agree
from wellkept.upgrades.expect import Expected, expected
from wellkept.upgrades.gates import Seen
from wellkept.upgrades.models import Approval, Assessment, Rehearsal, Upgrade, UpgradeState
from wellkept.upgrades.patch import newer

ASSESS, REHEARSE, ASK, APPROVE, APPLY, WATCH, FOLLOW = "assess", "rehearse", "ask", "approve", "apply", "watch", "follow"
UNDECIDED = (UpgradeState.STUCK, UpgradeState.RUNNING)


@dataclass(frozen=True)
class Path:
    """``running`` is an open run of this way, ``seen`` the gates that are known without asking the ERP, ``next`` one of the words above."""

    environment: Environment
    current: str
    target: str
    assessment: Assessment | None
    rehearsal: Rehearsal | None
    seen: Seen
    takes: Expected | None
    upgrade: Upgrade | None
    running: Run | None

    @property
    def approval(self) -> Approval | None:
        """The approval that waits or counts for the newest rehearsal."""
        return self.seen.approval

    @property
    def begun(self) -> bool:
        """Whether production is being upgraded, or was and is: its gates say nothing any more."""
        return self.upgrade is not None and self.upgrade.state in {*UNDECIDED, UpgradeState.KEPT}

    @property
    def next(self) -> str:
        """The next stone."""
        if self.running is not None or (self.upgrade is not None and self.upgrade.state in UNDECIDED):
            return WATCH
        if self.upgrade is not None and self.upgrade.state == UpgradeState.KEPT:
            return FOLLOW
        if self.assessment is None and self.current != self.target:
            return ASSESS
        shut = {gate.name for gate in self.seen.shut}
        if self.seen.rehearsal is None or "age" in shut:
            return REHEARSE
        if self.approval is None and "approval" in shut:
            return ASK
        return APPROVE if self.approval is not None and self.approval.approved_at is None and "approval" in shut else APPLY


def path(system: System, target: str, *, starter: Who) -> Path:
    """How far a system is on its way to a series. Raises Invalid for a system without production, or a series that is none."""
    environment = production(system)
    releases.check(target)
    upgrade = Upgrade.objects.filter(environment=environment, target=target).select_related("run", "approval").order_by("-started_at").first()
    current = releases.series_of(environment.version)
    if upgrade is not None and current == target and not _something_newer(environment, current):
        current = upgrade.current
    seen = gates.known(environment, target, starter=access.person_of(starter), current=current)
    way = {"environment": environment, "current": current, "target": target}
    return Path(
        environment,
        current,
        target,
        assessment=Assessment.objects.filter(**way).defer("report").order_by("-made_at").first(),
        rehearsal=agree.rehearsed(environment, target, current),
        seen=seen,
        takes=expected(seen.rehearsal) if seen.rehearsal is not None else None,
        upgrade=upgrade if upgrade is not None and upgrade.current == current else None,
        running=Run.objects.filter(
            environment=environment, state__in=OPEN_STATES, operation__startswith="upgrades.", arguments__target=target
        ).first(),
    )


def _something_newer(environment: Environment, series: str) -> bool:
    """Whether there is a patch to go to, as far as is known without asking."""
    system = environment.system
    return patch.known(system.adapter, environment.version) is not None or bool(newer.modules([system], {system.pk: series})[system.pk])


def production(system: System) -> Environment:
    """The environment that is upgraded. Raises Invalid for a system without one."""
    found = Environment.objects.filter(system=system, kind=Kind.PRODUCTION).select_related("system__organisation").first()
    if found is None:
        raise Invalid(gettext_noop("the system has no production environment"))
    return found


def start(environment: Environment, target: str, *, who: Who, repository_id: int | None = None) -> Run:
    """Start the upgrade of production. Raises Denied, Invalid that names the first gate known to be shut, Conflict when a run is changing it.

    What only the ERP can tell is looked at by the run itself, first of all.
    """
    access.require(who, Role.ADMINISTRATOR, environment)
    person = access.person_of(who)
    seen = gates.known(environment, target, starter=person)
    if not seen.open:
        raise Invalid(seen.shut[0].why)
    arguments = {"target": target, **({"repository_id": repository_id} if repository_id is not None else {})}
    organisation = environment.system.organisation
    operation = patch.operation("upgrades.apply", environment, target)
    return runtime.submit(operation, organisation=organisation, environment=environment, arguments=arguments, requested_by=person)


def plain(one: Path) -> dict[str, Any]:
    """A way as data for programs."""
    start = planned.standing(one.environment.system, one.target)
    return {
        "system": one.environment.system.name,
        "from": one.current,
        "to": one.target,
        "next": one.next,
        "assessment": one.assessment.pk if one.assessment is not None else None,
        "newest_rehearsal": one.rehearsal.pk if one.rehearsal is not None else None,
        "upgrade": {"id": one.upgrade.pk, "state": str(one.upgrade.state), "run": str(one.upgrade.run_id)} if one.upgrade is not None else None,
        "running": str(one.running.pk) if one.running is not None else None,
        "plan": planned.plain(start) if start is not None else None,
        **queries.plain_gates(one.seen),
    }
