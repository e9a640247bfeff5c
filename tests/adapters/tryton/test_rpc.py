"""What the RPC client makes of servers that are not Tryton, or that behave badly. Tryton itself is spoken to in test_provision.py."""

import datetime as dt
import gzip
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wellkept.adapters.base import AdapterError, Conflicting, Invalid, Login, Refused, Site, Unreachable, Unsupported
from wellkept.adapters.tryton import rpc
from wellkept.tools import postgres

Answer = Callable[[BaseHTTPRequestHandler, dict[str, object]], None]


class Serve(Protocol):
    """Starts a web server; with a context it speaks TLS."""

    def __call__(self, answer: Answer, context: ssl.SSLContext | None = None) -> tuple[Site, list[str]]: ...


def send(request: BaseHTTPRequestHandler, body: bytes, code: int = 200, kind: str = "application/json", **headers: str) -> None:
    request.send_response(code)
    request.send_header("Content-Type", kind)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a web server on 127.0.0.1 with one answer for everything; returns its site and the list of the paths that were asked for."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer, context: ssl.SSLContext | None = None) -> tuple[Site, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.path)
                answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_GET(self) -> None:
                asked.append(f"GET {self.path}")
                send(self, b'{"id": 1, "result": "7.0.1"}')

            def log_message(self, *args: object) -> None:
                pass

        made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            made.socket = context.wrap_socket(made.socket, server_side=True)
        servers.append(made)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        return Site(database="erp", url=f"http://127.0.0.1:{made.server_port}", login=Login("admin", "secret-pass")), asked

    yield start
    for made in servers:
        made.shutdown()
        made.server_close()


def error(*parts: object) -> bytes:
    return json.dumps({"id": 1, "error": parts}).encode()


WRONG: dict[str, tuple[bytes, int, str, dict[str, str], type[AdapterError], str]] = {
    "a page": (b"<html>Welcome</html>", 200, "text/html", {}, Invalid, "answers with text/html, not with Tryton's RPC"),
    "other json": (b'["hello"]', 200, "application/json", {}, Invalid, "not as Tryton does"),
    "half a json": (b'{"result": ', 200, "application/json", {}, Invalid, "not with Tryton's RPC"),
    "deep json": (b"[" * 100_000, 200, "application/json", {}, Invalid, "not with Tryton's RPC"),
    "another type": (b'{"id": 1, "result": 7}', 200, "application/json", {}, Invalid, "names no version"),
    "elsewhere": (b"", 302, "text/html", {"Location": "/login"}, Invalid, "points to “/login”; redirects are not followed"),
    "no entry": (b"", 401, "text/plain", {}, Refused, "wrong user or password"),
    "forbidden": (b"", 403, "text/plain", {}, Refused, "403"),
    "too often": (b"", 429, "text/plain", {}, Refused, "too many tries"),
    "not there": (b"", 404, "text/plain", {}, Invalid, "knows no database erp"),
    "proxy alone": (b"", 502, "text/html", {}, Unreachable, "Tryton behind it does not"),
    "broken": (b"", 500, "text/html", {}, Invalid, "status 500"),
    "user error": (error("UserError", ["The code must be unique.", "", None]), 200, "application/json", {}, Refused, "code must be unique"),
    "warning": (error("UserWarning", ["party_9", "Are you sure?", ""]), 200, "application/json", {}, Conflicting, "Are you sure"),
    "meanwhile": (error("ConcurrencyException", "changed"), 200, "application/json", {}, Conflicting, "somebody else changed it"),
    "second factor": (error("LoginException", ["sms", "Code", "char"]), 200, "application/json", {}, Refused, "more than a password"),
    "crash": (error("division by zero", "Traceback ..."), 200, "application/json", {}, Invalid, "division by zero"),
}


@pytest.mark.parametrize("name", WRONG)
def test_answers_that_are_not_tryton(serve: Serve, name: str) -> None:
    body, code, kind, headers, wanted, text = WRONG[name]
    site, asked = serve(lambda request, _: send(request, body, code, kind, **headers))
    with pytest.raises(wanted, match=text) as caught:
        rpc.version(site)
    assert "secret-pass" not in str(caught.value)
    # One question and no second one after a redirect.
    assert asked == ["/"]


def test_a_warning_has_the_name_that_confirms_it(serve: Serve) -> None:
    site, _ = serve(lambda request, _: send(request, error("UserWarning", ["party_9", "Are you sure?", ""])))
    with pytest.raises(rpc.Warned) as caught:
        rpc.version(site)
    assert caught.value.name == "party_9"


def test_foreign_text_is_one_short_line(serve: Serve) -> None:
    site, _ = serve(lambda request, _: send(request, error("x\x1b[2J\n" * 1000, "")))
    with pytest.raises(Invalid) as caught:
        rpc.version(site)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_a_huge_answer_is_cut_off_even_when_it_was_small_on_the_wire(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "LARGEST_ANSWER", 1024 * 1024)
    packed = gzip.compress(b"0" * 8 * 1024 * 1024)
    site, _ = serve(lambda request, _: send(request, packed, Content_Encoding="gzip"))
    with pytest.raises(Invalid, match="larger than 1 MiB"):
        rpc.version(site)


def test_silence_and_dripping_end_in_time(serve: Serve) -> None:
    def drip(request: BaseHTTPRequestHandler, _: dict[str, object]) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(100):
            request.wfile.write(b" ")
            time.sleep(0.1)

    for behaviour in (lambda request, _: time.sleep(3), drip):
        site, _ = serve(behaviour)
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"did not answer within 0\.5 s"):
            rpc.version(site, timeout=0.5)
        assert time.monotonic() - started < 2.5


def test_nobody_there_and_no_sensible_address() -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        rpc.version(Site(database="erp", url=f"http://127.0.0.1:{postgres.free_port()}"))
    with pytest.raises(Unreachable):
        rpc.version(Site(database="erp", url="unix:/nowhere/rpc.sock"))
    for url in ("ftp://example.com", None):
        with pytest.raises(Invalid, match="makes no sense"):
            rpc.version(Site(database="erp", url=url))


def test_the_address_of_the_next_series_is_found(serve: Serve) -> None:
    """8.0 answers 405 at the old address and adds its bus to the session."""

    def eight(request: BaseHTTPRequestHandler, question: dict[str, object]) -> None:
        if not request.path.endswith("/rpc/"):
            send(request, b"", 405)
        elif question["method"] == "common.db.login":
            send(request, b'{"id": 1, "result": [7, "key", "http://bus"]}')
        else:
            send(request, json.dumps({"id": 1, "result": [request.path, request.headers["Authorization"]]}).encode())

    site, asked = serve(eight)
    session = rpc.login(site)
    assert session.user == 7
    path, header = session.call("model.res.user.read", [7])
    assert path == "/erp/rpc/"
    assert header == "Session YWRtaW46NzprZXk="
    assert asked == ["/erp/", "/erp/rpc/", "/erp/rpc/"]
    assert "secret-pass" not in repr(session)
    assert "key=" not in repr(session)


def test_a_server_that_takes_no_calls_at_all_is_unsupported(serve: Serve) -> None:
    site, asked = serve(lambda request, _: send(request, b"", 405))
    with pytest.raises(Unsupported):
        rpc.version(site)
    assert asked == ["/", "/rpc/"]


def test_values_keep_their_kind_both_ways(serve: Serve) -> None:
    """The server gives back what it was sent."""

    def echo(request: BaseHTTPRequestHandler, question: dict[str, object]) -> None:
        login = question["method"] == "common.db.login"
        send(request, json.dumps({"id": 1, "result": [1, "key"] if login else question["params"]}).encode())

    site, _ = serve(echo)
    shanghai = dt.timezone(dt.timedelta(hours=8))
    values = [
        dt.date(2026, 2, 28),
        Decimal("12.30"),
        dt.timedelta(minutes=90),
        b"\x00\xff",
        "和泰",
        dt.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=dt.UTC),
    ]
    assert rpc.login(site).call("echo", *values) == [*values, {}]
    (moment, _) = rpc.login(site).call("echo", dt.datetime(2026, 1, 2, 8, 0, tzinfo=shanghai))
    assert moment == dt.datetime(2026, 1, 2, 0, 0, tzinfo=dt.UTC)
    with pytest.raises(TypeError, match="a set cannot be sent"):
        rpc.login(site).call("echo", {1})


def test_a_checked_address_is_the_one_that_is_connected_to(serve: Serve) -> None:
    """The name does not resolve at all: what was found when it was checked counts, and what does not answer is passed over."""
    hosts: list[str] = []

    def answer(request: BaseHTTPRequestHandler, _call: dict[str, object]) -> None:
        hosts.append(request.headers["Host"])
        send(request, b'{"id": 1, "result": "7.0.1"}')

    site, _asked = serve(answer)
    port = (site.url or "").rsplit(":", 1)[1]
    named = replace(site, url=f"http://erp.invalid:{port}", addresses=["127.0.0.2", "127.0.0.1"])
    assert rpc.version(named) == "7.0.1"
    assert hosts == [f"erp.invalid:{port}"]
    with pytest.raises(Unreachable):
        rpc.version(replace(named, addresses=["127.0.0.2"]))


def test_a_certificate_is_proven_for_the_name_and_not_for_the_address(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = made_certificate("erp.invalid")
    (tmp_path / "server.pem").write_bytes(key + certificate)
    (tmp_path / "ca.pem").write_bytes(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    site, _asked = serve(lambda request, _: send(request, b'{"id": 1, "result": "7.0.1"}'), context)
    port = (site.url or "").rsplit(":", 1)[1]
    assert rpc.version(replace(site, url=f"https://erp.invalid:{port}", addresses=["127.0.0.1"])) == "7.0.1"
    with pytest.raises(Unreachable, match="certificate"):
        rpc.version(replace(site, url=f"https://other.invalid:{port}", addresses=["127.0.0.1"]))


def made_certificate(name: str) -> tuple[bytes, bytes]:
    """A key and a certificate that it signed itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).sign(key, hashes.SHA256())
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return plain, signed.public_bytes(serialization.Encoding.PEM)
