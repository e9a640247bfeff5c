"""A release is tried on a copy beside the closed production, and the copy takes production's place: the mechanisms together, on a real company."""

import datetime as dt
import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.services import tryton
from tests.services.tryton import NEXT, SERIES
from wellkept.adapters.base import Notice, Refused, Site
from wellkept.adapters.tryton import control, rpc, storage
from wellkept.lib import links
from wellkept.tools import databases, postgres


@pytest.fixture
def production(own_company: Site, tmp_path: Path) -> Iterator[Site]:
    """A running company over TCP, whose interpreter is reached through a link."""
    code = postgres.throwaway_folder("wkl-")
    for series in (SERIES, NEXT):
        (code / series).symlink_to(tryton.interpreter(series).parent.parent)
    links.point(code / "current", code / SERIES)
    site = replace(own_company, url=f"http://127.0.0.1:{postgres.free_port()}", interpreter=code / "current" / "bin" / "python")
    control.start(site, roles=("web",))
    yield site
    databases.unfence(site.server, site.database)
    control.stop(site)
    control.reopen(site)
    for name in (f"{site.database}_new", f"{site.database}_kept"):
        postgres.drop_database(site.server, name)
    shutil.rmtree(code)


def beside(site: Site) -> Site:
    """The site on its copy, at an address that nobody knows."""
    state = postgres.owned_folder(site.state.with_name("trial"), site.os_user, 0o755)
    return replace(site, database=f"{site.database}_new", url=f"unix:{state / 'rpc.sock'}", state=state)


def attachments(site: Site) -> dict[int, str]:
    """The hash of each attachment's content, read over RPC."""
    with rpc.session(site) as session:
        ids = session.call("model.ir.attachment.search", [], 0, 20, None)
        return {row["id"]: hashlib.sha256(row["data"] or b"").hexdigest() for row in session.call("model.ir.attachment.read", ids, ["data"])}


def test_a_copy_is_tried_beside_the_closed_production_and_takes_its_place(production: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = attachments(production)
    assert len(before) == 20
    control.maintain(production, Notice({"en": "a trial"}, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)))
    assert databases.sessions(production.server, production.database) == []
    databases.fence(production.server, production.database)
    began = time.monotonic()
    trial = beside(production)
    databases.copy(production.server, production.database, trial.database, timeout=300)
    copied = time.monotonic() - began
    storage.share_files(production, trial.database)
    control.start(trial, roles=("web",))
    try:
        assert control.alive(trial)
        assert attachments(trial) == before
        assert not control.alive(production)
        assert control.processes(production) == []
        assert {process.role for process in control.processes(trial)} == {"web"}
        with pytest.raises(Refused, match="closed for maintenance"):
            rpc.login(production)
        with pytest.raises(psycopg.OperationalError, match="not currently accepting"):
            postgres.connect(production.server, production.database)
        with rpc.session(trial) as session:
            (party,) = session.call("model.party.party.create", [{"name": "on the copy"}])
            (added,) = session.call("model.ir.attachment.create", [{"name": "new", "resource": f"party.party,{party}", "data": b"made on the copy"}])
    finally:
        control.stop(trial)
    storage.unshare_files(production, trial.database)
    began = time.monotonic()
    databases.exchange(production.server, production.database, trial.database, f"{production.database}_kept")
    exchanged = time.monotonic() - began
    control.start(production, roles=("web",))
    assert control.alive(production)
    with rpc.session(production) as session:
        assert session.call("model.ir.attachment.read", [added], ["data"])[0]["data"] == b"made on the copy"
    control.maintain(production, Notice({"en": "back"}))
    began = time.monotonic()
    databases.exchange_back(production.server, production.database, trial.database, f"{production.database}_kept")
    back = time.monotonic() - began
    control.start(production, roles=("web",))
    assert attachments(production) == before
    with rpc.session(production) as session:
        assert session.call("model.party.party.search_count", [("name", "=", "on the copy")]) == 0
    with capsys.disabled():
        print(f"\nsmall company: copied in {copied:.2f} s, exchanged in {exchanged:.3f} s, back in {back:.3f} s")


def test_processes_keep_the_release_with_which_they_were_started(production: Site) -> None:
    old = tryton.interpreter(SERIES)
    assert all(process.command.startswith(f"{old} ") for process in control.processes(production))
    assert rpc.version(production).startswith(f"{SERIES}.")
    assert links.exchange(production.interpreter, production.interpreter.parents[2] / NEXT / "bin" / "python")
    assert all(process.command.startswith(f"{old} ") for process in control.processes(production))
    control.stop(production)
    assert links.direct(production.interpreter) == tryton.interpreter(NEXT)
    assert links.exchange(production.interpreter, old)
    control.start(production, roles=("web",))
    assert all(process.command.startswith(f"{old} ") for process in control.processes(production))
