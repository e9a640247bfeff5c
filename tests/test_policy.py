"""Every address × every method × every kind of caller, compared with the declared policy (tests/policy.py).

A caller who is refused changes nothing (PostgreSQL counts each row that is written, and after each address all rows are compared) and reads nothing
of the organisation: its names all contain CANARY.
"""

import collections
import dataclasses
import datetime as dt
import functools
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from tests import people as made
from tests import policy
from tests.services.clients import new_client
from wellkept.backups.models import Backup, Drill, Repository
from wellkept.estate import secrets, tokens
from wellkept.estate.access import Console
from wellkept.estate.models import Component, Environment, Membership, Organisation, Person, Role
from wellkept.lib.text import message
from wellkept.monitoring.models import Watch
from wellkept.operations import records, windows
from wellkept.operations.models import Run, Schedule
from wellkept.planning.figures import Difference
from wellkept.upgrades.consent.findings import digest, of_books
from wellkept.upgrades.models import Acceptance, Assessment, GivenModule, NoteVersion, Opinion, Rehearsal, Upgrade

CANARY = "canary"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RANKS = (policy.VIEWER, policy.OPERATOR, policy.APPROVER, policy.ADMINISTRATOR)
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
REFUSED = {401, 403, 404}
EMPTY = ("releases", "modules", "missing", "requirements", "notes", "breaches", "space", "time")
REPORT: dict[str, Any] = {
    **{name: [] for name in EMPTY},
    "path": ["7.0", "8.0"],
    "described": True,
    "used": 0,
    "installed": 1,
    "problem": "",
    "risks": [{"level": "watch", "text": message(CANARY), "remedy": message(CANARY)}],
}
NOTE = {"title": CANARY, "source": CANARY, "phase": "before", "why": CANARY, "check": "SELECT true"}
PASSING = re.compile(r"[A-Za-z0-9]{32,}|[0-9a-f-]{36}|\d+|unknown|riverside")
"""What may differ between two answers: tokens of forms, ids, and the name that was asked for."""

WRITTEN = """
    SELECT relname, n FROM (
        SELECT relname, pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid) + pg_stat_get_xact_tuples_deleted(oid) AS n
        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'django_session'
    ) counted WHERE n > 0
"""
FINDING = {"kind": "books", "figure": "stock", "key": "7", "before": "3", "after": "2"}


@dataclasses.dataclass(frozen=True)
class Route:
    name: str
    path: str

    @property
    def has_object(self) -> bool:
        return "<" in self.path.replace("<str:form>", "")


@dataclasses.dataclass(frozen=True)
class Caller:
    """``role`` is what the caller may be in the organisation with the objects; None: nothing. ``stranger`` is a member nowhere."""

    name: str
    role: str | None
    person: Person | None = None
    token: str = ""
    stranger: bool = False
    session: dict[str, str] = dataclasses.field(default_factory=dict)

    def client(self) -> Client:
        """A browser; the person signs in once and is signed in again by the cookie, because signing in is slow."""
        client = new_client(raise_request_exception=False)
        if self.person is not None and not self.session:
            client.force_login(self.person, BACKEND)
            self.session.update({name: morsel.value for name, morsel in client.cookies.items()})
        client.cookies.load(self.session)
        return client


def routes(patterns: Any = None, prefix: str = "", space: str = "") -> Iterator[Route]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path, space + (f"{pattern.namespace}:" if pattern.namespace else ""))
        elif isinstance(pattern, URLPattern):
            yield Route(f"{space}{pattern.name}", path)


@dataclasses.dataclass
class World:
    """The organisation with one of everything."""

    organisation: Organisation
    kwargs: dict[str, Any]

    def address(self, route: Route) -> str:
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(self.kwargs[found[1]]), route.path)

    def payload(self, name: str) -> dict[str, Any]:
        """Something sensible to send; what does not belong to the address names an object of the organisation."""
        system, repository = self.kwargs["system_id"], self.kwargs["repository_id"]
        arguments = {"repository_id": repository}
        known: dict[str, dict[str, Any]] = {
            "backup_take": {"repository": repository},
            "drill_start": {"backup": self.kwargs["backup_id"]},
            "backup_take_several": {"ids": [system]},
            "upgrade_assess": {"target": "8.0"},
            "upgrade_note_add": {**NOTE, "name": "new", "reason": "x"},
            "upgrade_note": {**NOTE, "reason": "x"},
            "api:write_note": {**NOTE, "reason": "x"},
            "api:leave_note_out": {"reason": "x"},
            "upgrade_modules": {"file": SimpleUploadedFile("x.whl", b"x")},
            "api:give_module": {"file": SimpleUploadedFile("x.whl", b"x")},
            "settings_member": {"role": policy.VIEWER},
            "settings_schedule": {"pause": "1"},
            "upgrade_opinion": {"answer": "worse", "comment": "x"},
            "upgrade_accept": {"finding": digest(FINDING), "reason": "x"},
            "api:accept_finding": {"finding": digest(FINDING), "reason": "x"},
            "organisation_choose": {"organisation": self.organisation.pk},
            "language": {"language": "zh-hant"},
            "api:remove_system": {"confirm": f"{CANARY}-erp"},
            "api:adopt_system": {"name": "new", "url": "http://169.254.169.254/", "database": "x"},
            "api:start_run": {"operation": "backups.take", "system_id": system, "arguments": arguments},
            "api:add_schedule": {"operation": "backups.take", "system_id": system, "cron": "0 3 * * *", "arguments": arguments},
            "api:change_schedule": {"enabled": False},
            "api:add_window": {"organisation": self.organisation.slug, "days": [5], "opens": "22:00", "closes": "04:00"},
            "api:add_freeze": {
                "organisation": self.organisation.slug,
                "starts_at": "2099-01-01T00:00Z",
                "ends_at": "2099-01-02T00:00Z",
                "reason": "x",
            },
            "api:waive_gate": {"gate": "window", "reason": "x"},
            "upgrade_waive": {"gate": "window", "reason": "x"},
            "api:apply_upgrade": {"confirm": f"{CANARY}-erp"},
            "upgrade_apply": {"confirm": f"{CANARY}-erp"},
            "upgrade_discard": {"confirm": f"{CANARY}-erp", "agree": "1"},
            "upgrade_opinion_handle": {"settle": "1", "note": "x"},
            "api:handle_opinion": {"settled": True, "note": "x"},
            "upgrade_plan": {"confirm": f"{CANARY}-erp", "start": "2099-01-01T00:00"},
            "api:plan_upgrade": {"confirm": f"{CANARY}-erp", "start": "2099-01-01T00:00Z"},
            "settings_window_add": {"days": ["5"], "opens": "22:00", "closes": "04:00", "time_zone": "UTC"},
            "settings_freeze_add": {"starts": "2099-01-01T00:00", "ends": "2099-01-02T00:00", "reason": "x"},
            "api:plan_restore": {"folder": "back"},
            "api:start_restore": {"folder": "back"},
            "api:start_forget": {"token": "old", "confirm": f"{CANARY}-store"},
            "api:add_repository": {"name": "new", "location": "nowhere"},
            "api:invite_person": {"email": "new@riverside.example"},
            "api:change_member": {"role": policy.APPROVER},
            "api:create_token": {"organisation": self.organisation.slug, "name": "x", "scope": policy.VIEWER},
        }
        return known.get(name, {})


@pytest.fixture
def world(organisation: Organisation, tmp_path: Path, settings: Any) -> World:
    settings.MODULE_UPLOADS = True
    Organisation.objects.filter(pk=organisation.pk).update(name=f"{CANARY} Ltd")
    system = made.make_system(organisation, f"{CANARY}-erp", title=f"{CANARY} ERP")
    environment: Environment = made.make_environment(system)
    Watch.objects.create(environment=environment)
    Component.objects.create(environment=environment, kind="module", name=f"{CANARY}-module")
    key = secrets.store(organisation, "key", "x")
    place = {"organisation": organisation, "system": system}
    repository = Repository.objects.create(
        organisation=organisation, name=f"{CANARY}-store", location=f"/srv/{CANARY}", key=key, drill_identity=key, escrow=CANARY
    )
    run = Run.objects.create(**place, environment=environment, operation="backups.take", maintenance_type="preventive", outcome=message(CANARY))
    backup = Backup.objects.create(
        **place, environment=environment, repository=repository, run=run, state="good", snapshot_at=timezone.now(), version=CANARY
    )
    drill = Drill.objects.create(**place, backup=backup, run=run, state="proven", ended_at=timezone.now())
    schedule = Schedule.objects.create(
        **place, operation="backups.take", arguments={"repository_id": repository.pk}, cron="0 3 * * *", next_at=timezone.now()
    )
    window = windows.add_weekly(organisation, [5], dt.time(22), dt.time(4), who=Console("tests"), system=system)
    moment = timezone.now()
    freeze = windows.freeze(organisation, moment, moment + dt.timedelta(days=1), CANARY, who=Console("tests"), system=system)
    assessment = Assessment.objects.create(**place, environment=environment, current="7.0", target="8.0", level="watch", report=REPORT)
    note = NoteVersion.objects.create(**place, current="7.0", target="8.0", name="own", version=1, content=NOTE, reason=CANARY, author=CANARY)
    moved = [Difference(*(FINDING[name] for name in ("figure", "key")), f"{CANARY} bolt", FINDING["before"], FINDING["after"], "Stock")]
    rehearsal = Rehearsal.objects.create(
        **place, environment=environment, run=run, current="7.0", target="8.0", compared=of_books(moved, moved, {}, ()), log=[CANARY]
    )
    word = Acceptance.objects.create(
        **place, current="7.0", target="8.0", finding=rehearsal.compared[0], digest="x", rule="exact", reason=CANARY, author=CANARY
    )
    upgrade = Upgrade.objects.create(
        **place,
        environment=environment,
        run=run,
        rehearsal=rehearsal,
        current="7.0",
        target="8.0",
        version=CANARY,
        state="kept",
        followed_until=timezone.now(),
        ended_at=timezone.now(),
        discarded={"path": str(tmp_path / "export.zip")},
    )
    given = GivenModule.objects.create(**place, target="8.0", package=f"{CANARY}-package", version="8.0.1", sha256="ab" * 32, author=CANARY)
    opinion = Opinion.objects.create(upgrade=upgrade, person=made.make_person("said@riverside.example"), answer="worse", comment=CANARY)
    (tmp_path / "export.zip").write_text(CANARY)
    record = records.append(organisation, "test", message(CANARY), actor=CANARY, system=system, run_id=run.pk)
    colleague = made.make_member(organisation, Role.VIEWER, f"{CANARY}@riverside.example")
    token, _text = tokens.create(colleague, organisation, f"{CANARY}-token", scope=Role.VIEWER, days=5, who=Console("tests"))
    kwargs = {
        "system_id": system.pk,
        "run_id": run.pk,
        "backup_id": backup.pk,
        "drill_id": drill.pk,
        "assessment_id": assessment.pk,
        "rehearsal_id": rehearsal.pk,
        "acceptance_id": word.pk,
        "upgrade_id": upgrade.pk,
        "opinion_id": opinion.pk,
        "module_id": given.pk,
        "package": given.package,
        "version_id": note.pk,
        "current": "7.0",
        "target": "8.0",
        "chart": "users",
        "name": note.name,
        "note": note.name,
        "record_id": record.pk,
        "membership_id": colleague.memberships.get().pk,
        "schedule_id": schedule.pk,
        "window_id": window.pk,
        "freeze_id": freeze.pk,
        "gate": "window",
        "repository_id": repository.pk,
        "token_id": token.pk,
        "slug": organisation.slug,
        "form": "jsonl",
    }
    return World(organisation, kwargs)


@pytest.fixture
def callers(world: World, other_environment: Environment) -> list[Caller]:
    """Everybody who might call: people by session, and programs with every scope of an administrator's token."""
    elsewhere = other_environment.system.organisation
    outsider = made.make_member(elsewhere, Role.ADMINISTRATOR, password=made.PASSWORD)
    neighbour = made.make_member(
        world.organisation, Role.ADMINISTRATOR, "neighbour@riverside.example", made.make_system(world.organisation, "other-erp"), made.PASSWORD
    )
    everybody = [Caller("anonymous", None), Caller("stranger", None, made.make_person("stranger@nowhere.example", made.PASSWORD), stranger=True)]
    everybody += [Caller("outsider", None, outsider), Caller("member of another system", None, neighbour)]
    everybody += [Caller(role, role, made.make_member(world.organisation, role, password=made.PASSWORD)) for role in RANKS]
    administrator = everybody[-1].person
    assert administrator is not None
    for role in RANKS:
        everybody.append(Caller(f"token {role}", role, token=token(administrator, world.organisation, role)))
    everybody.append(Caller("token of the outsider", None, token=token(outsider, elsewhere, policy.ADMINISTRATOR)))
    Membership.objects.create(person=administrator, organisation=elsewhere, role=Role.ADMINISTRATOR)
    everybody.append(Caller("token of the administrator for elsewhere", None, token=token(administrator, elsewhere, policy.ADMINISTRATOR)))
    return everybody


def token(person: Person, organisation: Organisation, scope: str) -> str:
    """A token that was used just now, so that using it again changes no row."""
    made_one, text = tokens.create(person, organisation, scope, scope=scope, days=1, who=Console("tests"))
    made_one.used_at = timezone.now() + dt.timedelta(hours=1)
    made_one.save()
    return text


def may(caller: Caller, route: Route, least: str) -> bool:
    """What the declared policy says for this caller."""
    if least == policy.NOBODY:
        return False
    if least == policy.ANYONE:
        return True
    if caller.token and (not route.name.startswith("api:") or route.name in policy.WITHOUT_TOKENS):
        return False
    if caller.person is None and not caller.token:
        return False
    if least == policy.SIGNED_IN:
        return True
    if caller.stranger:
        return False
    elsewhere = caller.name == "member of another system"
    if route.name == "api:create_token" and elsewhere:
        return True
    if not route.has_object and not names_an_object(route) and caller.role is None:
        return not (elsewhere and whole_only(route, least))
    return caller.role is not None and RANKS.index(caller.role) >= RANKS.index(least)


def names_an_object(route: Route) -> bool:
    """Whether the object is in what is sent instead of the address."""
    return route.name in {"api:start_run", "api:add_schedule", "api:add_window", "api:add_freeze", "api:create_token", "backup_take_several"}


def whole_only(route: Route, least: str) -> bool:
    """What is about the whole organisation, so that a member of one system may not."""
    return least == policy.ADMINISTRATOR or route.name in {"records_verify", "records_export"}


def call(caller: Caller, method: str, address: str, payload: dict[str, Any], *, is_api: bool) -> HttpResponseBase:
    client = caller.client()
    headers = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    is_file = any(isinstance(value, SimpleUploadedFile) for value in payload.values())
    if (is_api and not is_file) or method not in {"GET", "POST"}:
        return client.generic(method, address, json.dumps(payload) if method != "GET" else "", content_type="application/json", headers=headers)
    return client.post(address, payload, headers=headers) if method == "POST" else client.get(address, headers=headers)


def refused(response: HttpResponseBase) -> bool:
    location = response.headers.get("Location", "")
    return response.status_code in REFUSED or (response.status_code == 302 and location.startswith("/account/sign-in/"))


def contents() -> dict[str, Any]:
    """For every table how many rows it has and a sum over their content; sessions are made by signing in itself."""
    assert connection.connection is not None
    # Planning it takes far longer than doing it.
    return {name: (count, digest) for name, count, digest in connection.connection.execute(_statement(), prepare=True).fetchall()}


def written() -> dict[str, int]:
    """How many rows of each table this transaction has written so far, those included that were taken back."""
    assert connection.connection is not None
    return dict(connection.connection.execute(WRITTEN, prepare=True).fetchall())


@functools.cache
def _statement() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'django_session' ORDER BY 1")
        tables = [row[0] for row in cursor.fetchall()]
    parts = [f"SELECT '{table}', count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM \"{table}\" t" for table in tables]
    return " UNION ALL ".join(parts)


def text_of(response: HttpResponseBase) -> str:
    return "" if response.streaming else response.content.decode(errors="replace")  # type: ignore[attr-defined]


def test_every_address_has_a_policy_and_no_policy_is_left_over() -> None:
    assert {route.name for route in routes()} == set(policy.POLICY)


def test_every_caller_gets_exactly_what_the_policy_says(world: World, callers: list[Caller], capsys: pytest.CaptureFixture[str]) -> None:
    checked: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    shared: dict[str, set[str]] = collections.defaultdict(set)
    every = list(routes())
    for route in every:
        shared[route.path] |= set(policy.POLICY[route.name])
    for caller in callers:
        caller.client()
    before = contents()
    for route in every:
        for method, least in policy.POLICY[route.name].items():
            for caller in callers:
                checked["allowed" if may(caller, route, least) else "refused"] += 1
                wrong += check(world, caller, route, method)
        for method in set(METHODS) - shared[route.path] if route.name not in policy.SIGN_IN else ():
            checked["no such method"] += 1
            wrong += check_absent(world, callers, route, method)
        after = contents()
        wrong += [f"{route.name}: changed {name}, whoever called" for name in before if before[name] != after[name]]
    with capsys.disabled():
        total = sum(checked.values())
        print(f"\npolicy: {len(every)} addresses, {len(callers)} callers, {total} checks ({dict(checked)}), {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


def check(world: World, caller: Caller, route: Route, method: str) -> list[str]:
    """What is wrong with how the site answers one caller; what it does is taken back."""
    least = policy.POLICY[route.name][method]
    expected, place = may(caller, route, least), f"{method} {route.name} as {caller.name}"
    cache.clear()
    before = {} if expected else written()
    with transaction.atomic():
        response = call(caller, method, world.address(route), world.payload(route.name), is_api=route.name.startswith("api:"))
        after = {} if expected else written()
        transaction.set_rollback(True)
    found = []
    if response.status_code >= 500:
        found.append(f"{place}: broke with {response.status_code}")
    elif refused(response) is expected and (expected or route.name not in policy.SILENT):
        found.append(f"{place}: {'refused' if expected else 'allowed'} with {response.status_code}, the policy says {least}")
    if not expected and before != after:
        found.append(f"{place}: refused, but changed {sorted(name for name in after if after[name] != before.get(name))}")
    if caller.role is None and caller.name != "member of another system" and CANARY in text_of(response):
        found.append(f"{place}: shows something of the organisation")
    return found


def check_absent(world: World, callers: list[Caller], route: Route, method: str) -> list[str]:
    """A method that the policy does not name does not exist for an administrator, and nothing happens."""
    (administrator,) = [caller for caller in callers if caller.name == policy.ADMINISTRATOR]
    cache.clear()
    with transaction.atomic():
        response = call(administrator, method, world.address(route), {}, is_api=route.name.startswith("api:"))
        transaction.set_rollback(True)
    answered = response.status_code not in {405, *REFUSED}
    return [f"{method} {route.name}: exists ({response.status_code}), but has no policy"] if answered else []


def test_an_unknown_object_and_a_foreign_one_look_alike(world: World, other_organisation: Organisation) -> None:
    outsider = Caller("outsider", None, made.make_member(other_organisation, Role.ADMINISTRATOR, password=made.PASSWORD))
    outsider.client()
    words = {name: world.kwargs[name] for name in ("current", "target", "name", "note", "chart")}
    numbers = {name: uuid.uuid4() if name == "run_id" else 10**8 for name in world.kwargs}
    unknown = World(world.organisation, {**numbers, **words, "slug": "unknown", "form": "jsonl"})
    compared = 0
    for route in routes():
        for method in policy.POLICY[route.name] if route.has_object and "form" not in route.path else ():
            answers = []
            for place in (world, unknown):
                with transaction.atomic():
                    response = call(outsider, method, place.address(route), world.payload(route.name), is_api=route.name.startswith("api:"))
                    transaction.set_rollback(True)
                answers.append((response.status_code, PASSING.sub("", text_of(response))))
            compared += 1
            assert answers[0] == answers[1], f"{method} {route.name}"
    assert compared > 30
