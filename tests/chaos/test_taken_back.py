"""Upgrades of a real ERP that are taken back by themselves because of time or a person, and one that cannot be: then nothing is deleted."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from tests.chaos import killing
from tests.chaos.faults import beside
from tests.services import sets, upgrading
from tests.services.agreed import agreed
from tests.services.installation import Installation, until
from tests.services.reports import KeepReport
from tests.services.tryton import NEXT
from tests.services.turns import FULL, turn
from tests.services.upgrading import Production
from wellkept.adapters.tryton import control
from wellkept.backups import verdicts
from wellkept.backups.models import Repository
from wellkept.estate import connect
from wellkept.estate.access import Console
from wellkept.estate.models import Environment
from wellkept.lib.text import say
from wellkept.operations import runtime, windows
from wellkept.operations.models import OPEN_STATES, Lease, Run, Step, StepState, Window
from wellkept.tools import databases, postgres
from wellkept.upgrades import limits
from wellkept.upgrades.consent import waivers
from wellkept.upgrades.models import Rehearsal, Upgrade, UpgradeState

pytestmark = pytest.mark.slow
PATIENCE = 400.0
LONG = 400.0
"""Seconds that the migration would take."""
LEFT = 150.0
"""Seconds until the window closes: time enough to come to the migration on a machine that is busy."""
HARM = "UPDATE account_move_line SET debit = debit {} 1 WHERE id = (SELECT min(id) FROM account_move_line)"


@pytest.fixture(scope="module")
def production(
    installation: Installation,
    place: Environment,
    erp_place: tuple[postgres.Server, Path],
    company_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Production]:
    """The company with two releases and all that its gates ask for, and a worker in this process."""
    owner, folder = erp_place
    upgrading.keep_migrated(owner, folder, company_template)
    with upgrading.beside(owner, folder, company_template, "taken") as site:
        connect.keep(place, site)
        cluster = postgres.Cluster(folder / "pg", folder / "s", owner.port, postgres.service_user(), tcp=True)
        made = Production(place, site, cluster, company_template)
        repository = sets.quick_repository(place.system.organisation, "local", tmp_path_factory.mktemp("repository") / "r")
        made.reset()
        made.rehearsal = upgrading.rehearsed(place, repository)
        with runtime.embedded_worker():
            yield made
        made.stop()
        made.drop()


def submit(production: Production, **migration: object) -> Run:
    """Start the upgrade of the company, with a migration that does this."""
    production.migration(**migration)
    environment = Environment.objects.get(pk=production.environment.pk)
    arguments = {"target": NEXT, "repository_id": Repository.objects.get().pk}
    return runtime.submit("upgrades.apply", organisation=environment.system.organisation, environment=environment, arguments=arguments)


@dataclass(frozen=True)
class Cause:
    """Why an upgrade is taken back, and words that its outcome has to have; ``meanwhile`` is so as long as the run."""

    name: str
    words: str
    meanwhile: Callable[[Production], AbstractContextManager[None]]


@contextmanager
def a_short_limit(production: Production) -> Iterator[None]:
    """The rehearsal migrated within a second, and no phase is given more than a few."""
    assert production.rehearsal is not None
    run = production.rehearsal.run
    Run.objects.filter(pk=run.pk).update(state="succeeded", environment=production.environment)
    step = Step.objects.create(run=run, number=1, name="migrate", title="Migrate", worker="w", state=StepState.DONE, seconds=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "FLOOR", 4.0)
        yield
    step.delete()


@contextmanager
def a_closing_window(production: Production) -> Iterator[None]:
    """The window closes before the end that is expected, and an administrator said that it does not matter."""
    organisation = production.environment.system.organisation
    Rehearsal.objects.filter(environment=production.environment).update(report={"migrate": {"seconds": 2 * LEFT}})
    Window.objects.all().delete()
    now = timezone.now()
    windows.add_once(organisation, now - timedelta(hours=1), now + timedelta(seconds=LEFT), who=Console("tests"))
    waivers.waive(production.environment, NEXT, "window", reason="it has to be today", hours=1, who=Console("tests"))
    yield
    Window.objects.all().delete()


@contextmanager
def the_button(production: Production) -> Iterator[None]:
    """Somebody presses the red button while it migrates."""

    def press() -> None:
        environment = production.environment.pk
        run = until(lambda: Run.objects.filter(environment=environment, state__in=OPEN_STATES).first(), PATIENCE, "the run")
        killing.await_step(run, "migrate")
        runtime.cancel(run, None)
        connection.close()

    with beside(press):
        yield


CAUSES = (
    Cause("the abort button", "Cancelled on request", the_button),
    Cause("a phase over its limit", "longer than the 4.0 seconds", a_short_limit),
    Cause("the window closes", "point of no return", a_closing_window),
)


@pytest.mark.skipif(not FULL, reason="minutes each; that steps end at their limit and at a moment is tried without an ERP, too")
@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_time_or_a_person_takes_an_upgrade_back(production: Production, count: Callable[[str], None], keep_report: KeepReport, cause: Cause) -> None:
    production.reset()
    assert production.rehearsal is not None
    agreed(production.rehearsal)
    with cause.meanwhile(production):
        run = runtime.wait(submit(production, seconds=LONG).id, timeout=PATIENCE)
    keep_report(run, cause.name)
    outcome = say(run.outcome)
    assert (run.state, cause.words in outcome, "taken back in" in outcome) == ("rolled_back", True, True), outcome
    assert production.wrong(Upgrade.objects.get(run=run)) == []
    count(f"upgrades.apply: {cause.name}: taken back in {seconds(run):.1f} s")


@turn(3, of=4)
def test_an_aborted_upgrade_that_cannot_be_taken_back_waits_for_a_person_and_nothing_is_deleted(
    production: Production, count: Callable[[str], None], keep_report: KeepReport
) -> None:
    """Somebody changes the closed database meanwhile, so the books are not those from before: a person has to decide. Then it works."""
    production.reset()
    run = submit(production, seconds=LONG)
    killing.await_step(run, "migrate")
    until(lambda: databases.fenced(production.server, production.site.database), 30, "the closed database")
    harm(production, "+")
    runtime.cancel(run, None)
    run = runtime.wait(run.id, timeout=PATIENCE)
    keep_report(run, "it could not be taken back")
    outcome = say(run.outcome)
    assert (run.state, outcome.partition(".")[0]) == ("needs_attention", "Cancelled on request")
    assert "the books differ in" in outcome
    assert "Nothing was deleted, and both databases are there" in outcome
    upgrade = Upgrade.objects.get(run=run)
    assert upgrade.state == UpgradeState.STUCK
    assert {upgrade.database, upgrade.new_database} <= set(production.databases())
    assert control.notice(production.site) is not None
    assert databases.fenced(production.server, upgrade.database), "nobody works with it until somebody has decided"
    assert not Lease.objects.filter(run=run).exists()
    (state,) = verdicts.states([upgrade.system_id])
    verdict = verdicts.judge(state)
    assert (verdict.level, verdict.reason, verdict.target) == (verdicts.ACT, run.outcome, str(run.pk))

    harm(production, "-")
    place = Environment.objects.get(pk=production.environment.pk)
    organisation = place.system.organisation
    arguments = {"upgrade_id": upgrade.pk}
    back = runtime.submit("upgrades.take_back", organisation=organisation, environment=place, arguments=arguments)
    back = runtime.wait(back.id, timeout=PATIENCE)
    assert back.state == "succeeded", say(back.outcome)
    assert production.wrong(upgrade) == []
    (state,) = verdicts.states([upgrade.system_id])
    assert state.attention is None, "decided is decided"
    count(f"upgrades.apply: the abort button, and taking it back failed: both databases kept; then taken back in {seconds(back):.1f} s")


def harm(production: Production, sign: str) -> None:
    """Change the closed database as its administrator, or change it back."""
    server, database = production.server, production.site.database
    databases.unfence(server, database)
    with postgres.connect(server, database) as connection:
        assert connection.execute(HARM.format(sign)).rowcount == 1  # type: ignore[call-overload]
    databases.fence(server, database)


def seconds(run: Run) -> float:
    """How long the step took that takes back."""
    return float(Step.objects.get(run=run, name="back", state=StepState.DONE).seconds or 0.0)
