"""The exit codes of every command, in one table, and which error leads to which."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExitCode:
    """A code, its name in JSON, and what it tells the caller."""

    code: int
    name: str
    meaning: str


SUCCEEDED = ExitCode(0, "succeeded", "It worked.")
FAILED = ExitCode(1, "failed", "It failed for a reason that is not in this table; the text says which.")
USAGE = ExitCode(2, "usage", "The command line is wrong: an unknown option, a missing argument, or a confirmation that was not given.")
NOT_SET_UP = ExitCode(3, "not_set_up", "There is no usable home or database yet, or a program is missing: run wellkept init, then wellkept doctor.")
NOT_FOUND = ExitCode(4, "not_found", "Something that was named does not exist.")
REFUSED = ExitCode(5, "refused", "The ERP, its database or Wellkept says no: another login, another role or more rights are needed.")
UNREACHABLE = ExitCode(6, "unreachable", "Nobody answers at the address of the ERP, its database or a repository: try again later.")
INVALID = ExitCode(7, "invalid", "A value makes no sense, or this version cannot do it; nothing was changed.")
CONFLICT = ExitCode(8, "conflict", "Something with this name is there already, or another run holds the environment.")
RUN_FAILED = ExitCode(10, "run_failed", "The run failed; nothing was changed.")
ROLLED_BACK = ExitCode(11, "rolled_back", "The run failed and its change was taken back.")
CANCELLED = ExitCode(12, "cancelled", "The run was cancelled.")
NEEDS_ATTENTION = ExitCode(13, "needs_attention", "The run stopped where a person must decide; its outcome says what.")
NOT_PROVEN = ExitCode(14, "not_proven", "A check was carried out and did not hold: a broken record, a broken backup, a restore that is not proven.")
INTERRUPTED = ExitCode(130, "interrupted", "Ctrl-C ended the command; a run that a worker executes goes on.")

TABLE = (
    SUCCEEDED, FAILED, USAGE, NOT_SET_UP, NOT_FOUND, REFUSED, UNREACHABLE, INVALID, CONFLICT, RUN_FAILED, ROLLED_BACK, CANCELLED, NEEDS_ATTENTION,
    NOT_PROVEN, INTERRUPTED,
)  # fmt: skip

BY_RUN_STATE = {
    "succeeded": SUCCEEDED,
    "failed": RUN_FAILED,
    "rolled_back": ROLLED_BACK,
    "cancelled": CANCELLED,
    "needs_attention": NEEDS_ATTENTION,
}

BY_ERROR = {
    "wellkept.home.HomeError": NOT_SET_UP,
    "wellkept.tools.postgres.PostgresError": NOT_SET_UP,
    "wellkept.tools.command.CommandMissing": NOT_SET_UP,
    "wellkept.lib.crypt.WrongKey": NOT_SET_UP,
    "django.core.exceptions.ImproperlyConfigured": NOT_SET_UP,
    "django.db.utils.OperationalError": NOT_SET_UP,
    "django.db.utils.ProgrammingError": NOT_SET_UP,
    "django.core.exceptions.ObjectDoesNotExist": NOT_FOUND,
    "wellkept.estate.errors.NotFound": NOT_FOUND,
    "wellkept.estate.access.Denied": REFUSED,
    "wellkept.adapters.base.Refused": REFUSED,
    "wellkept.adapters.base.Unreachable": UNREACHABLE,
    "wellkept.adapters.base.Unsupported": INVALID,
    "wellkept.adapters.base.Invalid": INVALID,
    "wellkept.estate.errors.Invalid": INVALID,
    "wellkept.adapters.base.Conflicting": CONFLICT,
    "wellkept.estate.errors.Taken": CONFLICT,
    "wellkept.operations.runtime.Conflict": CONFLICT,
    "wellkept.operations.runtime.Failed": RUN_FAILED,
    "wellkept.operations.runtime.NeedsAttention": NEEDS_ATTENTION,
    "wellkept.operations.runtime.RolledBack": ROLLED_BACK,
    "wellkept.operations.runtime.Cancelled": CANCELLED,
}
"""By dotted name, so that no command has to import what it does not use; a subclass counts as the nearest ancestor that is here."""


def of(error: BaseException) -> ExitCode | None:
    """The exit code of an error that a person can act on; None for one that only a programmer can."""
    for ancestor in type(error).__mro__:
        found = BY_ERROR.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if found is not None:
            return found
    return None
