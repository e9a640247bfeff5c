"""``wellkept drill``."""

from typing import Annotated

import typer

from wellkept.backups import queries
from wellkept.backups.models import Drill
from wellkept.cli import output, pick
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json, Wait
from wellkept.cli.pick import SystemArgument
from wellkept.estate import access
from wellkept.estate.errors import NotFound
from wellkept.lib.text import say
from wellkept.operations import runtime

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Prove that a backup can be restored.")
COLUMNS = ("drill", "system", "backup", "state", "started_at", "rto_seconds", "rpo_seconds", "figures", "figures_equal", "reason")


@app.command("list")
def list_(
    system: Annotated[str | None, typer.Option(help="Only drills of this system.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="How many, newest first.")] = 30,
    as_json: Json = False,
) -> None:
    """Show the newest drills, with the time to be back (RTO) and the work that would have been lost (RPO)."""
    rows = access.visible_to(pick.WHO, Drill)
    if system is not None:
        rows = rows.filter(system=pick.system(system))
    plain = [queries.plain_drill(row) for row in queries.drills(rows)[:limit]]
    output.emit(plain, as_json=as_json, table=None if as_json else COLUMNS, empty="No drill yet; run one: wellkept drill run SYSTEM")


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="Number of the drill in wellkept drill list.")],
    as_json: Json = False,
) -> None:
    """Show one drill with its certificate, or with what it found wrong."""
    found = access.visible_to(pick.WHO, Drill).filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no drill {number}; see: wellkept drill list")
    row = queries.drills(Drill.objects.filter(pk=found.pk)).get()
    output.emit({**queries.plain_drill(row), "differences": [say(one) for one in row.differences], "certificate": row.certificate}, as_json=as_json)


@app.command()
def run(
    system: SystemArgument,
    backup: Annotated[int | None, typer.Option(help="Which backup; default: the newest good one.")] = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Restore a backup in isolation, start the ERP on it, sign in, compare the books, measure, and destroy the copy."""
    environment = pick.environment(system)
    arguments = {"backup_id": backup} if backup is not None else {}
    started = runtime.submit("backups.drill", organisation=environment.system.organisation, environment=environment, arguments=arguments)
    if not wait:
        output.emit({"run": str(started.pk), "state": str(started.state)} if as_json else f"started: run {started.pk}", as_json=as_json)
        return
    ended = output.follow(started)
    drill = queries.drills(Drill.objects.filter(run=ended)).first()
    if drill is not None and ended.state == "failed":
        output.emit({**queries.plain_drill(drill), "differences": [say(one) for one in drill.differences]}, as_json=as_json)
        raise typer.Exit(ExitCode.NOT_PROVEN)
    output.finish(ended, as_json=as_json, data=queries.plain_drill(drill) if drill is not None else None)
