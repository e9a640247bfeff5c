"""Known releases, assessments of an upgrade, and the notes that a system has of its own."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wellkept.backups.models import Backup
from wellkept.estate.models import Environment, Organisation, Person, System
from wellkept.operations.models import Run


class Release(models.Model):
    """A series of a kind of ERP, as its package index showed it at ``seen_at``. The dates are null where the maker's rule says nothing yet."""

    adapter = models.CharField(max_length=30)
    series = models.CharField(max_length=30)
    newest = models.CharField(max_length=60)
    released = models.DateField(null=True, blank=True)
    support_end = models.DateField(null=True, blank=True)
    long_term = models.BooleanField(default=False)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["adapter", "series"], name="one_release_per_series")]

    def __str__(self) -> str:
        return f"{self.adapter} {self.series}"


class Level(models.TextChoices):
    """How an upgrade looks from here."""

    WELL = "well", _("Nothing in the way")
    WATCH = "watch", _("Look at this first")
    ACT = "act", _("Something is in the way")


class Assessment(models.Model):
    """What an upgrade of an environment from a series to another would meet, as it was at ``made_at``; ``report`` is a Report as plain data."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="assessments")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="assessments")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="assessments")
    run = models.OneToOneField(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="assessment")
    current = models.CharField(_("from"), max_length=30)
    target = models.CharField(_("to"), max_length=30)
    level = models.CharField(_("verdict"), max_length=10, choices=Level)
    made_at = models.DateTimeField(default=timezone.now)
    report = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["system", "-made_at"])]

    def __str__(self) -> str:
        return f"{self.system_id}: {self.current} → {self.target}"


class Written(models.Model):
    """Something that a person wrote, named as in records."""

    author = models.CharField(max_length=254)
    author_person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


class Seconded(Written):
    """It counts for production once another person than its author approved it."""

    approver = models.CharField(max_length=254, blank=True)
    approver_person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class NoteVersion(Seconded):
    """One version of a note that a system has of its own: a new one, a correction of one that comes with us, or that it is left out.

    Versions are never changed, only followed by newer ones. ``content`` holds the fields of adapters.base.Note but its id; a note that is
    ``disabled`` keeps the content that is left out.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="notes")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="notes")
    current = models.CharField(_("from"), max_length=30)
    target = models.CharField(_("to"), max_length=30)
    name = models.SlugField(_("name"), max_length=80, allow_unicode=False)
    version = models.PositiveIntegerField()
    content = models.JSONField(default=dict)
    disabled = models.BooleanField(_("left out"), default=False)
    reason = models.TextField(_("reason"), max_length=2000)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["system", "current", "target", "name", "version"], name="one_note_per_version")]

    def __str__(self) -> str:
        return f"{self.name} ({self.version})"


class GivenModule(Written):
    """A module that no package index has, given for a release: the file of a package, kept under its ``sha256``, and the ``modules`` in it.

    It counts until ``removed_at``; the newest of a package takes the place of the others. Which files a rehearsal had, its list says.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="given_modules")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="given_modules")
    target = models.CharField(_("to"), max_length=30)
    package = models.CharField(max_length=200)
    version = models.CharField(max_length=60)
    modules = models.JSONField(default=list)
    file = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    removed_by = models.CharField(max_length=254, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["system", "target", "package"], condition=models.Q(removed_at=None), name="one_given_module_per_package")
        ]

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


class Acceptance(Seconded):
    """A person's word that one finding of an upgrade is meant to be: lines of the migration's log, or a difference of the books.

    ``finding`` is an entry of ``Rehearsal.judged`` or ``Rehearsal.compared`` without what is only said, and ``digest`` its SHA-256. ``rule`` says how
    far it goes (see ``consent.accept``). Like a note it counts for production once a second person approved it, and never after ``revoked_at``.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="acceptances")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="acceptances")
    current = models.CharField(_("from"), max_length=30)
    target = models.CharField(_("to"), max_length=30)
    finding = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    rule = models.CharField(max_length=20)
    reason = models.TextField(_("reason"), max_length=2000)
    revoked_by = models.CharField(max_length=254, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["system", "current", "target", "digest"], condition=models.Q(revoked_at=None), name="one_acceptance_per_finding"
            )
        ]

    def __str__(self) -> str:
        return f"{self.system_id}: {self.current} → {self.target} ({self.pk})"


class RehearsalState(models.TextChoices):
    """How far a rehearsal is."""

    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Rehearsal(models.Model):
    """An upgrade that was done on a copy, and taken back there.

    ``version`` is the exact new version, ``modules`` are those that were active, ``packages`` is the list of what was installed with its hashes
    (empty: the one that came with us), ``notes_digest`` stands for the notes that were done. ``log`` is the end of the migration's log,
    ``differences`` stored sentences, ``report`` the results of its phases as plain data. ``judged`` are the warnings and errors of the log and
    ``compared`` all that changed in the books, each with who means it to be so (see ``consent.findings``).
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="rehearsals")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="rehearsals")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="rehearsals")
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="rehearsal")
    backup = models.ForeignKey(Backup, on_delete=models.SET_NULL, null=True, blank=True, related_name="rehearsals")
    current = models.CharField(_("from"), max_length=30)
    target = models.CharField(_("to"), max_length=30)
    version = models.CharField(_("new version"), max_length=60, blank=True)
    modules = models.JSONField(default=list)
    packages = models.TextField(blank=True)
    notes_digest = models.CharField(max_length=64)
    state = models.CharField(_("state"), max_length=20, choices=RehearsalState, default=RehearsalState.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    figures_equal = models.BooleanField(null=True)
    rights_equal = models.BooleanField(null=True)
    rollback_seconds = models.FloatField(null=True)
    log = models.JSONField(default=list)
    differences = models.JSONField(default=list)
    judged = models.JSONField(default=list)
    compared = models.JSONField(default=list)
    report = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["system", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.system_id}: {self.current} → {self.target}"

    @property
    def is_patch(self) -> bool:
        """Whether only the code changes: a newer version of the same series."""
        return self.current == self.target


class Approval(Seconded):
    """A second person's word that production may be upgraded as it was rehearsed, once.

    It is for one rehearsal, and ``digest`` stands for what that was (see ``consent.agree``). ``author``, who asked, and approver are two persons,
    named as in records; it waits until ``approved_at``, and counts no more after ``withdrawn_at`` or ``used_at``, when an upgrade closed the
    ERP by it. ``planned_for`` is when people are told that it begins.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="approvals")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="approvals")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="approvals")
    rehearsal = models.ForeignKey(Rehearsal, on_delete=models.CASCADE, related_name="approvals")
    digest = models.CharField(max_length=64)
    planned_for = models.DateTimeField(_("planned start"), null=True, blank=True)
    withdrawn_by = models.CharField(max_length=254, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rehearsal"], condition=models.Q(withdrawn_at=None, used_at=None), name="one_open_approval_per_rehearsal")
        ]

    def __str__(self) -> str:
        return f"{self.rehearsal_id} ({self.pk})"


class Waiver(Written):
    """An administrator's word that one gate need not be open for what was rehearsed, until ``ends_at``; it counts no more after ``revoked_at``."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="waivers")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="waivers")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="waivers")
    rehearsal = models.ForeignKey(Rehearsal, on_delete=models.CASCADE, related_name="waivers")
    digest = models.CharField(max_length=64)
    gate = models.CharField(max_length=30)
    reason = models.TextField(_("reason"), max_length=2000)
    ends_at = models.DateTimeField(_("valid until"))
    revoked_by = models.CharField(max_length=254, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.gate} ({self.pk})"


class UpgradeState(models.TextChoices):
    """What became of an upgrade."""

    RUNNING = "running", _("Running")
    KEPT = "kept", _("Kept")
    TAKEN_BACK = "taken_back", _("Taken back")
    FAILED = "failed", _("Failed, nothing was changed")
    STUCK = "stuck", _("Needs attention")


class Upgrade(models.Model):
    """An upgrade of an environment in earnest.

    ``database`` is its name in the ERP; the one from before is called ``kept_database`` once they were exchanged, and nobody can connect to it.
    ``old_interpreter`` and ``new_interpreter`` are the direct paths of both releases. Unavailable from ``closed_at`` to ``opened_at``. At
    ``abort_by`` it is taken back by itself unless it is through; null where no window has an end.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="upgrades")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="upgrades")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="upgrades")
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="upgrade")
    rehearsal = models.ForeignKey(Rehearsal, on_delete=models.PROTECT, related_name="upgrades")
    approval = models.ForeignKey(Approval, on_delete=models.SET_NULL, null=True, blank=True, related_name="upgrades")
    waived = models.JSONField(default=list)
    backup = models.ForeignKey(Backup, on_delete=models.SET_NULL, null=True, blank=True, related_name="upgrades")
    current = models.CharField(_("from"), max_length=30)
    target = models.CharField(_("to"), max_length=30)
    version = models.CharField(_("new version"), max_length=60)
    state = models.CharField(_("state"), max_length=20, choices=UpgradeState, default=UpgradeState.RUNNING)
    database = models.CharField(max_length=63)
    new_database = models.CharField(max_length=63)
    kept_database = models.CharField(max_length=63)
    old_interpreter = models.CharField(max_length=500)
    new_interpreter = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    abort_by = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    figures_equal = models.BooleanField(null=True)
    rights_equal = models.BooleanField(null=True)
    log = models.JSONField(default=list)
    differences = models.JSONField(default=list)
    judged = models.JSONField(default=list)
    compared = models.JSONField(default=list)
    report = models.JSONField(default=dict)
    discarded = models.JSONField(default=dict)
    removed_at = models.DateTimeField(null=True, blank=True)
    closing = models.JSONField(default=dict)
    followed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["system", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.system_id}: {self.current} → {self.target}"

    @property
    def is_patch(self) -> bool:
        """Whether only the code changes: a newer version of the same series."""
        return self.current == self.target


class Measurement(models.Model):
    """How an ERP worked at a moment: ``before`` an upgrade, or after it.

    ``timings`` are seconds by transaction, several of each, ``errors`` lines of the ERP's own log by what they say with how often since the last
    measurement, ``statements`` the slowest statements by PostgreSQL's own account; null where that could not be seen. ``words`` is what people call
    the kinds of record, by language.
    """

    upgrade = models.ForeignKey(Upgrade, on_delete=models.CASCADE, related_name="measurements")
    before = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)
    timings = models.JSONField(default=dict)
    words = models.JSONField(default=dict)
    errors = models.JSONField(null=True)
    statements = models.JSONField(null=True)

    class Meta:
        ordering: ClassVar = ["upgrade", "at"]


class Answer(models.TextChoices):
    """How somebody works since an upgrade."""

    BETTER = "better", _("Better than before")
    SAME = "same", _("As before")
    WORSE = "worse", _("Worse than before")
    BLOCKED = "blocked", _("I cannot do my work")


class Opinion(models.Model):
    """What a person says of the work since an upgrade: the newest answer counts.

    ``handler``, named as in records, took it up or settled it, with a ``note``; a new answer is open again.
    """

    upgrade = models.ForeignKey(Upgrade, on_delete=models.CASCADE, related_name="opinions")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    answer = models.CharField(_("How is your work since the upgrade?"), max_length=10, choices=Answer)
    comment = models.TextField(_("What should we know?"), max_length=2000, blank=True)
    language = models.CharField(max_length=10)
    at = models.DateTimeField(default=timezone.now)
    handler = models.CharField(max_length=254, blank=True)
    note = models.TextField(_("note"), max_length=2000, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["upgrade", "person"], name="one_opinion_per_person")]
