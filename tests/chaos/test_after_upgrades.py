"""The runs after an upgrade, played by a real worker on a real ERP: looked after, taken back though people worked, tidied up, patched."""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos import test_taken_back
from tests.services.agreed import agreed
from tests.services.installation import until
from tests.services.tryton import NEXT, SERIES
from tests.services.turns import turn
from tests.services.upgrading import Production, proven
from tests.upgrades import test_patch
from tests.upgrades.test_patch import OLDER
from wellkept.adapters.tryton import control, releases, rpc
from wellkept.adapters.tryton.provision.install import STAMP
from wellkept.backups.models import Backup, BackupState, Repository
from wellkept.estate.models import Environment
from wellkept.lib import links
from wellkept.lib.hashing import sha256
from wellkept.lib.text import say
from wellkept.operations import runtime
from wellkept.operations.models import Record, Run
from wellkept.upgrades.models import Rehearsal, Upgrade, UpgradeState

pytestmark = [
    pytest.mark.slow,
    turn(0, of=4),
]
production, older = test_taken_back.production, test_patch.older
PATIENCE = 900.0


def played(production: Production, operation: str, **arguments: Any) -> Run:
    """A run as it ended."""
    environment = Environment.objects.get(pk=production.environment.pk)
    run = runtime.submit(operation, organisation=environment.system.organisation, environment=environment, arguments=arguments)
    return runtime.wait(run.pk, timeout=PATIENCE)


def ended(run: Run, state: str) -> Run:
    assert run.state == state, (run.operation, say(run.outcome), run.error)
    return run


def test_it_is_looked_after_taken_back_tidied_up_and_patched(production: Production, older: Path) -> None:
    assert production.rehearsal is not None
    agreed(production.rehearsal)
    repository = {"repository_id": Repository.objects.get().pk}
    upgrade = Upgrade.objects.get(run=ended(played(production, "upgrades.apply", target=NEXT, **repository), "succeeded"))
    number = {"upgrade_id": upgrade.pk}
    looked = ended(played(production, "upgrades.aftercare", **number), "succeeded")
    assert {one["word"] for one in looked.result["transactions"]} <= {"same", "slower", "faster", "unknown"}
    assert len(looked.result["transactions"]) > 5
    with rpc.session(production.fresh()) as session:
        session.call("model.party.party.create", [{"name": "New since the upgrade"}])
    assert "is the way back" in say(ended(played(production, "upgrades.remove_kept", upgrade_ids=[upgrade.pk]), "failed").outcome)

    back = ended(played(production, "upgrades.discard", **number, actor="somebody"), "succeeded")
    assert back.result["rows"] >= 1
    assert Path(back.result["export"]).exists()
    Path(back.result["export"]).unlink()
    assert Record.objects.filter(kind="upgrades.exported", run_id=back.pk).exists()
    assert production.version().startswith(f"{SERIES}.")
    assert production.databases() == sorted([production.site.database, upgrade.new_database])
    assert production._content_wrong(kept=False) == []
    gone = ended(played(production, "upgrades.remove_kept", upgrade_ids=[upgrade.pk], early=True), "succeeded")
    assert gone.result["removed"][0]["database"] == upgrade.new_database
    assert production.databases() == [production.site.database]
    assert ended(played(production, "upgrades.aftercare", **number), "succeeded").result["closed_at"]

    control.stop(production.site)
    (production.link.parent / OLDER).symlink_to(older.parents[1])
    links.point(production.link, production.link.parent / OLDER)
    control.start(production.site)
    Environment.objects.filter(pk=production.environment.pk).update(version=OLDER)
    is_patched(production, repository)


def ready(production: Production, rehearsal: Rehearsal) -> None:
    """Every gate open, whatever backups earlier runs took."""
    for backup in Backup.objects.filter(environment=production.environment, state=BackupState.GOOD, drills=None):
        proven(backup)
    agreed(rehearsal)


def is_patched(production: Production, repository: dict[str, int]) -> None:
    """The newest version is rehearsed, aborted in earnest, installed, and taken back."""
    rehearsed = Rehearsal.objects.get(run=ended(played(production, "upgrades.rehearse_patch", target=SERIES, **repository), "succeeded"))
    assert (rehearsed.figures_equal, rehearsed.rights_equal) == (True, True)
    listed = releases.pinned(rehearsed.packages)
    assert listed["trytond"] == rehearsed.version != OLDER
    assert {module: version for module, version in listed.items() if version < f"{SERIES}."} == {}
    ready(production, rehearsed)
    environment = Environment.objects.get(pk=production.environment.pk)
    arguments = {"target": SERIES, **repository}
    run = runtime.submit("upgrades.apply_patch", organisation=environment.system.organisation, environment=environment, arguments=arguments)
    until(lambda: Upgrade.objects.filter(run=run, closed_at__isnull=False).exists(), PATIENCE, "the closing of the ERP")
    runtime.cancel(run, None)
    ended(runtime.wait(run.pk, timeout=PATIENCE), "rolled_back")
    assert production.version() == OLDER
    assert Upgrade.objects.get(run=run).abort_by is not None

    ready(production, rehearsed)
    patched = ended(played(production, "upgrades.apply_patch", **arguments), "succeeded")
    assert production.version() == rehearsed.version
    upgrade = Upgrade.objects.get(run=patched)
    assert Path(upgrade.new_interpreter).parents[1].joinpath(STAMP).read_text() == sha256(rehearsed.packages.encode())
    assert "nothing newer" in say(ended(played(production, "upgrades.rehearse_patch", **arguments), "failed").outcome)
    ended(played(production, "upgrades.take_back", upgrade_id=upgrade.pk), "succeeded")
    assert production.version() == OLDER
    assert Upgrade.objects.get(run=patched).state == UpgradeState.TAKEN_BACK
    print(f"\npatch: unavailable {patched.result['unavailable_seconds']} s")
