"""A backup through Wellkept against the bare programs: pg_dump and restic of the same database and files, one after the other, in turns."""

import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from bench.place import peak_rss, worker
from bench.result import Result, median
from wellkept.home import Home
from wellkept.tools import postgres, restic

GOAL = 1.10


def measure(home: Home, environment: Any, runs: int) -> list[Result]:
    """The first set into an empty repository, and the next set into one that has it already."""
    first, following = [], []
    with worker(home):
        _turn(home, environment, "warm-up", bare_first=True)
        for number in range(runs):
            new, again = _turn(home, environment, f"bench{number}", bare_first=number % 2 == 0)
            first.append(new)
            following.append(again)
    memory = peak_rss()
    return [
        _result("backup_first", "A first backup of the large company ÷ pg_dump and restic", first, memory),
        _result("backup_next", "A following backup of the large company ÷ pg_dump and restic", following, memory),
    ]


def _result(name: str, title: str, details: list[dict[str, Any]], memory: dict[str, int]) -> Result:
    return Result(name, title, median([detail["ratio"] for detail in details]), GOAL, "", [*details, memory])


def _turn(home: Home, environment: Any, name: str, *, bare_first: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """One first and one following backup each way, into new repositories."""
    from wellkept.backups import repositories

    place = home.path / "bench" / name
    place.mkdir(parents=True)
    ours = repositories.create(environment.system.organisation, name, str(place / "ours"), actor="bench")
    theirs = restic.Repository(str(place / "theirs"), secrets.token_urlsafe(24), cache=place / "cache")
    restic.init(theirs)
    rounds = []
    try:
        for _round in range(2):
            parts = [("bare", lambda: _bare(environment, theirs, place)), ("wellkept", lambda: _wellkept(environment, ours.pk))]
            done = {what: work() for what, work in (parts if bare_first else parts[::-1])}
            rounds.append({**done, "ratio": round(sum(done["wellkept"].values()) / sum(done["bare"].values()), 4)})
    finally:
        shutil.rmtree(place)
    return rounds[0], rounds[1]


def _wellkept(environment: Any, repository_id: int) -> dict[str, float]:
    """Seconds of each step, and of what is between the wish and the end of the run beside them: waiting for the worker, bookkeeping."""
    from wellkept.operations import runtime

    run = runtime.submit(
        "backups.take", organisation=environment.system.organisation, environment=environment, arguments={"repository_id": repository_id}
    )
    run = runtime.wait(run.pk, timeout=1800)
    if run.ended_at is None or run.state != "succeeded":
        raise RuntimeError(f"the backup ended as {run.state}: {run.outcome} {run.error}")
    steps = {step.name: round(step.seconds or 0.0, 3) for step in run.steps.order_by("number")}
    return {**steps, "between": round((run.ended_at - run.requested_at).total_seconds() - sum(steps.values()), 3)}


def _bare(environment: Any, repository: restic.Repository, place: Path) -> dict[str, float]:
    from wellkept.estate import connect

    site = connect.site(environment)
    staging = place / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    dumped = postgres.dump(site.server, site.database, staging / "dump")
    began = time.perf_counter()
    restic.backup(repository, ["dump", site.files, site.config], cwd=staging, tags=["bare"])
    return {"pg_dump": round(dumped.seconds, 3), "restic": round(time.perf_counter() - began, 3)}
