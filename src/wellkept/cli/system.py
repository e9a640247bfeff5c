"""``wellkept system``."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from django.conf import settings

from wellkept.adapters.base import Login, Site
from wellkept.adoption import operations
from wellkept.cli import output, pick, service
from wellkept.cli.exit_codes import ExitCode
from wellkept.cli.output import Json, Wait, Yes
from wellkept.cli.pick import OrganisationOption, SystemArgument
from wellkept.estate import access, adopt, provision, systems
from wellkept.estate.errors import Invalid
from wellkept.estate.models import Environment, Kind, System
from wellkept.operations import leases
from wellkept.tools.postgres import Server

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The ERPs that are kept: adopt, provision, look at them.")
Confirm = Annotated[str | None, typer.Option(help="The name of the system again, for scripts.")]
DATABASE_PASSWORD, LOGIN_PASSWORD = "WELLKEPT_DATABASE_PASSWORD", "WELLKEPT_ERP_PASSWORD"


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the systems that are kept."""
    rows = access.visible_to(pick.WHO, System).select_related("organisation").prefetch_related("environments").order_by("organisation__slug", "name")
    output.emit([_row(system) for system in rows], as_json=as_json, empty="No system yet: wellkept system adopt, or wellkept demo")


@app.command()
def show(name: SystemArgument, as_json: Json = False) -> None:
    """Show what is known of a system, and what could not be seen."""
    system = pick.system(name)
    environments = list(system.environments.select_related("host").order_by("pk"))
    data = {
        **_row(system),
        "adopted_at": system.adopted_at,
        "environments": [{"kind": place.kind, "version": place.version, "host": place.host.name if place.host else None} for place in environments],
    }
    for place in environments:
        if place.kind == Kind.PRODUCTION:
            reached = {
                key: value for key, value in place.settings.items() if key in {"url", "database", "host", "port", "config", "interpreter", "files"}
            }
            data |= {"reached_by": reached, "seen_at": place.seen_at, "seen": place.seen, "components": _components(place)}
    if not as_json:
        data = {**data, "components": len(data.get("components", [])), "seen": _seen_text(data.get("seen", {}))}
    output.emit(data, as_json=as_json)


@app.command("adopt")
def adopt_(
    name: Annotated[str, typer.Argument(help="A short name for it, like erp1.")],
    tryton_config: Annotated[Path | None, typer.Option(help="Its trytond.conf, on this machine.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of its server, like https://erp.example.org:8000.")] = None,
    database: Annotated[str | None, typer.Option(help="Name of its database.")] = None,
    host: Annotated[str | None, typer.Option(help="Host (or socket folder) of its PostgreSQL.")] = None,
    port: Annotated[int, typer.Option(help="Port of its PostgreSQL.")] = 5432,
    user: Annotated[str, typer.Option(help=f"A role of its PostgreSQL that may read; password: {DATABASE_PASSWORD}, or asked for.")] = "wellkept",
    login: Annotated[str | None, typer.Option(help=f"A user of the ERP, for timed actions; password: {LOGIN_PASSWORD}, or asked for.")] = None,
    interpreter: Annotated[Path | None, typer.Option(help="The Python that runs it, when it is not found.")] = None,
    files: Annotated[Path | None, typer.Option(help="The folder of its attachments, when it is not found.")] = None,
    title: Annotated[str, typer.Option(help="Name as people see it.")] = "",
    organisation: OrganisationOption = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what was found; store nothing.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take an ERP that runs already into keeping. It is only read; nothing in it changes."""
    if tryton_config is None and not (url and database):
        raise Invalid("say which ERP: --tryton-config FILE, or --url ADDRESS with --database NAME")
    site = adopt.site_from_config("tryton", tryton_config, database) if tryton_config else Site(database=str(database))
    if host is not None:
        site = replace(site, server=Server(host, port, user, _password(DATABASE_PASSWORD, f"Password of the role {user}")))
    if login is not None:
        site = replace(site, login=Login(login, _password(LOGIN_PASSWORD, f"Password of {login} in the ERP") or ""))
    site = replace(site, url=url or site.url, interpreter=interpreter or site.interpreter, files=files or site.files)
    plan = adopt.plan(pick.organisation(organisation), name, site, who=pick.WHO, title=title)
    found = plan.plain()
    if preview or not as_json:
        output.emit(found if as_json else {**found, "not_seen": _sentences(found["not_seen"])}, as_json=as_json)
    if preview:
        return
    output.confirm(f"Adopt it as {name}?", yes=yes)
    system = adopt.apply(plan, who=pick.WHO)
    output.emit(_row(system) if as_json else f"{name} is adopted. Next: wellkept backup take {name}", as_json=as_json)


@app.command()
def discover(name: SystemArgument, as_json: Json = False) -> None:
    """Look at a system again: version, modules, users, size, and what could not be seen."""
    environment = pick.environment(name)
    seen = adopt.discover(environment)
    data = {"system": environment.system.name, "version": environment.version, "components": len(seen.components), **adopt.seen(seen)}
    output.emit(data if as_json else {**data, **_seen_text(data)}, as_json=as_json)


@app.command()
def remove(name: SystemArgument, confirm: Confirm = None, as_json: Json = False) -> None:
    """Give a system up. Its history stays, and nothing in the ERP changes."""
    system = pick.system(name)
    counts = systems.what_is_forgotten(system)
    said = ", ".join(f"{count} {what}" for what, count in counts.items())
    output.confirm_name(system.name, confirm, f"This deletes {said} of {system.name} here; its runs, backups and records stay.")
    done = systems.forget(system, who=pick.WHO)
    output.emit({"system": system.name, "removed": done} if as_json else f"{system.name} is given up.", as_json=as_json)


@app.command("provision")
def provision_(
    name: Annotated[str, typer.Argument(help="A short name for it, like erp1.")],
    size: Annotated[str, typer.Option(help=f"How much the company has done: {', '.join(provision.SIZES)}.")] = "small",
    seed: Annotated[int, typer.Option(help="The same seed makes the same company.")] = 1,
    organisation: OrganisationOption = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Install a real Tryton here with a working company, start it, and keep it."""
    run = operations.request(pick.organisation(organisation), name, size=size, seed=seed, who=pick.WHO)
    if wait:
        output.finish(output.follow(run), as_json=as_json)
    output.emit({"run": str(run.pk), "state": run.state} if as_json else f"started: run {run.pk}", as_json=as_json)


@app.command()
def start(name: SystemArgument, as_json: Json = False) -> None:
    """Start a system that was provisioned here: its database, then its server."""
    environment = pick.environment(name)
    _not_while_changed(environment)
    systems.start(environment, settings.HOME)
    url = environment.settings.get("url")
    output.emit({"system": environment.system.name, "running": True, "url": url} if as_json else f"{name} runs at {url}", as_json=as_json)


@app.command()
def stop(name: SystemArgument, as_json: Json = False) -> None:
    """Stop a system that was provisioned here; it stays stopped until system start."""
    environment = pick.environment(name)
    _not_while_changed(environment)
    systems.stop(environment, settings.HOME)
    output.emit({"system": environment.system.name, "running": False} if as_json else f"{name} is stopped.", as_json=as_json)


app.command()(service.control)


@app.command()
def destroy(name: SystemArgument, confirm: Confirm = None, as_json: Json = False) -> None:
    """Destroy a system that was provisioned here, with its database and files. Its backups and records stay."""
    system = pick.system(name)
    plan = provision.destruction(system, settings.HOME)
    output.confirm_name(system.name, confirm, f"This deletes for good: {', '.join(plan['paths'])} ({plan['bytes'] / 1e6:.0f} MB)")
    done = provision.destroy(system, settings.HOME, who=pick.WHO)
    output.emit(done if as_json else f"{system.name} is destroyed.", as_json=as_json)


def _not_while_changed(environment: Environment) -> None:
    """An upgrade has the ERP closed for a reason, and opens it itself."""
    held = leases.holder(environment.pk)
    if held is not None:
        output.fail(ExitCode.CONFLICT, f"nothing was done: run {held.run_id} ({held.run.operation}) is changing {environment.system.name}")


def _password(variable: str, question: str) -> str | None:
    """A password from the environment or, on a terminal, from the person; never from the command line, which everybody can read."""
    given = os.environ.get(variable)
    if given is None and sys.stdin.isatty() and not output.json_wanted:
        given = typer.prompt(question, hide_input=True, default="", show_default=False, err=True)
    return given or None


def _row(system: System) -> dict[str, Any]:
    production = next((place for place in system.environments.all() if place.kind == Kind.PRODUCTION), None)
    return {
        "system": system.name,
        "organisation": system.organisation.slug,
        "title": system.title,
        "adapter": system.adapter,
        "version": production.version if production else None,
        "url": production.settings.get("url") if production else None,
        "provisioned": bool(production and production.settings.get("provisioned")),
        "seen_at": production.seen_at if production else None,
    }


def _components(place: Any) -> list[dict[str, Any]]:
    return list(place.components.order_by("kind", "name").values("kind", "name", "installed", "active"))


def _seen_text(seen: dict[str, Any]) -> dict[str, Any]:
    """A discovery for people: what could not be seen as sentences."""
    processes = [f"{entry['role']} ({entry['pid']})" for entry in seen.get("processes", [])]
    return {**{key: value for key, value in seen.items() if key != "blind"}, "processes": processes, "not_seen": _sentences(seen.get("blind", []))}


def _sentences(blind: list[dict[str, str]]) -> list[str]:
    return [f"{entry['what']}: {entry['why']} → {entry['remedy']}" for entry in blind]
