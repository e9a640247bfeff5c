"""A newer version of the same series: only the code changes, forth and back, in seconds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backups.test_drill import failed
from tests.services import tryton
from tests.services.agreed import agreed
from tests.services.platform import locked
from tests.services.sets import Rows, content_hash, kept_environment, new_run
from tests.services.tryton import SERIES
from tests.services.turns import turn
from tests.upgrades.test_apply import identity, newest, rehearsed
from tests.upgrades.test_rehearse import _proven as proven
from wellkept import home
from wellkept.adapters.base import Site
from wellkept.adapters.tryton import control, provision, releases, rpc
from wellkept.adapters.tryton.provision.install import uv_environment, uv_program
from wellkept.backups import drill
from wellkept.estate import connect
from wellkept.estate.models import Environment, Organisation
from wellkept.lib import links
from wellkept.operations import scratch
from wellkept.tools import command, postgres
from wellkept.upgrades import apply, discard, gates, notes, patch, queries, rehearse, work
from wellkept.upgrades.models import Rehearsal, RehearsalState, Release, Upgrade, UpgradeState
from wellkept.upgrades.patch import switch

OLDER = "7.0.50"
MOST_SECONDS = 30.0


@pytest.fixture(scope="session")
def older() -> Path:
    """Tryton's Python with an older version of the server, in an environment that outlives the run."""
    whole = tryton.interpreter().parents[1]
    venv = whole.with_name(f"{whole.name}-{OLDER}")
    with locked("tryton-venv"):
        if not venv.exists():
            fresh = venv.with_name(f"{venv.name}.part")
            command.run(["cp", "--archive", "--link", whole, fresh])
            args = [uv_program(), "pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", fresh / "bin" / "python"]
            command.run([*args, f"trytond=={OLDER}"], env=uv_environment(home.cache()), timeout=300)
            fresh.rename(venv)
    return venv / "bin" / "python"


@pytest.fixture
def outdated(own_company: Site, older: Path, organisation: Organisation) -> Iterator[tuple[Environment, str]]:
    """A company at work on the older version, whose interpreter is reached through a link, and the run of its patch."""
    code = postgres.throwaway_folder("wkl-")
    (code / OLDER).symlink_to(older.parents[1])
    links.point(code / "current", code / OLDER)
    site = replace(own_company, interpreter=code / "current" / "bin" / "python")
    environment = kept_environment(site, organisation)
    environment.version = OLDER
    environment.save()
    control.start(site)
    run_id = new_run(organisation, "upgrades.apply_patch")
    yield environment, run_id
    control.stop(site)
    scratch.remove(run_id)
    command.run(["rm", "-r", code])


def of_this_series(environment: Environment) -> Rehearsal:
    """The rows of a rehearsal of the patch."""
    made = rehearsed(environment)
    sealed = notes.digest([])
    listed = provision.requirements(SERIES).read_text()
    Rehearsal.objects.filter(pk=made.pk).update(target=SERIES, version=newest(SERIES), notes_digest=sealed, report={}, packages=listed)
    made.refresh_from_db()
    agreed(made)
    return made


@turn(2, of=4)
def test_a_patch_is_installed_and_taken_back_by_the_link(outdated: tuple[Environment, str]) -> None:
    environment, run_id = outdated
    site = connect.site(environment)
    assert rpc.version(site) == OLDER
    Release.objects.create(adapter="tryton", series=SERIES, newest=newest(SERIES))
    assert patch.known("tryton", OLDER) == newest(SERIES)
    assert queries.lines([environment.system])[0].patch == newest(SERIES)
    rehearsal = of_this_series(environment)
    seen = gates.look(environment, SERIES)
    assert {gate.name for gate in seen.shut} == set()
    assert not {gate.name for gate in seen.gates} & {"role", "room-copy"}
    number = apply.begin(run_id, environment.pk, SERIES)["upgrade_id"]
    apply.install(number, rehearsal.backup_id)
    server = work.owner_site(environment).server
    assert server is not None
    database = identity(server, site.database)

    apply.close(run_id, number)
    assert control.notice(site) is not None
    assert apply.take_back(run_id, number)["changed"]
    assert rpc.version(site) == OLDER
    Upgrade.objects.filter(pk=number).update(state=UpgradeState.RUNNING, closed_at=None)
    apply.close(run_id, number)
    apply.exchange(run_id, number)
    apply.reopen(run_id, number)
    result = apply.finish(number, {})
    assert rpc.version(site) == newest(SERIES)
    assert result["unavailable_seconds"] <= MOST_SECONDS
    assert Environment.objects.get(pk=environment.pk).version == newest(SERIES)
    assert patch.known("tryton", newest(SERIES)) is None
    assert "nothing newer" in failed(lambda: patch.refuse(environment, SERIES, rehearsal.packages))
    with pytest.raises(discard.Invalid, match="loses nothing"):
        discard.candidate(environment)

    other = new_run(environment.system.organisation, "upgrades.take_back")
    back = apply.take_back_stuck(other, environment.pk, number)
    assert rpc.version(site) == OLDER
    assert identity(server, site.database) == database
    assert Upgrade.objects.get(pk=number).state == UpgradeState.TAKEN_BACK
    assert Environment.objects.get(pk=environment.pk).version == OLDER
    print(f"\npatch: unavailable {result['unavailable_seconds']} s, taken back in {back['seconds']} s")
    scratch.remove(other)


@turn(1, of=4)
def test_a_patch_is_rehearsed_on_a_copy(rows: Rows, company: Site, run_id: str, older: Path) -> None:
    before = content_hash(company)
    connect.keep(rows.environment, replace(company, interpreter=older))
    number = rehearse.begin(run_id, rows.environment.pk, SERIES)["rehearsal_id"]
    new = rehearse.install(run_id, number)
    version = releases.pinned(Rehearsal.objects.get(pk=number).packages)["trytond"]
    assert new["version"] == version != OLDER
    facts = proven(rows, run_id)
    there = switch.switch(run_id, number, rows.backup.pk, new["interpreter"])
    assert (there["figures_equal"], there["rights_equal"]) == (True, True)
    assert rpc.version(rehearse.work_of(run_id, number).site) == version
    rehearse.probe(run_id, number, facts["sign-in"]["probes"])
    back = switch.switch_back(run_id, number)
    assert rpc.version(rehearse.work_of(run_id, number).site) == OLDER
    with postgres.connect(work_server(run_id, number), rehearse.work_of(run_id, number).site.database) as connection:
        connection.execute("UPDATE account_move_line SET debit = debit + 1 WHERE id = (SELECT min(id) FROM account_move_line)")
    assert work.differences(rehearse.work_of(run_id, number)), "what a version changes by itself is seen"
    drill.destroy(run_id)
    result = rehearse.finish(run_id, number, {})
    assert (result["from"], result["to"], result["version"], result["figures_equal"]) == (SERIES, SERIES, version, True)
    assert Rehearsal.objects.get(pk=number).state == RehearsalState.SUCCEEDED
    assert 0 < result["rollback_seconds"] == pytest.approx(back["seconds"], abs=0.01)
    assert content_hash(company) == before


def work_server(run_id: str, number: int) -> postgres.Server:
    return rehearse.work_of(run_id, number).server
