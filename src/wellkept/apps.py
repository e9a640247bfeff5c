"""The one Django app."""

from django.apps import AppConfig


class WellkeptConfig(AppConfig):
    """Wellkept's models, in packages named after the practices."""

    name = "wellkept"
    verbose_name = "Wellkept"
