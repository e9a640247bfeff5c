"""The machine that we are on: processors, memory, disks, as the operating system counts them."""

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from wellkept.lib.samples import Sample


def read(places: Iterable[Path]) -> list[Sample]:
    """What the machine has and uses now, and the room and inodes of the file systems that hold the places; one that is gone is left out."""
    times, memory = psutil.cpu_times(), psutil.virtual_memory()
    idle = times.idle + getattr(times, "iowait", 0.0)
    made = [
        Sample("host_processors", float(psutil.cpu_count() or 1)),
        Sample("host_processor_seconds", sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0), counter=True),
        Sample("host_waiting_seconds", getattr(times, "iowait", 0.0), counter=True),
        Sample("host_load", os.getloadavg()[0]),
        Sample("host_memory_bytes", float(memory.total)),
        Sample("host_memory_free_bytes", float(memory.available)),
        Sample("host_swap_used_bytes", float(psutil.swap_memory().used)),
    ]
    for mount, place in _file_systems(places).items():
        room = os.statvfs(place)
        made += [
            Sample("host_disk_bytes", float(room.f_blocks * room.f_frsize), mount),
            Sample("host_disk_free_bytes", float(room.f_bavail * room.f_frsize), mount),
            Sample("host_inodes", float(room.f_files), mount),
            Sample("host_inodes_free", float(room.f_favail), mount),
        ]
    return made


def _file_systems(places: Iterable[Path]) -> dict[str, Path]:
    """One place of each file system, by where that is mounted."""
    found: dict[str, Path] = {}
    for place in places:
        if place.exists():
            found.setdefault(_mount(place.resolve()), place)
    return found


def _mount(place: Path) -> str:
    while not place.is_mount():
        place = place.parent
    return str(place)
