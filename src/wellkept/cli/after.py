"""``wellkept upgrade``: what comes after an upgrade."""

from dataclasses import asdict
from typing import Annotated

import typer

from wellkept.cli import output, pick
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json, Wait
from wellkept.cli.pick import SystemArgument
from wellkept.estate import access
from wellkept.estate.errors import NotFound
from wellkept.estate.models import Environment, Role
from wellkept.lib.text import say
from wellkept.operations import runtime
from wellkept.operations.models import RunState
from wellkept.upgrades import aftercare, discard, kept, queries
from wellkept.upgrades.models import Upgrade

Confirm = Annotated[str | None, typer.Option(help="The name of the system again, for scripts.")]
TRANSACTION_COLUMNS = ("called", "word", "before_ms", "after_ms", "difference_ms", "chance", "measured")
LEFTOVER_COLUMNS = ("release", "since", "database", "database_bytes", "folder", "folder_bytes", "way_back", "due")


def discard_work(environment: Environment, confirm: str | None, *, wait: bool, as_json: bool) -> None:
    """Show what would be lost, and have the name typed; without it, nothing is done and the plan was shown."""
    plan = discard.plan(discard.candidate(environment))
    plain = queries.plain_discard(plan)
    if confirm is None and as_json:
        output.emit(plain, as_json=True)
        return
    if confirm is None:
        output.emit(plain["kinds"], as_json=False, table=("title", "created", "changed", "deleted", "people"), empty="Nothing was written since.")
        output.emit({name: plain[name] for name in ("since", "rows", "files")}, as_json=False)
    told = f"{environment.system.name} goes back to {plan.upgrade.current}; what is listed above is exported and then not in it any more"
    output.confirm_name(environment.system.name, confirm, told)
    arguments = {"upgrade_id": plan.upgrade.pk, "actor": pick.ACTOR}
    run = runtime.submit("upgrades.discard", organisation=environment.system.organisation, environment=environment, arguments=arguments)
    output.end(run, wait=wait, as_json=as_json)


def remove_kept(
    system: SystemArgument,
    early: Annotated[
        bool, typer.Option("--early", help=f"Also what was kept for less than {kept.KEEP_DAYS} days: the way back goes with it.")
    ] = False,
    confirm: Confirm = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Remove the databases and releases that upgrades left beside production. After that, only a backup leads back."""
    environment = pick.environment(system)
    access.require(pick.WHO, Role.ADMINISTRATOR, environment.system)
    found = kept.leftovers(environment)
    if confirm is None:
        empty = f"No upgrade of {environment.system.name} left anything."
        output.emit([asdict(one) for one in found], as_json=as_json, table=None if as_json else LEFTOVER_COLUMNS, empty=empty)
    goes = [one for one in found if one.due or early]
    if not found or (confirm is None and as_json):
        return
    if not goes:
        why = f"nothing was done: all of it is kept for less than {kept.KEEP_DAYS} days; give --early to remove it all the same"
        output.fail(ExitCode.USAGE, why)
    size = sum(one.database_bytes + one.folder_bytes for one in goes)
    output.confirm_name(environment.system.name, confirm, f"{output.size(size)} are removed for good")
    arguments = {"upgrade_ids": [one.upgrade_id for one in goes], "early": early}
    run = runtime.submit("upgrades.remove_kept", organisation=environment.system.organisation, environment=environment, arguments=arguments)
    output.end(run, wait=wait, as_json=as_json)


def aftercare_(
    system: SystemArgument,
    measure: Annotated[bool, typer.Option("--measure", help="First measure once more, now.")] = False,
    as_json: Json = False,
) -> None:
    """Show how a system works since its newest upgrade: every transaction against before, new errors, and what people say."""
    environment = pick.environment(system)
    one = (
        Upgrade.objects.filter(environment=environment, opened_at__isnull=False)
        .select_related("system", "organisation")
        .order_by("-started_at")
        .first()
    )
    if one is None:
        raise NotFound(f"{environment.system.name} was not upgraded by Wellkept yet")
    if measure:
        access.require(pick.WHO, Role.OPERATOR, environment.system)
        arguments = {"upgrade_id": one.pk}
        run = runtime.submit("upgrades.aftercare", organisation=environment.system.organisation, environment=environment, arguments=arguments)
        run = output.follow(run)
        if run.state != RunState.SUCCEEDED:
            output.finish(run, as_json=as_json)
        one.refresh_from_db()
    found = aftercare.report(one)
    transactions = [{**row, "called": say(row.get("called")) or row["name"]} for row in found["transactions"]]
    if as_json:
        output.emit({**found, "verdict": say(found["verdict"]), "transactions": transactions}, as_json=True)
        return
    output.emit({name: found[name] for name in ("system", "from", "to", "days", "opinions")} | {"verdict": say(found["verdict"])}, as_json=False)
    output.emit(transactions, as_json=False, table=TRANSACTION_COLUMNS, empty="Nothing was timed yet.")
    output.emit(found["errors"] or [], as_json=False, empty="No new errors." if found["errors"] is not None else "The ERP's output cannot be seen.")
