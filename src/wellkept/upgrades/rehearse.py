"""The steps of a rehearsal: a proven copy goes through the whole upgrade, forth and back, while production goes on."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.backups import checks, copy
from wellkept.backups.failures import told
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib.text import message
from wellkept.operations import scratch
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.tools import postgres
from wellkept.trials import run as flows
from wellkept.trials.compare import compare
from wellkept.upgrades import assess, gates, needs, notes, packages, patch, work
from wellkept.upgrades.consent import accept
from wellkept.upgrades.consent.findings import Accepted
from wellkept.upgrades.models import Rehearsal, RehearsalState
from wellkept.upgrades.work import Work

NEW, KEPT = "wellkept_next", "wellkept_before"
EVERYTHING = ("web", "worker")
"""What has to run so that people can work; scheduled jobs are left out, as they are switched off in a copy."""
Facts = dict[str, Any]


def begin(run_id: str, environment_id: int, target: str) -> Facts:
    """Refuse a way that is not possible or not described, and note that the rehearsal runs. Nothing is touched."""
    environment = Environment.objects.select_related("system__organisation").get(pk=environment_id)
    with told():
        current = assess.current_series(environment)
        _refuse_unknown(environment, current, target)
        tried = _tried(environment, current, target)
        modules = gates.active_modules(environment)
        listed = packages.resolve(environment, target, modules, tried, newest=current == target)
        if current == target:
            patch.refuse(environment, target, listed)
        room = needs.needs(environment_id, *_sizes(environment))["space"]
    for place in room:
        if place["what"] != "copy" and place["enough"] is False:
            text = gettext_noop("{place} has {free} MB free, and the rehearsal needs {needed} MB; nothing was started")
            raise Failed(message(text, place=place["place"], free=place["free"] // 10**6, needed=place["needed"] // 10**6))
    rehearsal, _made = Rehearsal.objects.get_or_create(
        run_id=uuid.UUID(run_id),
        defaults={
            "organisation": environment.system.organisation,
            "system": environment.system,
            "environment": environment,
            "current": current,
            "target": target,
            "modules": modules,
            "packages": listed,
            "notes_digest": notes.digest(tried),
        },
    )
    return {"rehearsal_id": rehearsal.pk, "current": current}


def install(run_id: str, rehearsal_id: int) -> Facts:
    """Install the new release into a folder of the run; every package is downloaded and checked against its hash here."""
    rehearsal = _rehearsal(rehearsal_id)
    environment = rehearsal.environment
    with told():
        interpreter = packages.install(rehearsal, _folder(run_id) / "release")
        seen = connect.ability(environment, "inspect").discover(replace(connect.site(environment), interpreter=interpreter))
    Rehearsal.objects.filter(pk=rehearsal_id).update(version=seen.version_on_disk or "")
    modules = {part.name: part.installed for part in seen.components if part.kind == "module" and part.installed}
    return {"interpreter": str(interpreter), "version": seen.version_on_disk, "modules": modules}


def copy_database(run_id: str, rehearsal_id: int, backup_id: int) -> Facts:
    """Stop the copy, read its figures, and copy its database inside the cluster, as it is done with production. Repeated, it starts anew."""
    Rehearsal.objects.filter(pk=rehearsal_id).update(backup_id=backup_id)
    return _copied(work_of(run_id, rehearsal_id))


def _copied(upgrade: Work) -> Facts:
    with told():
        upgrade.ability("control").stop(upgrade.site)
        work.exchange_back(upgrade)
        return work.copy(upgrade)


def run_notes(run_id: str, rehearsal_id: int, phase: str, modules: Mapping[str, str]) -> Facts:
    """Do the notes of a phase, those that wait for an approval too: this is where they are tried."""
    rehearsal = _rehearsal(rehearsal_id)
    with told():
        return work.run_notes(work_of(run_id, rehearsal_id), _tried(rehearsal.environment, rehearsal.current, rehearsal.target), phase, modules)


def migrate(run_id: str, rehearsal_id: int, interpreter: str, modules: Mapping[str, str]) -> Facts:
    """Run the ERP's own migration on the copied database, and judge its log. Repeated, it begins with the database from before."""
    upgrade = work_of(run_id, rehearsal_id)
    mark = upgrade.folder / "migrating"
    if mark.exists():
        _copied(upgrade)
        run_notes(run_id, rehearsal_id, "before", modules)
    mark.touch()
    with told():
        facts, log, judged = work.migrate(upgrade, interpreter, _accepted(rehearsal_id))
    Rehearsal.objects.filter(pk=rehearsal_id).update(log=log, judged=judged)
    wrong = work.migration_failed(facts, log)
    if wrong is not None:
        raise Failed(wrong)
    return facts


def compare_books(run_id: str, rehearsal_id: int) -> Facts:
    """Read every figure of the migrated database: only what the release changes on purpose, or a person accepted, may differ."""
    with told():
        facts, said, found = work.compare_books(work_of(run_id, rehearsal_id), _accepted(rehearsal_id))
    equal = {name: facts[name] for name in ("figures_equal", "rights_equal")}
    Rehearsal.objects.filter(pk=rehearsal_id).update(differences=said, compared=found, **equal)
    if said:
        text = gettext_noop("After the migration the books differ in {count} places: {first}")
        raise Failed(message(text, count=facts["differences"], first=said[0]))
    return facts


def exchange(run_id: str, rehearsal_id: int, interpreter: str) -> Facts:
    """Give the migrated database the name of the copy, and start the new release on it.

    A release brings jobs of its own, so what was harmless is made harmless, and proven so, once more.
    """
    upgrade = work_of(run_id, rehearsal_id)
    site = upgrade.upgraded(interpreter)
    with told():
        started = time.monotonic()
        upgrade.ability("control").stop(upgrade.site)
        exchanged = work.exchange(upgrade)
        ability = upgrade.ability("neutralise")
        ability.neutralise(site)
        wrong = [proof for proof in ability.prove(site) if not proof.holds]
        if wrong:
            text = gettext_noop("The upgraded copy is not proven harmless: {proof} ({seen}); it was not used")
            raise Failed(message(text, proof=wrong[0].name, seen=wrong[0].seen))
        copy.start_erp(copy.place(run_id), upgrade.ability("control"), site, roles=EVERYTHING)
        seconds = time.monotonic() - started
    return {"exchange_seconds": round(exchanged, 3), "seconds": round(seconds, 3)}


def probe(run_id: str, rehearsal_id: int, old: Mapping[str, float]) -> Facts:
    """Sign in to the new release, timed, and look at everything; ``old`` are the seconds of the same probes on the old one."""
    upgrade = work_of(run_id, rehearsal_id)
    with told():
        new = work.probed(upgrade, upgrade.site)
        seen = work.looked(upgrade, upgrade.site)
    return {"seen": seen, "probes": {name: {"before": old.get(name), "after": seconds} for name, seconds in new.items()}}


def try_old(run_id: str, rehearsal_id: int) -> Facts:
    """Do the business flows on the old release, to know what worked before; their documents stay in the copy."""
    upgrade = work_of(run_id, rehearsal_id)
    control = upgrade.ability("control")
    with told():
        control.stop(upgrade.site)
        work.exchange_back(upgrade)
        copy.start_erp(copy.place(run_id), control, upgrade.site, roles=EVERYTHING)
        found = flows.run(upgrade.environment, upgrade.site)
        control.stop(upgrade.site)
    return flows.to_json(found)


def try_new(run_id: str, rehearsal_id: int, old: Facts) -> Facts:
    """Do the same business flows on the new release: whatever passed before has to pass, and prove as much."""
    upgrade = work_of(run_id, rehearsal_id)
    with told():
        found = flows.run(upgrade.environment, upgrade.site)
    for one in compare(flows.from_json(old), found):
        if one.worse:
            text = gettext_noop("On the new release “{flow}” does not work as before: {reason}")
            raise Failed(message(text, flow=one.flow, reason=one.reason or "; ".join(one.lost)))
    return flows.to_json(found)


def roll_back(run_id: str, rehearsal_id: int) -> Facts:
    """Take it back as production would be, timed until somebody can sign in again; then every figure must be what it was before."""
    upgrade = work_of(run_id, rehearsal_id)
    with told():
        started = time.monotonic()
        upgrade.ability("control").stop(upgrade.site)
        exchanged = work.exchange_back(upgrade)
        copy.start_erp(copy.place(run_id), upgrade.ability("control"), upgrade.site)
        work.probed(upgrade, upgrade.site)
        seconds = time.monotonic() - started
        said = work.differs_from_before(upgrade)
    if said:
        raise Failed(message(gettext_noop("After it was taken back the books differ in {count} places: {first}"), count=len(said), first=said[0]))
    Rehearsal.objects.filter(pk=rehearsal_id).update(rollback_seconds=seconds)
    return {"exchange_seconds": round(exchanged, 3), "seconds": round(seconds, 3)}


def finish(run_id: str, rehearsal_id: int, facts: Facts) -> Facts:
    """Make the rehearsal count, as the last thing, with the results of its phases."""
    mine = Rehearsal.objects.filter(pk=rehearsal_id, run_id=uuid.UUID(run_id))
    changed = mine.filter(state=RehearsalState.RUNNING).update(state=RehearsalState.SUCCEEDED, ended_at=timezone.now(), report=facts)
    if changed != 1 and not mine.filter(state=RehearsalState.SUCCEEDED).exists():
        raise Failed(message(gettext_noop("The rehearsal was given up by somebody else while it ran")))
    done = _rehearsal(rehearsal_id)
    return {
        "rehearsal_id": rehearsal_id,
        "from": done.current,
        "to": done.target,
        "version": done.version,
        "figures_equal": done.figures_equal,
        "rights_equal": done.rights_equal,
        "rollback_seconds": round(done.rollback_seconds or 0.0, 3),
    }


def clean_up(run_id: str) -> None:
    """At the end of every run: a rehearsal that did not get to its end counts as failed, or cancelled."""
    run = Run.objects.filter(pk=uuid.UUID(run_id)).first()
    state = RehearsalState.CANCELLED if run is not None and run.cancel_requested_at is not None else RehearsalState.FAILED
    Rehearsal.objects.filter(run_id=uuid.UUID(run_id), state=RehearsalState.RUNNING).update(state=state, ended_at=timezone.now())


def _refuse_unknown(environment: Environment, current: str, target: str) -> None:
    if current == target:
        return
    way = assess.legal_path(environment, current, target)
    jumps = connect.ability(environment, "releases").JUMPS
    if (current, target) not in jumps:
        text = gettext_noop("From {current} to {target} ({path}) is not described here as one upgrade, so it cannot be rehearsed; described: {known}")
        known = ", ".join(f"{one} → {other}" for one, other in jumps)
        raise Failed(message(text, current=current, target=target, path=" → ".join([current, *way]), known=known))


def _tried(environment: Environment, current: str, target: str) -> list[notes.Effective]:
    """The notes that a rehearsal tries: the newest ones, approved or not."""
    shipped = connect.ability(environment, "releases").notes(current, target)
    return notes.effective(environment.system, current, target, shipped, pending=True)


def _accepted(rehearsal_id: int) -> list[Accepted]:
    """What persons accepted, approved or not: this is where it is tried."""
    rehearsal = _rehearsal(rehearsal_id)
    return accept.counting(rehearsal.system, rehearsal.current, rehearsal.target, pending=True)


def work_of(run_id: str, rehearsal_id: int) -> Work:
    """The copy of the run as what is upgraded, its cluster running."""
    rehearsal = _rehearsal(rehearsal_id)
    here = copy.place(run_id)
    copy.start_cluster(here)
    manifest = here.manifest()
    site = copy.kept_site(here)
    files = manifest["files"]["layout"]
    return Work(rehearsal.environment, site, rehearsal.current, rehearsal.target, NEW, KEPT, manifest["database"], files, _folder(run_id))


def _folder(run_id: str) -> Path:
    made = scratch.folder(run_id) / "rehearsal"
    made.mkdir(exist_ok=True, mode=0o755)
    return made


def _sizes(environment: Environment) -> tuple[int | None, int | None]:
    with checks.database(connect.site(environment)) as connection:
        return postgres.database_size(connection), environment.seen.get("files_bytes")


def _rehearsal(rehearsal_id: int) -> Rehearsal:
    return Rehearsal.objects.select_related("environment__system__organisation", "system").get(pk=rehearsal_id)
