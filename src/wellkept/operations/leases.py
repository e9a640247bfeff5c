"""The right to change an environment: one row per environment, held by one run."""

from django.utils import timezone

from wellkept.operations.errors import Conflict
from wellkept.operations.models import OPEN_STATES, Lease, Run


def take(environment_id: int, run: Run) -> Lease:
    """Give the lease of the environment to the run, in the caller's transaction. A lease whose run has ended is void.

    Raises Conflict when another open run holds it.
    """
    lease, made = Lease.objects.select_for_update().get_or_create(environment_id=environment_id, defaults={"run": run})
    if made or lease.run_id == run.id:
        return lease
    if lease.run.state in OPEN_STATES:
        raise Conflict(lease)
    lease.run = run
    lease.taken_at = timezone.now()
    lease.save(update_fields=["run", "taken_at"])
    return lease


def release(run_id: str) -> None:
    """Give back whatever the run holds."""
    Lease.objects.filter(run_id=run_id).delete()


def holder(environment_id: int) -> Lease | None:
    """The lease of the environment while an open run holds it."""
    return (
        Lease.objects.select_related("run__requested_by", "environment__system")
        .filter(environment_id=environment_id, run__state__in=OPEN_STATES)
        .first()
    )
