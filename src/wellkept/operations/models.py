"""Runs and their steps, leases, schedules, workers, and the tamper-evident record."""

import uuid
from typing import ClassVar

import pgtrigger
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wellkept.estate.models import Environment, Organisation, Person, System


def append_only() -> list[pgtrigger.Trigger]:
    """Triggers that refuse to change, delete or truncate rows, whoever asks."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        pgtrigger.Trigger(
            name="no_truncate",
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            func="RAISE EXCEPTION 'the record is append-only: % may not be truncated', TG_TABLE_NAME;",
        ),
    ]


class MaintenanceType(models.TextChoices):
    """ISO/IEC/IEEE 14764."""

    CORRECTIVE = "corrective", _("Corrective")
    ADAPTIVE = "adaptive", _("Adaptive")
    PERFECTIVE = "perfective", _("Perfective")
    PREVENTIVE = "preventive", _("Preventive")


class RunState(models.TextChoices):
    """Where a run is; the last five are outcomes."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed, nothing changed")
    ROLLED_BACK = "rolled_back", _("Rolled back")
    CANCELLED = "cancelled", _("Cancelled")
    NEEDS_ATTENTION = "needs_attention", _("Needs attention")


OPEN_STATES = (RunState.QUEUED, RunState.RUNNING)


class Run(models.Model):
    """One execution of an operation. Its id is also the id of the durable workflow.

    ``outcome`` is a stored sentence (lib.text); ``phases`` the steps that are expected, ``[{"name", "title", "p50", "p90"}]`` with seconds or null;
    ``result`` plain data for commands and pages.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="runs")
    system = models.ForeignKey(System, on_delete=models.CASCADE, null=True, blank=True, related_name="runs")
    environment = models.ForeignKey(Environment, on_delete=models.SET_NULL, null=True, blank=True, related_name="runs")
    operation = models.CharField(max_length=100)
    maintenance_type = models.CharField(max_length=20, choices=MaintenanceType)
    arguments = models.JSONField(default=dict)
    phases = models.JSONField(default=list)
    state = models.CharField(max_length=20, choices=RunState, default=RunState.QUEUED)
    outcome = models.JSONField(null=True, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    enqueued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    worker = models.CharField(max_length=100, blank=True)
    takeovers = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["organisation", "-requested_at"]),
            models.Index(fields=["system", "-requested_at"]),
            models.Index(fields=["state"], condition=models.Q(state__in=["queued", "running"]), name="runs_open"),
            models.Index(fields=["system", "operation"], condition=models.Q(state="needs_attention"), name="runs_undecided"),
        ]


class StepState(models.TextChoices):
    """Where a step is."""

    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Step(models.Model):
    """One step of a run. ``seconds`` by the monotonic clock; ``drivers`` what the duration depends on (rows, bytes, modules …)."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    attempt = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=20, choices=StepState, default=StepState.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    fraction = models.FloatField(null=True, blank=True)
    note = models.JSONField(null=True, blank=True)
    drivers = models.JSONField(default=dict)
    worker = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["run", "number", "attempt"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "number", "attempt"], name="one_step_per_attempt")]


class Lease(models.Model):
    """The right to change an environment, held by one run."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="lease")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="leases")
    taken_at = models.DateTimeField(default=timezone.now)


class Worker(models.Model):
    """A worker process and its last sign of life.

    ``machine`` tells whose pids those are (boot and process namespace); ``pid_started`` tells a process from a later one with the same pid.
    """

    name = models.CharField(max_length=100, unique=True)
    host = models.CharField(max_length=200)
    machine = models.CharField(max_length=100, blank=True)
    pid = models.PositiveIntegerField()
    pid_started = models.PositiveBigIntegerField(default=0)
    version = models.CharField(max_length=40)
    started_at = models.DateTimeField(default=timezone.now)
    beat_at = models.DateTimeField(default=timezone.now)


class Schedule(models.Model):
    """An operation that is run again and again, by a cron expression in a time zone; or once, at ``next_at``, where the expression is empty.

    A single start is made in the name of ``author`` (as in records; the person behind it is ``author_person``). ``problem`` is the stored sentence
    why its latest moment passed without a run; None when all is well.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="schedules")
    system = models.ForeignKey(System, on_delete=models.CASCADE, null=True, blank=True, related_name="schedules")
    operation = models.CharField(_("operation"), max_length=100)
    arguments = models.JSONField(default=dict)
    cron = models.CharField(_("when (cron)"), max_length=100)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    enabled = models.BooleanField(_("enabled"), default=True)
    next_at = models.DateTimeField(null=True, blank=True)
    last_at = models.DateTimeField(null=True, blank=True)
    last_run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    missed_at = models.DateTimeField(null=True, blank=True)
    missed_count = models.PositiveIntegerField(default=0)
    problem = models.JSONField(null=True, blank=True)
    author = models.CharField(max_length=254, blank=True)
    author_person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["system", "operation"], condition=models.Q(cron=""), name="one_single_start_per_operation")
        ]


class Window(models.Model):
    """When production may be changed: every week by the clock of a place (``days``, ``opens``, ``closes``), or once (``starts_at`` to ``ends_at``).

    Without a system it is for all of the organisation. ``days`` are numbers, 0 is Monday; it closes on the next day where ``closes`` is not after
    ``opens``. ``author`` is named as in records.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="windows")
    system = models.ForeignKey(System, on_delete=models.CASCADE, null=True, blank=True, related_name="windows")
    days = models.JSONField(default=list)
    opens = models.TimeField(_("opens"), null=True, blank=True)
    closes = models.TimeField(_("closes"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    author = models.CharField(max_length=254)
    made_at = models.DateTimeField(default=timezone.now, editable=False)


class Freeze(models.Model):
    """A time in which production stays as it is, whatever its windows say; without a system, all of the organisation."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="freezes")
    system = models.ForeignKey(System, on_delete=models.CASCADE, null=True, blank=True, related_name="freezes")
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=500)
    author = models.CharField(max_length=254)
    made_at = models.DateTimeField(default=timezone.now, editable=False)


class Record(models.Model):
    """An entry of the tamper-evident history of one organisation; never changed, never deleted."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="records")
    number = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=60)
    maintenance_type = models.CharField(max_length=20, choices=MaintenanceType, blank=True)
    system = models.ForeignKey(System, on_delete=models.PROTECT, null=True, blank=True, related_name="records")
    system_name = models.CharField(max_length=60, blank=True)
    run_id = models.UUIDField(null=True, blank=True)
    actor = models.CharField(max_length=254)
    summary = models.JSONField()
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["organisation", "number"], name="one_record_per_number")]
        indexes: ClassVar = [models.Index(fields=["system", "-at"]), models.Index(fields=["organisation", "-at"])]
        triggers: ClassVar = append_only()


class Checkpoint(models.Model):
    """A signed statement of how long the record was and what its last hash was (Ed25519)."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="checkpoints")
    number = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)
    at = models.DateTimeField()
    signature = models.TextField()

    class Meta:
        triggers: ClassVar = append_only()
