"""Run the manual steps of a migration on a database: each only where it applies, in one transaction, and checked afterwards."""

from collections.abc import Collection

import psycopg
from psycopg import sql

from wellkept.adapters.base import Conflicting, Connection, Invalid, Note, Unsupported, Verdict

ACTIVE = "SELECT name FROM ir_module WHERE state IN ('activated', 'to upgrade', 'to activate')"


def applies(connection: Connection, note: Note, *, installed: Collection[str] = ()) -> Verdict:
    """Whether a note applies to the connected database, and why (not). ``installed`` are the modules that the new series has.

    Only reads. Raises Invalid when the note's condition is not SQL that this database understands.
    """
    active = {name for (name,) in connection.execute(ACTIVE)}
    inactive = sorted(set(note.modules) - active)
    if inactive:
        return Verdict(note.id, applies=False, reason=f"not active here: {', '.join(inactive)}")
    replaced = sorted(set(note.replaced_by) & set(installed))
    if replaced:
        return Verdict(note.id, applies=False, reason=f"installed for the new series: {', '.join(replaced)}")
    if note.condition and not _asked(connection, note, note.condition):
        return Verdict(note.id, applies=False, reason="nothing in this database needs it, or it was done before")
    reason = f"active here: {', '.join(note.modules)}" if note.modules else "rows or columns of this database need it"
    return Verdict(note.id, applies=True, reason=reason)


def run_note(connection: Connection, note: Note, *, timeout: float) -> None:
    """Do what a note asks for and check it, in one transaction.

    The connection must be idle: the transaction is the note's own. A statement may take ``timeout`` seconds, and wait as long for a lock. On
    any error everything is rolled back. Raises Unsupported for a note that only a person can do, Conflicting when it takes too long or waits
    for a lock, Invalid when a statement fails or the check does not hold afterwards.
    """
    if not note.action:
        raise Unsupported(f"{note.title}: only a person can do this. {note.why}")
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise Invalid("a note runs in a transaction of its own, and another one is open on this connection")
    try:
        with connection.transaction():
            limit = sql.Literal(f"{int(timeout * 1000)}ms")
            connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(limit))
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(limit))
            _execute(connection, note.action)
            if not holds(connection, note):
                raise Invalid(f"{note.title}: it ran, but what it is for does not hold; it was taken back")
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
        raise Conflicting(f"{note.title}: not done within {timeout:g} s ({_first(error)}); it was taken back") from error
    except psycopg.Error as error:
        raise Invalid(f"{note.title}: {_first(error)}; it was taken back") from error


def holds(connection: Connection, note: Note) -> bool:
    """Whether what a note is for is so in the connected database. Raises Invalid when its check is not SQL that this database understands."""
    return _asked(connection, note, note.check)


def _execute(connection: Connection, action: str) -> None:
    """Run one or more statements. Inside a DO block none of them can end the transaction that they run in."""
    body = sql.SQL("BEGIN EXECUTE {}; END").format(sql.Literal(action)).as_string(connection)
    connection.execute(sql.SQL("DO {}").format(sql.Literal(body)))


def _asked(connection: Connection, note: Note, query: str) -> bool:
    """Ask one statement for a boolean. Prepared, it cannot be several, so that none can end the transaction and its limits."""
    try:
        with connection.transaction():
            row = connection.execute(query.encode(), prepare=True).fetchone()
    except psycopg.Error as error:
        raise Invalid(f"{note.title}: this database does not understand its condition: {_first(error)}") from error
    if row is None or len(row) != 1 or not isinstance(row[0], bool):
        raise Invalid(f"{note.title}: its condition has to give one boolean")
    return row[0]


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
