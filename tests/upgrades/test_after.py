"""After an upgrade was kept: people work, it is taken back all the same, what was kept aside is removed, and the work is followed."""

import csv
import hashlib
import io
import json
import re
import stat
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from tests.backups.test_drill import failed
from tests.services.clients import new_client
from tests.services.sets import new_run
from tests.services.tryton import NEXT, SERIES
from tests.services.turns import turn
from tests.upgrades import test_apply
from tests.upgrades.test_apply import Production, identity, names, put
from wellkept.adapters.base import AdapterError
from wellkept.adapters.conformance.bench import content
from wellkept.adapters.tryton import control, rpc
from wellkept.estate import connect
from wellkept.estate.errors import NotFound
from wellkept.estate.models import Environment, Person
from wellkept.lib import links
from wellkept.lib.text import say
from wellkept.operations import scratch
from wellkept.operations.models import Record, Run, Schedule
from wellkept.tools import databases, postgres
from wellkept.upgrades import aftercare, apply, discard, opinions, work
from wellkept.upgrades import kept as leftovers
from wellkept.upgrades import production as places
from wellkept.upgrades.models import Upgrade, UpgradeState

production, migrated = test_apply.production, test_apply.migrated


@dataclass
class Kept:
    """A company that was upgraded, and what it held before."""

    production: Production
    number: int
    server: postgres.Server
    before: dict[str, str]
    original: int

    @property
    def upgrade(self) -> Upgrade:
        return places.upgrade(self.number)


@pytest.fixture
def kept(production: Production, migrated: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Every step of an upgrade but the migration, whose kept result is put in."""
    monkeypatch.setattr(aftercare, "ROUNDS", 2)
    run_id, before = production.run_id, content(production.site)
    number = apply.begin(run_id, production.environment.pk, NEXT)["upgrade_id"]
    apply.install(number, production.rehearsal.backup_id)
    server = work.owner_site(production.environment).server
    assert server is not None
    upgrade = Upgrade.objects.get(pk=number)
    original = identity(server, upgrade.database)
    aftercare.measure_before(number)
    assert aftercare.measure_before(number) == {"measurement": None}
    apply.close(run_id, number)
    apply.copy_database(run_id, number)
    put(server, migrated, upgrade.new_database)
    apply.compare_books(run_id, number)
    apply.exchange(run_id, number)
    apply.reopen(run_id, number)
    apply.finish(number, {})
    scratch.remove(run_id)
    yield Kept(production, number, server, before, original)
    places.forget_books(upgrade)


@turn(3, of=4)
def test_people_work_it_is_taken_back_all_the_same_and_what_was_left_is_removed(kept: Kept, administrator: Person) -> None:
    upgrade, environment = kept.upgrade, kept.production.environment
    assert discard.candidate(environment) == upgrade
    the_way_back_stays(kept)
    it_is_followed(kept, administrator)
    party = worked(kept)
    plan = discard.plan(upgrade)
    counted = {kind.table: (kind.created, kind.changed, kind.deleted) for kind in plan.kinds}
    assert counted["party_party"] == (1, 1, 1), "made, changed, made and deleted"
    assert counted["ir_attachment"] == (1, 0, 0)
    assert {login for kind in plan.kinds if kind.table == "party_party" for login in kind.people} == {"admin"}
    assert plan.files == 1
    assert not counted.keys() & {"sale_sale", "account_move", "stock_move"}
    client = its_page_asks_twice(kept, administrator)

    other = new_run(environment.system.organisation, "upgrades.discard")
    assert "does not wait" in failed(lambda: apply.take_back_stuck(other, environment.pk, kept.number)), "not without an export"
    discard.close(other, environment.pk, kept.number)
    site = connect.site(environment)
    assert control.notice(site) is not None
    assert discard.reopen(other, kept.number) == {"opened": True}
    assert kept.production.version == NEXT
    discard.close(other, environment.pk, kept.number)
    made = discard.export(other, kept.number, "somebody")
    path = Path(made["path"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == made["sha256"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with zipfile.ZipFile(path) as archive:
        rows = {row["id"]: row for row in csv.DictReader(io.TextIOWrapper(archive.open("rows/party_party.csv"), "utf-8"))}
        assert (len(rows), rows[str(party)]["name"]) == (2, "New since the upgrade")
        (file,) = [name for name in archive.namelist() if name.startswith("files/")]
        assert archive.read(file) == b"attached since"
        assert {kind["table"]: kind["created"] for kind in json.loads(archive.read("contents.json"))["kinds_in_full"]}["party_party"] == 1
        assert archive.testzip() is None
    record = Record.objects.get(kind="upgrades.exported")
    assert (record.data["sha256"], record.data["path"], record.actor) == (made["sha256"], str(path), "somebody")

    back = apply.take_back_stuck(other, environment.pk, kept.number)
    assert back["changed"]
    assert back["seconds"] < 30
    assert discard.settle(kept.number)["version"].startswith(f"{SERIES}.")
    after = kept.upgrade
    assert after.state == UpgradeState.TAKEN_BACK
    assert Environment.objects.get(pk=environment.pk).version.startswith(f"{SERIES}.")
    assert kept.production.version.startswith(f"{SERIES}.")
    assert identity(kept.server, upgrade.database) == kept.original
    now = content(kept.production.site)
    assert {name for name in now.keys() | kept.before.keys() if now.get(name) != kept.before.get(name) and not name.startswith("file ")} == set()
    assert upgrade.new_database in names(kept.server), "the migrated database is kept"
    assert databases.fenced(kept.server, upgrade.new_database)
    assert not places.books(upgrade).exists()
    with pytest.raises(NotFound):
        discard.candidate(environment)
    answer = client.get(f"/upgrades/done/{kept.number}/export/")
    assert hashlib.sha256(b"".join(answer.streaming_content)).hexdigest() == made["sha256"]
    assert "Download what people wrote" in client.get(f"/upgrades/done/{kept.number}/").content.decode()
    assert "no upgrade of" in client.get(f"/upgrades/done/{kept.number}/discard/").content.decode().lower()
    print(f"\ndiscard: back in {back['seconds']} s, {made['rows']} rows and {made['files']} files exported")
    path.unlink()
    scratch.remove(other)
    what_it_left_is_removed(kept)


def worked(kept: Kept) -> int:
    """Somebody makes a party with an attachment, changes another one, and deletes a third; the number of the new one."""
    with rpc.session(connect.site(kept.production.environment)) as session:
        party, other = session.call("model.party.party.create", [{"name": "New since the upgrade"}, {"name": "Deleted again"}])
        (old,) = session.call("model.party.party.search", [["id", "not in", [party, other]]], 0, 1, None)
        session.call("model.party.party.write", [old], {"name": "Changed since"})
        session.call("model.party.party.delete", [other])
        session.call("model.ir.attachment.create", [{"name": "note.txt", "resource": f"party.party,{party}", "data": b"attached since"}])
    return int(party)


def it_is_followed(kept: Kept, person: Person) -> None:
    """Timed before and after, its errors seen, people asked, and closed when its time is over."""
    (before,) = kept.upgrade.measurements.all()
    assert before.before
    assert before.words["sale.sale"]["en"] == "Sale"
    assert {"login", "sale.sale list", "sale.sale record", "sale.sale new"} <= before.timings.keys()
    assert all(len(values) == 2 and None not in values for values in before.timings.values())
    assert Schedule.objects.get(operation=aftercare.OPERATION).arguments == {"upgrade_id": kept.number}
    with postgres.connect(kept.server, kept.upgrade.database) as connection:
        connection.execute("ALTER TABLE ir_note RENAME TO lost")
    with rpc.session(connect.site(kept.production.environment)) as session, pytest.raises(AdapterError):
        session.call("model.ir.note.search", [], 0, 1, None)
    with postgres.connect(kept.server, kept.upgrade.database) as connection:
        connection.execute("ALTER TABLE lost RENAME TO ir_note")
    assert aftercare.measure_unless_over(kept.production.environment.pk, kept.number)["failed"] == []
    assert "no such upgrade" in failed(lambda: aftercare.measure_unless_over(0, kept.number))
    opinions.answer(kept.upgrade, person, "worse", "slow", "en")
    opinions.answer(kept.upgrade, person, "blocked", " printing stopped ", "zh-hant")
    report = aftercare.report(kept.upgrade)
    assert [error["count"] for error in report["errors"] if "UndefinedTable" in error["text"]] == [1]
    assert {one["name"]: one["word"] for one in report["transactions"]}["save"] == "unknown"
    assert all(one["after_ms"] > 0 for one in report["transactions"])
    assert (report["opinions"]["blocked"], sum(report["opinions"].values())) == (1, 1)
    assert report["comments"] == [{"answer": "blocked", "comment": "printing stopped", "language": "zh-hant"}]
    assert say(report["verdict"]) == "People who cannot do their work: 1"
    Upgrade.objects.filter(pk=kept.number).update(followed_until=timezone.now())
    assert aftercare.measure_unless_over(kept.production.environment.pk, kept.number) == {"over": True}
    closed = aftercare.close(kept.number)
    assert aftercare.close(kept.number) == closed == kept.upgrade.closing
    assert {**closed, "closed_at": None} == {**report, "closed_at": None}
    assert not Schedule.objects.filter(operation=aftercare.OPERATION).exists()


def its_page_asks_twice(kept: Kept, administrator: Person) -> Client:
    """The page shows what would be lost, and starts only what an administrator agreed to in two ways."""
    client, address = new_client(), f"/upgrades/done/{kept.number}/discard/"
    client.force_login(administrator)
    html = client.get(address).content.decode()
    assert re.search(r'<td class="first">Party</td>(\s*<td [^>]*>1</td>){3}\s*<td [^>]*>admin \(\d\)</td>', html)
    name = kept.upgrade.system.name
    for wish in ({"confirm": name}, {"confirm": "x", "agree": "1"}, {"agree": "1"}):
        client.post(address, wish)
    assert not Run.objects.filter(operation="upgrades.discard", requested_by=administrator).exists()
    client.post(address, {"confirm": name, "agree": "1"})
    run = Run.objects.get(operation="upgrades.discard", requested_by=administrator)
    assert run.arguments == {"upgrade_id": kept.number, "actor": administrator.email}
    run.delete()
    return client


def the_way_back_stays(kept: Kept) -> None:
    (one,) = leftovers.leftovers(kept.production.environment)
    assert (one.database, one.way_back, one.due, one.folder) == (kept.upgrade.kept_database, True, False, None), "the tests' own release is not ours"
    assert one.database_bytes > 10**7
    assert places.books(kept.upgrade).exists()
    assert "is the way back" in failed(lambda: leftovers.remove(kept.production.environment.pk, [kept.number], early=False))
    assert kept.upgrade.kept_database in names(kept.server)


def what_it_left_is_removed(kept: Kept) -> None:
    """The migrated database and the new release, once they are due, nobody is in them and nothing else needs them."""
    upgrade, environment = kept.upgrade, kept.production.environment
    assert not leftovers.due(Upgrade.objects.all()).exists()
    Upgrade.objects.filter(pk=kept.number).update(ended_at=timezone.now() - timedelta(days=15))
    assert leftovers.due(Upgrade.objects.all()).get() == upgrade
    databases.unfence(kept.server, upgrade.new_database)
    assert "somebody may work" in failed(lambda: leftovers.remove(environment.pk, [kept.number], early=False))
    databases.fence(kept.server, upgrade.new_database)
    release = links.direct(Path(upgrade.new_interpreter)).parents[1]
    other = Upgrade.objects.get(pk=kept.number)
    other.pk, other.run_id, other.state = None, uuid.UUID(new_run(environment.system.organisation)), UpgradeState.STUCK
    other.save()
    assert leftovers.leftovers(environment)[0].folder is None, "another way back needs it"
    other.delete()
    (one,) = leftovers.leftovers(environment)
    assert (one.folder, one.folder_bytes > 10**7, one.way_back) == (str(release), True, False)
    done = leftovers.remove(environment.pk, [kept.number], early=False)
    assert [gone["database"] for gone in done["removed"]] == [upgrade.new_database]
    assert upgrade.new_database not in names(kept.server)
    assert not release.exists()
    assert kept.upgrade.removed_at is not None
    assert leftovers.remove(environment.pk, [kept.number], early=True)["removed"] == []
    assert kept.production.version.startswith(f"{SERIES}.")
