"""A real Tryton: installed, created, filled with a working company, started, spoken to and stopped."""

import datetime as dt
import json
import os
import shutil
import socket
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services import tryton
from tests.services.installation import until
from tests.services.tryton import TINY
from wellkept import home as homes
from wellkept.adapters.base import Conflicting, Invalid, Login, Refused, Site, Unreachable, Unsupported
from wellkept.adapters.tryton import control, provision, rpc, server
from wellkept.adapters.tryton.provision import company, database
from wellkept.lib.hashing import canonical_json, sha256
from wellkept.tools import command, postgres

Place = tuple[postgres.Server, Path]
FIGURES = """
SELECT 'ledger', a.code, SUM(l.debit - l.credit)::text FROM account_move_line l JOIN account_account a ON a.id = l.account GROUP BY a.code
UNION ALL SELECT 'stock', product::text, SUM(internal_quantity)::text FROM stock_move WHERE state = 'done' GROUP BY product
UNION ALL SELECT 'sales', state, string_agg(number || party::text || sale_date, ' ' ORDER BY id) FROM sale_sale GROUP BY state
UNION ALL SELECT 'parties', name, NULL FROM party_party
UNION ALL SELECT 'hours', employee::text, SUM(duration)::text FROM timesheet_line GROUP BY employee
UNION ALL SELECT 'files', name, file_id FROM ir_attachment
ORDER BY 1, 2, 3
"""
NOT_IN_BALANCE = "SELECT move FROM account_move_line GROUP BY move HAVING SUM(debit) <> SUM(credit)"
GAPS = """
SELECT post_number FROM (
  SELECT post_number, split_part(post_number, '-', 2)::int - lag(split_part(post_number, '-', 2)::int) OVER (
    PARTITION BY split_part(post_number, '-', 1) ORDER BY split_part(post_number, '-', 2)::int) AS step
  FROM account_move WHERE post_number IS NOT NULL) numbers
WHERE step <> 1
"""


def rows(site: Site, query: str, *params: object) -> list[tuple[object, ...]]:
    with postgres.connect(site.server, site.database, readonly=True) as connection:
        return connection.execute(query, params or None).fetchall()


def test_the_environment_comes_from_the_cache_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = postgres.throwaway_folder("wkt-venv-")
    said: list[str] = []
    try:
        version = provision.install(folder / "venv", "7.0", cache=homes.cache())
        assert version.startswith("7.0.")
        # What a killed installation leaves has no stamp and is made again.
        (folder / "venv" / "wellkept-requirements").unlink()
        shutil.rmtree(folder / "venv" / "lib" / "python3.11" / "site-packages" / "trytond")
        monkeypatch.setenv("UV_OFFLINE", "1")
        assert provision.install(folder / "venv", "7.0", cache=homes.cache(), on_line=said.append) == version
        assert said == []
        asked = command.run(
            [folder / "venv" / "bin" / "python", "-W", "ignore", "-c", "import trytond; print(trytond.__version__)"], user=postgres.service_user()
        )
        assert asked.stdout.strip() == version
    finally:
        shutil.rmtree(folder)


def test_an_unknown_series_is_unsupported() -> None:
    with pytest.raises(Unsupported, match=r"Tryton 6\.0 cannot be installed from here; these series can: 7\.0"):
        provision.install(Path("/nowhere"), "6.0", cache=Path("/nowhere"))


def test_requirements_are_pinned_and_name_no_host() -> None:
    text = provision.requirements("7.0").read_text()
    packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in packages)
    assert text.count("--hash=sha256:") >= len(packages)
    assert "://" not in text
    assert len(provision.modules("7.0")) == 42


def test_a_created_database_has_every_module_and_the_password_it_was_given(erp_place: Place) -> None:
    owner, folder = erp_place
    site = tryton.site_in(folder, owner, "created")
    try:
        provision.create_database(site, "7.0", admin_password="first-pass-1", cache=homes.cache())
        active = {name for (name,) in rows(site, "SELECT name FROM ir_module WHERE state = 'activated'")}
        assert active == {*provision.modules("7.0"), "ir", "res"}
        assert stat.S_IMODE(site.config.stat().st_mode) == 0o600
        assert not list(site.config.parent.glob(".secret-*"))
        with pytest.raises(Conflicting, match="holds tables already"):
            provision.create_database(site, "7.0", admin_password="second-pass-1", cache=homes.cache())
        server.start(site, roles=("web",))
        assert rpc.login(site, Login("admin", "first-pass-1")).user == 1
        with pytest.raises(Refused):
            rpc.login(site, Login("admin", "second-pass-1"))
    finally:
        tryton.removed(site)


def test_the_kept_tables_hold_no_password(erp_place: Place, small_company: Site) -> None:
    owner, _ = erp_place
    kept = sorted((homes.cache() / "tryton").glob("7.0-pg*.dump"))
    assert kept
    postgres.create_database(owner, "raw")
    try:
        postgres.restore(owner, "raw", kept[-1])
        raw = replace(small_company, database="raw")
        assert rows(raw, "SELECT login FROM res_user WHERE password_hash IS NOT NULL") == []
    finally:
        postgres.drop_database(owner, "raw")


STATES = {
    "sale_sale": {"draft", "cancelled", "quotation", "processing", "done"},
    "purchase_purchase": {"draft", "cancelled", "quotation", "processing", "done"},
    "account_invoice": {"draft", "cancelled", "validated", "posted", "paid"},
    "stock_shipment_in": {"draft", "cancelled", "received", "done"},
    "stock_shipment_out": {"waiting", "assigned", "picked", "packed", "cancelled", "done"},
    "stock_shipment_internal": {"draft", "waiting", "assigned", "done"},
    "production": {"draft", "cancelled", "waiting", "assigned", "running", "done"},
    "production_work": {"request", "draft", "running", "finished", "done"},
    "account_payment": {"draft", "submitted", "approved", "processing", "succeeded", "failed"},
    "account_statement": {"draft", "cancelled", "validated", "posted"},
    "sale_opportunity": {"lead", "opportunity", "lost"},
    "quality_inspection": {"pending", "passed"},
    "account_move": {"draft", "posted"},
    "stock_move": {"draft", "assigned", "done", "cancelled"},
}


@pytest.mark.parametrize("table", STATES)
def test_documents_are_there_in_every_state(small_company: Site, table: str) -> None:
    assert {state for (state,) in rows(small_company, f'SELECT DISTINCT state FROM "{table}"')} >= STATES[table]


def test_the_books_of_the_company_are_in_order(small_company: Site) -> None:
    assert rows(small_company, NOT_IN_BALANCE) == []
    assert rows(small_company, GAPS) == []
    negative = """
        SELECT product, location, SUM(quantity) FROM (
          SELECT product, to_location AS location, internal_quantity AS quantity FROM stock_move WHERE state = 'done'
          UNION ALL SELECT product, from_location, -internal_quantity FROM stock_move WHERE state = 'done') moved
        JOIN stock_location l ON l.id = location AND l.type = 'storage' GROUP BY 1, 2 HAVING SUM(quantity) < 0"""
    assert rows(small_company, negative) == []
    assert rows(small_company, "SELECT id FROM ir_queue WHERE finished_at IS NULL") == []
    part_paid = """
        SELECT i.id FROM account_invoice i JOIN "account_invoice-account_move_line" p ON p.invoice = i.id WHERE i.state = 'posted'"""
    assert len(rows(small_company, part_paid)) >= 1
    assert len(rows(small_company, "SELECT 1 FROM ir_cron WHERE active AND next_call IS NOT NULL")) >= 5


def test_the_newest_document_is_of_the_last_day_and_the_oldest_a_year_old(small_company: Site) -> None:
    ((oldest, newest),) = rows(small_company, "SELECT MIN(sale_date), MAX(sale_date) FROM sale_sale")
    assert newest == tryton.base_date()
    assert 300 <= (newest - oldest).days <= 366


def test_people_work_in_their_groups(small_company: Site) -> None:
    found = rows(
        small_company,
        'SELECT u.login, array_agg(g.name) FROM res_user u JOIN "res_user-res_group" r ON r."user" = u.id JOIN res_group g ON g.id = r."group" '
        "WHERE u.employee IS NOT NULL GROUP BY u.login",
    )
    groups = dict(found)
    assert set(groups) == set(provision.LOGINS)
    assert "Purchase" in groups["buyer"]
    assert "Account" not in groups["buyer"]
    assert rows(small_company, "SELECT login FROM res_user WHERE password_hash IS NOT NULL ORDER BY login") == [
        ("accountant",),
        ("admin",),
        ("buyer",),
    ]


def test_some_parties_were_entered_twice(small_company: Site) -> None:
    twice = "SELECT value FROM party_contact_mechanism GROUP BY type, value HAVING COUNT(DISTINCT party) > 1"
    assert len(rows(small_company, twice)) >= 5
    assert len(rows(small_company, "SELECT 1 FROM party_party WHERE name ~ '[一-龥]'")) > 20


def test_attachments_are_real_files(small_company: Site) -> None:
    found = rows(small_company, "SELECT name, file_id FROM ir_attachment")
    assert len(found) == company.SIZES["small"]["attachments"]
    starts = {"pdf": b"%PDF-1.4", "png": b"\x89PNG", "csv": b"0,"}
    for name, file_id in found:
        content = (small_company.files / small_company.database / file_id[0:2] / file_id[2:4] / file_id).read_bytes()
        assert content.startswith(starts[name.rsplit(".")[-1]])


COUNTS = {
    "parties": "SELECT id FROM party_party",
    "done stock moves": "SELECT id FROM stock_move WHERE state = 'done'",
    "account moves": "SELECT id FROM account_move",
}


def filled(place: Place, name: str, amounts: Mapping[str, int], seed: int = 5) -> Site:
    owner, folder = place
    site = tryton.site_in(folder, owner, name)
    provision.create_database(site, "7.0", admin_password="admin-pass-1", cache=homes.cache())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(company, "SIZES", {"tiny": amounts})
        seconds = provision.fill(site, "tiny", seed=seed, base_date=dt.date(2026, 10, 30), passwords={})
    assert set(seconds) >= {"company", "trade", "desk", "office"}
    return site


def seen(site: Site) -> dict[str, list[object]]:
    """The figures of a company and how many rows it has, as JSON keeps them."""
    found = {"figures": rows(site, FIGURES), "counts": [len(rows(site, query)) for query in COUNTS.values()]}
    return dict(json.loads(json.dumps(found)))


def kept(*inputs: object) -> Path:
    """Where the cache has what a fill with these inputs made, maybe in an earlier run, on another day."""
    return homes.cache() / "tryton" / f"fill-{sha256(canonical_json([*tryton.what_fills(), *inputs]))[:16]}"


def seen_before(place: Place, seed: int) -> dict[str, list[object]]:
    """What a fill with this seed made."""
    file = kept(TINY, seed, FIGURES, COUNTS).with_suffix(".json")
    if not file.exists():
        site = filled(place, f"seed_{seed}", TINY, seed)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(seen(site)))
        fresh.rename(file)
        tryton.removed(site)
    return dict(json.loads(file.read_text()))


def multiplied(place: Place) -> Site:
    """The company with parties and moves multiplied."""
    owner, folder = place
    amounts = {**TINY, "multiplied_parties": 300, "multiplied_moves": 1000}
    dump = kept(amounts, 5, "dump")
    if not dump.exists():
        site = filled(place, "large", amounts)
        fresh = dump.with_suffix(f".{os.getpid()}")
        postgres.dump(owner, site.database, fresh, compress=3)
        fresh.rename(dump)
        return site
    site = tryton.site_in(folder, owner, "large")
    postgres.create_database(owner, site.database)
    postgres.restore(owner, site.database, dump)
    provision.write_config(site)
    return site


@pytest.mark.slow
def test_two_fills_with_one_seed_make_equal_figures_and_a_large_one_stays_in_balance(erp_place: Place) -> None:
    one, other, large = seen_before(erp_place, 5), seen_before(erp_place, 6), multiplied(erp_place)
    try:
        synthetic = "DELETE FROM account_move_line WHERE description LIKE 'SYNTHETIC%'"
        assert rows(large, NOT_IN_BALANCE) == []
        assert rows(large, GAPS) == []
        assert [now - before for now, before in zip(seen(large)["counts"], one["counts"], strict=True)] == [300, 1000, 500]
        assert len(rows(large, "SELECT id FROM party_party WHERE name LIKE 'SYNTHETIC%'")) == 300
        moved = "SELECT m.id FROM stock_move m JOIN stock_location l ON l.id IN (m.from_location, m.to_location) AND l.code = 'SYNTHETIC'"
        assert len(rows(large, moved)) == 1000
        with postgres.connect(large.server, "large") as connection:
            connection.execute(synthetic)
            connection.execute("DELETE FROM party_party WHERE name LIKE 'SYNTHETIC%' AND id NOT IN (SELECT party FROM party_address)")
            connection.execute(
                "DELETE FROM stock_move m USING stock_location l WHERE l.id IN (m.from_location, m.to_location) AND l.code = 'SYNTHETIC'"
            )
        assert [row for row in seen(large)["figures"] if not str(row[1]).startswith("SYNTHETIC")] == one["figures"]
        assert one["figures"] != other["figures"]
    finally:
        tryton.removed(large)


def test_a_wrong_size_or_user_is_refused_before_anything_runs(small_company: Site) -> None:
    before = rows(small_company, "SELECT COUNT(*) FROM party_party")
    with pytest.raises(Invalid, match="there is no size huge"):
        provision.fill(small_company, "huge", seed=1, base_date=dt.date(2026, 1, 1), passwords={})
    with pytest.raises(Invalid, match="the company has no user nobody"):
        provision.fill(small_company, "small", seed=1, base_date=dt.date(2026, 1, 1), passwords={"nobody": "pass-word-1"})
    assert rows(small_company, "SELECT COUNT(*) FROM party_party") == before


@pytest.mark.slow
def test_tryton_itself_finds_the_documents_valid(small_company: Site) -> None:
    models = ["account.invoice", "sale.sale", "stock.shipment.in", "production", "account.statement"]
    said = database.admin(small_company, ["-vv", "--validate", *models]).stderr
    assert said.count(": OK") > 50
    assert ": KO" not in said


def test_all_processes_start_answer_and_stop_without_a_trace(own_company: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WELLKEPT_ERP_WEB_PROCESSES")
    server.start(own_company)
    running = server.processes(own_company)
    assert [one.role for one in running] == ["web", "cron", "worker"]
    assert [process.role for process in control.processes(own_company)].count("web") == 1 + int(server.WEB_PROCESSES)
    assert server.alive(own_company)
    with pytest.raises(Conflicting, match="already running"):
        server.start(own_company)
    with rpc.session(own_company) as session:
        names = session.call("model.party.party.search_read", [], 0, 3, None, ["name", "create_date"])
        assert len(names) == 3
        assert names[0]["create_date"].tzinfo is dt.UTC
        with pytest.raises(Refused, match="code on party must be unique"):
            session.call("model.party.party.write", [names[0]["id"]], {"code": "1"})
        with pytest.raises(Unsupported, match=r"has no model\.no\.such\.search"):
            session.call("model.no.such.search", [])
    server.stop(own_company)
    assert server.processes(own_company) == []
    assert not server.alive(own_company)
    assert not any(command.group_alive(one.pid) for one in running)
    with pytest.raises(Unreachable):
        rpc.version(own_company)


def test_a_server_that_died_is_not_alive_and_can_be_started_again(own_company: Site) -> None:
    server.start(own_company, roles=("web",))
    (web,) = server.processes(own_company)
    os.killpg(web.pid, 9)
    until(lambda: not command.group_alive(web.pid), 30, "the death of the web server")
    assert not server.alive(own_company)
    # A killed group takes a moment to go.
    until(lambda: not command.group_alive(web.pid), 30, "the end of the killed server")
    server.start(own_company, roles=("web",))
    assert server.alive(own_company)
    server.stop(own_company)


def test_a_stranger_with_the_number_of_our_process_is_left_alone(own_company: Site, tmp_path: Path) -> None:
    pid = command.spawn(["sleep", "60"], log=tmp_path / "log")
    try:
        web = {"role": "web", "pid": pid, "started": 1, "boot": server._boot()}
        (own_company.state / "processes.json").write_text(json.dumps([web]))
        assert server.processes(own_company) == []
        server.stop(own_company)
        assert command.group_alive(pid)
    finally:
        command.stop(pid)


def taken_by_somebody(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_taken_port_is_conflicting_and_nothing_is_left_running(running_company: Site, own_company: Site) -> None:
    port = postgres.free_port()
    taken = replace(own_company, url=f"http://127.0.0.1:{port}", state=own_company.state.with_name("other"))
    pid = command.spawn([own_company.interpreter, "-m", "http.server", "--bind", "127.0.0.1", str(port)], log=own_company.config.with_name("log"))
    until(lambda: taken_by_somebody(port), 30, "the other program")
    try:
        with pytest.raises((Conflicting, Invalid)):
            server.start(taken, roles=("web",), ready=60)
        assert server.processes(taken) == []
        assert server.alive(running_company)
    finally:
        command.stop(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network namespace")
def test_a_server_without_a_network_answers_on_its_socket(own_company: Site) -> None:
    server.start(own_company, roles=("web",), prefix=["unshare", "--net", "--"])
    (web,) = server.processes(own_company)
    assert Path(f"/proc/{web.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    devices = Path(f"/proc/{web.pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]
    assert Path(f"/proc/{web.pid}").stat().st_uid == Path(own_company.files).stat().st_uid
    assert rpc.login(own_company).user == 1
    server.stop(own_company)
