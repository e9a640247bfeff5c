"""Pages about upgrades: where each system stands, what an assessment found, and the same on paper."""

import re
import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from tests.people import make_environment, make_system
from tests.web.conftest import SignIn
from wellkept.adapters.tryton import provision, releases
from wellkept.estate.models import Component, Environment, Organisation, Person
from wellkept.lib.text import message
from wellkept.operations.models import Run, Schedule
from wellkept.upgrades import queries
from wellkept.upgrades.models import Assessment, GivenModule, Release
from wellkept.web import papers

SERIES = (("7.0", "2028-10-30", True), ("7.2", "2025-04-29", False), ("8.0", "2031-04-20", True))
PLACE = {"what": "copy", "place": "/srv/pg", "needed": 61_000_000, "free": 5_000_000_000, "enough": True}
MODULE = {"module": "sale", "rows": 12, "last": "2026-11-01T08:48:00+00:00", "used": True}
NOTE = {"id": "n1", "title": "Empty references become NULL", "source": "page", "phase": "before", "why": "because", "by_hand": False, "own": None}
REPORT: dict[str, Any] = {
    "path": ["7.0", "8.0"],
    "described": True,
    "problem": "",
    "used": 1,
    "installed": 2,
    "modules": [MODULE, {"module": "stock_lot", "rows": 0, "last": None, "used": False}],
    "missing": [{"module": "our_<own>", "installed": "7.0.1", "offered": None, "asked": True}],
    "requirements": [{"name": "Python", "needed": ">=3.10", "found": "3.9", "holds": False}],
    "notes": [{**NOTE, "applies": "yes", "reason": "active here: sale"}],
    "breaches": [{"rows": 1200}],
    "space": [PLACE],
    "time": [{"what": "migration", "p50": None, "p90": None}],
    "releases": [{"series": "8.0", "newest": "8.0.12", "support_end": "2031-04-20", "long_term": True}],
    "risks": [
        {
            "level": "act",
            "text": message("Active modules that do not exist for {target}: {names}", target="8.0", names="our_<own>"),
            "remedy": message("Assess again when it answers"),
        },
        {"level": "watch", "text": message("No backup of this system was ever restored"), "remedy": message("Plan the upgrade soon")},
    ],
}


def make_releases() -> None:
    for series, end, long_term in SERIES:
        Release.objects.create(adapter="tryton", series=series, newest=f"{series}.1", support_end=end, long_term=long_term)


def make_assessment(environment: Environment, **fields: Any) -> Assessment:
    system = environment.system
    facts = {"current": "7.0", "target": "8.0", "level": "act", "report": REPORT, **fields}
    return Assessment.objects.create(organisation=system.organisation, system=system, environment=environment, **facts)


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_each_system_says_where_it_stands_and_where_it_can_go(sign_in: SignIn, operator: Person, environment: Environment) -> None:
    make_releases()
    page = sign_in(operator).get("/upgrades/")
    assert "Tryton 7.0" in text(page)
    assert "Oct. 30, 2028" in text(page)
    assert re.findall(r'<option value="([\d.]+)"( selected)?>', page.content.decode()) == [("7.2", ""), ("8.0", " selected")]
    make_assessment(environment)
    assert "Something is in the way" in text(sign_in(operator).get("/upgrades/"))


def test_modules_with_something_newer_in_their_series_are_named_without_asking_anybody(
    sign_in: SignIn, operator: Person, environment: Environment, organisation: Organisation
) -> None:
    shipped = releases.pinned(provision.requirements("7.0").read_text())
    seen = {"sale": "7.0.0", "party": shipped["party"], "our_own": "7.0.9", "unknown": "1"}
    Component.objects.bulk_create(Component(environment=environment, kind="module", name=name, installed=version) for name, version in seen.items())
    place = {"organisation": organisation, "system": environment.system, "package": "acme-our-own", "modules": ["our_own"], "author": "ada"}
    GivenModule.objects.create(**place, target="7.0", version="7.0.10", sha256="a" * 64)
    GivenModule.objects.create(**place, target="8.0", version="8.0.1", sha256="b" * 64)
    expected = ["our_own 7.0.9 → 7.0.10", f"sale 7.0.0 → {shipped['sale']}"]
    with CaptureQueriesContext(connection) as few:
        assert [str(one) for one in queries.lines([environment.system])[0].modules] == expected
    others = [make_environment(make_system(organisation, f"erp{number}")).system for number in range(5, 10)]
    with CaptureQueriesContext(connection) as many:
        assert [line.modules for line in queries.lines(others)] == [[]] * 5
    assert len(few) == len(many) == 5
    client = sign_in(operator)
    page = client.get("/upgrades/")
    assert all(one in text(page) for one in expected)
    address = f"/upgrades/{environment.system_id}/to/7.0/"
    assert f'href="{address}">2</a>' in page.content.decode()
    assert "A rehearsal does the whole upgrade" in text(client.get(address))


def test_without_known_releases_they_are_looked_for(sign_in: SignIn, operator: Person, environment: Environment) -> None:
    client = sign_in(operator)
    assert "Look for releases" in text(client.get("/upgrades/"))
    answer = client.post(f"/upgrades/{environment.system_id}/look/")
    run = Run.objects.get()
    assert (answer.status_code, answer["Location"], run.operation) == (302, f"/runs/{run.pk}/", "upgrades.look")


def test_looking_for_releases_can_be_planned(sign_in: SignIn, operator: Person, environment: Environment) -> None:
    wish = {"operation": "upgrades.look", "system": environment.system_id, "rhythm": "{minute} {hour} * * 0", "time": "04:10", "time_zone": "UTC"}
    sign_in(operator).post("/settings/schedules/add/", wish)
    planned = Schedule.objects.get()
    assert (planned.operation, planned.system, planned.cron) == ("upgrades.look", environment.system, "10 4 * * 0")


def test_an_assessment_is_started_for_the_chosen_series(sign_in: SignIn, operator: Person, environment: Environment) -> None:
    sign_in(operator).post(f"/upgrades/{environment.system_id}/assess/", {"target": "8.0"})
    run = Run.objects.get()
    assert (run.operation, run.arguments, run.environment, run.requested_by) == ("upgrades.assess", {"target": "8.0"}, environment, operator)


def test_a_viewer_reads_and_starts_nothing(sign_in: SignIn, viewer: Person, environment: Environment) -> None:
    make_releases()
    one = make_assessment(environment)
    client = sign_in(viewer)
    assert 'action="/upgrades/' not in client.get("/upgrades/").content.decode()
    assert 'action="/upgrades/' not in client.get(f"/upgrades/assessments/{one.pk}/").content.decode()
    assert client.post(f"/upgrades/{environment.system_id}/assess/", {"target": "8.0"}).status_code == 403
    assert not Run.objects.exists()


def test_the_risks_come_first_and_the_rest_is_folded(sign_in: SignIn, viewer: Person, environment: Environment) -> None:
    one = make_assessment(environment)
    page = sign_in(viewer).get(f"/upgrades/assessments/{one.pk}/")
    html = page.content.decode()
    assert html.index("Active modules that do not exist for 8.0: our_&lt;own&gt;") < html.index("No backup of this system was ever restored")
    assert f"wellkept upgrade modules add {environment.system.name} FILE --to 8.0" in html
    assert html.count('<details class="fold">') == 4
    said = text(page)
    assert "1 of 2" in said
    assert "1,200" in said
    assert "5.0 GB free at /srv/pg" in said
    assert "active here: sale" in said
    assert "<own>" not in html


def test_a_newer_assessment_of_the_same_way_is_pointed_to(sign_in: SignIn, viewer: Person, environment: Environment) -> None:
    old = make_assessment(environment, made_at=timezone.now() - timedelta(days=3))
    new = make_assessment(environment)
    other = make_assessment(environment, target="8.2")
    client = sign_in(viewer)
    assert f'href="/upgrades/assessments/{new.pk}/"' in client.get(f"/upgrades/assessments/{old.pk}/").content.decode()
    for latest in (new, other):
        assert "there is a newer one" not in text(client.get(f"/upgrades/assessments/{latest.pk}/"))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hant", ("沒有 8.0 版的啟用中模組", "有阻礙", "這裡已啟用：sale")),
        ("zh-hans", ("没有 8.0 版的启用中模块", "有阻碍", "这里已启用：sale")),
    ],
)
def test_it_is_told_in_the_reader_s_language(
    language: str, words: tuple[str, ...], sign_in: SignIn, viewer: Person, environment: Environment
) -> None:
    one = make_assessment(environment)
    client = sign_in(viewer)
    client.post("/language/", {"language": language, "next": "/"})
    said = text(client.get(f"/upgrades/assessments/{one.pk}/"))
    assert [word for word in words if word not in said] == []


def test_the_paper_holds_the_same_with_real_chinese_letters(sign_in: SignIn, viewer: Person, environment: Environment) -> None:
    one = make_assessment(environment)
    client = sign_in(viewer)
    client.post("/language/", {"language": "zh-hant", "next": "/"})
    answer = client.get(f"/upgrades/assessments/{one.pk}/pdf/")
    assert (answer["Content-Type"], answer["Content-Disposition"]) == ("application/pdf", 'attachment; filename="erp1-7.0-8.0.pdf"')
    assert answer.content.startswith(b"%PDF-")
    inside = b"".join(opened(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", answer.content, re.DOTALL))
    with override("en"):
        assert "1 November 2026" in render_to_string("upgrades/paper.html", papers.content(one))
    assert re.search(rb"/BaseFont */[A-Z]+\+Noto-Sans-CJK-TC", inside)


def opened(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def test_many_systems_cost_as_many_queries_as_one(sign_in: SignIn, viewer: Person, organisation: Organisation, environment: Environment) -> None:
    make_releases()
    make_assessment(environment)
    client: Client = sign_in(viewer)
    client.get("/upgrades/")
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get("/upgrades/")
        counts.append(len(queries))
        for number in range(15):
            make_assessment(make_environment(make_system(organisation, f"more-{number}-{len(counts)}")))
    assert counts[0] == counts[1]
