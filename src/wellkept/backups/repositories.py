"""Where backups are kept: making a repository, opening it, and its key in escrow.

The key (restic's password) is random. It is kept twice: encrypted as a Secret for daily work, and in an **escrow** (an armoured age file) that opens
with the people's own recovery key, with a key that drills use, and with any other age key that was named. The private recovery key is shown once and
then forgotten here: whoever has it and the escrow gets the backups back when this installation is lost.
"""

import contextlib
import json
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.backups import reach
from wellkept.backups.models import Repository
from wellkept.estate import secrets
from wellkept.estate.errors import Invalid, NotFound, Taken
from wellkept.estate.models import Organisation, Secret
from wellkept.lib import escrow
from wellkept.lib.hashing import file_sha256
from wellkept.lib.text import message, reason
from wellkept.operations import records
from wellkept.planning import retention
from wellkept.tools import command, restic


def places(organisation: Organisation) -> list[Path]:
    """The folders of an organisation below which a page or the API may make its repositories; WELLKEPT_REPOSITORY_FOLDERS says where they are."""
    return [Path(place) / organisation.slug for place in settings.REPOSITORY_FOLDERS]


def create(
    organisation: Organisation,
    name: str,
    location: str,
    *,
    actor: str,
    recipients: Sequence[str] = (),
    access: reach.Access | None = None,
    rules: Mapping[str, int] | None = None,
    within: Sequence[Path] | None = None,
) -> Repository:
    """Make a repository with a random key and its escrow; ``recipients`` are further age public keys.

    ``within`` are the only folders of this machine below which it may be; for the owner of the machine, None, it may be anywhere.

    Safe to repeat after an interruption. Raises Invalid for a place or key that makes no sense, Unconfirmed for an sftp server whose host key
    nobody has confirmed, Taken when the name is in use or somebody else's repository is there, and restic's errors when the place cannot be used;
    nothing is stored then.
    """
    _check_name(name)
    place, found = _place(location, within)
    try:
        named = [escrow.check_recipient(one) for one in recipients]
        chosen = dict(rules or {})
        retention.rules(chosen)
    except (escrow.EscrowError, ValueError) as error:
        raise Invalid(reason(error)) from error
    given = access or reach.Access()
    allowed = reach.checked(place, replace(given, credentials={**found, **given.credentials}))
    repository = _row(organisation, name, place, access=allowed, named=named, rules=chosen)
    try:
        restic_id = _init(repository)
    except (restic.ResticError, command.CommandError, Taken):
        _drop(repository)
        raise
    except OSError as error:
        _drop(repository)
        raise Invalid(gettext_noop("The folder {place} cannot be made or read: {reason}"), place=place, reason=error.strerror or "") from error
    with transaction.atomic():
        Repository.objects.filter(pk=repository.pk).update(restic_id=restic_id, config_sha256=config_sha256(repository))
        text = message(gettext_noop("Repository {name} was made at {place}"), name=name, place=place)
        data = {"repository": name, "place": place, "recipients": repository.recipients}
        records.append(organisation, "repository.created", text, actor=actor, data=data)
    repository.refresh_from_db()
    return repository


def opened(repository: Repository) -> restic.Repository:
    """The repository with the stored key, for daily work. Raises crypt.WrongKey."""
    return _with(repository, secrets.open(repository.key))


def config_sha256(repository: Repository) -> str:
    """The hash of the file that tells a folder of this machine from every other repository; empty for other places, and where it cannot be read."""
    if not restic.is_folder(repository.location):
        return ""
    try:
        return file_sha256(Path(repository.location) / "config")
    except OSError:
        return ""


def escrowed(repository: Repository) -> restic.Repository:
    """The repository with the key out of the escrow, opened with the drills' key: what proves that the escrow works.

    Raises EscrowError when it does not open or belongs to another repository.
    """
    return _with(repository, _password(repository, secrets.open(repository.drill_identity)))


def test_escrow(repository: Repository, identity: str, *, actor: str) -> str:
    """Prove that a person's own private key leads to the backups: it opens the escrow, and what is in it opens the repository.

    ``identity`` is the text of an age identity file; it is not kept. Returns the repository's id. Raises EscrowError or restic's errors.
    """
    opened_id = restic.identity(_with(repository, _password(repository, escrow.private_key_in(identity))))
    text = message(gettext_noop("A recovery key of the repository {name} was tested and works"), name=repository.name)
    records.append(repository.organisation, "repository.escrow_tested", text, actor=actor, data={"repository": repository.name})
    return opened_id


def recovery_key(repository: Repository, *, actor: str) -> str:
    """The private recovery key as an age identity file, once: it is deleted here in the same transaction. Raises NotFound the second time."""
    with transaction.atomic():
        locked = Repository.objects.select_for_update().get(pk=repository.pk)
        kept = Secret.objects.filter(organisation=locked.organisation_id, name=_secret_name(locked.name, "recovery")).first()
        if kept is None:
            raise NotFound(
                gettext_noop("the recovery key of {name} was downloaded before; it is kept nowhere here. Renew the escrow to get another one"),
                name=locked.name,
            )
        private = secrets.open(kept)
        kept.delete()
        locked.recovery_downloaded_at = timezone.now()
        locked.save(update_fields=["recovery_downloaded_at"])
        text = message(gettext_noop("The recovery key of the repository {name} was downloaded"), name=locked.name)
        records.append(locked.organisation, "repository.recovery_downloaded", text, actor=actor, data={"repository": locked.name})
    head = f"# opens the escrow of the backup repository {locked.name} ({locked.location})\n# public key: {locked.recipients[0]}\n"
    return f"{head}{private}\n"


def renew_escrow(repository: Repository, *, actor: str, recipients: Sequence[str] = ()) -> Repository:
    """Seal the escrow again, for a fresh recovery key, the drills' key and ``recipients``; whoever had an older escrow file can still open that."""
    try:
        named = [escrow.check_recipient(one) for one in recipients]
    except escrow.EscrowError as error:
        raise Invalid(reason(error)) from error
    drill = escrow.identity_of(secrets.open(repository.drill_identity))
    with transaction.atomic():
        recovery = _new_recovery(repository.organisation, repository.name)
        everyone = [recovery.public, drill.public, *named]
        repository.recipients, repository.recovery_downloaded_at = everyone, None
        repository.escrow = _seal(repository.name, repository.location, secrets.open(repository.key), everyone)
        repository.save(update_fields=["recipients", "recovery_downloaded_at", "escrow"])
        text = message(gettext_noop("The escrow of the repository {name} was renewed"), name=repository.name)
        data = {"repository": repository.name, "recipients": everyone}
        records.append(repository.organisation, "repository.escrow_renewed", text, actor=actor, data=data)
    return repository


def set_access(repository: Repository, wish: reach.Access, *, actor: str) -> Repository:
    """Change what leads to the place: what is given replaces what was stored, once it was proven that it reads and writes the same repository.

    Raises the errors of reach.checked, Invalid when another repository is there, and restic's errors; nothing is changed then.
    """
    fresh = reach.checked(repository.location, wish, _access(repository))
    if restic.identity(_with(repository, secrets.open(repository.key), fresh), writing=True) != repository.restic_id:
        raise Invalid(gettext_noop("At this place is another repository than {name}; nothing was changed"), name=repository.name)
    with transaction.atomic():
        _keep_access(repository, fresh)
        text = message(gettext_noop("The access to the repository {name} was changed"), name=repository.name)
        data = {"repository": repository.name, "names": sorted(wish.credentials), "host_key": fresh.host_key, "own_certificate": bool(fresh.ca)}
        records.append(repository.organisation, "repository.access_changed", text, actor=actor, data=data)
    return repository


def set_rules(repository: Repository, rules: Mapping[str, int], *, actor: str) -> Repository:
    """Change the retention rules. Raises Invalid for numbers that make no sense."""
    try:
        retention.rules(rules)
    except ValueError as error:
        raise Invalid(reason(error)) from error
    with transaction.atomic():
        before, repository.retention = repository.retention, dict(rules)
        repository.save(update_fields=["retention"])
        text = message(gettext_noop("The retention rules of the repository {name} were changed"), name=repository.name)
        data = {"repository": repository.name, "before": before, "after": dict(rules)}
        records.append(repository.organisation, "repository.retention_changed", text, actor=actor, data=data)
    return repository


def _check_name(name: str) -> None:
    field = Repository._meta.get_field("name")  # noqa: SLF001 - Django's documented way to a field
    try:
        field.clean(name, None)
    except ValidationError as error:
        text = gettext_noop("“{name}” is not a short name: use at most {longest} letters, digits, hyphens and underscores")
        raise Invalid(text, name=name, longest=field.max_length) from error


def _place(location: str, within: Sequence[Path] | None) -> tuple[str, dict[str, str]]:
    try:
        place, found = restic.parse_location(location)
    except ValueError as error:
        raise Invalid(reason(error)) from error
    if within is not None and restic.is_folder(place):
        place = _allowed(Path(place), within)
    return place, found


def _allowed(folder: Path, within: Sequence[Path]) -> str:
    """The folder without any link or dot in its path: what was checked is what is used from then on."""
    real = folder.resolve()
    if not any(one.resolve() in real.parents for one in within):
        text = gettext_noop(
            "a folder on this machine must be below {places}; whoever runs the machine can allow others with the setting {setting}, "
            "or make the repository with {command}"
        )
        shown = ", ".join(str(one) for one in within)
        raise Invalid(text, places=shown, setting="WELLKEPT_REPOSITORY_FOLDERS", command="wellkept repository create")
    return str(real)


def _row(organisation: Organisation, name: str, place: str, *, access: reach.Access, named: Sequence[str], rules: dict[str, int]) -> Repository:
    known = Repository.objects.filter(organisation=organisation, name=name).first()
    if known is not None and not known.restic_id and known.location == place:
        _keep_access(known, access)
        return known
    if known is not None:
        raise Taken(gettext_noop("there is a repository {name} already"), name=name)
    password = randomness.token_urlsafe(32)
    drill = escrow.new_identity()
    try:
        with transaction.atomic():
            recovery = _new_recovery(organisation, name)
            everyone = [recovery.public, drill.public, *named]
            return Repository.objects.create(
                organisation=organisation,
                name=name,
                location=place,
                key=secrets.store(organisation, _secret_name(name, "key"), password),
                drill_identity=secrets.store(organisation, _secret_name(name, "drill"), drill.private),
                credentials=_stored_credentials(organisation, name, access),
                host_key=access.host_key,
                ca_certificate=access.ca,
                escrow=_seal(name, place, password, everyone),
                recipients=everyone,
                retention=rules,
            )
    except IntegrityError as error:
        raise Taken(gettext_noop("there is a repository {name} already"), name=name) from error


def _new_recovery(organisation: Organisation, name: str) -> escrow.Identity:
    made = escrow.new_identity()
    secrets.store(organisation, _secret_name(name, "recovery"), made.private)
    return made


def _seal(name: str, place: str, password: str, recipients: Sequence[str]) -> str:
    return escrow.seal({"repository": name, "location": place, "password": password}, recipients)


def _password(repository: Repository, private: str) -> str:
    content = escrow.unseal(repository.escrow, private)
    if (content.get("repository"), content.get("location")) != (repository.name, repository.location) or not content.get("password"):
        raise escrow.EscrowError(gettext_noop("the escrow file belongs to another repository"))
    return content["password"]


def _access(repository: Repository) -> reach.Access:
    credentials = json.loads(secrets.open(repository.credentials)) if repository.credentials is not None else {}
    return reach.Access(credentials, repository.host_key, repository.ca_certificate)


def _keep_access(repository: Repository, access: reach.Access) -> None:
    repository.credentials = _stored_credentials(repository.organisation, repository.name, access)
    repository.host_key, repository.ca_certificate = access.host_key, access.ca
    repository.save(update_fields=["credentials", "host_key", "ca_certificate"])


def _stored_credentials(organisation: Organisation, name: str, access: reach.Access) -> Secret | None:
    return secrets.store(organisation, _secret_name(name, "access"), json.dumps(dict(access.credentials))) if access.credentials else None


def _with(repository: Repository, password: str, access: reach.Access | None = None) -> restic.Repository:
    way = access or _access(repository)
    cache = None if restic.is_folder(repository.location) else settings.HOME.path / "restic-cache"
    return restic.Repository(repository.location, password, way.credentials, cache, way.host_key, way.ca)


def _init(repository: Repository) -> str:
    """Initialise the place, or take up the interrupted start of the same one."""
    tool = opened(repository)
    with contextlib.suppress(restic.NoRepository):
        try:
            return restic.identity(tool)
        except restic.WrongKey as error:
            raise Taken(gettext_noop("there is a repository with another key at {place}"), place=repository.location) from error
    if restic.is_folder(repository.location):
        Path(repository.location).mkdir(parents=True, exist_ok=True, mode=0o700)
    return restic.init(tool)


def _drop(repository: Repository) -> None:
    with transaction.atomic():
        repository.delete()
        kept = [_secret_name(repository.name, what) for what in ("key", "drill", "access", "recovery")]
        Secret.objects.filter(organisation=repository.organisation_id, name__in=kept).delete()


def _secret_name(name: str, what: str) -> str:
    return f"repository/{name}/{what}"
