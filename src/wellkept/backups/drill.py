"""The steps of a drill: restore a set in isolation, start the ERP on it, sign in, compare the books, measure, destroy.

Every drill opens the repository with the key out of the escrow, so that a broken escrow is found before it is needed.
"""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop

from wellkept.adapters.base import Login, Proof
from wellkept.backups import checks, choose, copy, repositories, sets, verify
from wellkept.backups.failures import told
from wellkept.backups.models import Drill, DrillState
from wellkept.estate import connect
from wellkept.lib.text import Message, message, reason, say
from wellkept.operations import progress, scratch
from wellkept.operations.errors import Failed
from wellkept.operations.models import Run
from wellkept.planning import figures
from wellkept.tools import command, netns, postgres, restic

JOBS = 2
KEPT_DIFFERENCES = 50


def begin(run_id: str, system_id: int | None, backup_id: int | None) -> dict[str, Any]:
    """Check that there is room and that the programs are there, then note that the drill runs. The disaster is imagined to happen now."""
    backup = verify.verifiable(choose.backup(system_id, backup_id).pk)
    here = copy.place(run_id)
    brief = backup.manifest
    with told():
        postgres.binaries(int(brief["postgresql"]["major"]))
        checks.room(here.folder, checks.to_restore(backup.bytes or 0, brief))
    drill, _made = Drill.objects.get_or_create(
        run_id=uuid.UUID(run_id),
        defaults={"organisation": backup.organisation, "system": backup.system, "backup": backup},
    )
    return {"drill_id": drill.pk, "disaster_at": drill.started_at.isoformat()}


def open_repository(run_id: str, drill_id: int) -> dict[str, Any]:
    """Open the repository with the escrowed key and check its structure: a truncated pack is found here at once. The clock starts before."""
    drill = _drill(drill_id)
    began = copy.clock()
    with told():
        tool = repositories.escrowed(drill.backup.repository)
        checks.repository_answers(drill.backup.repository, tool)
        _watched(drill, run_id, lambda: restic.check(tool))
    Drill.objects.filter(pk=drill_id).update(escrow_key_used=True)
    return {"clock": began}


def restore_set(run_id: str, drill_id: int) -> dict[str, Any]:
    """Restore the set into the scratch folder with the escrowed key and hash all of it again. A set of another system is refused."""
    drill = _drill(drill_id)
    here = copy.place(run_id)
    with told():
        tool = repositories.escrowed(drill.backup.repository)
        count = _watched(drill, run_id, lambda: verify.restored_and_hashed(tool, drill.backup, here.restored))
        progress.milestone("restore:restored")
        root = here.files()
        if root is not None:
            copy.hand_over(root)
    progress.report(drivers={"bytes": drill.backup.bytes or 0, "files": drill.backup.files or 0})
    return {"hashes": count}


def restore_database(run_id: str, drill_id: int) -> dict[str, Any]:
    """Restore the dump into the throwaway cluster. Repeated, it starts from an empty database."""
    here = copy.place(run_id)
    drill = _drill(drill_id)
    with told():
        cluster = copy.start_cluster(here)
        server = cluster.server()
        postgres.create_role(server, copy.OWNER, None, attributes="LOGIN CREATEDB")
        postgres.drop_database(server, copy.DATABASE)
        postgres.create_database(server, copy.DATABASE, owner=copy.OWNER)
        progress.milestone("database:created")
        postgres.restore(replace(server, user=copy.OWNER), copy.DATABASE, here.restored / sets.FOLDER / sets.DUMP, jobs=JOBS)
        with copy.connection(here) as connection:
            size = postgres.database_size(connection)
    progress.report(drivers={"bytes": drill.backup.manifest["dump"]["bytes"]})
    return {"database_bytes": size}


def check_tables(run_id: str) -> dict[str, Any]:
    """Let pg_amcheck read every table and index, where PostgreSQL's contrib programs are installed."""
    here = copy.place(run_id)
    with told():
        cluster = copy.start_cluster(here)
        program = postgres.binaries(cluster.version) / "pg_amcheck"
        with postgres.connect(cluster.server(), copy.DATABASE, autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'").fetchone()
            if not program.exists() or there is None:
                return {"amcheck": "not installed"}
            connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog")
        command.run([program, f"--jobs={JOBS}", f"--database={copy.DATABASE}", "--no-password"], env=cluster.server().env())
    return {"amcheck": "done"}


def compare_before(run_id: str, drill_id: int) -> dict[str, Any]:
    """Read every figure from the restored database and files: they must equal the manifest's. Then look which business document is the newest."""
    drill = _drill(drill_id)
    here = copy.place(run_id)
    manifest = here.manifest()
    found = _differences(here, drill_id, ignore=())
    _note_differences(drill, found, len(manifest["figures"]))
    with told(), copy.connection(here) as connection:
        newest = connect.ability(drill.backup.environment, "storage").newest_document(connection)
    values = sum(len(figure["values"]) for figure in manifest["figures"])
    return {"figures": len(manifest["figures"]), "values": values, "newest_document": newest}


def neutralise(run_id: str, drill_id: int) -> dict[str, Any]:
    """Make the copy harmless: its own settings, password and mail address, nothing that runs by itself. The wall is built first."""
    drill = _drill(drill_id)
    environment = drill.backup.environment
    here = copy.place(run_id)
    with told():
        copy.start_cluster(here)
        sealed = copy.seal(here)
        progress.milestone("neutralise:walled")
        ability = connect.ability(environment, "neutralise")
        site = ability.configure_copy(copy.bare_site(here, environment), original=here.manifest()["database"], sink_smtp=sealed.smtp)
        copy.keep_site(here, site)
        progress.milestone("neutralise:configured")
        changed = dict(ability.neutralise(site))
        proofs = ability.prove(site)
    _require(drill_id, proofs)
    return {"changed": changed, "proofs": [_plain(proof) for proof in proofs]}


def start_erp(run_id: str, drill_id: int) -> dict[str, Any]:
    """Start the ERP's web process behind the wall, and prove the wall: no interface, no route, a sink that works, the process inside."""
    drill = _drill(drill_id)
    here = copy.place(run_id)
    with told():
        copy.start_cluster(here)
        site, sealed = copy.kept_site(here), copy.sealed(here)
        netns.probe(sealed)
        view = netns.look(sealed, postgres.service_user())
        control = connect.ability(drill.backup.environment, "control")
        progress.milestone("start:walled")
        control.stop(site)
        processes = copy.start_erp(here, control, site)
    if sealed.kind != netns.NONE:
        outside = [process.pid for process in processes if not netns.inside(sealed, process.pid)]
        if not view.closed or outside or not processes:
            raise Failed(message(gettext_noop("The copy is not sealed off ({seen}); it was not used"), seen=f"{view} {outside}"))
    Drill.objects.filter(pk=drill_id).update(isolation=sealed.kind)
    return {"isolation": sealed.kind, "interfaces": list(view.interfaces), "routes": list(view.routes), "outside": view.outside}


def sign_in(run_id: str, drill_id: int) -> dict[str, Any]:
    """Sign in over RPC and read; every probe of the adapter must work."""
    drill = _drill(drill_id)
    site = copy.kept_site(copy.place(run_id))
    with told():
        timings = connect.ability(drill.backup.environment, "probes").run(site)
    failed = [timing for timing in timings if timing.error]
    if failed or not timings:
        why = failed[0].error if failed else message(gettext_noop("nothing was tried"))
        text = gettext_noop("Nobody can work on the restored ERP: {probe} failed with {reason}")
        raise Failed(message(text, probe=failed[0].probe if failed else "login", reason=why))
    return {"probes": {timing.probe: round(timing.seconds, 3) for timing in timings}}


def compare_after(run_id: str, drill_id: int, began: dict[str, Any], newest: str | None) -> dict[str, Any]:
    """Read the figures again while the ERP runs: nothing but what neutralising changes on purpose may differ. Here the clock stops.

    ``newest`` is when the restored ERP's newest business document was made: what came later would have been lost.
    """
    drill = _drill(drill_id)
    here = copy.place(run_id)
    changes = tuple(connect.ability(drill.backup.environment, "neutralise").CHANGES)
    found = _differences(here, drill_id, ignore=changes)
    _note_differences(drill, found, len(here.manifest()["figures"]))
    seconds = copy.since(began)
    lost = max(0.0, (drill.started_at - _moment(newest or here.manifest()["snapshot_at"])).total_seconds())
    Drill.objects.filter(pk=drill_id).update(figures_equal=True, rto_seconds=seconds, rpo_seconds=lost)
    return {"rto_seconds": seconds, "rpo_seconds": lost, "ignored": list(changes)}


def prove_harmless(run_id: str, drill_id: int) -> dict[str, Any]:
    """Prove again, on the running copy, that no login of the original works, and that nothing came to the sink but our own probes.

    Repeated, it may find the ERP stopped, or half stopped, by its first attempt, and starts it again.
    """
    drill = _drill(drill_id)
    environment = drill.backup.environment
    here = copy.place(run_id)
    with told():
        site, sealed = copy.kept_site(here), copy.sealed(here)
        control = connect.ability(environment, "control")
        if not control.alive(site):
            control.stop(site)
            copy.start_erp(here, control, site)
        found = connect.ability(environment, "neutralise").prove(site, old=_known_logins(environment))
        # Our own sign-in leaves its session behind when it is killed; that none of the original's is there was proven before the start.
        proofs = [proof for proof in found if proof.name != "no_sessions"]
        progress.milestone("prove:proven")
        control.stop(site)
        caught = netns.caught(sealed)
    proofs.append(Proof("nothing_sent", not caught, message(gettext_noop("{count} visits to the sink besides our probes"), count=len(caught))))
    _require(drill_id, proofs)
    Drill.objects.filter(pk=drill_id).update(neutral_proven=True)
    return {"proofs": [_plain(proof) for proof in proofs]}


def destroy(run_id: str) -> dict[str, Any]:
    """End the copy's programs and remove everything that was restored, with the wall."""
    scratch.remove(run_id)
    return {"left": scratch.path(run_id).exists()}


def clean_up(run_id: str) -> None:
    """At the end of every run: nothing runs behind the wall any more, and a drill that did not prove anything counts as failed, or cancelled."""
    if scratch.path(run_id).exists():
        copy.open_wall(copy.place(run_id))
    run = Run.objects.filter(pk=uuid.UUID(run_id)).first()
    state = DrillState.CANCELLED if run is not None and run.cancel_requested_at is not None else DrillState.FAILED
    Drill.objects.filter(run_id=uuid.UUID(run_id), state=DrillState.RUNNING).update(state=state, ended_at=timezone.now())


def _drill(drill_id: int) -> Drill:
    return Drill.objects.select_related("backup__repository", "backup__environment__system__organisation", "backup__system", "system").get(
        pk=drill_id
    )


def _watched(drill: Drill, run_id: str, work: Any) -> Any:
    """Do what reads the set; when it turns out damaged, the backup no longer counts."""
    try:
        return work()
    except (restic.Damaged, sets.SetError) as error:
        verify.break_(drill.backup, message(gettext_noop("It could not be restored: {reason}"), reason=reason(error)), run_id)
        raise


def _differences(here: copy.Place, drill_id: int, *, ignore: tuple[str, ...]) -> list[figures.Difference]:
    drill = _drill(drill_id)
    manifest = here.manifest()
    with told():
        copy.start_cluster(here)
        ability = connect.ability(drill.backup.environment, "figures")
        with copy.connection(here) as connection, command.stoppable(connection.cancel):
            after = ability.read(connection, here.files(), manifest["database"], layout=manifest["files"]["layout"], thorough=True)
        return figures.compare(sets.figures(manifest), after, ignore=ignore)


def _note_differences(drill: Drill, found: list[figures.Difference], count: int) -> None:
    said = figures.sentences(found, connect.ability(drill.backup.environment, "figures").LABELS, most=KEPT_DIFFERENCES)
    Drill.objects.filter(pk=drill.pk).update(figures=count, differences=said)
    if found:
        Drill.objects.filter(pk=drill.pk).update(figures_equal=False)
        text: Message = message(
            gettext_noop("The restored books differ from those of the backup in {count} places: {first}"),
            count=len(found),
            first=said[0],
        )
        raise Failed(text)


def _require(drill_id: int, proofs: Any) -> None:
    wrong = [proof for proof in proofs if not proof.holds]
    if wrong:
        Drill.objects.filter(pk=drill_id).update(neutral_proven=False)
        raise Failed(message(gettext_noop("The copy is not proven harmless: {proof} ({seen})"), proof=wrong[0].name, seen=wrong[0].seen))


def _known_logins(environment: Any) -> list[Login]:
    login = connect.site(environment).login
    return [login] if login is not None and login.password else []


def _plain(proof: Proof) -> dict[str, Any]:
    return {"name": proof.name, "holds": proof.holds, "seen": say(proof.seen)}


def _moment(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
