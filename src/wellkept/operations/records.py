"""The tamper-evident history: append, verify, export.

Every organisation has a chain of its own. An entry is written in the transaction of whatever it tells about: one never exists without the other.
"""

import csv
import io
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from wellkept.estate.models import Organisation, System
from wellkept.lib import csvsafe, hashchain
from wellkept.lib.text import Message, say
from wellkept.operations import checkpoints, verification
from wellkept.operations.models import Record
from wellkept.operations.verification import Verification

LOCK_CLASS = 0x5265636F
CHUNK = 2000
EXACT_FLOAT = 1e16
FIELDS = {
    "number": "number",
    "kind": "kind",
    "maintenance_type": "maintenance_type",
    "system": "system_id",
    "system_name": "system_name",
    "actor": "actor",
    "summary": "summary",
    "data": "data",
    "previous_hash": "previous_hash",
    "hash": "hash",
    "at": "at",
    "run": "run_id",
}
SECRET_NAME = re.compile(
    r"(?i)(^|[_.\-\s])(password|passwd|passphrase|secret|token|credentials?)$|^(api_?key|private_?key|secret_?key|session_?key|master_?key|authorization|cookie)$"
)
SECRET_TEXT = re.compile(
    r"(?P<url>[a-z][a-z0-9+.\-]*://[^\s:/@]*:)[^\s@/]+(?=@)"
    r"|AGE-SECRET-KEY-1[0-9A-Z]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)"
)
HIDDEN = "[hidden]"


class SecretInRecord(ValueError):
    """Somebody tried to write a secret into the record; nothing was written."""


def append(
    organisation: Organisation,
    kind: str,
    summary: Message,
    *,
    actor: str,
    maintenance_type: str = "",
    system: System | None = None,
    run_id: uuid.UUID | str | None = None,
    data: Mapping[str, object] | None = None,
) -> Record:
    """Write the next entry of the organisation's chain, in the transaction of the caller.

    One writer per organisation at a time: the lock is held until the caller's transaction ends, so keep that short. ``summary`` is a stored
    sentence and ``data`` JSON data; addresses with a password in them are masked. Raises SecretInRecord when a field is named like a secret and
    TypeError when a value is not plain data.
    """
    told, facts = plain(summary), plain(dict(data or {}))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, organisation.pk])
        last = Record.objects.filter(organisation=organisation).order_by("-number").values_list("number", "hash").first()
        number, previous = last or (0, hashchain.GENESIS)
        record = Record(
            organisation=organisation,
            number=number + 1,
            at=timezone.now(),
            kind=kind,
            maintenance_type=maintenance_type,
            system=system,
            system_name=system.name if system else "",
            run_id=uuid.UUID(str(run_id)) if run_id else None,
            actor=actor,
            summary=told,
            data=facts,
            previous_hash=previous,
        )
        record.hash = hashchain.entry_hash(entry(organisation.pk, [getattr(record, column) for column in FIELDS.values()]))
        record.save(force_insert=True)
    return record


def entry(organisation_id: int, row: Sequence[Any]) -> dict[str, object]:
    """An entry as plain data, from the columns of FIELDS: what is hashed (all but ``hash``) and what an export holds."""
    made: dict[str, object] = dict(zip(FIELDS, row, strict=True))
    made["organisation"] = organisation_id
    made["at"] = row[-2].astimezone(UTC).isoformat(timespec="microseconds")
    made["run"] = str(row[-1]) if row[-1] else None
    return made


def plain(value: object, name: str = "") -> Any:
    """The value as PostgreSQL's jsonb will give it back, so that its hash stays the same; with secrets refused or masked.

    jsonb writes 1e16 as an integer and -0.0 as 0.0, and cannot hold a NUL character.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return int(value) if abs(value) >= EXACT_FLOAT else value + 0.0
    if isinstance(value, str):
        if value and SECRET_NAME.search(name):
            raise SecretInRecord(f"the record takes no secrets: {name}")
        readable = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        return SECRET_TEXT.sub(lambda found: (found["url"] or "") + HIDDEN, readable)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, name) for item in value]
    raise TypeError(f"the record takes plain data, not {type(value).__name__}")


def entries(organisation: Organisation) -> Iterator[dict[str, object]]:
    """Every entry in the order of its number, streamed from the server as plain data."""
    rows = Record.objects.filter(organisation=organisation).order_by("number", "pk").values_list(*FIELDS.values())
    for row in rows.iterator(chunk_size=CHUNK):
        yield entry(organisation.pk, row)


def verify(organisation: Organisation) -> Verification:
    """Check the whole chain against itself, the checkpoints in the database and those in the file outside of it."""
    stored, outside = checkpoints.stored(organisation), checkpoints.outside(organisation)
    verdict = hashchain.check(entries(organisation), [*stored, *outside], checkpoints.public_keys(), chain=organisation.pk)
    if verdict.broken is None:
        known = {(point.number, point.hash) for point in stored}
        lost = next((point for point in outside if (point.number, point.hash) not in known), None)
        if lost is not None:
            return verification.told(verdict, hashchain.Break(lost.number, "unsigned"))
    return verification.told(verdict, verdict.broken)


def export(organisation: Organisation, form: str) -> Iterator[str]:
    """The whole record as text, line by line: ``jsonl`` (can be verified anywhere) or ``csv`` (for a spreadsheet; safe against formulas)."""
    return _jsonl(organisation) if form == "jsonl" else _csv(organisation)


def _jsonl(organisation: Organisation) -> Iterator[str]:
    header = {
        "type": "record-export-1",
        "organisation": organisation.pk,
        "name": organisation.name,
        "at": timezone.now().astimezone(UTC).isoformat(timespec="seconds"),
        "entries": Record.objects.filter(organisation=organisation).count(),
        "checkpoints": [{name: getattr(point, name) for name in checkpoints.FIELDS} for point in checkpoints.stored(organisation)],
    }
    yield json.dumps(header, ensure_ascii=False) + "\n"
    for made in entries(organisation):
        yield json.dumps(made, ensure_ascii=False) + "\n"


def _csv(organisation: Organisation) -> Iterator[str]:
    names = ("number", "at", "kind", "maintenance_type", "system_name", "run", "actor", "summary", "data", "hash")
    yield _csv_line(names)
    for made in entries(organisation):
        told = {**made, "summary": say(made["summary"]), "data": json.dumps(made["data"], ensure_ascii=False)}  # type: ignore[arg-type]
        yield _csv_line([told[name] for name in names])


def _csv_line(values: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([csvsafe.cell(value) for value in values])
    return buffer.getvalue()
