"""``wellkept upgrade``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from django.utils.translation import override

from wellkept.backups import failures
from wellkept.cli import acceptance, after, agree, modules, notes, output, pick, plan, upgraded
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json, Wait
from wellkept.cli.pick import SystemArgument
from wellkept.cli.repository import pick_repository
from wellkept.estate import access
from wellkept.estate.errors import NotFound
from wellkept.estate.models import Environment, Role, System
from wellkept.operations import runtime
from wellkept.operations.models import RunState
from wellkept.upgrades import gates, patch, queries
from wellkept.upgrades import rehearsals as rehearsals_
from wellkept.upgrades.consent import findings
from wellkept.upgrades.expect import expected
from wellkept.upgrades.models import Assessment, Rehearsal, Upgrade, UpgradeState

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="From one release to the next: assess it, rehearse it, do it.")
app.add_typer(notes.app, name="notes")
app.add_typer(acceptance.app, name="acceptance")
app.add_typer(modules.app, name="modules")
Target = Annotated[str, typer.Option(help="The series to go to, like 8.0; the present one for its newest patch.")]
Repository = Annotated[str | None, typer.Option(help="Where the backup goes that it begins with; optional when there is only one repository.")]
Confirm = Annotated[str | None, typer.Option(help="The name of the system again, for scripts.")]
Pdf = Annotated[Path | None, typer.Option(help="Also write it to this file, as a PDF in the organisation's language.")]
REHEARSAL_COLUMNS = (
    "rehearsal",
    "system",
    "from",
    "to",
    "state",
    "figures_equal",
    "rights_equal",
    "migration_seconds",
    "rollback_seconds",
    "started_at",
)
LIST_COLUMNS = ("system", "release", "support_end", "patch", "modules", "newer", "assessed", "verdict", "assessed_at")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the systems: their release, until when it is maintained, where they can go, and the newest assessment."""
    rows = access.visible_to(pick.WHO, System).select_related("organisation").order_by("organisation__slug", "name")
    lines = [_plain(line) for line in queries.lines(rows)]
    output.emit(lines, as_json=as_json, table=None if as_json else LIST_COLUMNS, empty="No system yet: wellkept system adopt, or wellkept demo")


@app.command()
def assess(
    system: SystemArgument,
    to: Target,
    pdf: Pdf = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Say what an upgrade would meet: modules, manual steps, data it would refuse, room and time. The ERP is only read."""
    environment = pick.environment(system)
    run = runtime.submit("upgrades.assess", organisation=environment.system.organisation, environment=environment, arguments={"target": to})
    if not wait:
        output.end(run, wait=False, as_json=as_json)
        return
    run = output.follow(run)
    if run.state != RunState.SUCCEEDED:
        output.finish(run, as_json=as_json)
    one = Assessment.objects.select_related("system", "organisation").get(run=run)
    _write(one, pdf)
    if not as_json:
        _show(one)
    output.finish(run, as_json=as_json, data=queries.plain_assessment(one))


@app.command()
def show(system: SystemArgument, pdf: Pdf = None, as_json: Json = False) -> None:
    """Show the newest assessment of a system."""
    one = newest(pick.system(system))
    _write(one, pdf)
    if as_json:
        output.emit(queries.plain_assessment(one), as_json=True)
    else:
        _show(one)


@app.command()
def look(system: SystemArgument, wait: Wait = True, as_json: Json = False) -> None:
    """Ask the package index which releases there are of a system's ERP."""
    environment = pick.environment(system)
    run = runtime.submit("upgrades.look", organisation=environment.system.organisation, environment=environment)
    output.end(run, wait=wait, as_json=as_json)


@app.command()
def rehearse(
    system: SystemArgument,
    to: Target,
    repository: Repository = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Do the whole upgrade on a proven copy, compare books and rights, try the business flows, and take it back. Production goes on."""
    environment = pick.environment(system)
    _submit(patch.operation("upgrades.rehearse", environment, to), environment, to, repository, wait=wait, as_json=as_json)


@app.command()
def rehearsals(
    system: Annotated[str | None, typer.Option(help="Only of this system.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="How many, newest first.")] = 30,
    as_json: Json = False,
) -> None:
    """Show the newest rehearsals of upgrades."""
    rows = access.visible_to(pick.WHO, Rehearsal)
    if system is not None:
        rows = rows.filter(system=pick.system(system))
    plain = [queries.plain_rehearsal(one) for one in queries.rehearsals(rows)[:limit]]
    empty = "No rehearsal yet: wellkept upgrade rehearse SYSTEM --to SERIES"
    output.emit(plain, as_json=as_json, table=None if as_json else REHEARSAL_COLUMNS, empty=empty)


@app.command()
def rehearsal(
    number: Annotated[int, typer.Argument(help="Number of the rehearsal in wellkept upgrade rehearsals.")],
    pdf: Pdf = None,
    as_json: Json = False,
) -> None:
    """Show one rehearsal: how long each phase takes, what was found and who means it so, and what to do if it failed."""
    one = access.visible_to(pick.WHO, Rehearsal).select_related("system", "organisation", "run", "environment").filter(pk=number).first()
    if one is None:
        raise NotFound(f"there is no rehearsal {number}; wellkept upgrade rehearsals shows them")
    if pdf is not None:
        from wellkept.web import papers

        with override(one.organisation.language):
            pdf.write_bytes(papers.rehearsal_pdf(one))
    told = rehearsals_.plain(one)
    if as_json:
        output.emit(told, as_json=True)
        return
    listed = ("report", "log", "phases", "findings")
    output.emit({name: value for name, value in told.items() if name not in listed}, as_json=False)
    output.emit(told["phases"], as_json=False, table=("title", "seconds", "p50", "p90", "runs"), empty="")
    shown = [{**one, "finding": one["finding"][:12], "by": one["by"] or "nobody"} for one in told["findings"] if one["by"] != findings.RELEASE]
    output.emit(shown, as_json=False, table=("finding", "by", "said"), empty="Nothing was found that the release does not mean.")


for command in (agree.ask, agree.approve, agree.withdraw, agree.waive, plan.plan, upgraded.history, upgraded.result):
    app.command()(command)


@app.command()
def apply(
    system: SystemArgument,
    to: Target,
    repository: Repository = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show every gate, and leave with 0 when all are open.")] = False,
    confirm: Confirm = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Upgrade production as it was rehearsed. The ERP is closed meanwhile; whatever does not agree takes all of it back at once."""
    environment = pick.environment(system)
    access.require(pick.WHO, Role.ADMINISTRATOR, environment.system)
    with failures.told():
        seen = gates.look(environment, to)
    if dry_run:
        agree.show(seen, as_json=as_json)
    if not seen.open or seen.rehearsal is None:
        output.fail(ExitCode.NOT_PROVEN, agree.refusal(seen))
    takes = expected(seen.rehearsal)
    half, most = takes.closed.p50 / 60, takes.closed.p90 / 60
    consequence = f"Nobody can work with {environment.system.name} for about {half:.1f} minutes (9 in 10 under {most:.1f})"
    output.confirm_name(environment.system.name, confirm, consequence)
    _submit(patch.operation("upgrades.apply", environment, to), environment, to, repository, wait=wait, as_json=as_json)


@app.command("take-back")
def take_back(
    system: SystemArgument,
    discard_work: Annotated[
        bool,
        typer.Option(
            "--discard-work", help="Though people have worked with the new release: what they wrote is exported, and not in the ERP any more."
        ),
    ] = False,
    confirm: Confirm = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Take an upgrade back that stopped where a person must decide: the database and the release from before, whatever was reached."""
    environment = pick.environment(system)
    access.require(pick.WHO, Role.ADMINISTRATOR, environment.system)
    if discard_work:
        after.discard_work(environment, confirm, wait=wait, as_json=as_json)
        return
    stuck = Upgrade.objects.filter(environment=environment, state=UpgradeState.STUCK).order_by("-started_at").first() or patch.kept(environment)
    if stuck is None:
        raise NotFound(f"no upgrade of {environment.system.name} waits for a person")
    told = f"{environment.system.name} goes back to {stuck.current}: the database from before gets its name again, and the migrated copy is dropped"
    if stuck.is_patch:
        told = f"{environment.system.name} goes back to the version before {stuck.version}; the database stays as it is"
    output.confirm_name(environment.system.name, confirm, told)
    arguments = {"upgrade_id": stuck.pk}
    run = runtime.submit("upgrades.take_back", organisation=environment.system.organisation, environment=environment, arguments=arguments)
    output.end(run, wait=wait, as_json=as_json)


def _submit(operation: str, environment: Environment, to: str, repository: str | None, *, wait: bool, as_json: bool) -> None:
    chosen = {"repository_id": pick_repository(repository).pk} if repository is not None else {}
    run = runtime.submit(operation, organisation=environment.system.organisation, environment=environment, arguments={"target": to, **chosen})
    output.end(run, wait=wait, as_json=as_json)


def newest(system: System) -> Assessment:
    """The newest assessment of a system. Raises NotFound."""
    found = Assessment.objects.filter(system=system).select_related("system", "organisation").order_by("-made_at", "-pk").first()
    if found is None:
        raise NotFound(f"{system.name} was not assessed yet: wellkept upgrade assess {system.name} --to SERIES")
    return found


def _write(one: Assessment, file: Path | None) -> None:
    if file is not None:
        from wellkept.web import papers

        with override(one.organisation.language):
            file.write_bytes(papers.pdf(one))


def _show(one: Assessment) -> None:
    """The assessment for people: the facts in a few lines, then the risks in their order."""
    plain = queries.plain_assessment(one)
    applying = [note["id"] for note in plain["notes"] if note["applies"] in {"yes", "later"}]
    facts = {
        "system": plain["system"],
        "way": " → ".join(plain["path"]),
        "verdict": one.get_level_display(),
        "made_at": plain["made_at"],
        "modules": f"{plain['installed']} active, {plain['used']} in use",
        "missing": [f"{entry['module']} ({entry.get('given') or entry['offered'] or 'nowhere'})" for entry in plain["missing"]],
        "needs": [f"{need['name']} {need['needed']}, here {need['found'] or 'unknown'}" for need in plain["requirements"] or []],
        "notes": [*applying, f"and {len(plain['notes']) - len(applying)} that do not apply"],
        "room": [f"{place['what']}: {output.size(place['needed'])} needed, {output.size(place['free'])} free" for place in plain["space"]],
    }
    output.emit(facts, as_json=False)
    output.emit(plain["risks"], as_json=False, table=("level", "text", "remedy"), empty="Nothing is in the way.")


def _plain(line: queries.Line) -> dict[str, Any]:
    one = line.assessment
    return {
        "system": line.system.name,
        "organisation": line.system.organisation.slug,
        "release": line.series or None,
        "support_end": line.support_end,
        "patch": line.patch,
        "modules": [str(one) for one in line.modules],
        "newer": [release.series for release in line.newer],
        "assessed": one.target if one else None,
        "verdict": str(one.level) if one else None,
        "assessed_at": one.made_at if one else None,
    }


app.command("remove-kept")(after.remove_kept)
app.command("aftercare")(after.aftercare_)
