"""Who keeps what: organisations, people with roles, systems with their environments, hosts, components, and secrets."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Organisation(models.Model):
    """A company (or a client of a provider) whose systems are kept. Nothing of one organisation shows in another."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("short name"), unique=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    language = models.CharField(_("language"), max_length=10, default="en")
    status_key = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name


class PersonManager(BaseUserManager["Person"]):
    """Makes people; the e-mail address is the name they sign in with."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "Person":
        """A person with a hashed password (None: cannot sign in with one). Raises ValueError without an address."""
        if not email:
            raise ValueError("a person needs an e-mail address")
        person: Person = self.model(email=self.normalize_email(email).lower(), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser):
    """Somebody who signs in."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    language = models.CharField(_("language"), max_length=10, default="", blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="", blank=True)
    is_active = models.BooleanField(_("may sign in"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[PersonManager] = PersonManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    def __str__(self) -> str:
        return self.name or self.email


class Role(models.TextChoices):
    """What a member may do; each role includes the ones before it."""

    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    APPROVER = "approver", _("Approver")
    ADMINISTRATOR = "administrator", _("Administrator")


class Membership(models.Model):
    """A person's role in an organisation, or on one system of it when ``system`` is set."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    system = models.ForeignKey("System", on_delete=models.CASCADE, null=True, blank=True, related_name="memberships")
    role = models.CharField(_("role"), max_length=20, choices=Role)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["person", "organisation", "system"], name="one_role_per_place", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_role_display()}"


class Secret(models.Model):
    """A secret value, encrypted with a key that is not in the database."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=200)
    ciphertext = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["organisation", "name"], name="one_secret_per_name")]

    def __str__(self) -> str:
        return self.name


class Host(models.Model):
    """A machine that an environment runs on."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="hosts")
    name = models.CharField(_("name"), max_length=200)
    facts = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["organisation", "name"], name="one_host_per_name")]

    def __str__(self) -> str:
        return self.name


class System(models.Model):
    """An ERP that is kept."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="systems")
    name = models.SlugField(_("name"), max_length=60)
    title = models.CharField(_("title"), max_length=200, blank=True)
    adapter = models.CharField(_("kind of ERP"), max_length=30)
    rpo_target = models.DurationField(_("data that may be lost at most"), null=True, blank=True)
    rto_target = models.DurationField(_("longest time to be back"), null=True, blank=True)
    adopted_at = models.DateTimeField(default=timezone.now, editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    """When it was given up; its name is free again, its history stays."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organisation", "name"], condition=models.Q(removed_at=None), name="one_system_per_name"),
        ]

    def __str__(self) -> str:
        return self.title or self.name


class Kind(models.TextChoices):
    """What an environment is for."""

    PRODUCTION = "production", _("Production")
    STAGING = "staging", _("Staging")
    COPY = "copy", _("Copy")


class Environment(models.Model):
    """One running installation of a system.

    ``settings`` is plain data without secrets: ``{"host", "port", "user", "database", "url", "login", "interpreter", "config", "files",
    "state", "os_user"}``; the passwords are Secrets named ``environment/<id>/database`` and ``environment/<id>/login``. ``seen`` is the last
    discovery, as plain data.
    """

    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="environments")
    kind = models.CharField(_("purpose"), max_length=20, choices=Kind, default=Kind.PRODUCTION)
    host = models.ForeignKey(Host, on_delete=models.PROTECT, null=True, blank=True, related_name="environments")
    settings = models.JSONField(default=dict)
    version = models.CharField(_("version"), max_length=60, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    seen = models.JSONField(default=dict)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["system"], condition=models.Q(kind="production"), name="one_production_per_system"),
        ]

    def __str__(self) -> str:
        return f"{self.system.name} ({self.get_kind_display()})"


class Component(models.Model):
    """A module, package or server that an environment is made of."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="components")
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    installed = models.CharField(max_length=60, blank=True)
    active = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["environment", "kind", "name"], name="one_component_per_name")]

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A token for the API: shown once, kept as a hash, limited to an organisation, a role and an end."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="tokens")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    scope = models.CharField(_("may act as"), max_length=20, choices=Role, default=Role.VIEWER)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("valid until"))
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
