"""The rehearsal of a patch: on the proven copy the new version works on the same database as the old one, and the old one on what it left."""

import time
from typing import Any

from django.utils.translation import gettext_noop

from wellkept.backups import copy
from wellkept.backups.failures import told
from wellkept.lib.text import Message, message
from wellkept.operations.errors import Failed
from wellkept.upgrades import rehearse, work
from wellkept.upgrades.models import Rehearsal
from wellkept.upgrades.work import Work

Facts = dict[str, Any]


def switch(run_id: str, rehearsal_id: int, backup_id: int, interpreter: str) -> Facts:
    """Read the books, start the new version on the same database, and compare: a patch changes nothing by itself."""
    Rehearsal.objects.filter(pk=rehearsal_id).update(backup_id=backup_id)
    made = rehearse.work_of(run_id, rehearsal_id)
    with told():
        _stopped(made)
        started = time.monotonic()
        copy.start_erp(copy.place(run_id), made.ability("control"), made.upgraded(interpreter), roles=rehearse.EVERYTHING)
        seconds = time.monotonic() - started
        found = work.differences(made)
    rights = set(made.ability("figures").RIGHTS)
    said = work.sentences_of(made, found)
    equal = {
        "figures_equal": not any(one.figure not in rights for one in found),
        "rights_equal": not any(one.figure in rights for one in found),
    }
    Rehearsal.objects.filter(pk=rehearsal_id).update(differences=said, **equal)
    _refuse(said, gettext_noop("With the new version the books differ in {count} places: {first}"))
    return {"seconds": round(seconds, 3), **equal}


def switch_back(run_id: str, rehearsal_id: int) -> Facts:
    """Take it back as production would be, timed until somebody can sign in again; then every figure must be as the new version left it."""
    made = rehearse.work_of(run_id, rehearsal_id)
    with told():
        reading = _stopped(made)
        started = time.monotonic()
        copy.start_erp(copy.place(run_id), made.ability("control"), made.site)
        work.probed(made, made.site)
        seconds = time.monotonic() - started + reading["stop_seconds"]
        said = work.differs_from_before(made)
    _refuse(said, gettext_noop("After it was taken back the books differ in {count} places: {first}"))
    Rehearsal.objects.filter(pk=rehearsal_id).update(rollback_seconds=seconds)
    return {"seconds": round(seconds, 3)}


def _stopped(made: Work) -> Facts:
    """Stop the ERP and keep its books as they are; how long the stop took."""
    started = time.monotonic()
    made.ability("control").stop(made.site)
    seconds = time.monotonic() - started
    return {"stop_seconds": seconds, "figures": work.read_before(made, made.site.database)}


def _refuse(said: list[Message], text: str) -> None:
    if said:
        raise Failed(message(text, count=len(said), first=said[0]))
