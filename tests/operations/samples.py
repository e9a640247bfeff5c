"""Operations of the tests' own, loaded by workers through WELLKEPT_OPERATION_MODULES."""

import time
from datetime import datetime
from pathlib import Path

from wellkept.estate.models import Environment
from wellkept.lib.text import Message, message
from wellkept.operations import progress, scratch
from wellkept.operations.runtime import Failed, NeedsAttention, Outcome, RolledBack, Runbook, operation
from wellkept.tools import command, postgres

ENDINGS = {"failed": Failed, "needs_attention": NeedsAttention, "rolled_back": RolledBack}


def append(file: str, line: str) -> int:
    """Add a line to a file; return how many it has now."""
    with Path(file).open("a") as out:
        out.write(line + "\n")
    return len(Path(file).read_text().splitlines())


def work(run_id: str, file: str, name: str, seconds: float) -> str:
    """Note the start, leave something in scratch, run a program in it, note the end."""
    append(file, f"{name} started")
    (scratch.folder(run_id) / f"{name}.txt").write_text(name)
    progress.report(0.5, note=message("working on {name}", name=name), drivers={"rows": 7})
    progress.milestone(f"{name}:inside")
    command.run(["sleep", str(seconds)])
    append(file, f"{name} ended")
    return name


def fail(kind: str) -> None:
    if kind == "crash":
        raise RuntimeError("the disk sang")
    raise ENDINGS[kind](message("it ended as {kind}", kind=kind))


@operation("samples.work", title="Work", maintenance_type="corrective", phases=(("first", "First"), ("second", "Second"), ("third", "Third")))
def do_work(run: Runbook, *, file: str, seconds: float = 0.2, ending: str = "", limit: float = 30.0) -> Outcome:
    done = [run.step(name, work, run.id, file, name, seconds, limit=limit) for name in ("first", "second")]
    if ending:
        run.step("third", fail, ending)
    done.append(run.step("third", work, run.id, file, "third", 0))
    return Outcome(message("{count} done", count=len(done)), {"done": done})


def note_cleaned(run_id: str, *, environment_id: int, seconds: float, file: str) -> None:
    append(file, f"cleaned {run_id[:4]} {environment_id} {seconds}")


def change(environment_id: int, version: str, seconds: float, file: str) -> str:
    """Set the version of an environment, slowly, and in a way that nothing can stop from outside."""
    append(file, "in")
    time.sleep(seconds)
    append(file, "out")
    Environment.objects.filter(pk=environment_id).update(version=version)
    return version


@operation(
    "samples.change", title="Change", maintenance_type="adaptive", phases=(("change", "Change"),), changes_environment=True, cleanup=note_cleaned
)
def do_change(run: Runbook, *, environment_id: int, seconds: float, file: str) -> Message:
    return message("now at {version}", version=run.step("change", change, environment_id, run.id, seconds, file))


class Flaky(Exception):
    retryable = True


def flaky(file: str, works_at: int) -> int:
    turn = append(file, "turn")
    if turn < works_at:
        raise Flaky(f"turn {turn} did not work")
    return turn


@operation("samples.flaky", title="Flaky", maintenance_type="corrective", phases=(("try", "Try"),))
def do_flaky(run: Runbook, *, file: str, works_at: int) -> Message:
    return message("worked at turn {turn}", turn=run.step("try", flaky, file, works_at, retries=2, wait=0.05))


def start_things(run_id: str) -> dict[str, int]:
    """A throwaway cluster and a program, both meant to outlive the step."""
    folder = scratch.folder(run_id)
    cluster = postgres.Cluster(folder / "pg" / "data", folder / "s", 5432, postgres.service_user())
    postgres.create_cluster(cluster, durable=False)
    postgres.start(cluster)
    progress.milestone("cluster:started")
    group = command.spawn(["sleep", "600"], log=folder / "sleep.log")
    scratch.keep(run_id, "sleep", group)
    return {"group": group, "postmaster": int((cluster.data / "postmaster.pid").read_text().splitlines()[0])}


@operation("samples.things", title="Things", maintenance_type="corrective", phases=(("start", "Start"), ("use", "Use")))
def do_things(run: Runbook, *, file: str, seconds: float) -> Outcome:
    pids = run.step("start", start_things, run.id, limit=60)
    run.step("use", work, run.id, file, "use", seconds, limit=60)
    return Outcome(message("things were there"), pids)


def wait_stubbornly(seconds: float) -> None:
    """Python that no kill reaches; it reports, and that is where it can be stopped."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)
        progress.report(0.1)


@operation("samples.shielded", title="Shielded", maintenance_type="corrective", phases=(("wait", "Wait"), ("undo", "Undo")))
def do_shielded(run: Runbook, *, file: str, seconds: float) -> Message:
    try:
        run.step("wait", wait_stubbornly, seconds, limit=60)
    except Exception:
        run.step("undo", work, run.id, file, "undo", 0.5, shielded=True)
        raise
    return message("waited")


@operation(
    "samples.hurry",
    title="Hurry",
    maintenance_type="corrective",
    phases=(("first", "First"), ("late", "Late"), ("back", "Back")),
    detours=frozenset({"back"}),
    measured_by={"first": ("samples.work", "first"), "late": ("samples.work", "second"), "back": ("samples.work", "third")},
)
def hurry(run: Runbook, *, file: str, until: str, seconds: float = 30.0) -> Message:
    moment = (datetime.fromisoformat(until), message("the window closes"))
    run.step("first", work, run.id, file, "first", seconds, until=moment)
    try:
        run.step("late", work, run.id, file, "late", 30.0, until=moment)
    except Failed as late:
        run.step("back", append, file, "back")
        raise RolledBack(late.message) from late
    return message("in time")
