"""The main job, shown on an ERP that comes along: provision it, adopt it, back it up, prove the backup by restoring it, record all of it.

Everything lives in one home folder of the demo's own, marked with ``demo.json``, so that ``reset`` can remove exactly what was made.
"""

import fcntl
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wellkept import home as homes
from wellkept import platform
from wellkept.home import Home
from wellkept.tools import command, postgres

MARK = "demo.json"
SYSTEM = "erp1"
ORGANISATION = "demo"
REPOSITORY = "local"
EMAIL = "admin@demo.example"
SECOND = "approver@demo.example"
"""Who approves what the administrator asks for: nobody may approve their own."""
WINDOW_HOURS = 4
SEED = 20260101
PLANS = (("backups.take", "30 1 * * *"), ("backups.drill", "0 4 * * 0"))
"""What somebody who takes over an ERP plans first: a backup every night, and a drill every Sunday."""
KNOWN = {
    MARK,
    "config.json",
    "secret.key",
    "checkpoint.pub",
    "checkpoints.jsonl",
    "postgres",
    "run",
    "logs",
    "scratch",
    "systems",
    "repository",
    "repositories",
    "restored",
    "static",
    "upgrades",
    "releases",
    "exports",
}


class DemoError(Exception):
    """The demo cannot run here or did not prove what it should; the text says why and what to do."""


@dataclass
class Demo:
    """A running demo: where it is, what it says, and what it measured (seconds by phase)."""

    home: Home
    say: Callable[[str], None]
    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase by the monotonic clock."""
        started = time.monotonic()
        yield
        self.phases[name] = round(time.monotonic() - started, 2)


def default_home() -> Path:
    """The demo's own folder, beside the home of a real installation."""
    if os.environ.get("WELLKEPT_HOME"):
        return homes.current().path
    real = homes.current().path
    return real.with_name(real.name + "-demo")


def mark(home: Home) -> bool:
    """Take a new or empty folder for the demo; True when this made it. Raises DemoError when the folder belongs to something else."""
    if (home.path / MARK).exists():
        return False
    if home.path.exists() and any(home.path.iterdir()):
        raise DemoError(f"{home.path} is not empty and was not made by the demo; choose another folder with --home")
    try:
        homes.open_folder(home.path)
    except PermissionError as error:
        raise DemoError(f"{home.path} cannot be made; choose another folder with --home") from error
    (home.path / MARK).write_text(json.dumps({"made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}) + "\n")
    return True


@contextmanager
def held(home: Home) -> Iterator[None]:
    """Keep a marked folder to this process: two demos in one folder would stop each other's servers. Raises DemoError when one runs in it."""
    with (home.path / MARK).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError(f"a demo runs in {home.path}: stop it first, with Ctrl-C where it was started") from error
        yield


def reset(home: Home) -> list[str]:
    """Stop and remove what the demo made in this folder; returns what was left because the demo did not make it.

    Raises DemoError when the folder was not made by the demo, or when a demo runs in it.
    """
    if not (home.path / MARK).exists():
        raise DemoError(f"{home.path} was not made by the demo (no {MARK} in it): nothing was removed")
    with held(home):
        return _remove(home)


def _remove(home: Home) -> list[str]:
    _stop_leftovers(home)
    left = sorted(entry.name for entry in home.path.iterdir() if entry.name not in KNOWN)
    for name in sorted(KNOWN - {MARK}):
        path = home.path / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (home.path / MARK).unlink()
    if not left:
        home.path.rmdir()
    return left


def _stop_leftovers(home: Home) -> None:
    """End what a demo that was killed left: the clusters in the folder, and the programs that write their output into it."""
    for pid_file in home.path.rglob("postmaster.pid"):
        postgres.stop(postgres.Cluster(pid_file.parent, home.run, 0, postgres.service_user()), "immediate")
    for group in sorted(command.groups_writing_into(home.path)):
        command.stop(group, grace=5.0)


def prepare(demo: Demo, password: str) -> None:
    """The platform, an organisation, its administrator and a second person; what is there from an earlier start is reused."""
    homes.prepare(demo.home)
    platform.initialise(demo.home)
    from wellkept.estate.models import Membership, Organisation, Person, Role
    from wellkept.lib.text import message
    from wellkept.operations import records

    organisation, made = Organisation.objects.get_or_create(slug=ORGANISATION, defaults={"name": "Demo company"})
    for email, name, role in ((EMAIL, "Administrator", Role.ADMINISTRATOR), (SECOND, "Approver", Role.APPROVER)):
        person = Person.objects.filter(email=email).first() or Person.objects.create_user(email, name=name)
        person.set_password(password)
        person.save()
        Membership.objects.get_or_create(person=person, organisation=organisation, system=None, defaults={"role": role})
    if made:
        records.append(organisation, "demo.started", message("The demo was set up"), actor="demo")


def run(demo: Demo, *, size: str, upgrades: bool = False) -> dict[str, Any]:
    """Provision (once), back up, drill, upgrade if that is wanted, verify the record; returns the report.

    Raises DemoError when a run does not succeed.
    """
    from wellkept.estate import systems
    from wellkept.estate.models import Organisation, System

    organisation = Organisation.objects.get(slug=ORGANISATION)
    system = System.objects.filter(organisation=organisation, name=SYSTEM).first()
    with demo.phase("provision"):
        if system is None:
            provisioned = _run(demo, "estate.provision", organisation, arguments={"name": SYSTEM, "size": size, "seed": SEED})
            long = provisioned.steps.filter(state="done", name__in=["install", "database", "company"])
            demo.phases.update({f"provision.{step.name}": round(step.seconds, 2) for step in long})
            system = System.objects.get(organisation=organisation, name=SYSTEM)
        else:
            demo.say(f"the system {SYSTEM} is there already: reused")
            systems.ensure_running(demo.home)
    plan(demo, system)
    repository = _repository(demo, organisation)
    environment = system.environments.get(kind="production")
    with demo.phase("backup"):
        taken = _run(demo, "backups.take", organisation, system, environment, {"repository_id": repository.pk})
    with demo.phase("drill"):
        drilled = _run(demo, "backups.drill", organisation, system, environment, {"backup_id": taken.result["backup_id"]})
    upgraded = upgrade(demo, environment, repository.pk) if upgrades else None
    told = report(demo, organisation, environment, taken, drilled)
    if upgraded is None:
        return told
    kept = all(upgraded[name] for name in ("rehearsed", "kept", "figures_equal", "rights_equal"))
    return {**told, "ok": told["ok"] and kept, "upgrade": upgraded}


def upgrade(demo: Demo, environment: Any, repository_id: int) -> dict[str, Any]:
    """Assess, rehearse, agree on and apply an upgrade to the next series, as two people would; what was proven of it.

    An environment that was upgraded by an earlier start stays as it is. Raises DemoError when a run does not succeed or a gate is shut.
    """
    from wellkept.estate import connect
    from wellkept.estate.models import Person
    from wellkept.lib.text import say
    from wellkept.upgrades import gates, releases
    from wellkept.upgrades.models import Upgrade, UpgradeState

    environment.refresh_from_db()
    jumps = dict(connect.ability(environment, "releases").JUMPS)
    target = jumps.get(releases.series_of(environment.version))
    if target is None:
        done = Upgrade.objects.filter(environment=environment, state=UpgradeState.KEPT).select_related("run").latest("ended_at")
        demo.say(f"{SYSTEM} is at {environment.version} already: nothing to upgrade")
        return _proven_of(done.run)
    place = (environment.system.organisation, environment.system, environment)
    with demo.phase("assess"):
        _run(demo, "upgrades.assess", *place, {"target": target})
    with demo.phase("rehearse"):
        _run(demo, "upgrades.rehearse", *place, {"target": target, "repository_id": repository_id})
    _agree(demo, environment, target)
    starter = Person.objects.get(email=EMAIL)
    shut = [say(gate.why) for gate in gates.look(environment, target, starter=starter).shut]
    if shut:
        raise DemoError(f"the upgrade to {target} was not started: {'; '.join(shut)}")
    with demo.phase("upgrade"):
        return _proven_of(_run(demo, "upgrades.apply", *place, {"target": target, "repository_id": repository_id}, starter))


def _agree(demo: Demo, environment: Any, target: str) -> None:
    """A window for the upgrade, the administrator's question, and the other person's approval."""
    from datetime import timedelta

    from django.utils import timezone

    from wellkept.estate.models import Person
    from wellkept.operations import windows
    from wellkept.upgrades.consent import agree

    administrator, approver = (Person.objects.get(email=email) for email in (EMAIL, SECOND))
    now = timezone.now()
    windows.add_once(environment.system.organisation, now, now + timedelta(hours=WINDOW_HOURS), who=administrator, system=environment.system)
    rehearsal = agree.rehearsed(environment, target)
    asked = (agree.standing(rehearsal) if rehearsal is not None else None) or agree.ask(environment, target, who=administrator)
    if asked.approved_at is None:
        agree.approve(asked, who=approver)
    demo.say(f"the upgrade to {target}: asked for by {EMAIL}, approved by {SECOND}, in a window of {WINDOW_HOURS} hours")


def _proven_of(run: Any) -> dict[str, Any]:
    """What a run that upgraded says of itself."""
    names = ("from", "to", "rehearsed", "kept", "figures_equal", "rights_equal", "unavailable_seconds", "rehearsed_rollback_seconds")
    return {name: run.result[name] for name in names}


def plan(demo: Demo, system: Any) -> None:
    """Plan the nightly backup and the weekly drill, once: what somebody changes or removes later stays as they want it."""
    from django.db import transaction

    from wellkept.estate.access import Console
    from wellkept.operations import schedule, schedule_words
    from wellkept.operations.models import Record

    if Record.objects.filter(organisation=system.organisation, system=system, kind="schedule.added").exists():
        return
    with transaction.atomic():
        for operation, cron in PLANS:
            row = schedule.add(system.organisation, operation, cron, who=Console(), system=system)
            demo.say(f"planned {operation}: {schedule_words.describe(row.cron, row.time_zone)}")


def _repository(demo: Demo, organisation: Any) -> Any:
    from wellkept.backups import repositories
    from wellkept.backups.models import Repository

    known = Repository.objects.filter(organisation=organisation, name=REPOSITORY).first()
    return known or repositories.create(organisation, REPOSITORY, str(demo.home.path / "repository"), actor="demo")


def _run(
    demo: Demo,
    operation: str,
    organisation: Any,
    system: Any = None,
    environment: Any = None,
    arguments: dict[str, Any] | None = None,
    requested_by: Any = None,
) -> Any:
    """Submit an operation (or go on with the one that an interrupted demo left), say each step as it comes, and wait for its end."""
    from wellkept.lib.text import say
    from wellkept.operations import runtime
    from wellkept.operations.models import OPEN_STATES, Run, RunState

    left = Run.objects.filter(organisation=organisation, operation=operation, state__in=OPEN_STATES).first()
    wish = {"organisation": organisation, "system": system, "environment": environment, "arguments": arguments or {}, "requested_by": requested_by}
    run = left or runtime.submit(operation, **wish)
    said: dict[str, str] = {}

    def on_change(state: dict[str, Any]) -> None:
        for phase in state["phases"]:
            if said.get(phase["name"]) != phase["state"] and phase["state"] in {"running", "done"}:
                said[phase["name"]] = phase["state"]
                done = f" done in {phase['seconds']:.1f} s" if phase["state"] == "done" else " …"
                demo.say(f"{operation}: {phase['title']}{done}")

    ended = runtime.wait(run.pk, on_change=on_change, timeout=1800)
    demo.say(f"{operation}: {say(ended.outcome)}")
    if ended.state != RunState.SUCCEEDED:
        raise DemoError(f"{operation} ended as {ended.state}: {say(ended.outcome)}")
    return ended


def report(demo: Demo, organisation: Any, environment: Any, taken: Any, drilled: Any) -> dict[str, Any]:
    """What was proven and measured, from the rows that the runs wrote."""
    from wellkept.backups import verdicts
    from wellkept.backups.models import Backup, Drill
    from wellkept.lib.text import say
    from wellkept.operations import records

    backup = Backup.objects.get(pk=taken.result["backup_id"])
    drill = Drill.objects.get(pk=drilled.result["drill_id"])
    with demo.phase("record"):
        verification = records.verify(organisation)
    environment.refresh_from_db()
    (verdict,) = verdicts.verdicts([environment.system]).values()
    demo.say(f"Today says of {SYSTEM}: {verdict.level}: {say(verdict.reason)}")
    return {
        "ok": bool(drill.state == "proven" and drill.figures_equal and drill.neutral_proven and drill.escrow_key_used and verification.ok),
        "system": SYSTEM,
        "version": environment.version,
        "backup": {"bytes": backup.bytes, "stored_bytes": backup.stored_bytes, "files": backup.files, "seconds": backup.seconds},
        "drill": {
            "rto_seconds": drill.rto_seconds,
            "rpo_seconds": drill.rpo_seconds,
            "figures": drill.figures,
            "figures_equal": drill.figures_equal,
            "neutral_proven": drill.neutral_proven,
            "escrow_key_used": drill.escrow_key_used,
        },
        "record": {"entries": verification.entries, "verified": verification.ok},
        "phases": demo.phases,
    }


def new_password() -> str:
    """A password of 20 characters that can be typed."""
    return secrets.token_urlsafe(15)


def watch_in_background(supervisor: platform.Supervisor) -> threading.Thread:
    """Keep the children alive while the main thread does the main job."""
    thread = threading.Thread(target=supervisor.watch, name="supervisor", daemon=True)
    thread.start()
    return thread
