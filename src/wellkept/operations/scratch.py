"""The folder of a run for everything it makes and removes again: staging, throwaway clusters, copies, programs that outlive a step."""

import json
import logging
import re
import shutil
import signal
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from wellkept.operations.models import OPEN_STATES, Run
from wellkept.tools import command, postgres

logger = logging.getLogger(__name__)
OWNER = "run.json"
SHORT_ID = re.compile(r"[0-9a-f]{8}")


def path(run_id: str) -> Path:
    """Where the folder of the run is (or would be); short, because sockets live in it."""
    root: Path = settings.HOME.scratch
    return root / uuid.UUID(str(run_id)).hex[:8]


def folder(run_id: str) -> Path:
    """The folder of the run, made when it is not there, owned by the service user."""
    made = path(run_id)
    owner = made / OWNER
    if not owner.exists():
        postgres.owned_folder(made, postgres.service_user(), 0o755)
        owner.write_text(json.dumps({"run": str(run_id)}))
    elif json.loads(owner.read_text())["run"] != str(run_id):
        raise FileExistsError(f"{made} belongs to another run")
    return made


def keep(run_id: str, name: str, group: int) -> None:
    """Remember a process group that was started for the run and outlives its step, so that the end of the run ends it."""
    entry = folder(run_id) / f"{name}-{group}.group"
    entry.write_text(json.dumps({"group": group, "started": command.started_at(group)}))


def kept(run_id: str, name: str) -> int | None:
    """The process group that was remembered under this name, while its leader is still the same process."""
    return next(iter(_remembered(path(run_id), f"{name}-*.group")), None)


def stop_programs(run_id: str) -> None:
    """End the process groups and the clusters of the run; their files stay.

    They are the remembered ones, and every program whose output goes to a file in the run's folder: a worker may die between starting a program
    and remembering it, and a program may outlive the leader of its group.
    """
    place = path(run_id)
    for pid_file in _shallow(place, "postmaster.pid"):
        data = pid_file.parent
        postgres.stop(postgres.Cluster(data, data, 0, postgres.service_user()), "immediate")
    for group in _remembered(place) | command.groups_writing_into(place):
        command.kill_group(group, signal.SIGCONT)
        command.stop(group, grace=2.0)
    for entry in place.glob("*.group"):
        entry.unlink(missing_ok=True)


def _remembered(place: Path, names: str = "*.group") -> set[int]:
    """The remembered groups whose leader is still the same process: without it the number may be another group's by now."""
    found = [json.loads(entry.read_text()) for entry in place.glob(names)]
    return {entry["group"] for entry in found if command.started_at(entry["group"]) == entry["started"]}


def remove(run_id: str) -> None:
    """End everything that was started for the run and delete its folder; may be called again."""
    place = path(run_id)
    if not place.exists():
        return
    stop_programs(run_id)
    shutil.rmtree(place, ignore_errors=True)
    if place.exists():
        shutil.rmtree(place)


def sweep() -> list[str]:
    """Remove the folders of runs that have ended (their worker died before it could); return the names of the folders."""
    root: Path = settings.HOME.scratch
    found = [entry for entry in root.iterdir() if SHORT_ID.fullmatch(entry.name)] if root.exists() else []
    if not found:
        return []
    # The folders are listed before the runs: a run that starts in between is not in the list of folders.
    alive = {run_id.hex[:8] for run_id in Run.objects.filter(state__in=OPEN_STATES).values_list("id", flat=True)}
    gone = [entry for entry in found if entry.name not in alive]
    for entry in gone:
        logger.info("removing %s, left by a run that has ended", entry)
        remove(_run_of(entry))
    return [entry.name for entry in gone]


def _run_of(entry: Path) -> str:
    """The id of the run of a folder; a folder without its note still stands for an id that leads to it."""
    try:
        return str(json.loads((entry / OWNER).read_text())["run"])
    except (OSError, ValueError, KeyError):
        return str(uuid.UUID(entry.name + "0" * 24))


def _shallow(place: Path, name: str) -> Iterable[Path]:
    """Files of this name up to three folders down; restored files may be many and are not searched."""
    for pattern in (name, f"*/{name}", f"*/*/{name}", f"*/*/*/{name}"):
        yield from place.glob(pattern)
