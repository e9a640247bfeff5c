"""What is watched, and the order in which its values are kept. The values themselves are in tables of ``store``."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wellkept.estate.models import Environment


class Rhythm(models.TextChoices):
    """How often something is read."""

    OFTEN = "often", _("every few seconds")
    SOMETIMES = "sometimes", _("every minute")


class Watch(models.Model):
    """An environment that is watched, and how that goes. One watcher holds it at a time, until ``held_until``.

    ``problem`` is the stored sentence why nothing could be read since ``problem_since``; None when all is well. ``blind`` lists what cannot be
    seen, as stored sentences.
    """

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="watch")
    enabled = models.BooleanField(_("watched"), default=True)
    held_by = models.CharField(max_length=100, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    problem = models.JSONField(null=True, blank=True)
    problem_since = models.DateTimeField(null=True, blank=True)
    blind = models.JSONField(default=list)


class Watcher(models.Model):
    """A watcher and its last sign of life."""

    name = models.CharField(max_length=100, unique=True)
    beat_at = models.DateTimeField()


class Panel(models.Model):
    """The series of an environment that are read together: ``series[n]``, a list [name, label], is what the n-th value of each of its readings is of.

    A series keeps its place for ever, so what was written earlier stays right; new ones are added at the end.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="panels")
    rhythm = models.CharField(max_length=20, choices=Rhythm)
    series = models.JSONField(default=list)
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["environment", "rhythm"], name="one_panel_per_rhythm")]


class Use(models.Model):
    """From when to when it is known in which hours an environment was used."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="use")
    since = models.DateTimeField()
    until = models.DateTimeField()


class UsedHour(models.Model):
    """An hour (its beginning, of UTC) in which people worked, and how many."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="used_hours")
    hour = models.DateTimeField()
    people = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["environment", "hour"], name="one_count_per_hour")]
