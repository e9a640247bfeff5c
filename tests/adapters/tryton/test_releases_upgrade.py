"""A real company goes from one series to the next: manual steps, migration, log, figures, and the new series at work."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services import tryton
from tests.services.tryton import NEXT, SERIES
from wellkept.adapters import conformance
from wellkept.adapters.base import Conflicting, Connection, Invalid, Login, Note, Refused, Site, Unsupported
from wellkept.adapters.conformance.bench import content
from wellkept.adapters.tryton import figures, inspect, probes, releases, rpc, server
from wellkept.adapters.tryton.releases import migration
from wellkept.planning.figures import Figure, compare
from wellkept.tools import command, postgres

Place = tuple[postgres.Server, Path]
ON_NEXT = ("inspect", "storage", "figures", "neutralise", "control", "probes", "activity")
SCRYPT = "from passlib.hash import scrypt; print(scrypt.using(rounds=8).hash('old-pass-123'))"


def connected(site: Site) -> Connection:
    return postgres.connect(site.server, site.database, autocommit=True)


def note(name: str) -> Note:
    return next(one for one in releases.notes(SERIES, NEXT) if one.id == name)


def applying(site: Site, phase: str) -> set[str]:
    with connected(site) as connection:
        return {one.id for one in releases.notes(SERIES, NEXT) if one.phase == phase and releases.applies(connection, one).applies}


def read(site: Site) -> Sequence[Figure]:
    with postgres.connect(site.server, site.database, readonly=True) as connection:
        return figures.read(connection, site.files, site.database)


@pytest.fixture(scope="module")
def before(small_company: Site) -> Sequence[Figure]:
    return read(small_company)


@pytest.fixture(scope="module")
def log(erp_place: Place, company_template: str) -> Sequence[str]:
    """What the migration of the small company said."""
    return (tryton.kept_upgrade(*erp_place, company_template) / "log").read_text().splitlines()


def test_tables_without_statistics_are_counted_though_an_index_says_how_many_rows_there_are(erp_place: Place) -> None:
    """As a restore leaves them: made, filled, and indexed. Without statistics a migration takes many times as long."""
    owner, name = erp_place[0], "never_counted"
    postgres.create_database(owner, name)
    try:
        with postgres.connect(owner, name, autocommit=True) as connection:
            connection.execute("CREATE TABLE party AS SELECT generate_series(1, 1000) AS id")
            connection.execute("CREATE INDEX ON party (id)")
            assert connection.execute("SELECT reltuples > 0 FROM pg_class WHERE relname = 'party'").fetchone() == (True,)
            assert connection.execute(migration.NOT_COUNTED).fetchone() == (True,)
            connection.execute("ANALYZE")
            assert connection.execute(migration.NOT_COUNTED).fetchone() == (False,)
    finally:
        postgres.drop_database(owner, name)


def test_it_is_told_which_steps_apply_and_why_the_others_do_not(small_company: Site, upgraded: Site) -> None:
    assert applying(small_company, "before") == {"7.2-empty-references", "7.6-model-names"}
    assert applying(upgraded, "before") == set()
    assert applying(upgraded, "after") == set()
    with connected(small_company) as connection:
        verdict = releases.applies(connection, note("7.4-price-list-button"))
        assert verdict.reason == "not active here: product_price_list, product_price_list_dates"
        assert "done before" in releases.applies(connection, note("8.0-google-maps")).reason


def test_a_module_that_is_gone_is_taken_out_unless_the_new_series_has_it(own_company: Site) -> None:
    gone = note("8.0-account-es")
    with connected(own_company) as connection:
        connection.execute("INSERT INTO ir_module (name, state) VALUES ('account_es', 'activated'), ('account_es_sii', 'activated')")
        assert releases.applies(connection, gone, installed=["party", "account_es"]).reason == "installed for the new series: account_es"
        assert releases.applies(connection, gone, installed=["party"]).applies
        releases.run_note(connection, gone, timeout=10)
        assert connection.execute("SELECT name FROM ir_module WHERE name LIKE 'account_es%'").fetchall() == [("account_es_sii",)]


def test_a_step_that_waits_for_a_lock_gives_up_and_is_taken_back(own_company: Site) -> None:
    names = note("7.6-model-names")
    with connected(own_company) as connection, postgres.connect(own_company.server, own_company.database) as other:
        other.execute("LOCK TABLE ir_model_field IN ACCESS SHARE MODE")
        with pytest.raises(Conflicting, match=r"not done within 1 s.*taken back"):
            releases.run_note(connection, names, timeout=1)
        columns = {name for (name,) in other.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'ir_model'")}
        assert {"model", "name"} <= columns
        assert "string" not in columns
        assert not releases.holds(connection, names)


def test_a_step_in_a_transaction_of_somebody_else_is_refused(own_company: Site) -> None:
    with postgres.connect(own_company.server, own_company.database) as connection:
        connection.execute("SELECT 1")
        with pytest.raises(Invalid, match="a transaction of its own"):
            releases.run_note(connection, note("7.6-model-names"), timeout=5)


@pytest.mark.parametrize("condition", ["SELECT true; DROP TABLE ir_cache", "COMMIT; DROP TABLE ir_cache", "DROP TABLE ir_cache"])
def test_a_condition_is_one_question_and_changes_nothing(condition: str, own_company: Site) -> None:
    asked = replace(note("7.6-model-names"), condition=condition)
    was = content(own_company)
    with postgres.connect(own_company.server, own_company.database, readonly=True) as connection:
        with pytest.raises(Invalid, match="does not understand its condition"):
            releases.applies(connection, asked)
        assert connection.execute("SELECT to_regclass('ir_cache') IS NOT NULL").fetchone() == (True,)
    assert content(own_company) == was


def test_the_migration_without_its_steps_fails_and_leaves_the_database_as_it_was(own_company: Site) -> None:
    heard: list[str] = []
    with postgres.connect(own_company.server, own_company.database) as connection:
        connection.execute("CREATE TABLE restored AS SELECT generate_series(1, 7)")
    was = content(own_company)
    done = releases.migrate(replace(own_company, interpreter=tryton.interpreter(NEXT)), timeout=300, on_line=heard.append)
    assert done.code == 1
    assert list(done.log) == heard
    assert done.seconds > 0
    (last,) = [entry for entry in releases.read_log(done.log, SERIES, NEXT) if entry.level == "CRITICAL"]
    assert last.text.splitlines()[0].startswith('psycopg.errors.UndefinedColumn: column "string" of relation "ir_model" does not exist')
    assert last.known is None
    assert content(own_company) == was
    with postgres.connect(own_company.server, own_company.database) as connection:
        assert connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'restored'").fetchone() == (7.0,)


def test_a_module_that_is_missing_is_named_before_anything_starts(own_company: Site) -> None:
    heard: list[str] = []
    with connected(own_company) as connection:
        connection.execute("INSERT INTO ir_module (name, state) VALUES ('our_own', 'activated'), ('not_used', 'not activated')")
    was = content(own_company)
    with pytest.raises(Invalid, match="not installed for the new series: our_own; nothing was started"):
        releases.migrate(replace(own_company, interpreter=tryton.interpreter(NEXT)), timeout=300, on_line=heard.append)
    assert heard == []
    assert content(own_company) == was


def test_a_migration_does_not_start_while_somebody_is_there(own_company: Site) -> None:
    heard: list[str] = []
    site = replace(own_company, interpreter=tryton.interpreter(NEXT))
    with connected(own_company) as connection:
        with pytest.raises(Conflicting, match=rf"1 sessions are open on .*wellkept \(pid {connection.info.backend_pid}\); nothing was started"):
            releases.migrate(site, timeout=300, on_line=heard.append)
        assert releases.applies(connection, note("7.6-model-names")).applies
    assert heard == []


def test_a_migration_that_is_too_slow_is_killed_and_changes_nothing(own_company: Site) -> None:
    with connected(own_company) as connection:
        for name in ("7.2-empty-references", "7.6-model-names"):
            releases.run_note(connection, note(name), timeout=10)
    was = content(own_company)
    with pytest.raises(Conflicting, match="was not done within 6 s and was killed"):
        releases.migrate(replace(own_company, interpreter=tryton.interpreter(NEXT)), timeout=6)
    assert content(own_company) == was


def test_every_warning_of_the_real_migration_is_known_and_nothing_else_is(log: Sequence[str]) -> None:
    found = releases.read_log(log, SERIES, NEXT)
    assert len(found) >= 15
    assert [entry for entry in found if entry.known is None] == []
    assert [entry.level for entry in found].count("ERROR") == 1
    at = next(number for number, line in enumerate(log) if " WARNING " in line)
    changed = log[at].replace("copy_to_resources", "our_choices")
    strange = [*log[:at], changed, *log[at + 1 :], "2026-11-22 10:00:00,000 ERROR trytond.modules our module is broken", "  with a second line"]
    new = [(entry.level, entry.text) for entry in releases.read_log(strange, SERIES, NEXT) if entry.known is None]
    assert new == [
        ("WARNING", "Unable to migrate column our_choices on table ir_attachment from varchar to jsonb."),
        ("ERROR", "our module is broken\n  with a second line"),
    ]
    own_format = "77 139979349 [2026-11-22 11:41:25,324] ERROR trytond.convert something else"
    assert [entry.text for entry in releases.read_log([own_format], SERIES, NEXT)] == ["something else"]


def test_the_figures_are_those_from_before_but_for_what_the_release_changes_on_purpose(before: Sequence[Figure], upgraded: Site) -> None:
    after = read(upgraded)
    assert releases.unexpected(before, after, SERIES, NEXT) == []
    assert {one.figure for one in compare(before, after)} == {
        "documents",
        "master_data",
        "users",
        "access_rights",
        "scheduled_jobs",
        "sequences",
        "strict_sequences",
    }
    with connected(upgraded) as connection:
        assert connection.execute("SELECT count(*) FROM account_fiscalyear WHERE move_sequence IS NULL").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM account_payment WHERE number IS NULL").fetchone() == (0,)


HARM = {
    "an account that is emptied": (
        "UPDATE account_move_line SET debit = 0, credit = 0 WHERE account = (SELECT min(account) FROM account_move_line)",
        "trial_balance",
    ),
    "a user without groups": (
        'DELETE FROM "res_user-res_group" WHERE "user" = (SELECT id FROM res_user WHERE login = \'buyer\')',
        "users",
    ),
    "a user with a group more": (
        """INSERT INTO "res_user-res_group" ("user", "group")
           SELECT u.id, g.id FROM res_user u, res_group g WHERE u.login = 'buyer' AND g.name = 'Accounting'""",
        "users",
    ),
    "no administrator": ("UPDATE res_user SET active = false WHERE login = 'admin'", "users"),
    "rights that are lost": (
        "DELETE FROM ir_model_access WHERE model = 'stock.move' AND \"group\" = (SELECT id FROM res_group WHERE name = 'Stock')",
        "access_rights",
    ),
    "rights that are exchanged": (
        "UPDATE ir_model_access SET perm_write = NOT perm_write WHERE \"group\" = (SELECT id FROM res_group WHERE name = 'Purchase')",
        "access_rights",
    ),
    "a job that is off": ("UPDATE ir_cron SET active = false WHERE method = 'res.user|sync_roles'", "scheduled_jobs"),
    "a production of another kind": ("UPDATE production SET type = 'disassembly' WHERE state = 'running'", "documents"),
    "terms of payment that are gone": ("UPDATE account_invoice_payment_term SET active = false", "master_data"),
    "a street that is lost": ("UPDATE party_address SET street_unstructured = NULL WHERE street_unstructured IS NOT NULL", "parties"),
    "a number that is used again": ("UPDATE ir_sequence_strict SET number_next_internal = 1 WHERE name LIKE 'INV%'", "strict_sequences"),
}


def test_what_the_release_does_not_change_on_purpose_is_found(before: Sequence[Figure], upgraded: Site) -> None:
    with postgres.connect(upgraded.server, upgraded.database) as connection:
        for what, (harm, figure) in HARM.items():
            changed = connection.execute(harm.encode()).rowcount
            found = releases.unexpected(before, figures.read(connection, upgraded.files, upgraded.database), SERIES, NEXT)
            connection.rollback()
            assert changed > 0, what
            assert figure in {one.figure for one in found}, what


def test_jobs_of_production_fail_without_their_step_and_run_with_it(own_upgraded: Site) -> None:
    step = note("8.0-input-currency")
    with connected(own_upgraded) as connection:
        connection.execute("UPDATE stock_move SET currency = (SELECT currency FROM company_company LIMIT 1) WHERE production_input IS NOT NULL")
        assert releases.applies(connection, step).applies
        server.start(own_upgraded, roles=("web",))
        with rpc.session(own_upgraded) as session:
            (job,) = session.call("model.ir.cron.search", [["method", "=", "production|set_cost_from_moves"]])
            with pytest.raises(Refused, match=r'"Currency" in record .* is not valid'):
                session.call("model.ir.cron.run_once", [job])
            releases.run_note(connection, step, timeout=10)
            session.call("model.ir.cron.run_once", [job])
            # Fields with several choices stayed in a column of text: what the log is silent about has to work.
            (product,) = session.call("model.product.template.search", [], 0, 1)
            session.call("model.product.template.write", [product], {"lot_required": ["supplier", "storage"]})
            assert session.call("model.product.template.search", [["lot_required", "in", ["supplier"]]]) == [product]
            assert session.call("model.project.work.status.search_count", [["types", "in", ["task"]]]) == 2


def test_passwords_of_today_work_after_the_upgrade_and_old_hashes_are_found_before_it(own_company: Site, own_upgraded: Site) -> None:
    step = note("7.6-old-passwords")
    old = command.run([own_company.interpreter, "-W", "ignore", "-c", SCRYPT], user=own_company.os_user).stdout.strip()
    for site in (own_company, own_upgraded):
        with connected(site) as connection:
            assert not releases.applies(connection, step).applies
            connection.execute("UPDATE res_user SET password_hash = %s WHERE login = 'seller'", [old])
            assert releases.applies(connection, step).applies
            with pytest.raises(Unsupported, match="only a person can do this"):
                releases.run_note(connection, step, timeout=5)
    server.start(own_upgraded, roles=("web",))
    for user, password in tryton.PASSWORDS.items():
        rpc.login(own_upgraded, Login(user, password)).close()
    with pytest.raises(Refused):
        rpc.login(own_upgraded, Login("buyer", "wrong-pass-1"))
    # Not a refusal but an error: nobody is told to set a new password.
    with pytest.raises(Invalid, match="hash can't be identified"):
        rpc.login(own_upgraded, Login("seller", "old-pass-123"))


def test_the_new_series_works_and_is_seen_as_it_is(own_upgraded: Site) -> None:
    server.start(own_upgraded)
    assert server.alive(own_upgraded)
    assert rpc.version(own_upgraded) == NEXT
    assert [(one.probe, one.error) for one in probes.run(own_upgraded)] == [(name, None) for name in probes.NAMES]
    seen = inspect.discover(own_upgraded)
    assert (seen.version_on_disk or "").startswith(f"{NEXT}.")
    assert seen.version_in_database == NEXT
    assert not [line for line in seen.pending if "wait" in line and "tasks" not in line]
    server.stop(own_upgraded)
    old = inspect.discover(replace(own_upgraded, interpreter=tryton.interpreter(SERIES), url=None))
    assert any("the tables do not fit series 7.0" in line for line in old.pending)
    # The new series writes its name into the database, so that it is known without any program.
    assert inspect.discover(replace(own_upgraded, interpreter=None, url=None)).version_in_database == NEXT
    with connected(own_upgraded) as connection:
        connection.execute("UPDATE ir_configuration SET series = '8.2'")
    other = inspect.discover(replace(own_upgraded, url=None))
    assert other.version_in_database == "8.2"
    assert any("the tables do not fit series 8.0" in line for line in other.pending)


def test_shipments_between_warehouses_get_their_transit_location(own_upgraded: Site) -> None:
    step = note("7.6-transit-location")
    with connected(own_upgraded) as connection:
        (far,) = connection.execute(
            """INSERT INTO stock_location (name, type, active, "left", "right") VALUES ('Far', 'warehouse', true, 9001, 9004) RETURNING id"""
        ).fetchone() or (None,)
        (store,) = connection.execute(
            """INSERT INTO stock_location (name, type, active, parent, "left", "right")
               VALUES ('Far store', 'storage', true, %s, 9002, 9003) RETURNING id""",
            [far],
        ).fetchone() or (None,)
        connection.execute("UPDATE stock_shipment_internal SET to_location = %s WHERE state IN ('draft', 'done')", [store])
        # On its way from one warehouse into another: from the storage of the first, whatever it was before.
        connection.execute(
            """UPDATE stock_shipment_internal SET from_location = (
                   SELECT storage_location FROM stock_location WHERE type = 'warehouse' AND id <> %s LIMIT 1)""",
            [far],
        )
        assert releases.applies(connection, step).applies
        releases.run_note(connection, step, timeout=10)
        (transit,) = connection.execute("SELECT db_id FROM ir_model_data WHERE module = 'stock' AND fs_id = 'location_transit'").fetchone() or (None,)
        found = dict(connection.execute("SELECT state, internal_transit_location FROM stock_shipment_internal").fetchall())
        assert found == {"draft": None, "waiting": None, "assigned": None, "done": transit}
        assert not releases.applies(connection, step).applies


def test_budgets_are_turned_round_once_however_often_the_step_runs(own_upgraded: Site) -> None:
    step = note("7.6-budget-signs")
    with connected(own_upgraded) as connection:
        connection.execute("CREATE TABLE account_budget_line (id integer, amount numeric)")
        connection.execute("INSERT INTO account_budget_line VALUES (1, 10), (2, -4.5)")
        connection.execute("COMMENT ON TABLE account_budget_line IS 'a comment of somebody'")
        assert not releases.applies(connection, step).applies
        connection.execute("INSERT INTO ir_module (name, state) VALUES ('account_budget', 'activated')")
        assert releases.applies(connection, step).applies
        for _ in range(3):
            releases.run_note(connection, step, timeout=10)
        assert connection.execute("SELECT sum(amount), min(amount) FROM account_budget_line").fetchone() == (-5.5, -10)
        assert not releases.applies(connection, step).applies
        comment = connection.execute("SELECT obj_description('account_budget_line'::regclass, 'pg_class')").fetchone()
        assert comment == ("a comment of somebody[signs of 7.6]",)


ELSEWHERE = {conformance.control.starts_and_stops, conformance.control.closes_and_opens}
"""What every upgrade of a real company does with the next series."""
CHECKS = [(ability, check) for ability in ON_NEXT for check in conformance.CHECKS[ability] if check not in ELSEWHERE]


@pytest.mark.parametrize(("ability", "check"), CHECKS, ids=[f"{ability}-{check.__name__}" for ability, check in CHECKS])
def test_the_adapter_conforms_on_the_next_series(ability: str, check: conformance.Check, upgraded_bench: conformance.Bench) -> None:
    assert ability in conformance.CHECKS
    check(upgraded_bench)
