"""The exit codes of every command, in one table, and which error leads to which."""

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """A code and what it tells the caller; its name in lower case is the one in JSON."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        made = int.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made

    SUCCEEDED = 0, "It worked."
    FAILED = 1, "It failed for a reason that is not in this table; the text says which."
    USAGE = 2, "The command line is wrong: an unknown option, a missing argument, or a confirmation that was not given."
    NOT_SET_UP = 3, "There is no usable home or database yet, or a program is missing: run wellkept init, then wellkept doctor."
    NOT_FOUND = 4, "Something that was named does not exist."
    REFUSED = 5, "The ERP, its database or Wellkept says no: another login, another role or more rights are needed."
    UNREACHABLE = 6, "Nobody answers at the address of the ERP, its database or a repository: try again later."
    INVALID = 7, "A value makes no sense, or this version cannot do it; nothing was changed."
    CONFLICT = 8, "Something with this name is there already, or another run holds the environment."
    RUN_FAILED = 10, "The run failed; nothing was changed."
    ROLLED_BACK = 11, "The run failed and its change was taken back."
    CANCELLED = 12, "The run was cancelled."
    NEEDS_ATTENTION = 13, "The run stopped where a person must decide; its outcome says what."
    NOT_PROVEN = 14, "A check did not hold: a broken record, a broken backup, a restore that is not proven, a shut gate of an upgrade."
    INTERRUPTED = 130, "Ctrl-C ended the command; a run that a worker executes goes on."


BY_RUN_STATE = {
    "succeeded": ExitCode.SUCCEEDED,
    "failed": ExitCode.RUN_FAILED,
    "rolled_back": ExitCode.ROLLED_BACK,
    "cancelled": ExitCode.CANCELLED,
    "needs_attention": ExitCode.NEEDS_ATTENTION,
}

BY_ERROR = {
    "wellkept.home.HomeError": ExitCode.NOT_SET_UP,
    "wellkept.platform.PlatformError": ExitCode.NOT_SET_UP,
    "wellkept.demo.DemoError": ExitCode.FAILED,
    "wellkept.tools.postgres.PostgresError": ExitCode.NOT_SET_UP,
    "wellkept.tools.command.CommandMissing": ExitCode.NOT_SET_UP,
    "wellkept.lib.crypt.WrongKey": ExitCode.NOT_SET_UP,
    "django.core.exceptions.ImproperlyConfigured": ExitCode.NOT_SET_UP,
    "django.db.utils.OperationalError": ExitCode.NOT_SET_UP,
    "django.db.utils.ProgrammingError": ExitCode.NOT_SET_UP,
    "django.core.exceptions.ObjectDoesNotExist": ExitCode.NOT_FOUND,
    "wellkept.estate.errors.NotFound": ExitCode.NOT_FOUND,
    "wellkept.estate.access.Denied": ExitCode.REFUSED,
    "wellkept.adapters.base.Refused": ExitCode.REFUSED,
    "wellkept.adapters.base.Unreachable": ExitCode.UNREACHABLE,
    "wellkept.adapters.base.Unsupported": ExitCode.INVALID,
    "wellkept.adapters.base.Invalid": ExitCode.INVALID,
    "wellkept.estate.errors.Invalid": ExitCode.INVALID,
    "wellkept.adapters.base.Conflicting": ExitCode.CONFLICT,
    "wellkept.estate.errors.Taken": ExitCode.CONFLICT,
    "wellkept.tools.restic_errors.WrongKey": ExitCode.REFUSED,
    "wellkept.tools.restic_errors.Refused": ExitCode.REFUSED,
    "wellkept.tools.restic_errors.Unreachable": ExitCode.UNREACHABLE,
    "wellkept.tools.restic_errors.Damaged": ExitCode.NOT_PROVEN,
    "wellkept.tools.restic_errors.ResticError": ExitCode.FAILED,
    "wellkept.lib.escrow.EscrowError": ExitCode.NOT_PROVEN,
    "wellkept.operations.errors.Conflict": ExitCode.CONFLICT,
    "wellkept.operations.errors.Failed": ExitCode.RUN_FAILED,
    "wellkept.operations.errors.NeedsAttention": ExitCode.NEEDS_ATTENTION,
    "wellkept.operations.errors.RolledBack": ExitCode.ROLLED_BACK,
    "wellkept.operations.errors.Cancelled": ExitCode.CANCELLED,
}
"""By dotted name, so that no command has to import what it does not use; a subclass counts as the nearest ancestor that is here."""


def of(error: BaseException) -> ExitCode | None:
    """The exit code of an error that a person can act on; None for one that only a programmer can."""
    for ancestor in type(error).__mro__:
        found = BY_ERROR.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if found is not None:
            return found
    return None
