"""Secret values at rest: encrypted with the installation's key, which is not in the database."""

from django.conf import settings

from wellkept.estate.models import Environment, Organisation, Secret
from wellkept.lib import crypt


def store(organisation: Organisation, name: str, text: str) -> Secret:
    """Keep a secret under a name of the organisation; an older value of that name is replaced."""
    secret, _made = Secret.objects.update_or_create(
        organisation=organisation, name=name, defaults={"ciphertext": crypt.encrypt(text, settings.MASTER_KEYS)}
    )
    return secret


def open(secret: Secret) -> str:  # noqa: A001 - read as secrets.open
    """The secret value. Raises crypt.WrongKey when the installation's key is not the one it was written with."""
    return crypt.decrypt(secret.ciphertext, settings.MASTER_KEYS)


def environment_name(environment: Environment, what: str) -> str:
    """The name of a secret of an environment: ``what`` is ``database`` or ``login``."""
    return f"environment/{environment.pk}/{what}"


def of_environment(environment: Environment, what: str) -> str | None:
    """A secret of an environment, None when there is none."""
    found = Secret.objects.filter(organisation=environment.system.organisation_id, name=environment_name(environment, what)).first()
    return open(found) if found is not None else None
