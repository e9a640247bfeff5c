"""Repositories, backups (sets) and drills."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wellkept.estate.models import Environment, Organisation, Secret, System
from wellkept.operations.models import Run


class Repository(models.Model):
    """Where backups are kept: whatever restic speaks (a folder, ``sftp:…``, ``s3:…``, ``rest:…``).

    ``key`` is the repository's password, encrypted at rest. ``escrow`` is the same password encrypted to age recipients (ASCII armour):
    the people's own recovery key, and one that drills use. ``credentials`` (JSON) are access keys of S3 or REST, or an ssh private key; ``host_key``
    is what an sftp server must show, ``ca_certificate`` (PEM) what signs the certificate of a server that the system does not know.
    ``config_sha256`` is of the file that makes a folder this repository and no other.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="repositories")
    name = models.SlugField(_("name"), max_length=60)
    location = models.CharField(_("place"), max_length=500)
    key = models.ForeignKey(Secret, on_delete=models.PROTECT, related_name="+")
    drill_identity = models.ForeignKey(Secret, on_delete=models.PROTECT, related_name="+")
    credentials = models.ForeignKey(Secret, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    host_key = models.TextField(blank=True)
    ca_certificate = models.TextField(blank=True)
    escrow = models.TextField()
    recipients = models.JSONField(default=list)
    recovery_downloaded_at = models.DateTimeField(null=True, blank=True)
    retention = models.JSONField(default=dict)
    restic_id = models.CharField(max_length=64, blank=True)
    config_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["organisation", "name"], name="one_repository_per_name")]

    def __str__(self) -> str:
        return self.name


class BackupState(models.TextChoices):
    """Where a backup is: only a good one counts."""

    MAKING = "making", _("Being made")
    GOOD = "good", _("Good")
    FAILED = "failed", _("Failed")
    BROKEN = "broken", _("Broken")
    FORGOTTEN = "forgotten", _("Forgotten")


class Backup(models.Model):
    """One set: the database, the files, the settings and the manifest of one moment (``snapshot_at``)."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="backups")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="backups")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="backups")
    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, related_name="backups")
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="backups")
    state = models.CharField(_("state"), max_length=20, choices=BackupState, default=BackupState.MAKING)
    snapshot = models.CharField(max_length=64, blank=True)
    snapshot_at = models.DateTimeField(null=True, blank=True)
    made_at = models.DateTimeField(default=timezone.now)
    seconds = models.FloatField(null=True, blank=True)
    bytes = models.BigIntegerField(null=True, blank=True)
    stored_bytes = models.BigIntegerField(null=True, blank=True)
    files = models.BigIntegerField(null=True, blank=True)
    version = models.CharField(max_length=60, blank=True)
    manifest = models.JSONField(default=dict)
    verified_at = models.DateTimeField(null=True, blank=True)
    problem = models.JSONField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["system", "-made_at"]), models.Index(fields=["organisation", "-made_at"])]

    def __str__(self) -> str:
        return f"{self.system_id}/{self.pk}"


class DrillState(models.TextChoices):
    """How a drill ended."""

    RUNNING = "running", _("Running")
    PROVEN = "proven", _("Proven")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Drill(models.Model):
    """A restore of a backup in isolation, with what was proven and measured. ``certificate`` is plain, dated data."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="drills")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="drills")
    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="drills")
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="drills")
    state = models.CharField(_("state"), max_length=20, choices=DrillState, default=DrillState.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    rto_seconds = models.FloatField(null=True, blank=True)
    rpo_seconds = models.FloatField(null=True, blank=True)
    figures = models.PositiveIntegerField(null=True, blank=True)
    figures_equal = models.BooleanField(null=True, blank=True)
    neutral_proven = models.BooleanField(null=True, blank=True)
    escrow_key_used = models.BooleanField(null=True, blank=True)
    isolation = models.CharField(max_length=40, blank=True)
    differences = models.JSONField(default=list)
    certificate = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["system", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.system_id}/{self.backup_id}/{self.pk}"
