"""An upgrade through Wellkept, as rehearsed and with its backup, against the bare commands on the same database just before, and taking it back."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import time as clock
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.place import peak_of, peak_rss, worker
from bench.result import Result
from wellkept import home as homes
from wellkept.home import Home
from wellkept.tools import command, postgres, restic

NEXT = "8.0"
RATIO = {"small": 1.6, "large": 1.25}
AWAY, BACK_SECONDS, SPREAD = 1.15, 10.0, 2.0
EVERY, SELDOM, PATIENT = 0.1, 1.0, 30.0
SPARE = "bench_before"
SETTINGS = {"PGOPTIONS": "-c jit=off", "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1"}
"""Without compiling, the migration is several times faster: who knows that does it by hand, too."""
Facts = dict[str, Any]


def measure(home: Home, environment: Any, size: str) -> list[Result]:
    """The bare commands, then a rehearsal and an upgrade, which is taken back at last: one round, because each migrates all of it three times."""
    from wellkept.backups import repositories
    from wellkept.estate import connect

    control = connect.ability(environment, "control")
    repository = repositories.create(environment.system.organisation, f"upgrade-{size}", str(home.path / "bench" / size), actor="bench")
    control.start(connect.site(environment))
    bare = _bare(home, environment)
    with worker(home) as pid:
        ours = _wellkept(environment, repository.pk)
        memory = {**peak_rss(), "worker_rss_mb": peak_of(pid)}
    facts = [{"bare": bare, "wellkept": ours}, memory]
    ratio = ours["seconds"] / sum(bare.values())
    away, back = ours["away"] / bare["migrate"], ours["back"]
    return [
        Result(f"upgrade_{size}", f"An upgrade of the {size} company ÷ the bare commands", round(ratio, 4), RATIO[size], "", facts),
        Result(f"upgrade_away_{size}", f"The {size} company: nobody could sign in ÷ the bare migration", round(away, 4), AWAY, "", facts),
        Result(f"upgrade_back_{size}", f"The {size} company: the upgrade taken back", round(back, 3), BACK_SECONDS, "s", facts),
        Result(f"upgrade_disk_{size}", f"The {size} company: disk used more ÷ what was asked for", ours["disk"]["ratio"], 1.0, "", [ours["disk"]]),
    ]


def spread(found: list[Result]) -> list[Result]:
    """How much longer it takes to take back a large company than a small one, where both were measured."""
    back = {one.name: one.value for one in found if one.name.startswith("upgrade_back_")}
    if len(back) < len(RATIO):
        return []
    more = round(max(back.values()) - min(back.values()), 3)
    return [Result("upgrade_back_spread", "The upgrade taken back: the large company − the small one", more, SPREAD, "s", [back])]


def _bare(home: Home, environment: Any) -> dict[str, float]:
    """Seconds of each command as one types them: backup, packages, stop, safety copy, manual steps, migration, start. Then all of it is undone."""
    from wellkept.adapters.tryton import provision
    from wellkept.estate import connect
    from wellkept.upgrades import work

    site, control, owner = connect.site(environment), connect.ability(environment, "control"), work.owner_site(environment)
    place, timed = home.path / "bench" / f"bare-{environment.system.name}", _Timed()
    place.mkdir(parents=True)
    # Beside the releases, where the ERP's user may go.
    release = site.interpreter.parents[2] / "bare"
    new = replace(owner, interpreter=release / "bin" / "python")
    with timed("backup"):
        _back_up(owner, place)
    with timed("install"):
        provision.install(release, NEXT, cache=homes.cache())
    before = _notes(environment, owner, "before", place)
    with timed("stop"):
        control.stop(site)
    with timed("copy"):
        _statement(owner, f"CREATE DATABASE {SPARE} TEMPLATE {site.database} STRATEGY file_copy")
    with timed("notes"):
        _psql(owner, before)
    with timed("migrate"):
        args = [new.interpreter, release / "bin" / "trytond-admin", "--config", site.config, "--database", site.database]
        command.run([*args, "--all", "--activate-dependencies"], env=SETTINGS, user=site.os_user, timeout=4 * 3600)
    after = _notes(environment, owner, "after", place)
    with timed("notes_after"):
        _psql(owner, after)
    with timed("start"):
        control.start(new)
    control.stop(new)
    postgres.drop_database(owner.server, site.database)
    _statement(owner, f"ALTER DATABASE {SPARE} RENAME TO {site.database}")
    control.start(site)
    shutil.rmtree(release)
    return timed.seconds


def _notes(environment: Any, owner: Any, phase: str, place: Path) -> Path:
    """The manual steps of a phase that apply now, as a file for psql: to find them is not counted."""
    from wellkept.estate import connect
    from wellkept.upgrades import releases

    ability, file = connect.ability(environment, "releases"), place / f"{phase}.sql"
    with postgres.connect(owner.server, owner.database, autocommit=True) as connection:
        notes = [one for one in ability.notes(releases.series_of(environment.version), NEXT) if one.phase == phase and one.action]
        applying = [one for one in notes if ability.applies(connection, one).applies]
    file.write_text("".join(f"BEGIN;\n{one.action};\nCOMMIT;\n" for one in applying))
    return file


def _back_up(owner: Any, place: Path) -> None:
    """pg_dump and restic, as one types them."""
    repository = restic.Repository(str(place / "restic"), "bench", cache=place / "cache")
    restic.init(repository)
    postgres.dump(owner.server, owner.database, place / "dump")
    restic.backup(repository, ["dump", owner.files, owner.config], cwd=place, tags=["bare"])
    shutil.rmtree(place / "dump")


def _psql(owner: Any, file: Path) -> None:
    command.run(["psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", owner.database, "--file", file], env=owner.server.env(), timeout=600)


def _statement(owner: Any, statement: str) -> None:
    command.run(["psql", "--quiet", "--dbname", "postgres", "--command", statement], env=owner.server.env(), timeout=3600)


def _wellkept(environment: Any, repository_id: int) -> Facts:
    """A rehearsal, the upgrade while somebody signs in all the time, and taking it back."""
    from wellkept.estate import connect

    wish = {"target": NEXT, "repository_id": repository_id}
    rehearsed = _run("upgrades.rehearse", environment, wish)
    _agree(environment)
    used, asked = _disk(environment), _asked(environment)
    with _signing_in(connect.site(environment)) as gap:
        done = _run("upgrades.apply", environment, wish)
    disk = {"bytes": _disk(environment) - used, "asked": asked}
    taken = _run("upgrades.discard", environment, {"upgrade_id": done.result["upgrade_id"], "actor": "bench"})
    return {
        "seconds": (done.ended_at - done.requested_at).total_seconds(),
        "away": gap(),
        "unavailable": done.result["unavailable_seconds"],
        "back": taken.result["seconds"],
        "rehearsed_back": rehearsed.result["rollback_seconds"],
        "steps": {step.name: round(step.seconds or 0.0, 3) for step in done.steps.order_by("number")},
        "rehearsal": {step.name: round(step.seconds or 0.0, 3) for step in rehearsed.steps.order_by("number")},
        "disk": {**disk, "ratio": round(disk["bytes"] / disk["asked"], 4)},
    }


def _run(operation: str, environment: Any, arguments: Facts) -> Any:
    from wellkept.operations import runtime

    run = runtime.submit(operation, organisation=environment.system.organisation, environment=environment, arguments=arguments)
    run = runtime.wait(run.pk, timeout=6 * 3600)
    if run.state != "succeeded":
        raise RuntimeError(f"{operation} ended as {run.state}: {run.outcome} {run.error}")
    return run


def _agree(environment: Any) -> None:
    """A window that is always open, a question, and another person's answer."""
    from wellkept.estate.access import Console
    from wellkept.estate.models import Membership, Person, Role
    from wellkept.operations import windows
    from wellkept.upgrades.consent import agree

    organisation, who = environment.system.organisation, Console("bench")
    windows.add_weekly(organisation, range(7), clock(0), clock(0), who=who, system=environment.system)
    person, _made = Person.objects.get_or_create(email="second@bench.example")
    Membership.objects.get_or_create(person=person, organisation=organisation, defaults={"role": Role.APPROVER})
    agree.approve(agree.ask(environment, NEXT, who=who), who=person)


def _disk(environment: Any) -> int:
    """Bytes of all of the server's databases, and of the releases."""
    from wellkept.estate import connect
    from wellkept.upgrades import work

    owner, site = work.owner_site(environment), connect.site(environment)
    with postgres.administration(owner.server) as connection:
        ((databases,),) = connection.execute("SELECT sum(pg_database_size(oid))::bigint FROM pg_database").fetchall()
    return int(databases) + sum(path.lstat().st_size for path in site.interpreter.parents[2].rglob("*"))


def _asked(environment: Any) -> int:
    """The room that an assessment asks for."""
    from wellkept.upgrades import needs, work

    owner = work.owner_site(environment)
    with postgres.connect(owner.server, owner.database) as connection:
        space = needs.needs(environment.pk, postgres.database_size(connection), None)["space"]
    return sum(one["needed"] for one in space if one["what"] in {"copy", "release"})


@contextmanager
def _signing_in(site: Any) -> Iterator[Callable[[], float]]:
    """Somebody signs in every 100 ms; afterwards this tells the longest time, in seconds, in which nobody could.

    They begin when the ERP is about to be closed, and come seldom once it is open again: so many are work for the machine, and the commands by hand
    have none of it.
    """
    from wellkept.adapters.base import AdapterError
    from wellkept.adapters.tryton import rpc

    times: list[float] = []
    refusals: list[float] = []
    over = threading.Event()

    def sign_in() -> None:
        while not _about_to_close() and not over.wait(EVERY):
            pass
        while not over.wait(SELDOM if refusals and times and times[-1] > refusals[-1] else EVERY):
            try:
                # A server that has its address and is not ready lets a caller wait: to give up early would only be to come later.
                with rpc.session(site, timeout=PATIENT):
                    times.append(time.monotonic())
            except AdapterError:
                refusals.append(time.monotonic())

    def gap() -> float:
        if not times or not refusals or times[0] > refusals[0]:
            raise RuntimeError("nobody had signed in before the ERP was closed, so there is nothing to measure from")
        return max(later - earlier for earlier, later in pairwise(times))

    thread = threading.Thread(target=sign_in)
    thread.start()
    try:
        yield gap
    finally:
        over.set()
        thread.join()


def _about_to_close() -> bool:
    """Whether an upgrade has come to the step that closes the ERP: it looks at the gates once more first, so people still come in for a while."""
    from django.db import connection

    from wellkept.operations.models import Step

    try:
        return Step.objects.filter(run__operation="upgrades.apply", name="close").exists()
    finally:
        connection.close()


@dataclass
class _Timed:
    """The seconds of named parts."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)
