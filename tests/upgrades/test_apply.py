"""A running company of its own is upgraded in earnest, and taken back from wherever the upgrade stands."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.backups.test_drill import failed
from tests.services import tryton
from tests.services.agreed import agreed
from tests.services.sets import kept_environment, new_run
from tests.services.tryton import NEXT, SERIES
from tests.services.turns import FULL, in_turn
from wellkept.adapters.base import Site
from wellkept.adapters.conformance.bench import content
from wellkept.adapters.tryton import control, releases, rpc
from wellkept.backups.models import Backup, BackupState, Drill, DrillState, Repository
from wellkept.estate import connect, secrets
from wellkept.estate.access import Console
from wellkept.estate.models import Environment, Organisation
from wellkept.operations import scratch, windows
from wellkept.tools import databases, postgres
from wellkept.upgrades import apply, gates, notes, work
from wellkept.upgrades.consent import agree
from wellkept.upgrades.models import Approval, Rehearsal, RehearsalState, Upgrade, UpgradeState

GOOD = "migrated_and_kept"
SOME = ("close", "migrate", "exchange")
"""The steps after one of which, in turn, it is taken back where not all are asked for: those that change something outside of the copy, and one
within. The kills of workers take it back, too."""


@dataclass
class Production:
    """A running ERP with all that its gates ask for."""

    environment: Environment
    site: Site
    rehearsal: Rehearsal
    run_id: str

    @property
    def version(self) -> str:
        return rpc.version(connect.site(Environment.objects.get(pk=self.environment.pk)))


@pytest.fixture
def production(own_company: Site, organisation: Organisation) -> Iterator[Production]:
    own_company = replace(own_company, interpreter=tryton.resting())
    environment = kept_environment(own_company, organisation)
    run_id = new_run(organisation, "upgrades.apply")
    # Its scheduled jobs would work on the books while these are compared.
    with postgres.connect(own_company.server, own_company.database) as connection:
        connection.execute("UPDATE ir_cron SET active = false")
    control.start(own_company)
    yield Production(environment, own_company, rehearsed(environment), run_id)
    for site in (connect.site(Environment.objects.get(pk=environment.pk)), own_company):
        control.stop(site)
    scratch.remove(run_id)
    assert own_company.server is not None
    for upgrade in Upgrade.objects.all():
        for name in (upgrade.new_database, upgrade.kept_database, GOOD):
            postgres.drop_database(own_company.server, name)


def rehearsed(environment: Environment) -> Rehearsal:
    """The rows of a rehearsal that has just ended well, with a proven backup, and what people have to say to it."""
    organisation = environment.system.organisation
    rows = {"organisation": organisation, "system": environment.system}
    key = secrets.store(organisation, "repository/r/key", "x")
    repository = Repository.objects.create(organisation=organisation, name="r", location="/nowhere", key=key, drill_identity=key)
    backup = Backup.objects.create(
        **rows, environment=environment, repository=repository, run_id=uuid.UUID(new_run(organisation)), state=BackupState.GOOD
    )
    Drill.objects.create(**rows, backup=backup, run_id=uuid.UUID(new_run(organisation)), state=DrillState.PROVEN)
    shipped = releases.notes(SERIES, NEXT)
    made = Rehearsal.objects.create(
        **rows,
        environment=environment,
        run_id=uuid.UUID(new_run(organisation, "upgrades.rehearse")),
        backup=backup,
        current=SERIES,
        target=NEXT,
        version=newest(NEXT),
        modules=gates.active_modules(environment),
        notes_digest=notes.digest(notes.effective(environment.system, SERIES, NEXT, shipped)),
        state=RehearsalState.SUCCEEDED,
        ended_at=timezone.now(),
        rollback_seconds=3.0,
        report={"migrate": {"seconds": 60.0}},
    )
    agreed(made)
    return made


def newest(series: str) -> str:
    from wellkept.adapters.tryton import provision

    return provision.version(series)


def shut(production: Production) -> set[str]:
    return {gate.name for gate in gates.look(production.environment, NEXT).gates if not gate.open}


def test_every_gate_is_looked_at(production: Production) -> None:
    assert shut(production) == set()
    assert gates.look(production.environment, NEXT).open
    rehearsal = production.rehearsal
    for changed, gate in (
        ({"notes_digest": "other"}, "notes"),
        ({"modules": ["party"]}, "modules"),
    ):
        Rehearsal.objects.filter(pk=rehearsal.pk).update(**changed)
        assert shut(production) == {gate, "approval"}
        assert "gate is shut" in failed(lambda: apply.begin(production.run_id, production.environment.pk, NEXT))
        rehearsal.save()
    withdrawn_in_time(production)
    Drill.objects.update(state=DrillState.FAILED)
    assert shut(production) == {"backup"}
    Rehearsal.objects.update(state=RehearsalState.FAILED)
    assert {"rehearsal", "backup"} <= shut(production)


def withdrawn_in_time(production: Production) -> None:
    """The approval is withdrawn, or a freeze declared, while it is backed up and installed: nothing is stopped."""
    run_id, organisation = production.run_id, production.environment.system.organisation
    approval = Approval.objects.get()
    number = apply.begin(run_id, production.environment.pk, NEXT)["upgrade_id"]
    now = timezone.now()
    frozen = windows.freeze(organisation, now, now + timedelta(hours=1), "year end", who=Console("tests"))
    assert "stays as it is until" in failed(lambda: apply.close(run_id, number))
    windows.remove(frozen, who=Console("tests"))
    agree.withdraw(approval, who=Console("tests"))
    assert "withdrew the approval" in failed(lambda: apply.close(run_id, number))
    assert control.alive(production.site)
    assert control.notice(production.site) is None
    assert apply.take_back(run_id, number) == {"seconds": 0.0, "changed": False}
    upgrade = Upgrade.objects.get()
    assert (upgrade.state, upgrade.approval, upgrade.closed_at, upgrade.waived) == (UpgradeState.FAILED, approval, None, [])
    upgrade.delete()
    agreed(production.rehearsal)


@pytest.fixture
def migrated(production: Production, erp_place: tuple[postgres.Server, Path], company_template: str) -> str:
    """The company after its real migration, which the kept one went through: each upgrade of the test takes a copy of it."""
    owner, folder = erp_place
    postgres.create_database(owner, GOOD)
    postgres.restore(owner, GOOD, tryton.kept_upgrade(owner, folder, company_template) / "dump")
    with postgres.connect(owner, GOOD) as connection:
        connection.execute("UPDATE ir_cron SET active = false")
    return GOOD


def test_a_migration_that_fails_is_taken_back(production: Production) -> None:
    """Without its manual steps this one cannot work."""
    run_id, before = production.run_id, content(production.site)
    number = apply.begin(run_id, production.environment.pk, NEXT)["upgrade_id"]
    modules = apply.install(number, production.rehearsal.backup_id)["modules"]
    apply.close(run_id, number)
    apply.copy_database(run_id, number)
    assert 'column "string"' in failed(lambda: apply.migrate(run_id, number, modules))
    assert any("CRITICAL" in line for line in Upgrade.objects.get(pk=number).log)
    apply.take_back(run_id, number)
    assert production.version.startswith(f"{SERIES}.")
    assert content(production.site) == before


def test_an_upgrade_that_is_stuck_is_taken_back_by_another_run(production: Production) -> None:
    run_id, before = production.run_id, content(production.site)
    number = apply.begin(run_id, production.environment.pk, NEXT)["upgrade_id"]
    apply.close(run_id, number)
    apply.copy_database(run_id, number)
    other = new_run(production.environment.system.organisation, "upgrades.take_back")
    place = production.environment.pk
    assert "does not wait" in failed(lambda: apply.take_back_stuck(other, place, number))
    apply.clean_up(run_id)
    assert Upgrade.objects.get(pk=number).state == UpgradeState.STUCK
    assert "does not wait" in failed(lambda: apply.take_back_stuck(other, place + 1, number))
    assert apply.take_back_stuck(other, place, number)["changed"]
    assert content(production.site) == before
    assert production.version.startswith(f"{SERIES}.")
    scratch.remove(other)


def test_an_upgrade_is_kept_and_taken_back_from_every_step(production: Production, migrated: str) -> None:
    """The steps in their order; after one it is taken back, and the ERP is what it was. Then all of them are done, and it is kept."""
    site, run_id = production.site, production.run_id
    before = content(site)
    number = apply.begin(run_id, production.environment.pk, NEXT)["upgrade_id"]
    assert apply.take_back(run_id, number) == {"seconds": 0.0, "changed": False}
    modules = apply.install(number, production.rehearsal.backup_id)["modules"]
    upgrade = Upgrade.objects.get(pk=number)
    server = work.owner_site(production.environment).server
    assert server is not None
    with postgres.connect(server, site.database) as connection:
        assert connection.execute("SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NULL").fetchall() == []
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("close", lambda: apply.close(run_id, number)),
        ("copy", lambda: apply.copy_database(run_id, number)),
        ("notes-before", lambda: apply.run_notes(run_id, number, "before", modules)),
        ("migrate", lambda: put(server, migrated, upgrade.new_database)),
        ("notes-after", lambda: apply.run_notes(run_id, number, "after", modules)),
        ("compare", lambda: apply.compare_books(run_id, number)),
        ("smoke", lambda: apply.smoke(run_id, number)),
        ("exchange", lambda: apply.exchange(run_id, number)),
        ("open", lambda: apply.reopen(run_id, number)),
    ]
    seconds = {}
    original = identity(server, upgrade.database)
    tried = [name for name, _step in steps[:-1] if FULL or name in in_turn([SOME])]
    for count, name in ((count, name) for count, (name, _step) in enumerate(steps, start=1) if name in tried):
        Upgrade.objects.filter(pk=number).update(state=UpgradeState.RUNNING, closed_at=None, opened_at=None)
        for _name, step in steps[:count]:
            step()
        back = apply.take_back(run_id, number)
        seconds[name] = back["seconds"]
        assert back["changed"]
        with postgres.connect(server, upgrade.database) as connection:
            connection.execute("UPDATE party_party SET write_uid = write_uid WHERE id = 1")
        assert apply.take_back(run_id, number)["changed"], "once more, after people have worked, changes nothing"
        assert production.version.startswith(f"{SERIES}."), name
        assert control.notice(site) is None
        assert not databases.fenced(server, upgrade.database)
        assert not {upgrade.new_database, upgrade.kept_database} & names(server)
        assert identity(server, upgrade.database) == original
        assert Upgrade.objects.get(pk=number).state == UpgradeState.TAKEN_BACK
    assert content(site) == before
    print(f"\nupgrade: taken back after {len(tried)} of {len(steps) - 1} steps, violations: 0, seconds: {seconds}")

    Upgrade.objects.filter(pk=number).update(state=UpgradeState.RUNNING, closed_at=None, opened_at=None)
    facts = {name: step() for name, step in steps}
    assert "people have written since" in failed(lambda: apply.take_back(run_id, number))
    assert production.version == NEXT
    result = apply.finish(number, facts)
    assert (result["kept"], result["figures_equal"], result["rights_equal"]) == (True, True, True)
    assert production.version == NEXT
    assert connect.site(Environment.objects.get(pk=production.environment.pk)).interpreter == Path(Upgrade.objects.get(pk=number).new_interpreter)
    assert identity(server, upgrade.kept_database) == original
    assert databases.fenced(server, upgrade.kept_database)
    assert Upgrade.objects.get(pk=number).state == UpgradeState.KEPT
    print(f"upgrade: kept, unavailable {result['unavailable_seconds']} s")


def put(server: postgres.Server, source: str, target: str) -> dict[str, float]:
    """Have the migrated company where the migration would have left it."""
    postgres.drop_database(server, target)
    databases.copy(server, source, target, timeout=60)
    return {"seconds": 0.0}


def identity(server: postgres.Server, database: str) -> int:
    """Which database it is, whatever its name."""
    with postgres.administration(server) as connection:
        ((oid,),) = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [database]).fetchall()
    return int(oid)


def names(server: postgres.Server) -> set[str]:
    with postgres.administration(server) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
