"""Adopting a real Tryton: read first, stored after, nothing changed in it; and giving it up again."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from django.utils import timezone

from tests import people as made
from wellkept.adapters.base import Invalid as InvalidErp
from wellkept.adapters.base import Login, Refused, Site, Unreachable
from wellkept.estate import access, adopt, connect, secrets, systems
from wellkept.estate.errors import Invalid, Taken
from wellkept.estate.models import Component, Environment, Host, Membership, Organisation, Person, Role, Secret, System
from wellkept.lib.text import say
from wellkept.operations.models import Record, Run, Schedule
from wellkept.tools import command, postgres

MODELS = (System, Environment, Component, Host, Secret, Record)


def rows() -> list[int]:
    return [model.objects.count() for model in MODELS]  # type: ignore[attr-defined]


def content_of(site: Site) -> tuple[str, str]:
    """What the ERP's database and files hold, as two hashes."""
    assert site.server is not None
    assert site.files is not None
    done = command.run(
        [postgres.binaries() / "pg_dump", "--no-password", "--restrict-key=same", f"--dbname={site.database}"], env=site.server.env(), accept=(0, 1)
    )
    if done.returncode:
        done = command.run([postgres.binaries() / "pg_dump", "--no-password", f"--dbname={site.database}"], env=site.server.env())
    files = sorted(
        f"{path.relative_to(site.files)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in site.files.rglob("*") if path.is_file()
    )
    text = "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
    return hashlib.sha256(text.encode()).hexdigest(), hashlib.sha256("\n".join(files).encode()).hexdigest()


def adopted(organisation: Organisation, site: Site, who: Person, name: str = "erp1") -> System:
    return adopt.apply(adopt.plan(organisation, name, site, who=who), who=who)


def test_adopting_changes_nothing_in_the_erp_and_stores_what_was_seen(small_company: Site, administrator: Person, organisation: Organisation) -> None:
    before = content_of(small_company)
    site = replace(small_company, url=None, server=replace(small_company.server, password="hunter2"))
    plan = adopt.plan(organisation, "erp1", site, who=administrator, title="Our ERP")
    assert rows() == [0] * len(MODELS)
    shown = plan.plain()
    assert (shown["name"], shown["version_in_database"], shown["users_active"], shown["files_count"]) == ("erp1", "7.0", 15, 60)
    assert shown["modules_active"] >= 42
    assert "hunter2" not in str(shown)
    system = adopt.apply(plan, who=administrator)
    environment = system.environments.get()
    assert environment.version.startswith("7.0.")
    assert environment.seen["version_in_database"] == "7.0"
    assert environment.components.get(kind="module", name="sale").active == "7.0"
    assert environment.host is not None
    assert environment.host.facts["processors"] >= 1
    assert content_of(small_company) == before
    record = Record.objects.get(system=system)
    assert (record.kind, record.actor) == ("estate.adopted", administrator.email)
    assert say(record.summary) == f"The system erp1 was adopted: tryton {environment.version}"


def test_what_was_stored_leads_back_to_the_same_erp(small_company: Site, administrator: Person, organisation: Organisation) -> None:
    assert small_company.server is not None
    site = replace(small_company, url=None, server=replace(small_company.server, password="hunter2"), login=Login("admin", "hunter3"))
    environment = adopted(organisation, site, administrator).environments.get()
    environment.refresh_from_db()
    assert connect.site(environment) == site
    assert "hunter" not in str(environment.settings)
    assert {secrets.open(secret) for secret in Secret.objects.all()} == {"hunter2", "hunter3"}
    assert "hunter" not in repr(connect.site(environment))
    assert len(connect.ability(environment, "figures").NAMES) >= 12
    assert (connect.has(environment, "figures"), connect.has(environment, "telepathy")) == (True, False)


def test_the_configuration_file_of_a_tryton_is_enough(small_company: Site, administrator: Person, organisation: Organisation) -> None:
    assert small_company.config is not None
    site = adopt.site_from_config("tryton", small_company.config, small_company.database)
    environment = adopted(organisation, replace(site, url=None), administrator).environments.get()
    assert environment.settings["database"] == small_company.database
    assert environment.seen["users_active"] == 15


def test_the_same_erp_is_not_adopted_twice(small_company: Site, administrator: Person, organisation: Organisation, outsider: Person) -> None:
    site = replace(small_company, url=None)
    adopted(organisation, site, administrator)
    before = rows()
    with pytest.raises(Taken, match="the system erp1 is kept already"):
        adopt.plan(organisation, "erp1", replace(site, database="other"), who=administrator)
    with pytest.raises(Taken, match="this ERP is kept already, as erp1"):
        adopt.plan(organisation, "erp2", site, who=administrator)
    assert rows() == before
    elsewhere = outsider.memberships.get().organisation
    assert adopt.plan(elsewhere, "erp1", site, who=outsider).name == "erp1"


@pytest.mark.parametrize("name", ["no good", "", "a/b", "x" * 61, "../x"])
def test_names_that_make_no_sense(name: str, administrator: Person, organisation: Organisation) -> None:
    with pytest.raises(Invalid):
        adopt.plan(organisation, name, Site(database="x"), who=administrator)
    assert rows() == [0] * len(MODELS)


def test_what_is_no_tryton_is_refused_and_nothing_is_stored(
    administrator: Person, organisation: Organisation, small_company: Site, tmp_path: Path
) -> None:
    wrong = [
        (replace(small_company, url=None, interpreter=None, database="postgres"), Invalid, "no tryton was found"),
        (replace(small_company, url=None, interpreter=None, database="not_there"), Invalid, "no tryton was found"),
        (Site(database="x", url="http://127.0.0.1:1/"), Invalid, "no tryton was found"),
        (Site(database=""), Invalid, "database is missing"),
        (Site(database="x", url="http://169.254.169.254/"), Refused, "link-local"),
        (Site(database="x", url="http://user:pw@127.0.0.1/"), Refused, "user name or a password"),
        (Site(database="x", url="http://nowhere.invalid/"), Unreachable, "does not resolve"),
        (Site(database="x", server=postgres.Server("169.254.169.254", 5432, "x")), Refused, "link-local"),
    ]
    for site, error, text in wrong:
        with pytest.raises(error, match=text):
            adopt.plan(organisation, "erp1", site, who=administrator)
    nonsense = tmp_path / "trytond.conf"
    nonsense.write_text("not a configuration")
    for path in (nonsense, tmp_path / "missing.conf"):
        with pytest.raises(InvalidErp):
            adopt.site_from_config("tryton", path)
    assert rows() == [0] * len(MODELS)


def test_only_administrators_adopt(approver: Person, outsider: Person, organisation: Organisation) -> None:
    for who in (approver, outsider):
        with pytest.raises(access.Denied):
            adopt.plan(organisation, "erp1", Site(database="x"), who=who)


def test_networks_can_be_limited(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    environment.settings = {"url": "http://127.0.0.1:8000", "database": "x"}
    assert connect.site(environment).url == "http://127.0.0.1:8000"
    monkeypatch.setenv("WELLKEPT_ERP_NETWORKS", "10.0.0.0/8")
    with pytest.raises(Refused, match="in none of the networks"):
        connect.site(environment)
    monkeypatch.setenv("WELLKEPT_ERP_NETWORKS", "ten")
    with pytest.raises(InvalidErp, match="a network or a port"):
        connect.site(environment)


def test_looking_again_notices_what_changed(own_company: Site, administrator: Person, organisation: Organisation) -> None:
    site = replace(own_company, url=None)
    environment = adopted(organisation, site, administrator).environments.get()
    Component.objects.create(environment=environment, kind="module", name="gone")
    assert own_company.server is not None
    with postgres.connect(own_company.server, own_company.database) as connection:
        connection.execute("UPDATE res_user SET active = false WHERE login = 'buyer'")
        connection.execute("UPDATE ir_module SET state = 'to upgrade' WHERE name = 'sale'")
    first = environment.seen_at
    adopt.discover(environment)
    environment.refresh_from_db()
    assert first is not None
    assert environment.seen_at > first
    assert environment.seen["users_active"] == 14
    assert "module sale waits to be upgraded" in environment.seen["pending"]
    assert not environment.components.filter(name="gone").exists()


def test_what_could_not_be_seen_is_kept_with_its_remedy(small_company: Site, administrator: Person, organisation: Organisation) -> None:
    environment = adopted(organisation, replace(small_company, url=None, interpreter=None), administrator).environments.get()
    blind = {spot.what: spot.remedy for spot in adopt.blind_spots(environment)}
    assert "interpreter" in blind["installed packages"]


def test_giving_up_deletes_what_is_no_history(
    system: System, environment: Environment, administrator: Person, viewer: Person, approver: Person
) -> None:
    secrets.store(system.organisation, secrets.environment_name(environment, "login"), "x")
    Component.objects.create(environment=environment, kind="module", name="sale")
    Membership.objects.create(person=viewer, organisation=system.organisation, system=system, role=Role.OPERATOR)
    Schedule.objects.create(organisation=system.organisation, system=system, operation="backups.take", cron="0 3 * * *")
    run = Run.objects.create(organisation=system.organisation, system=system, operation="x", maintenance_type="preventive")
    with pytest.raises(access.Denied):
        systems.forget(system, who=approver)
    with pytest.raises(Invalid, match="open run"):
        systems.forget(system, who=administrator)
    Run.objects.filter(pk=run.pk).update(ended_at=timezone.now(), state="succeeded")
    assert systems.forget(system, who=administrator) == {"logins": 1, "roles": 1, "components": 1, "schedules": 1}
    with pytest.raises(Invalid, match="given up already"):
        systems.forget(system, who=administrator)
    assert not access.visible_to(administrator, System).exists()
    assert list(access.visible_to(administrator, Run)) == [run]
    assert Record.objects.filter(system=system, kind="estate.removed").count() == 1
    assert (Secret.objects.count(), Schedule.objects.count(), Component.objects.count()) == (0, 0, 0)
    assert made.make_system(system.organisation, system.name).pk != system.pk
