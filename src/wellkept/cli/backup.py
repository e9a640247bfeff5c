"""``wellkept backup``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from wellkept.backups import forget as forgetting
from wellkept.backups import queries, restore
from wellkept.backups.models import Backup, BackupState
from wellkept.cli import output, pick
from wellkept.cli.output import Json, Wait, Yes
from wellkept.cli.pick import SystemArgument
from wellkept.cli.repository import NameArgument, pick_repository
from wellkept.estate import access
from wellkept.estate.errors import NotFound
from wellkept.lib.text import say
from wellkept.operations import runtime
from wellkept.operations.models import Run

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Sets of database, files and settings: take, check, restore.")
BackupArgument = Annotated[int, typer.Argument(help="Number of the backup in wellkept backup list.")]
COLUMNS = ("backup", "system", "state", "proven", "snapshot_at", "bytes", "stored_bytes", "files", "repository", "reason")
PLAN_COLUMNS = ("backup", "system", "at", "keep", "reasons")


@app.command("list")
def list_(
    system: Annotated[str | None, typer.Option(help="Only backups of this system.")] = None,
    good: Annotated[bool, typer.Option("--good", help="Only good ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="How many, newest first.")] = 30,
    as_json: Json = False,
) -> None:
    """Show the newest backups. Only a good one counts, and a proven one was restored by a drill."""
    rows = access.visible_to(pick.WHO, Backup)
    if system is not None:
        rows = rows.filter(system=pick.system(system))
    if good:
        rows = rows.filter(state=BackupState.GOOD)
    plain = [queries.plain_backup(row) for row in queries.backups(rows)[:limit]]
    output.emit(plain, as_json=as_json, table=None if as_json else COLUMNS, empty="No backup yet; take one: wellkept backup take SYSTEM")


@app.command()
def show(number: BackupArgument, as_json: Json = False) -> None:
    """Show one backup with what its manifest says."""
    row = queries.backups(Backup.objects.filter(pk=_pick(number).pk)).get()
    manifest = row.manifest
    known = ("versions", "postgresql", "database", "figures", "references", "files", "dump")
    output.emit({**queries.plain_backup(row), "manifest": {name: manifest[name] for name in known if name in manifest}}, as_json=as_json)


@app.command()
def take(
    system: SystemArgument,
    repository: Annotated[str | None, typer.Option(help="Where to; optional when there is only one repository.")] = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Back up a system: database, files and settings as one set, with every business figure read in the same moment."""
    environment = pick.environment(system)
    arguments = {"repository_id": pick_repository(repository).pk} if repository is not None else {}
    run = runtime.submit("backups.take", organisation=environment.system.organisation, environment=environment, arguments=arguments)
    _go_on(run, wait=wait, as_json=as_json)


@app.command()
def verify(
    number: BackupArgument,
    whole: Annotated[bool, typer.Option("--whole", help="Read all of it back and hash it again; takes as long as a restore.")] = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Check a backup in its repository. One that is damaged no longer counts as good."""
    backup = _pick(number)
    arguments = {"backup_id": backup.pk, "whole": whole}
    run = runtime.submit("backups.verify", organisation=backup.organisation, environment=backup.environment, arguments=arguments)
    _go_on(run, wait=wait, as_json=as_json)


@app.command()
def forget(
    repository: NameArgument,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be forgotten, and why the others stay.")] = False,
    token: Annotated[str | None, typer.Option(help="The token of the preview that you agree with; for scripts.")] = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Forget backups that no rule keeps, exactly as previewed. The newest good one and the newest proven one always stay."""
    found = pick_repository(repository)
    plan = forgetting.preview(found)
    if token is None:
        _show_plan(plan, as_json=as_json and preview)
        goes = [line for line in plan.lines if not line.keep]
        if preview or not goes:
            return
        output.confirm(f"Forget {len(goes)} backups for good?", yes=False)
    arguments = {"repository_id": found.pk, "token": token or plan.token}
    run = runtime.submit("backups.forget", organisation=found.organisation, arguments=arguments)
    _go_on(run, wait=wait, as_json=as_json)


@app.command("restore")
def restore_(
    number: BackupArgument,
    to: Annotated[Path, typer.Option(help="An empty or new folder for the dump, the files and the settings.")],
    database: Annotated[str, typer.Option(help="Also restore into a new database of this name.")] = "",
    server: Annotated[
        str, typer.Option(help="Its server, postgresql://user@host:port/postgres (password in .pgpass); default: that of the ERP.")
    ] = "",
    yes: Yes = False,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Restore a backup beside what runs: into an empty folder and, when named, a new database. Never over anything."""
    backup = _pick(number)
    planned = restore.plan(backup.pk, str(to.absolute()), database, server)
    if not as_json:
        output.emit(planned, as_json=False)
    output.confirm("Restore this?", yes=yes)
    arguments = {"backup_id": backup.pk, "folder": str(to.absolute()), "database": database, "server": server}
    run = runtime.submit("backups.restore", organisation=backup.organisation, environment=backup.environment, arguments=arguments)
    _go_on(run, wait=wait, as_json=as_json)


def _go_on(run: Run, *, wait: bool, as_json: bool) -> None:
    """Show the run to its end and leave with its exit code, or say that it started."""
    if wait:
        output.finish(output.follow(run), as_json=as_json)
    output.emit({"run": str(run.pk), "state": str(run.state)} if as_json else f"started: run {run.pk}", as_json=as_json)


def _show_plan(plan: forgetting.Preview, *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {**asdict(line), "backup": line.backup_id, "reasons": [say(reason) for reason in line.reasons]} for line in plan.lines
    ]
    if as_json:
        output.emit({"token": plan.token, "forgets": sum(not line.keep for line in plan.lines), "backups": rows}, as_json=True)
    else:
        output.emit(rows, as_json=False, table=PLAN_COLUMNS, empty="There is no backup in this repository.")


def _pick(number: int) -> Backup:
    found = access.visible_to(pick.WHO, Backup).select_related("organisation", "environment__system").filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no backup {number}; see: wellkept backup list")
    return found
