"""What went wrong with a program, an ERP or a disk, as the sentence a run ends with."""

import contextlib
import errno
from collections.abc import Iterator
from typing import NoReturn

import psycopg
from django.utils.translation import gettext_noop

from wellkept.adapters.base import AdapterError, Unreachable
from wellkept.backups.sets import SetError
from wellkept.lib.crypt import WrongKey
from wellkept.lib.escrow import EscrowError
from wellkept.lib.text import message, reason, said
from wellkept.operations.errors import Failed
from wellkept.tools import command, netns, postgres, restic

SENTENCES: dict[type[Exception], str] = {
    restic.WrongKey: gettext_noop("The key does not open the repository; nothing was changed. {reason}"),
    restic.NoRepository: gettext_noop("There is no repository at its place; nothing was changed. {reason}"),
    restic.KeepsAll: gettext_noop(
        "The place lets nothing be removed (append-only), so all backups are still there and on the list. Make room on the server itself. {reason}"
    ),
    restic.Refused: gettext_noop("The place of the repository refuses us; nothing was changed. Mend its credentials or its host key. {reason}"),
    restic.Damaged: gettext_noop("The repository is damaged: what was stored cannot be read back. {reason}"),
    restic.Full: gettext_noop("No space is left for the backup; older backups are as they were. {reason}"),
    restic.Locked: gettext_noop("Another program holds the repository; try again when it is done. {reason}"),
    restic.Unreachable: gettext_noop("The place of the repository does not answer. {reason}"),
    restic.Incomplete: gettext_noop("Not everything could be read, so this is not a good backup. {reason}"),
    restic.ResticError: gettext_noop("The repository could not be used. {reason}"),
    EscrowError: gettext_noop("The escrowed key cannot be used: {reason}"),
    WrongKey: gettext_noop("The stored key of the repository cannot be opened: {reason}"),
    SetError: gettext_noop("The backup is not what it should be: {reason}"),
    AdapterError: gettext_noop("The ERP could not be asked: {reason}"),
    postgres.PostgresError: gettext_noop("PostgreSQL cannot be used as needed: {reason}"),
    psycopg.Error: gettext_noop("The database could not be used: {reason}"),
    netns.SinkError: gettext_noop("The copy could not be sealed off: {reason}"),
    command.CommandError: gettext_noop("A program failed: {reason}"),
}
DISK_FULL = gettext_noop("No space is left on the disk at {place}; older backups are as they were.")
RETRYABLE = (restic.Unreachable, restic.Locked, psycopg.OperationalError, Unreachable)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn the errors of mechanism into the end of a run that a person understands; a stopped program stays what it is."""
    try:
        yield
    except command.CommandStopped:
        raise
    except tuple(SENTENCES) as error:
        fail(error)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Failed(message(DISK_FULL, place=error.filename or "")) from error
        raise


def fail(error: Exception) -> NoReturn:
    """End the run with the sentence of an error of the table."""
    if isinstance(error, command.CommandFailed) and "No space left on device" in error.stderr:
        raise Failed(message(DISK_FULL, place=error.program)) from error
    sentence = next(text for kind, text in SENTENCES.items() if isinstance(error, kind))
    why = said("PostgreSQL", str(error).strip()) if isinstance(error, psycopg.Error) else reason(error)
    raise Failed(message(sentence, reason=why), retryable=isinstance(error, RETRYABLE)) from error
