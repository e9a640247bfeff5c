"""Signed checkpoints of the record: a row in the database, and a line in a file that a database administrator does not reach.

The signing key is derived from the key file of the home, which is outside the database too; workers that share the key file sign alike. Public keys
that ever signed are kept in a file, so that checkpoints stay verifiable after the key file was changed.
"""

import fcntl
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from wellkept.estate.models import Organisation
from wellkept.lib import crypt, hashchain, signing
from wellkept.operations.models import Checkpoint, Record

PURPOSE = "record checkpoints"
FIELDS = ("chain", "number", "hash", "at", "signature")
EVERY = timedelta(minutes=10)
AT_ONCE = ("backups.drill",)


def path() -> Path:
    """The file outside the database, one checkpoint a line."""
    return Path(settings.HOME.path) / "checkpoints.jsonl"


def keys_path() -> Path:
    """The public keys that ever signed, one a line."""
    return Path(settings.HOME.path) / "checkpoint.pub"


def public_key() -> str:
    """The key that today's checkpoints are verified with (base64); give it to whoever is to verify an export."""
    return signing.public_key(_seed())


def public_keys() -> list[str]:
    """Every key whose signature counts: those of the key file, and those that signed before."""
    return list(dict.fromkeys([*(signing.public_key(crypt.derive(key, PURPOSE)) for key in settings.MASTER_KEYS), *_kept_keys()]))


def checkpoint(organisation: Organisation) -> Checkpoint | None:
    """Sign the end of the organisation's record; None when there is nothing new to sign.

    The line in the file is written when the transaction is committed: a statement about an entry that was never committed would be a false alarm.
    """
    with transaction.atomic():
        last = Record.objects.filter(organisation=organisation).order_by("-number").values("number", "hash").first()
        known = Checkpoint.objects.filter(organisation=organisation).order_by("-number").values_list("number", flat=True).first()
        if last is None or last["number"] == known:
            return None
        at = timezone.now()
        point = hashchain.Checkpoint(organisation.pk, last["number"], last["hash"], _iso(at))
        signature = signing.sign(point.statement(), _seed())
        made = Checkpoint.objects.create(organisation=organisation, number=point.number, hash=point.hash, at=at, signature=signature)
        line = {**{name: getattr(point, name) for name in FIELDS}, "signature": signature}
        transaction.on_commit(lambda: _write_outside(line))
    return made


def make_due(now: datetime | None = None) -> list[Checkpoint]:
    """Sign the records that grew since their last checkpoint, when that is ten minutes old or a drill ended since. Called by the worker."""
    moment = now or timezone.now()
    return [made for organisation in _due(moment) if (made := checkpoint(organisation)) is not None]


def stored(organisation: Organisation) -> list[hashchain.Checkpoint]:
    """The checkpoints in the database, oldest first."""
    rows = Checkpoint.objects.filter(organisation=organisation).order_by("number", "pk")
    return [hashchain.Checkpoint(organisation.pk, row.number, row.hash, _iso(row.at), row.signature, "database") for row in rows]


def outside(organisation: Organisation) -> list[hashchain.Checkpoint]:
    """The checkpoints in the file, oldest first; a line that is no checkpoint counts as a forged one."""
    if not path().exists():
        return []
    found = []
    with path().open() as file:
        for line in file:
            try:
                point = hashchain.Checkpoint(**json.loads(line), source="file")
            except (ValueError, TypeError):
                point = hashchain.Checkpoint(organisation.pk, 0, "", "", source="file")
            if point.chain == organisation.pk:
                found.append(point)
    return found


def _due(moment: datetime) -> QuerySet[Organisation]:
    signed = Checkpoint.objects.filter(organisation=OuterRef("pk")).order_by("-number")
    written = Record.objects.filter(organisation=OuterRef("pk"), number__gt=OuterRef("signed_number"))
    known = Organisation.objects.annotate(
        signed_number=Coalesce(Subquery(signed.values("number")[:1]), 0, output_field=BigIntegerField()), signed_at=Subquery(signed.values("at")[:1])
    )
    old = Q(signed_at=None) | Q(signed_at__lte=moment - EVERY)
    return known.filter(Exists(written) & old | Exists(written.filter(kind__in=AT_ONCE)))


def _seed() -> str:
    return crypt.derive(settings.MASTER_KEYS[0], PURPOSE)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _write_outside(line: dict[str, object]) -> None:
    _add_line(path(), json.dumps(line, sort_keys=True))
    if public_key() not in _kept_keys():
        _add_line(keys_path(), public_key())


def _kept_keys() -> list[str]:
    return keys_path().read_text().split() if keys_path().exists() else []


def _add_line(file: Path, line: str) -> None:
    """Append a line so that it is on the disk when this returns, whole even when several processes write."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        out.write(line + "\n")
        out.flush()
        os.fsync(out.fileno())
