"""Maintenance mode on a real company: what people, Tryton's clients and programs get, what it withstands, and how it ends."""

import datetime as dt
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.services.installation import until
from wellkept.adapters.base import Conflicting, Invalid, Notice, Refused, Site
from wellkept.adapters.tryton import closed, control, rpc, server
from wellkept.tools import command, postgres

TAIPEI = dt.timezone(dt.timedelta(hours=8))
REASON = {"en": "We install release 8.0 <now>.", "zh-hant": "正在安裝 8.0 版。", "zh-hans": "正在安装 8.0 版。"}


def in_minutes(minutes: float) -> Notice:
    return Notice(REASON, dt.datetime.now(TAIPEI) + dt.timedelta(minutes=minutes), "Ada, extension 12")


def client(site: Site) -> httpx.Client:
    url = site.url or ""
    if url.startswith("unix:"):
        return httpx.Client(base_url="http://localhost", transport=httpx.HTTPTransport(uds=url.removeprefix("unix:")), timeout=10)
    return httpx.Client(base_url=url, timeout=10, trust_env=False)


def get(site: Site, path: str = "/", **headers: str) -> httpx.Response:
    with client(site) as made:
        return made.get(path, headers=headers)


def call(site: Site, body: object, path: str = "/", **headers: str) -> httpx.Response:
    with client(site) as made:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return made.post(path, content=content, headers={"Content-Type": "application/json", **headers})


@pytest.fixture
def over_tcp(own_company: Site) -> Site:
    return replace(own_company, url=f"http://127.0.0.1:{postgres.free_port()}")


@pytest.fixture
def shut(small_company: Site) -> Iterator[Site]:
    """The shared company, which stands still, in maintenance."""
    control.maintain(small_company, in_minutes(20))
    yield small_company
    control.reopen(small_company)


def groups(site: Site) -> set[int]:
    return command.groups_writing_into(site.state / "maintenance")


def watch(site: Site, answers: list[tuple[float, str]], done: threading.Event) -> None:
    """Ask all the time who answers: the ERP, the page, or nobody."""
    while not done.is_set():
        try:
            answer = call(site, {"id": 1, "method": "common.server.version", "params": []}).json()
            who = "erp" if "result" in answer else "page"
        except (httpx.TransportError, ValueError):
            who = "nobody"
        answers.append((time.monotonic(), who))
        time.sleep(0.005)


def gap(answers: list[tuple[float, str]], before: str, after: str) -> float:
    """The longest time in which nobody took a connection after one answered and before the other did, in seconds."""
    longest = silent = 0.0
    last = answers[0]
    for moment, who in answers:
        if who == "nobody":
            silent = moment - last[0]
            continue
        if (last[1], who) == (before, after):
            longest = max(longest, silent)
        last, silent = (moment, who), 0.0
    return longest


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_the_erp_is_closed_and_opened_again(kind: str, own_company: Site, over_tcp: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site = own_company if kind == "unix" else over_tcp
    control.start(site, roles=("web",))
    answers: list[tuple[float, str]] = []
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(site, answers, done))
    watcher.start()
    try:
        began = time.monotonic()
        control.maintain(site, in_minutes(12))
        closing = time.monotonic() - began
        time.sleep(0.3)
        assert not control.alive(site)
        assert server.processes(site) == []
        with pytest.raises(Refused, match="closed for maintenance"):
            rpc.login(site)
    finally:
        control.start(site, roles=("web",))
        time.sleep(0.3)
        done.set()
        watcher.join()
    assert control.notice(site) is None
    assert groups(site) == set()
    assert not (site.state / "maintenance").exists()
    with rpc.session(site) as session:
        assert session.call("model.res.user.search_count", []) > 0
    closed_for, opened_for = gap(answers, "erp", "page"), gap(answers, "page", "erp")
    with capsys.disabled():
        print(f"\n{kind}: closed in {closing:.2f} s; nobody answered for {closed_for:.3f} s when closing, {opened_for:.2f} s when opening")
    assert {who for _, who in answers} >= {"erp", "page"}
    assert closed_for < 2.0
    control.stop(site)
    assert control.notice(site) is None


def test_a_person_reads_it_in_their_language(shut: Site) -> None:
    for wish, tag, title, reason in (
        ("", "en", "closed for maintenance", "We install release 8.0 &lt;now&gt;."),
        ("fr, de;q=0.5", "en", "closed for maintenance", "We install"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant", "本系統正在維護", "正在安裝 8.0 版。"),
        ("en;q=0.3, zh-Hans-SG;q=0.7", "zh-Hans", "本系统正在维护", "正在安装 8.0 版。"),
    ):
        answer = get(shut, "/anything/at/all?x=1", **{"Accept-Language": wish})
        assert answer.status_code == 503
        assert 5 <= int(answer.headers["retry-after"]) <= 120
        assert answer.headers["cache-control"] == "no-store"
        assert f'<html lang="{tag}">' in answer.text
        assert title in answer.text
        assert reason in answer.text
        assert "<now>" not in answer.text
        assert "(UTC+08:00)" in answer.text
        assert " 20 " in answer.text
        assert "Ada, extension 12" in answer.text


def test_every_sentence_is_there_in_every_language() -> None:
    assert {language: set(words) for language, words in closed.WORDS.items()} == {language: set(closed.WORDS["en"]) for language in REASON}
    for name, english in closed.WORDS["en"].items():
        fields = {part.split("}")[0] for part in english.split("{")[1:]}
        assert all({part.split("}")[0] for part in words[name].split("{")[1:]} == fields for words in closed.WORDS.values())


def test_the_page_of_a_browser_goes_back_to_the_erp_by_itself(over_tcp: Site) -> None:
    control.maintain(over_tcp, in_minutes(20))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(locale="zh-TW")
        troubles: list[str] = []
        page.on("console", lambda said: troubles.append(said.text) if not said.text.startswith("Failed to load resource") else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{over_tcp.url}/{over_tcp.database}/")
        assert page.title() == "本系統正在維護，暫停使用"
        assert page.locator("main").evaluate("it => getComputedStyle(it).borderRadius") == "8px"
        page.evaluate("window.stays = true")
        control.maintain(over_tcp, Notice({"en": "told anew"}))
        page.get_by_text("told anew").wait_for(timeout=20_000)
        assert page.evaluate("window.stays"), "what is told is changed without loading the page again"
        with page.expect_event("load", timeout=90_000):
            control.start(over_tcp, roles=("web",))
        assert "維護" not in page.content()
        assert troubles == []
        browser.close()
    control.stop(over_tcp)


def test_the_time_is_told_anew_when_it_changes(shut: Site) -> None:
    group = groups(shut)
    control.maintain(shut, in_minutes(-3))
    late = get(shut)
    assert "It takes longer than planned" in late.text
    assert late.headers["retry-after"] == "5"
    control.maintain(shut, Notice({"en": "Something else"}))
    unknown = get(shut, **{"Accept-Language": "zh-TW"})
    assert "恢復時間確定後會立即顯示在這裡" in unknown.text
    assert "Something else" in unknown.text
    assert unknown.headers["retry-after"] == "30"
    assert control.notice(shut) == Notice({"en": "Something else"})
    assert groups(shut) == group
    with pytest.raises(Invalid, match="time zone"):
        control.maintain(shut, Notice({"en": "x"}, dt.datetime(2030, 1, 1)))  # noqa: DTZ001 - the lack of a zone is the point
    assert control.notice(shut) == Notice({"en": "Something else"})


@pytest.mark.parametrize("path", ["/", "/live/", "/live/rpc/", "/rpc/", "/live/session/login"])
def test_a_call_of_tryton_is_refused_with_a_message_for_people(path: str, shut: Site) -> None:
    """What both series' clients show as a message: an error of the kind UserError, with the call's own number."""
    answer = call(shut, {"id": 4711, "method": "model.party.party.create", "params": [[{"name": "x"}], {"language": "zh_TW"}]}, path)
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert set(told) == {"id", "error"}
    assert told["id"] == 4711
    kind, (title, text, domain) = told["error"]
    assert (kind, title, domain) == ("UserError", "本系統正在維護，暫停使用", None)
    assert "正在安裝 8.0 版。" in text
    assert "您已儲存的資料都不會遺失" in text


def test_who_signs_in_is_told_in_the_language_of_the_client(shut: Site) -> None:
    told = call(shut, {"id": 1, "method": "common.db.login", "params": ["ada", {"password": "x"}, "zh_CN"]}).json()
    assert told["error"][1][0] == "本系统正在维护，暂停使用"
    told = call(shut, {"id": 1, "method": "common.server.version", "params": []}, **{"Accept-Language": "zh-HK"}).json()
    assert told["error"][1][0] == "本系統正在維護，暫停使用"


def test_what_is_no_call_is_refused_as_such(shut: Site) -> None:
    for body in ({"last_message": None, "channels": ["client:1"]}, [], b"{", b"[" * 50_000, {"id": 1, "method": "x"}):
        answer = call(shut, body, "/live/bus")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    with client(shut) as made:
        assert made.put("/live/timesheet/line", content=b"{}").status_code == 503
        head = made.head("/")
        assert (head.status_code, head.content) == (503, b"")


def test_xmlrpc_is_refused_by_a_fault(shut: Site) -> None:
    with client(shut) as made:
        body = xmlrpc.client.dumps((1,), "model.res.user.read")
        content = made.post("/live/", content=body.encode(), headers={"Content-Type": "text/xml"}).content
    with pytest.raises(xmlrpc.client.Fault, match="closed for maintenance"):
        xmlrpc.client.loads(content)


def test_an_upload_is_heard_to_its_end_and_refused(shut: Site) -> None:
    body = json.dumps({"id": 5, "method": "model.ir.attachment.create", "params": [[{"data": "x" * 20_000_000}], {}]}).encode()
    before = _memory(shut)
    told = call(shut, body).json()
    assert (told["id"], told["error"][0]) == (5, "UserError")
    assert _memory(shut) - before < 10_000_000


def _memory(site: Site) -> int:
    (group,) = groups(site)
    return int(Path(f"/proc/{group}/statm").read_text().split()[1]) * 4096


def test_a_client_that_tries_tls_first_learns_at_once_that_there_is_none(shut: Site) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.settimeout(20)
        made.connect(shut.url.removeprefix("unix:"))
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT011 - an end or a reset, as it comes
            ssl.create_default_context().wrap_socket(made, server_hostname="localhost")
        assert time.monotonic() - began < 4


def test_who_says_nothing_or_too_much_keeps_nobody_else_out(shut: Site) -> None:
    path = shut.url.removeprefix("unix:")
    silent = []
    for _ in range(closed.VISITORS + 20):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.connect(path)
        made.sendall(b"GET / HTTP/1.1\r\nX: ")
        silent.append(made)
    time.sleep(0.5)
    assert sum(_over(made) for made in silent) >= 20
    for made in silent:
        made.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as endless:
        endless.settimeout(5)
        endless.connect(path)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            endless.sendall(b"X" * 64_000_000)
    until(lambda: get(shut).status_code == 503, 10, "an answer to somebody else")


def _over(made: socket.socket) -> bool:
    made.setblocking(False)
    try:
        return made.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


CHILD = """
import sys, json, datetime as dt
from pathlib import Path
from wellkept.adapters.base import Notice, Site
from wellkept.adapters.tryton import control
told = json.loads(sys.stdin.read())
paths = {name: Path(told[name]) for name in ("interpreter", "config", "files", "state")}
control.maintain(Site(told["database"], url=told["url"], os_user=told["os_user"], **paths), Notice({"en": "by a child"}))
print("closed", flush=True)
sys.stdin.close()
import time
time.sleep(60)
"""


def test_it_outlives_the_program_that_closed_the_erp(small_company: Site) -> None:
    names = ("database", "url", "os_user", "interpreter", "config", "files", "state")
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        child.stdin.write(json.dumps({name: str(getattr(small_company, name)) for name in names}).encode())
        child.stdin.close()
        assert child.stdout.readline() == b"closed\n"
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)
        assert "by a child" in get(small_company).text
        (group,) = groups(small_company)
        assert Path(f"/proc/{group}").stat().st_uid == Path(small_company.config).stat().st_uid
    finally:
        control.stop(small_company)
        assert control.notice(small_company) == Notice({"en": "by a child"})
        control.reopen(small_company)
    assert groups(small_company) == set()
    assert not Path(small_company.url.removeprefix("unix:")).exists()


def test_a_killed_page_is_put_up_again(shut: Site) -> None:
    (group,) = groups(shut)
    os.killpg(group, signal.SIGKILL)
    until(lambda: groups(shut) == set(), 10, "the end of the page")
    told = control.notice(shut)
    assert told is not None
    control.maintain(shut, told)
    assert get(shut).status_code == 503
    control.reopen(shut)
    control.reopen(shut)
    assert groups(shut) == set()


def test_it_ends_by_itself_when_its_folder_is_gone(shut: Site) -> None:
    assert len(groups(shut)) == 1
    shutil.rmtree(shut.state / "maintenance")
    until(lambda: not closed.answered(shut.url.removeprefix("unix:")), 10, "its end")


def test_a_path_that_an_ending_tryton_removed_is_taken_again(shut: Site) -> None:
    path = Path(shut.url.removeprefix("unix:"))
    path.unlink()
    until(path.exists, 10, "the path")
    assert get(shut).status_code == 503
    assert path.stat().st_mode & 0o777 == 0o700


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_another_program_at_the_address_is_left_alone(small_company: Site) -> None:
    site = replace(small_company, url=f"http://127.0.0.1:{postgres.free_port()}")
    port = site.url.rpartition(":")[2]
    other = subprocess.Popen([sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until(lambda: _listens(int(port)), 20, "the other program")
        with pytest.raises(Conflicting, match="another program answers"):
            control.maintain(site, in_minutes(5))
        assert control.notice(site) is None
        assert groups(site) == set()
        assert get(site).status_code == 200
    finally:
        other.kill()
        other.wait()
    with pytest.raises(Invalid, match="listens on"):
        control.maintain(replace(site, url="https://127.0.0.1:8000"), in_minutes(5))
