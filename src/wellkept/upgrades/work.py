"""What an upgrade does to an ERP, in a rehearsal on a copy as in earnest on production: both call these functions, so both do the same.

The migration works on a copy of the database, made inside its server. The database itself is closed meanwhile and stays as it is, and in the end
the two are exchanged by name. So whatever ends too early, under the ERP's name there is the state from before, or the migrated one that was
compared.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_noop
from psycopg import sql

from wellkept.adapters.base import AdapterError, Connection, Site
from wellkept.backups.copy import OWNER as COPY_OWNER
from wellkept.estate import connect, systems
from wellkept.estate.models import Environment
from wellkept.lib.text import Message, message, reason
from wellkept.operations import progress
from wellkept.operations.errors import Failed
from wellkept.planning.figures import Difference, Figure, compare, from_json, sentences, to_json
from wellkept.tools import command, confined, databases, postgres
from wellkept.tools.postgres import Server
from wellkept.upgrades.consent import findings
from wellkept.upgrades.consent.findings import Accepted, Finding
from wellkept.upgrades.notes import Effective

HOUR = 3600.0
COPY_SECONDS = 4 * HOUR
MIGRATE_SECONDS = 8 * HOUR
NOTE_SECONDS = 600.0
LINES_KEPT = 2000
DIFFERENCES_KEPT = 50
AT_ONCE = 2
"""How many kinds of record are looked at beside each other, as many as an ERP of ours has web processes."""
ORDINARY = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO ")
CHANGED = """
    SELECT schemaname, relname FROM pg_stat_user_tables
    WHERE greatest(last_analyze, last_autoanalyze) IS NULL OR n_mod_since_analyze > 50 + 0.1 * n_live_tup
"""
"""Tables that were never counted, or have changed by so much that PostgreSQL would count them again by itself, sooner or later."""
BEFORE, LOG = "before.json", "migration.log"
Facts = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """One upgrade of one database.

    ``site`` is the ERP as the owner of its database reaches it, with the interpreter of the old release. The copy that is migrated is called
    ``new``, and the database from before ``kept`` once they are exchanged. ``files_of`` is the name under which the file store keeps the files, with
    its ``layout``. ``folder`` holds what the steps tell each other.
    """

    environment: Environment
    site: Site
    current: str
    target: str
    new: str
    kept: str
    files_of: str
    layout: Mapping[str, str]
    folder: Path

    @property
    def server(self) -> Server:
        """Where the database is. Raises Failed when that is not known."""
        if self.site.server is None:
            text = gettext_noop("The database of this ERP cannot be reached from here: its server and a login for it are not known")
            raise Failed(message(text))
        return self.site.server

    def ability(self, name: str) -> Any:
        """The ERP's ability of that name."""
        return connect.ability(self.environment, name)

    def upgraded(self, interpreter: str | Path) -> Site:
        """The ERP with the interpreter of the new release."""
        return replace(self.site, interpreter=Path(interpreter))


def count(site: Site) -> None:
    """Have PostgreSQL count what is in the tables that have changed much, while people work.

    A copy takes that over, so that nobody waits for it while the ERP is closed.
    """
    if site.server is None:
        return
    with postgres.connect(site.server, site.database, autocommit=True) as connection, command.stoppable(connection.cancel):
        tables = [sql.Identifier(*names) for names in connection.execute(CHANGED).fetchall()]
        if tables:
            connection.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.SQL(", ").join(tables)))


def copy(work: Work) -> Facts:
    """Let nobody into the database any more, end who is still there, copy it, and read all figures; an older copy is dropped first.

    The ERP has to be stopped: whoever else is connected is ended, and named in the facts.
    """
    postgres.drop_database(work.server, work.new)
    started = time.monotonic()
    ended = _end_sessions(work)
    databases.copy(work.server, work.site.database, work.new, timeout=COPY_SECONDS)
    seconds = time.monotonic() - started
    figures = read_before(work, work.new)
    with postgres.connect(work.server, work.new, readonly=True) as connection:
        size = postgres.database_size(connection)
    progress.report(drivers={"bytes": size})
    return {"seconds": round(seconds, 3), "bytes": size, "figures": figures, "ended": ended}


def drop_copy(work: Work) -> None:
    """Drop the migrated copy, and the role that notes left when they were killed."""
    postgres.drop_database(work.server, work.new)
    confined.forget(_administrator(work), work.new)


def run_notes(work: Work, notes: Sequence[Effective], phase: str, modules: Mapping[str, str]) -> Facts:
    """Do the notes of a phase that apply to the copied database; those that only a person can do are listed.

    They run as a role that owns this one database; where no such role can be made, as the owner, and the facts say why.
    """
    ability = work.ability("releases")
    done: list[str] = []
    by_hand: list[Facts] = []
    with _noting(work) as (connection, not_confined):
        for note in (one.note for one in notes if one.note.phase == phase):
            progress.report(note=message("{title}", title=note.title))
            try:
                if not ability.applies(connection, note, installed=list(modules)).applies:
                    continue
                if note.action:
                    ability.run_note(connection, note, timeout=NOTE_SECONDS)
                    done.append(note.id)
                else:
                    by_hand.append({"id": note.id, "title": note.title, "why": note.why})
            except AdapterError as error:
                text = gettext_noop("The note {note} failed: {reason}. Correct it or leave it out, and rehearse again")
                raise Failed(message(text, note=note.id, reason=reason(error))) from error
    return {"done": done, "by_hand": by_hand, "not_confined": not_confined}


def migrate(work: Work, interpreter: str, accepted: Sequence[Accepted]) -> tuple[Facts, list[str], list[Finding]]:
    """Run the ERP's own migration on the copied database and judge its log; the facts, the last lines of the log, and what was found in it."""
    ability = work.ability("releases")
    with (work.folder / LOG).open("w") as log:

        def hear(line: str) -> None:
            log.write(line + "\n")
            say(line)

        done = ability.migrate(replace(work.upgraded(interpreter), database=work.new), timeout=MIGRATE_SECONDS, on_line=hear)
    # Nobody but the migration knows this database: whoever is on it when it failed may well hold what it waited for.
    others = [str(one) for one in databases.sessions(work.server, work.new)] if done.code != 0 else []
    judged = findings.of_log(ability.read_log(done.log, work.current, work.target), accepted)
    count = {by: sum(one["count"] for one in judged if one["by"] == by) for by in (findings.RELEASE, findings.PERSON)}
    facts = {
        "seconds": round(done.seconds, 3),
        "code": done.code,
        "lines": len(done.log),
        "others": others,
        "harmless": count[findings.RELEASE],
        "accepted": count[findings.PERSON],
        "new": findings.nobodys(judged)[:LINES_KEPT],
    }
    return facts, list(done.log[-LINES_KEPT:]), judged[:LINES_KEPT]


def migration_failed(facts: Facts, log: Sequence[str]) -> Message | None:
    """Why a migration does not count, None when it does: its exit code, or lines of its log that nobody has judged harmless."""
    new = facts["new"]
    worst = next((one for one in new if one["level"] in {"CRITICAL", "ERROR"}), new[0] if new else None)
    last = log[-1] if log else message(gettext_noop("it said nothing"))
    said = f"{worst['source']}: {worst['text'].splitlines()[0]}" if worst is not None and worst["text"] else last
    if facts["others"]:
        text = gettext_noop("The migration ended with code {code}: {said}; in the way may have been: {who}")
        return message(text, code=facts["code"], said=said, who="; ".join(facts["others"][:DIFFERENCES_KEPT]))
    if facts["code"] != 0:
        return message(gettext_noop("The migration ended with code {code}: {said}"), code=facts["code"], said=said)
    if new:
        count = sum(one["count"] for one in new)
        return message(gettext_noop("The migration's log has {count} lines that nobody has judged, the first: {said}"), count=count, said=said)
    return None


def compare_books(work: Work, accepted: Sequence[Accepted]) -> tuple[Facts, list[Message], list[Finding]]:
    """Compare every figure of the migrated copy with what was read before.

    Returns facts, what differs although neither the release nor a person wants it, as sentences, and all that changed with who means it so.
    """
    before, after = _kept(work), _read(work, work.new)
    ability = work.ability("figures")
    changed, unexpected = compare(before, after), work.ability("releases").unexpected(before, after, work.current, work.target)
    found = findings.judged(findings.of_books(changed, unexpected, ability.LABELS, ability.RIGHTS), accepted)
    wrong = findings.nobodys(found)
    facts = {
        "figures": len(after),
        "intended_changes": len(changed),
        "accepted": sum(one["by"] == findings.PERSON for one in found),
        "differences": len(wrong),
        "figures_equal": not any(not one["rights"] for one in wrong),
        "rights_equal": not any(one["rights"] for one in wrong),
    }
    return facts, _shortened([one["said"] for one in wrong]), [*wrong[:LINES_KEPT], *(one for one in found if one["by"])]


def _shortened(said: list[Message]) -> list[Message]:
    more = len(said) - DIFFERENCES_KEPT
    return [*said[:DIFFERENCES_KEPT], message(gettext_noop("and {count} more"), count=more)] if more > 0 else said


def exchange(work: Work) -> float:
    """Give the migrated copy the ERP's name; seconds. Done before, it stays so. Nobody may be connected to either."""
    started = time.monotonic()
    databases.exchange(work.server, work.site.database, work.new, work.kept)
    return time.monotonic() - started


def exchange_back(work: Work) -> float:
    """Give the database from before its name again and open it, wherever the upgrade stands; seconds."""
    started = time.monotonic()
    if postgres.database_exists(work.server, work.kept):
        _end_sessions(work)
        databases.exchange_back(work.server, work.site.database, work.new, work.kept)
    databases.unfence(work.server, work.site.database)
    return time.monotonic() - started


def differs_from_before(work: Work) -> list[Message]:
    """What is not as it was read before; empty after everything was taken back, and where nothing was read yet."""
    return sentences_of(work, differences(work)) if (work.folder / BEFORE).exists() else []


def differences(work: Work) -> list[Difference]:
    """What the ERP's own database holds differently than when it was read before."""
    return list(compare(_kept(work), _read(work, work.site.database)))


def looked(work: Work, site: Site, *, most: int | None = None) -> int:
    """Sign in and look around (at ``most`` so many kinds of record), changing nothing; returns how much was seen.

    Raises Failed for the first thing that does not work.
    """
    sights = work.ability("trials").look(site, most=most, at_once=AT_ONCE)
    wrong = [one for one in sights if one.error]
    if wrong or not sights:
        text = gettext_noop("The new release does not work: {what} failed with {reason}")
        raise Failed(message(text, what=wrong[0].what if wrong else "login", reason=wrong[0].error if wrong else ""), retryable=True)
    return len(sights)


def probed(work: Work, site: Site) -> dict[str, float]:
    """Do what users do, timed; seconds by probe. Raises Failed for the first that does not work."""
    timings = work.ability("probes").run(site)
    failed = [timing for timing in timings if timing.error]
    if failed or not timings:
        text = gettext_noop("Nobody can work on it: {probe} failed with {reason}")
        raise Failed(message(text, probe=failed[0].probe if failed else "login", reason=failed[0].error if failed else ""))
    return {timing.probe: round(timing.seconds, 3) for timing in timings}


def say(line: str) -> None:
    """Show a line of a program as what the step does now, without the time that stands beside it anyway."""
    progress.report(note=message("{line}", line=ORDINARY.sub("", line)[:200]))


def _end_sessions(work: Work) -> list[str]:
    """Let nobody into the database under the ERP's name, and end who is there; returns who that was."""
    databases.fence(work.server, work.site.database)
    there = databases.sessions(work.server, work.site.database)
    left = databases.end(work.server, work.site.database, there)
    if left:
        text = gettext_noop("Somebody is still connected to {database} and could not be ended: {who}")
        raise Failed(message(text, database=work.site.database, who="; ".join(str(one) for one in left)))
    return [str(one) for one in there]


def read_before(work: Work, database: str) -> int:
    """Read every figure of a database that is as before, and keep the reading; returns how many there are."""
    before = _read(work, database)
    work.folder.mkdir(exist_ok=True, mode=0o755)
    fresh = work.folder / f"{BEFORE}.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(to_json(before)))
    fresh.replace(work.folder / BEFORE)
    return len(before)


def owner_site(environment: Environment) -> Site:
    """The ERP as the owner of its database reaches it, by its own configuration. Raises Failed where that is not known."""
    site = connect.site(environment)
    if site.config is None or site.interpreter is None or site.state is None:
        raise Failed(message(gettext_noop("Only an ERP whose configuration and processes are on this machine can be upgraded from here")))
    owner = connect.ability(environment, "inspect").from_config(site.config, site.database)
    return replace(site, server=connect.checked(owner).server)


def _kept(work: Work) -> list[Figure]:
    return from_json(json.loads((work.folder / BEFORE).read_text()))


def _read(work: Work, database: str) -> Sequence[Figure]:
    read: Callable[..., Sequence[Figure]] = work.ability("figures").read
    with postgres.connect(work.server, database, readonly=True) as connection, command.stoppable(connection.cancel):
        return read(connection, work.site.files, work.files_of, layout=work.layout)


def sentences_of(work: Work, found: Sequence[Difference]) -> list[Message]:
    """The differences as stored sentences, so many as are kept."""
    return list(sentences(found, work.ability("figures").LABELS, most=DIFFERENCES_KEPT))


@contextmanager
def _noting(work: Work) -> Iterator[tuple[Connection, str]]:
    """A connection for notes as a role that can touch the copied database only; as the owner, with the reason, where none can be made."""
    with ExitStack() as stack:
        server, why = work.server, ""
        try:
            server = stack.enter_context(confined.confined(_administrator(work), work.new))
        except confined.NotPossible as error:
            why = str(error)
        connection = stack.enter_context(postgres.connect(server, work.new, autocommit=True))
        stack.enter_context(command.stoppable(connection.cancel))
        yield connection, why


def _administrator(work: Work) -> Server:
    """Who may make a role: the administrator of a server that we made ourselves; elsewhere only the owner of the database is known to us."""
    if work.server.user == COPY_OWNER:
        return replace(work.server, user="postgres")
    environment = work.environment
    if environment.settings.get("provisioned"):
        system = environment.system
        return systems.cluster(settings.HOME, system.organisation, system.name, int(environment.settings["cluster_port"])).server()
    return work.server
