"""The steps of an upgrade of production, and of taking it back.

Until the databases are exchanged, the one of production is only closed, not changed. Taking back looks at what is there instead of at what was
done, so it may be called at any moment, and again.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import Site
from wellkept.backups.failures import told
from wellkept.estate import connect
from wellkept.estate.models import Environment
from wellkept.lib import links
from wellkept.lib.text import message
from wellkept.operations import progress, scratch
from wellkept.operations.beside import aside
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.tools import databases, postgres
from wellkept.upgrades import aftercare, gates, notes, packages, production, work
from wellkept.upgrades.consent import accept, agree
from wellkept.upgrades.consent.findings import Accepted
from wellkept.upgrades.expect import expected
from wellkept.upgrades.models import RehearsalState, Upgrade, UpgradeState
from wellkept.upgrades.work import Work

KINDS, AGAIN = 10, 2
"""How many kinds of record are looked at before the exchange, and once more when people wait at the door; the rehearsal looks at all."""
Facts = dict[str, Any]


def begin(run_id: str, environment_id: int, target: str) -> Facts:
    """Look at every gate, and note that the upgrade begins. Raises Failed that names the first gate that is shut; nothing is touched."""
    environment = Environment.objects.select_related("system__organisation").get(pk=environment_id)
    starter = Run.objects.select_related("requested_by").get(pk=run_id).requested_by
    with told():
        seen = gates.look(environment, target, starter=starter, run_id=run_id)
        if seen.shut or seen.rehearsal is None:
            raise Failed(message(gettext_noop("A gate is shut, so nothing was started: {gate}"), gate=seen.shut[0].why))
        site = connect.site(environment)
    waived = {one["gate"] for one in seen.waived}
    upgrade, _made = Upgrade.objects.get_or_create(
        run_id=uuid.UUID(run_id),
        defaults={
            "organisation": environment.system.organisation,
            "system": environment.system,
            "environment": environment,
            "rehearsal": seen.rehearsal,
            "approval": None if "approval" in waived else seen.approval,
            "waived": seen.waived,
            "current": seen.rehearsal.current,
            "target": target,
            "version": seen.rehearsal.version,
            "database": site.database,
            "new_database": "" if seen.rehearsal.is_patch else production.name(site.database, "next", run_id),
            "kept_database": "" if seen.rehearsal.is_patch else production.name(site.database, "before", run_id),
            "old_interpreter": str(links.direct(site.interpreter)) if site.interpreter else "",
        },
    )
    return {"upgrade_id": upgrade.pk, "gates": [gate.name for gate in seen.gates], "waived": seen.waived}


def install(upgrade_id: int, backup_id: int) -> Facts:
    """Install the new release beside the old one, before anything is stopped. It has to be exactly the rehearsed one."""
    upgrade = production.upgrade(upgrade_id)
    environment = upgrade.environment
    with told():
        site = connect.site(environment)
        folder = production.code(upgrade, site)
        interpreter = packages.install(upgrade.rehearsal, folder)
        seen = connect.ability(environment, "inspect").discover(replace(site, interpreter=interpreter))
        if not upgrade.is_patch:
            work.count(work.owner_site(environment))
    if seen.version_on_disk != upgrade.version:
        text = gettext_noop("{found} was installed, and {version} was rehearsed; rehearse again. Nothing was stopped")
        raise Failed(message(text, found=seen.version_on_disk or "?", version=upgrade.version))
    Upgrade.objects.filter(pk=upgrade_id).update(new_interpreter=str(interpreter), backup_id=backup_id)
    modules = {part.name: part.installed for part in seen.components if part.kind == "module" and part.installed}
    return {"interpreter": str(interpreter), "modules": modules}


def close(run_id: str, upgrade_id: int) -> Facts:
    """Show people the page with the end that is expected, refuse programs, and stop the ERP, if all is still as people agreed to."""
    upgrade = production.upgrade(upgrade_id)
    if upgrade.closed_at is None:
        _still_agreed(upgrade)
    began, started = timezone.now(), time.monotonic()
    with told():
        made = production.work_of(run_id, upgrade)
        made.ability("control").maintain(made.site, production.notice(upgrade))
    Upgrade.objects.filter(pk=upgrade_id, closed_at=None).update(closed_at=began)
    return {"seconds": round(time.monotonic() - started, 3)}


def _still_agreed(upgrade: Upgrade) -> None:
    """Look once more at what may have changed while it was backed up and installed, and use the approval up. Raises Failed; nothing is touched."""
    waived = {one["gate"] for one in upgrade.waived}
    with told():
        now = [*gates.same(upgrade.environment, upgrade.rehearsal), *gates.plans(upgrade.environment, expected(upgrade.rehearsal), closed=True)]
    for gate in now:
        if not gate.holds and gate.name not in waived:
            raise Failed(message(gettext_noop("A gate is shut now, so the ERP was not closed and nothing was changed: {gate}"), gate=gate.why))
    agree.use(upgrade)


def copy_database(run_id: str, upgrade_id: int) -> Facts:
    """Let nobody into the database any more and copy it. Repeated, it starts anew."""
    with told():
        made = production.work_of(run_id, production.upgrade(upgrade_id))
        work.exchange_back(made)
        made.ability("storage").share_files(made.site, made.new)
        return work.copy(made)


def run_notes(run_id: str, upgrade_id: int, phase: str, modules: Mapping[str, str]) -> Facts:
    """Do the notes of a phase, exactly those that were rehearsed."""
    upgrade = production.upgrade(upgrade_id)
    shipped = connect.ability(upgrade.environment, "releases").notes(upgrade.current, upgrade.target)
    with told():
        effective = notes.effective(upgrade.system, upgrade.current, upgrade.target, shipped)
        if notes.digest(effective) != upgrade.rehearsal.notes_digest:
            raise Failed(message(gettext_noop("The approved notes are not those that were rehearsed")))
        return work.run_notes(production.work_of(run_id, upgrade), effective, phase, modules)


def migrate(run_id: str, upgrade_id: int, modules: Mapping[str, str]) -> Facts:
    """Migrate the copy. Repeated, it begins with a new copy of the closed database."""
    upgrade = production.upgrade(upgrade_id)
    made = production.work_of(run_id, upgrade)
    mark = made.folder / "migrating"
    if mark.exists():
        copy_database(run_id, upgrade_id)
        run_notes(run_id, upgrade_id, "before", modules)
    mark.touch()
    with told():
        facts, log, judged = work.migrate(made, upgrade.new_interpreter, _accepted(upgrade))
    Upgrade.objects.filter(pk=upgrade_id).update(log=log, judged=judged)
    wrong = work.migration_failed(facts, log)
    if wrong is not None:
        raise Failed(wrong)
    return facts


def compare_books(run_id: str, upgrade_id: int) -> Facts:
    """Compare books and rights with those of the closed database, while the new release starts where nobody else reaches it."""
    upgrade = production.upgrade(upgrade_id)
    with told():
        made = production.work_of(run_id, upgrade)
        with aside(lambda: _start_aside(run_id, made, upgrade)) as started:
            facts, said, found = work.compare_books(made, _accepted(upgrade))
    equal = {name: facts[name] for name in ("figures_equal", "rights_equal")}
    Upgrade.objects.filter(pk=upgrade_id).update(differences=said, compared=found, **equal)
    if said:
        text = gettext_noop("After the migration the books differ in {count} places: {first}")
        raise Failed(message(text, count=facts["differences"], first=said[0]))
    with told():
        started.result()
    return facts


def smoke(run_id: str, upgrade_id: int) -> Facts:
    """Sign in to the new release on the migrated copy and look around; then stop it."""
    upgrade = production.upgrade(upgrade_id)
    with told():
        made = production.work_of(run_id, upgrade)
        control, site = made.ability("control"), _aside_site(run_id, made, upgrade)
        try:
            if not control.alive(site):
                _start_aside(run_id, made, upgrade)
            return {"seen": work.looked(made, site, most=KINDS)}
        finally:
            control.stop(site)


def exchange(run_id: str, upgrade_id: int) -> Facts:
    """Exchange the databases by name and the releases by link: from here on the new one is production. A patch has only the link."""
    upgrade = production.upgrade(upgrade_id)
    seconds = 0.0
    with told():
        if not upgrade.is_patch:
            made = production.work_of(run_id, upgrade)
            seconds = work.exchange(made)
            made.ability("storage").unshare_files(made.site, made.new)
        production.use(upgrade, upgrade.new_interpreter)
    return {"seconds": round(seconds, 3)}


def reopen(run_id: str, upgrade_id: int) -> Facts:
    """Start the new release for everybody, and look around once more.

    From here on people write into the migrated database: that is noted before it starts, and nothing takes it back by itself any more.
    """
    Upgrade.objects.filter(pk=upgrade_id, opened_at=None).update(opened_at=timezone.now())
    upgrade = production.upgrade(upgrade_id)
    with told():
        site = connect.site(upgrade.environment)
        made = production.work_of(run_id, upgrade)
        control = made.ability("control")
        _started(control, site)
        answered = timezone.now()
        seen = work.looked(made, site, most=AGAIN)
        if not control.alive(site):
            raise Failed(message(gettext_noop("A process of the new release ended as soon as it was started")), retryable=True)
    # So long nobody could work, which counts once it was seen that somebody can.
    Upgrade.objects.filter(pk=upgrade_id, state=UpgradeState.RUNNING).update(opened_at=answered)
    return {"seen": seen}


def finish(upgrade_id: int, facts: Facts) -> Facts:
    """Make the upgrade count. The database from before stays, closed."""
    upgrade = production.upgrade(upgrade_id)
    Environment.objects.filter(pk=upgrade.environment_id).update(version=upgrade.version)
    Upgrade.objects.filter(pk=upgrade_id, state=UpgradeState.RUNNING).update(state=UpgradeState.KEPT, ended_at=timezone.now(), report=facts)
    production.keep_books(upgrade)
    aftercare.follow(upgrade)
    return {**_told(production.upgrade(upgrade_id)), "kept": True, "rehearsed_rollback_seconds": upgrade.rehearsal.rollback_seconds}


def take_back(run_id: str, upgrade_id: int) -> Facts:
    """Put everything back as it was, wherever the upgrade stood; timed until people can work again.

    The books are compared before anybody is let in, and the migrated copy is dropped when all of this is done. Once the new release was opened
    this raises Failed, unless what people have written there since was exported; the migrated database is kept then. A patch has changed no
    database, so it goes back at any time.
    """
    upgrade = production.upgrade(upgrade_id)
    started = time.monotonic()
    if upgrade.state == UpgradeState.TAKEN_BACK:
        return _opened_again(run_id, upgrade, started)
    if upgrade.opened_at is not None and not upgrade.discarded and not upgrade.is_patch:
        text = gettext_noop("The new release was opened already, and what people have written since would be lost with it")
        raise Failed(message(text))
    with told():
        made = production.work_of(run_id, upgrade)
        control = made.ability("control")
        site = connect.site(upgrade.environment)
        if upgrade.closed_at is None and control.notice(site) is None and control.alive(site):
            Upgrade.objects.filter(pk=upgrade_id).update(state=UpgradeState.FAILED, ended_at=timezone.now())
            return {"seconds": 0.0, "changed": False}
        _stop_aside(run_id, made, upgrade)
        if control.notice(site) is None:
            control.maintain(site, production.notice(upgrade))
        if not upgrade.is_patch:
            work.exchange_back(made)
            made.ability("storage").unshare_files(made.site, made.new)
        production.use(upgrade, upgrade.old_interpreter)
        progress.milestone("back:exchanged")
        said = work.differs_from_before(made)
        if said:
            databases.fence(made.server, made.site.database)
            text = gettext_noop("After it was taken back the books differ in {count} places: {first}")
            raise Failed(message(text, count=len(said), first=said[0]))
    # From here on people may write again: repeated, this must neither close the ERP nor compare its books.
    Upgrade.objects.filter(pk=upgrade_id).update(state=UpgradeState.TAKEN_BACK, ended_at=timezone.now())
    return _opened_again(run_id, upgrade, started)


def _opened_again(run_id: str, upgrade: Upgrade, started: float) -> Facts:
    """Start the old release for everybody on its own database, and drop the migrated copy."""
    with told():
        made = production.work_of(run_id, upgrade)
        control = made.ability("control")
        site = connect.site(Environment.objects.select_related("system").get(pk=upgrade.environment_id))
        if _started(control, site):
            # So long nobody could work.
            Upgrade.objects.filter(pk=upgrade.pk).update(ended_at=timezone.now())
        seconds = time.monotonic() - started
        work.looked(made, site, most=AGAIN)
        # What people wrote after it was opened is in there: somebody has to remove that on purpose.
        if not upgrade.discarded and not upgrade.is_patch:
            work.drop_copy(made)
        production.forget_books(upgrade)
    if upgrade.is_patch:
        production.note_version(upgrade)
    return {"seconds": round(seconds, 3), "changed": True}


def take_back_stuck(run_id: str, environment_id: int, upgrade_id: int) -> Facts:
    """Take back an upgrade that waits for a person. Raises Failed for any other."""
    mine = Upgrade.objects.filter(pk=upgrade_id, environment_id=environment_id)
    waiting = mine.filter(state__in=(UpgradeState.STUCK, UpgradeState.TAKEN_BACK)) | mine.filter(state=UpgradeState.KEPT).exclude(discarded={})
    waiting |= mine.filter(state=UpgradeState.KEPT, current=F("target"))
    if not waiting.exists():
        raise Failed(message(gettext_noop("This upgrade does not wait for a person, so nothing was done")))
    return take_back(run_id, upgrade_id)


def clean_up(run_id: str) -> None:
    """At the end of every run: an upgrade that is neither kept nor taken back needs a person; both databases stay."""
    left = Upgrade.objects.filter(run_id=uuid.UUID(run_id), state=UpgradeState.RUNNING)
    left.filter(closed_at=None).update(state=UpgradeState.FAILED, ended_at=timezone.now())
    for stuck in left:
        production.keep_books(stuck)
    left.update(state=UpgradeState.STUCK, ended_at=timezone.now())
    for done in Upgrade.objects.filter(run_id=uuid.UUID(run_id), state__in=(UpgradeState.KEPT, UpgradeState.TAKEN_BACK)):
        at_work(done.pk)


def back_at_work(_run_id: str, *, upgrade_id: int, **_arguments: Any) -> None:
    """At the end of a run that took an upgrade back: see ``at_work``."""
    if Upgrade.objects.filter(pk=upgrade_id, state=UpgradeState.TAKEN_BACK).exists():
        at_work(upgrade_id)


def at_work(upgrade_id: int) -> None:
    """Start the ERP again that a crash of its machine took after the upgrade, or the way back, had opened it; one that runs is left alone."""
    environment = production.upgrade(upgrade_id).environment
    with told():
        _started(connect.ability(environment, "control"), connect.site(environment))


def _started(control: Any, site: Site) -> bool:
    """Start the ERP for everybody unless it is at work; whether that was needed."""
    if control.alive(site) and control.notice(site) is None:
        return False
    control.stop(site)
    control.start(site)
    return True


def _accepted(upgrade: Upgrade) -> list[Accepted]:
    return accept.counting(upgrade.system, upgrade.current, upgrade.target)


def _start_aside(run_id: str, made: Work, upgrade: Upgrade) -> None:
    """Start the new release on the migrated copy, on a socket of the run."""
    site = _aside_site(run_id, made, upgrade)
    control = made.ability("control")
    control.stop(site)
    control.start(site, roles=("web",))
    for process in control.processes(site):
        scratch.keep(run_id, f"erp-{process.pid}", process.pid)


def _aside_site(run_id: str, made: Work, upgrade: Upgrade) -> Site:
    state = postgres.owned_folder(scratch.folder(run_id) / "aside", made.site.os_user or postgres.service_user(), 0o700)
    return replace(made.upgraded(upgrade.new_interpreter), database=made.new, state=state, url=f"unix:{state / 'rpc'}", commands=None)


def _stop_aside(run_id: str, made: Work, upgrade: Upgrade) -> None:
    if upgrade.new_interpreter:
        made.ability("control").stop(_aside_site(run_id, made, upgrade))


def _told(upgrade: Upgrade) -> Facts:
    closed, opened = upgrade.closed_at, upgrade.opened_at
    return {
        "upgrade_id": upgrade.pk,
        "from": upgrade.current,
        "to": upgrade.target,
        "version": upgrade.version,
        "rehearsed": upgrade.rehearsal.state == RehearsalState.SUCCEEDED,
        "approved_by": upgrade.approval.approver if upgrade.approval is not None else None,
        "waived": upgrade.waived,
        "figures_equal": upgrade.figures_equal,
        "rights_equal": upgrade.rights_equal,
        "unavailable_seconds": round((opened - closed).total_seconds(), 3) if closed and opened else None,
        "kept_database": upgrade.kept_database,
    }
