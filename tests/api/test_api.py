"""The API: who gets in, what they see, and what they may do."""

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests import people as made
from tests.api.conftest import Program
from wellkept.backups.models import Backup, Repository
from wellkept.estate import secrets
from wellkept.estate.models import ApiToken, Component, Environment, Membership, Organisation, Person, Role, Secret, System
from wellkept.lib.text import message
from wellkept.operations import records
from wellkept.operations.models import Record, Run, Schedule


def make_repository(organisation: Organisation, name: str = "store") -> Repository:
    key = secrets.store(organisation, f"{name}/key", "hunter2-key")
    return Repository.objects.create(organisation=organisation, name=name, location="/srv/store", key=key, drill_identity=key, escrow="escrow-text")


def make_run(system: System, state: str = "succeeded", **fields: Any) -> Run:
    fields = {"operation": "backups.take", "maintenance_type": "preventive", "outcome": message("Backed up {files} files", files=3), **fields}
    return Run.objects.create(organisation=system.organisation, system=system, state=state, **fields)


def make_backup(environment: Environment, repository: Repository, **fields: Any) -> Backup:
    system = environment.system
    return Backup.objects.create(
        organisation=system.organisation, system=system, environment=environment, repository=repository, **{"state": "good", **fields}
    )


def test_without_a_token_nothing_is_told(system: System) -> None:
    status, answer = Program("").get("/systems")
    assert status == 401
    assert answer == {"error": {"name": "not_signed_in", "message": "Send a token (Authorization: Bearer …), or sign in."}}


def test_a_wrong_and_an_ended_token_are_refused(viewer: Person, program: Any) -> None:
    ended = program(viewer)
    ApiToken.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    for caller in (Program("wk_wrong"), ended):
        status, answer = caller.get("/systems")
        assert (status, answer["error"]["name"]) == (401, "not_signed_in")


def test_guessing_tokens_is_answered_with_429_and_a_good_one_works_all_the_same(viewer: Person, program: Any) -> None:
    good = program(viewer)
    statuses = [Program(f"wk_{number}").get("/systems")[0] for number in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    assert good.get("/systems")[0] == 200


def test_lists_hold_what_is_visible_and_nothing_else(
    viewer: Person, outsider: Person, environment: Environment, other_environment: Environment, program: Any
) -> None:
    for place in (environment, other_environment):
        make_backup(place, make_repository(place.system.organisation))
        make_run(place.system)
        records.append(place.system.organisation, "test", message("Told"), actor="x", system=place.system)
        Schedule.objects.create(organisation=place.system.organisation, system=place.system, operation="backups.take", cron="0 3 * * *")
    for caller, own in ((program(viewer), environment), (program(outsider), other_environment)):
        slug = own.system.organisation.slug
        seen = {
            path: caller.get(path)[1]["items"]
            for path in ("/systems", "/runs", "/backups", "/repositories", "/schedules", "/records", "/organisations")
        }
        assert [item["id"] for item in seen["/systems"]] == [own.system.pk]
        assert [item["organisation"] for item in seen["/systems"]] == [slug]
        assert [item["id"] for item in seen["/runs"]] == [str(own.system.runs.get().pk)]
        assert [item["id"] for item in seen["/backups"]] == [own.system.backups.get().pk]
        assert [item["id"] for item in seen["/schedules"]] == [own.system.schedules.get().pk]
        assert [item["id"] for item in seen["/repositories"]] == [own.system.organisation.repositories.get().pk]
        assert [item["hash"] for item in seen["/records"] if item["kind"] == "test"] == [Record.objects.get(kind="test", system=own.system).hash]
        assert [item["slug"] for item in seen["/organisations"]] == [slug]


def test_no_secret_is_in_any_answer(administrator: Person, environment: Environment, program: Any) -> None:
    repository = make_repository(environment.system.organisation)
    make_backup(environment, repository)
    secrets.store(environment.system.organisation, secrets.environment_name(environment, "database"), "hunter2-database")
    caller = program(administrator)
    text = json.dumps(
        [caller.get(path)[1] for path in ("/repositories", "/backups", "/systems", f"/systems/{environment.system.pk}", "/tokens", "/records")]
    )
    assert "hunter2" not in text
    assert "escrow-text" not in text
    assert not [secret.ciphertext for secret in Secret.objects.all() if secret.ciphertext in text]
    assert caller.token not in text


def test_one_system_with_its_components(viewer: Person, environment: Environment, other_environment: Environment, program: Any) -> None:
    Component.objects.create(environment=environment, kind="module", name="sale", installed="7.0.4", active="7.0")
    status, answer = program(viewer).get(f"/systems/{environment.system.pk}")
    assert (status, answer["name"], answer["environments"][0]["version"]) == (200, "erp1", "7.0.59")
    assert answer["components"] == [{"kind": "module", "name": "sale", "installed": "7.0.4", "active": "7.0"}]
    status, answer = program(viewer).get(f"/systems/{other_environment.system.pk}")
    assert (status, answer) == (404, {"error": {"name": "not_found", "message": "there is no such system"}})


def test_an_operator_starts_and_cancels_a_run(operator: Person, environment: Environment, program: Any) -> None:
    repository, caller = make_repository(environment.system.organisation), program(operator)
    wish = {"operation": "backups.take", "system_id": environment.system.pk, "arguments": {"repository_id": repository.pk}}
    status, answer = caller.post("/runs", wish)
    run = Run.objects.get()
    assert (status, answer["id"], answer["state"]) == (202, str(run.pk), "queued")
    assert (run.environment, run.requested_by, run.arguments) == (environment, operator, {"repository_id": repository.pk})
    status, answer = caller.post(f"/runs/{run.pk}/cancel")
    run.refresh_from_db()
    assert (status, run.state, run.cancel_requested_by) == (202, "cancelled", operator)
    status, answer = caller.post(f"/runs/{run.pk}/cancel")
    assert (status, answer["error"]["message"]) == (422, "the run has ended already: cancelled")


@pytest.mark.parametrize(
    ("operation", "arguments", "status"),
    [
        ("backups.take", {"repository_id": "foreign"}, 404),
        ("backups.take", {"repository_id": "1"}, 422),
        ("backups.take", {"repository_id": True}, 422),
        ("backups.take", {"shell": "rm"}, 422),
        ("backups.drill", {"backup_id": "other system"}, 404),
        ("estate.provision", {"name": "x"}, 422),
        ("operations.selftest", {}, 422),
        ("no.such", {}, 422),
    ],
)
def test_a_run_that_may_not_be_started_is_not(
    operation: str,
    arguments: dict[str, Any],
    status: int,
    administrator: Person,
    environment: Environment,
    other_environment: Environment,
    program: Any,
) -> None:
    neighbour = made.make_environment(made.make_system(environment.system.organisation, "erp2"))
    rows = {
        "foreign": make_repository(other_environment.system.organisation).pk,
        "other system": make_backup(neighbour, make_repository(environment.system.organisation)).pk,
    }
    given = {name: rows.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}
    wish = {"operation": operation, "system_id": environment.system.pk, "arguments": given}
    got, answer = program(administrator).post("/runs", wish)
    assert (got, list(answer)) == (status, ["error"])
    assert not Run.objects.exists()


def test_a_run_is_told_phase_by_phase(viewer: Person, system: System, program: Any) -> None:
    run = make_run(system, phases=[{"name": "check", "title": "Check", "p50": None, "p90": None}])
    run.steps.create(number=1, name="check", title="Check", state="done", seconds=1.5, note=message("{n} rows", n=7))
    status, answer = program(viewer).get(f"/runs/{run.pk}/events")
    assert (status, answer["state"], answer["outcome"], answer["open"]) == (200, "succeeded", "Backed up 3 files", False)
    assert [(phase["name"], phase["state"], phase["seconds"], phase["note"]) for phase in answer["phases"]] == [("check", "done", 1.5, "7 rows")]
    assert program(viewer).get(f"/runs/{uuid.uuid4()}")[0] == 404


def test_the_record_is_checked_and_exported(viewer: Person, organisation: Organisation, program: Any) -> None:
    for number in range(3):
        records.append(organisation, "test", message("Entry {number}", number=number), actor="x")
    caller = program(viewer)
    entries = Record.objects.filter(organisation=organisation).count()
    status, answer = caller.get(f"/organisations/{organisation.slug}/records/verify")
    assert (status, answer["ok"], answer["entries"], answer["first_broken"]) == (200, True, entries, None)
    response = Client().get(f"/api/organisations/{organisation.slug}/records/export", headers={"Authorization": f"Bearer {caller.token}"})
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert [json.loads(line)["number"] for line in lines[1:]] == list(range(1, entries + 1))
    hashes = list(Record.objects.filter(organisation=organisation).order_by("number").values_list("hash", flat=True))
    assert [json.loads(line)["hash"] for line in lines[1:]] == hashes


def test_a_member_of_one_system_does_not_get_the_whole_record(organisation: Organisation, system: System, program: Any) -> None:
    member = made.make_member(organisation, Role.ADMINISTRATOR, "one@riverside.example", system)
    caller = program(member)
    assert [item["id"] for item in caller.get("/systems")[1]["items"]] == [system.pk]
    for path in ("records/verify", "records/export", "people"):
        assert caller.get(f"/organisations/{organisation.slug}/{path}")[0] == 403


def test_pages_of_a_list(viewer: Person, system: System, program: Any) -> None:
    for _number in range(7):
        make_run(system)
    caller = program(viewer)
    everything = [item["id"] for item in caller.get("/runs")[1]["items"]]
    assert len(everything) == 7
    status, answer = caller.get("/runs?limit=3&offset=5")
    assert (status, answer["count"], [item["id"] for item in answer["items"]]) == (200, 7, everything[5:])
    for wrong in ("limit=501", "limit=0", "offset=-1", "limit=x", "state=nonsense"):
        status, answer = caller.get(f"/runs?{wrong}")
        assert (status, answer["error"]["name"]) == (422, "usage")


def test_filters(viewer: Person, system: System, program: Any) -> None:
    open_one, ended = make_run(system, "running"), make_run(system, operation="backups.drill")
    caller = program(viewer)
    for query, expected in (
        ("open=true", [open_one]),
        ("operation=backups.drill", [ended]),
        ("state=running", [open_one]),
        (f"system_id={system.pk + 99}", []),
    ):
        assert [item["id"] for item in caller.get(f"/runs?{query}")[1]["items"]] == [str(run.pk) for run in expected]


@pytest.mark.parametrize("path", ["/systems", "/runs", "/backups", "/drills", "/repositories", "/records", "/schedules", "/tokens", "/organisations"])
def test_a_list_takes_as_many_queries_for_thirty_rows_as_for_one(
    path: str, administrator: Person, environment: Environment, program: Any, django_assert_max_num_queries: Any
) -> None:
    caller, system = program(administrator), environment.system
    repository = make_repository(system.organisation)

    def add(number: int) -> None:
        backup = make_backup(environment, repository)
        backup.drills.create(organisation=system.organisation, system=system, state="proven")
        make_run(system)
        make_repository(system.organisation, f"store-{number}")
        Schedule.objects.create(organisation=system.organisation, system=system, operation="backups.take", cron="0 3 * * *")
        records.append(system.organisation, "test", message("Told"), actor="x", system=system)
        made.make_environment(made.make_system(system.organisation, f"more-{number}"))
        ApiToken.objects.create(person=administrator, organisation=system.organisation, name="t", digest=str(number), expires_at=timezone.now())
        extra = made.make_organisation(f"extra-{number}")
        Membership.objects.create(person=administrator, organisation=extra, role=Role.VIEWER)

    def queries() -> int:
        with django_assert_max_num_queries(20) as captured:
            assert caller.get(path)[0] == 200
        return len(captured)

    add(0)
    one = queries()
    for number in range(1, 30):
        add(number)
    assert queries() == one


def test_schedules_are_added_changed_paused_and_removed(operator: Person, environment: Environment, program: Any) -> None:
    repository, caller = make_repository(environment.system.organisation), program(operator)
    wish = {"operation": "backups.take", "system_id": environment.system.pk, "cron": "0 3 * * *", "time_zone": "Asia/Taipei"}
    status, answer = caller.post("/schedules", {**wish, "arguments": {"repository_id": repository.pk}})
    schedule = Schedule.objects.get()
    assert (status, answer["id"], answer["enabled"], schedule.time_zone) == (201, schedule.pk, True, "Asia/Taipei")
    status, answer = caller.call("PATCH", f"/schedules/{schedule.pk}", {"cron": "30 4 * * 1", "enabled": False})
    schedule.refresh_from_db()
    assert (status, schedule.cron, schedule.enabled) == (200, "30 4 * * 1", False)
    for bad in ({"cron": "not cron"}, {"arguments": {"repository_id": 10**6}}):
        assert caller.call("PATCH", f"/schedules/{schedule.pk}", bad)[0] in {404, 422}
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.arguments) == ("30 4 * * 1", {"repository_id": repository.pk})
    assert caller.call("DELETE", f"/schedules/{schedule.pk}")[0] == 204
    assert not Schedule.objects.exists()


def test_people_are_invited_and_changed_by_administrators_only(
    administrator: Person, approver: Person, organisation: Organisation, program: Any
) -> None:
    status, answer = program(administrator).post(f"/organisations/{organisation.slug}/people", {"email": "new@riverside.example", "role": "operator"})
    new = Person.objects.get(email="new@riverside.example")
    assert status == 201
    assert new.check_password(answer["password"])
    held = new.memberships.get()
    assert program(approver).call("PUT", f"/members/{held.pk}", {"role": "administrator"})[0] == 404
    assert program(approver).post(f"/organisations/{organisation.slug}/people", {"email": "x@y.example"})[0] == 403
    assert program(administrator).call("PUT", f"/members/{held.pk}", {"role": "viewer"})[1]["role"] == "viewer"
    own = approver.memberships.get()
    assert Program(program(approver).token).call("DELETE", f"/members/{own.pk}")[0] == 404
    assert program(administrator).call("DELETE", f"/members/{held.pk}")[0] == 204
    assert not new.memberships.exists()
    own.refresh_from_db()
    assert own.role == Role.APPROVER


def test_an_erp_on_a_forbidden_address_is_not_adopted(administrator: Person, organisation: Organisation, program: Any) -> None:
    wish = {"name": "erp5", "url": "http://169.254.169.254/", "database": "erp", "login_password": "hunter2"}
    path = f"/organisations/{organisation.slug}/systems"
    status, answer = program(administrator).post(path, wish)
    assert (status, answer["error"]["name"]) == (422, "refused")
    for change in (
        {"url": "file:///etc/passwd"},
        {"url": "unix:/run/docker.sock"},
        {"url": "http://127.0.0.1:1/", "database_host": "/var/run/postgresql"},
        {"name": "no good"},
    ):
        status, answer = program(administrator).post(path, {**wish, **change})
        assert status == 422
        assert "hunter2" not in json.dumps(answer)
    assert not System.objects.exists()
    assert not Secret.objects.exists()


def test_what_was_sent_is_not_repeated_when_it_is_wrong(administrator: Person, organisation: Organisation, program: Any) -> None:
    wish = {"name": "x", "url": "http://127.0.0.1:1/", "database_port": "hunter2", "login_password": ["hunter2"]}
    status, answer = program(administrator).post(f"/organisations/{organisation.slug}/systems", wish)
    assert (status, answer["error"]["name"]) == (422, "usage")
    assert {detail["where"][-1] for detail in answer["error"]["details"]} == {"database", "database_port", "login_password"}
    assert "hunter2" not in json.dumps(answer)


def test_a_system_is_given_up_by_name_and_its_history_stays(administrator: Person, environment: Environment, program: Any) -> None:
    system, caller = environment.system, program(administrator)
    make_run(system, ended_at=timezone.now())
    secrets.store(system.organisation, secrets.environment_name(environment, "database"), "x")
    assert caller.call("DELETE", f"/systems/{system.pk}", {"confirm": "erp"})[0] == 422
    assert caller.get(f"/systems/{system.pk}")[0] == 200
    status, answer = caller.call("DELETE", f"/systems/{system.pk}", {"confirm": "erp1"})
    assert (status, answer) == (200, {"logins": 1, "roles": 0, "components": 0, "schedules": 0})
    assert caller.get(f"/systems/{system.pk}")[0] == 404
    assert Run.objects.filter(system=system).count() == 1
    assert not Secret.objects.exists()
    assert Record.objects.filter(system=system, kind="estate.removed").count() == 1


def test_the_session_of_a_person_needs_the_csrf_token_to_change_anything(operator: Person, organisation: Organisation) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator, "allauth.account.auth_backends.AuthenticationBackend")
    assert browser.get("/api/me").json()["roles"] == {organisation.slug: "operator"}
    wish = json.dumps({"organisation": organisation.slug, "name": "mine", "scope": "operator", "days": 2})
    assert browser.post("/api/tokens", wish, content_type="application/json").status_code == 403
    assert not ApiToken.objects.exists()
    browser.get("/api/docs")
    csrf = browser.cookies["csrftoken"].value
    answer = browser.post("/api/tokens", wish, content_type="application/json", headers={"X-CSRFToken": csrf})
    assert answer.status_code == 201
    assert Program(answer.json()["token"]).get("/me")[1]["actor"] == f"{operator.email} (token mine)"


def test_a_token_makes_no_token(administrator: Person, organisation: Organisation, program: Any) -> None:
    caller = program(administrator)
    status, _answer = caller.post("/tokens", {"organisation": organisation.slug, "name": "more"})
    assert status in {401, 403}
    assert ApiToken.objects.count() == 1


def test_the_documentation_page_loads_nothing_from_elsewhere(viewer: Person) -> None:
    browser = Client()
    assert browser.get("/api/docs").status_code == 302
    browser.force_login(viewer, "allauth.account.auth_backends.AuthenticationBackend")
    page = browser.get("/api/docs").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "//" not in page.replace("<!--", "").replace("http-equiv", "")
    assert browser.get("/static/ninja/swagger-ui-bundle.js").status_code == 200
    schema = browser.get("/api/openapi.json").json()
    assert "/api/runs/{run_id}/cancel" in schema["paths"]
    assert set(schema["components"]["securitySchemes"]) == {"TokenAuth", "SessionAuth"}
