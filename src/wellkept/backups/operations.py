"""The runbooks of backups and drills: only the order of their steps."""

from typing import Any

from django.utils.translation import gettext_noop

from wellkept.backups import certificate, choose, drill, forget, restore, staging, take, verify
from wellkept.lib.text import message
from wellkept.operations.runtime import Failed, Outcome, Runbook, operation

HOUR = 3600.0
DAY = 24 * HOUR
ROUNDS = 2
PATIENT: dict[str, Any] = {"retries": 20, "wait": 15.0}
"""For steps that must wait while another run holds the repository, or while its place does not answer."""
TAKE_PHASES = (
    ("check", gettext_noop("Check")),
    ("dump", gettext_noop("Dump the database and read the figures")),
    ("store", gettext_noop("Store")),
    ("check-set", gettext_noop("Check the set")),
    ("finish", gettext_noop("Finish")),
)
RESTORE_PHASES = (
    ("check", gettext_noop("Check")),
    ("open", gettext_noop("Open with the escrowed key")),
    ("restore", gettext_noop("Restore the files")),
    ("database", gettext_noop("Restore the database")),
    ("tables", gettext_noop("Check tables and indexes")),
    ("figures", gettext_noop("Compare the books")),
    ("neutralise", gettext_noop("Make the copy harmless")),
)
PROOF_PHASES = (
    ("start", gettext_noop("Start the ERP behind a wall")),
    ("sign-in", gettext_noop("Sign in and read")),
    ("after", gettext_noop("Compare the books again")),
    ("prove", gettext_noop("Prove that it reached nobody")),
)
END_PHASES = (
    ("destroy", gettext_noop("Destroy the copy")),
    ("certificate", gettext_noop("Certificate")),
)


def _take_clean_up(run_id: str, **_arguments: Any) -> None:
    take.clean_up(run_id)


def _drill_clean_up(run_id: str, **_arguments: Any) -> None:
    drill.clean_up(run_id)


def _restore_clean_up(run_id: str, **wish: Any) -> None:
    restore.clean_up(run_id, {"database": "", "server": "", **wish})


@operation(
    "backups.take",
    title=gettext_noop("Back up"),
    maintenance_type="preventive",
    phases=TAKE_PHASES,
    cleanup=_take_clean_up,
)
def take_backup(run: Runbook, *, repository_id: int | None = None) -> Outcome:
    """Back up one environment as a set."""
    result = take_steps(run, repository_id)
    return Outcome(message(gettext_noop("Backed up {files} files, {size} MB"), files=result["files"], size=round(result["bytes"] / 1e6, 1)), result)


def take_steps(run: Runbook, repository_id: int | None) -> dict[str, Any]:
    """The steps of a backup, as a part of any run; a second round when the ERP removed a file between the dump and the store."""
    facts = run.step("check", take.begin, run.id, choose.Wish(run.system_id, run.environment_id, repository_id), limit=600)
    backup_id = facts["backup_id"]
    stored: dict[str, Any] = {}
    checked: dict[str, Any] = {}
    missing: list[str] = []
    for _round in range(ROUNDS):
        run.step("dump", staging.stage, run.id, backup_id, limit=DAY)
        stored = run.step("store", take.store, run.id, backup_id, limit=DAY, **PATIENT)
        checked = run.step("check-set", take.check_set, run.id, backup_id, stored["snapshot"], limit=4 * HOUR)
        missing = [*stored.pop("missing"), *checked["missing"]]
        if not missing:
            break
    else:
        text = gettext_noop("A file that the ERP needs is missing, so this is not a good backup: {missing}")
        raise Failed(message(text, missing=", ".join(missing)))
    return dict(run.step("finish", take.finish, run.id, backup_id, {**stored, "snapshot": checked["snapshot"]}, limit=60))


@operation(
    "backups.drill",
    title=gettext_noop("Restore drill"),
    maintenance_type="preventive",
    phases=(*RESTORE_PHASES, *PROOF_PHASES, *END_PHASES),
    cleanup=_drill_clean_up,
)
def run_drill(run: Runbook, *, backup_id: int | None = None) -> Outcome:
    """Prove that a set (the newest good one by default) can be restored."""
    facts = restore_steps(run, backup_id)
    facts |= proof_steps(run, facts)
    facts["destroy"] = run.step("destroy", drill.destroy, run.id, limit=600)
    result = run.step("certificate", certificate.issue, run.id, facts["check"]["drill_id"], facts, limit=60)
    text = message(
        gettext_noop("Restored and proven: back in {rto} s, {figures} figures equal"), rto=round(result["rto_seconds"], 1), figures=result["figures"]
    )
    return Outcome(text, result)


def restore_steps(run: Runbook, backup_id: int | None) -> dict[str, Any]:
    """The steps from a set to a harmless copy with equal books, as a part of any run; returns their results by phase."""
    facts: dict[str, Any] = {"check": run.step("check", drill.begin, run.id, run.system_id, backup_id, limit=60)}
    drill_id = facts["check"]["drill_id"]
    facts["open"] = run.step("open", drill.open_repository, run.id, drill_id, limit=4 * HOUR, **PATIENT)
    facts["restore"] = run.step("restore", drill.restore_set, run.id, drill_id, limit=DAY)
    facts["database"] = run.step("database", drill.restore_database, run.id, drill_id, limit=DAY)
    facts["tables"] = run.step("tables", drill.check_tables, run.id, limit=DAY)
    facts["figures"] = run.step("figures", drill.compare_before, run.id, drill_id, limit=4 * HOUR)
    facts["neutralise"] = run.step("neutralise", drill.neutralise, run.id, drill_id, limit=HOUR)
    return facts


def proof_steps(run: Runbook, facts: dict[str, Any]) -> dict[str, Any]:
    """The steps that prove a copy by working on it; it is stopped and still there afterwards. Returns their results by phase."""
    drill_id = facts["check"]["drill_id"]
    newest = facts["figures"]["newest_document"]
    return {
        "start": run.step("start", drill.start_erp, run.id, drill_id, limit=600),
        "sign-in": run.step("sign-in", drill.sign_in, run.id, drill_id, limit=600),
        "after": run.step("after", drill.compare_after, run.id, drill_id, facts["open"]["clock"], newest, limit=4 * HOUR),
        "prove": run.step("prove", drill.prove_harmless, run.id, drill_id, limit=600),
    }


@operation(
    "backups.verify",
    title=gettext_noop("Verify a backup"),
    maintenance_type="preventive",
    phases=(
        ("repository", gettext_noop("Check the repository")),
        ("set", gettext_noop("Read the set")),
        ("finish", gettext_noop("Finish")),
    ),
)
def verify_backup(run: Runbook, *, backup_id: int, whole: bool = False) -> Outcome:
    """Check a set in its repository; ``whole`` reads all of it back and hashes it again."""
    found = run.step("repository", verify.check_repository, backup_id, whole=whole, limit=DAY, **PATIENT)
    read = {"damage": None, "files": 0}
    if found["damage"] is None:
        read = (
            run.step("set", verify.read_back, run.id, backup_id, limit=DAY) if whole else run.step("set", verify.read_tree, backup_id, limit=4 * HOUR)
        )
    damage = found["damage"] or read["damage"]
    result = run.step("finish", verify.finish, run.id, backup_id, damage, whole=whole, limit=60)
    if damage is not None:
        raise Failed(message(gettext_noop("Backup {number} is broken: {reason}"), number=backup_id, reason=damage))
    return Outcome(
        message(gettext_noop("Backup {number} is as it was written: {files} files checked"), number=backup_id, files=read["files"]), result
    )


@operation(
    "backups.forget",
    title=gettext_noop("Forget old backups"),
    maintenance_type="preventive",
    phases=(
        ("mark", gettext_noop("Take them off the list")),
        ("remove", gettext_noop("Remove them")),
        ("give-back", gettext_noop("Give the room back")),
    ),
)
def forget_backups(run: Runbook, *, repository_id: int, token: str) -> Outcome:
    """Forget exactly what a preview with this token showed."""
    marked = run.step("mark", forget.mark, repository_id, token, limit=60)
    removed = run.step("remove", forget.remove, repository_id, limit=HOUR, **PATIENT)
    run.step("give-back", forget.give_back, repository_id, limit=DAY, **PATIENT)
    return Outcome(message(gettext_noop("{count} backups were forgotten"), count=len(marked["backups"])), {**marked, **removed})


@operation(
    "backups.restore",
    title=gettext_noop("Restore a backup"),
    maintenance_type="corrective",
    phases=(
        ("check", gettext_noop("Check")),
        ("files", gettext_noop("Restore the files")),
        ("database", gettext_noop("Restore the database")),
        ("figures", gettext_noop("Compare the books")),
        ("finish", gettext_noop("Finish")),
    ),
    cleanup=_restore_clean_up,
)
def restore_backup(run: Runbook, *, backup_id: int, folder: str, database: str = "", server: str = "", environment_id: int | None = None) -> Outcome:
    """Restore a set into an empty folder and, when named, into a new database."""
    wish = {"backup_id": backup_id, "folder": folder, "database": database, "server": server, "environment_id": environment_id}
    run.step("check", restore.check, run.id, wish, limit=600)
    run.step("files", restore.files, run.id, wish, limit=DAY)
    if database:
        run.step("database", restore.into_database, run.id, wish, limit=DAY)
        run.step("figures", restore.compare, wish, limit=4 * HOUR)
    run.step("finish", restore.complete, run.id, wish, limit=60)
    return Outcome(message(gettext_noop("Backup {number} was restored to {folder}"), number=backup_id, folder=folder), wish)
