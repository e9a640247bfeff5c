"""Tryton's JSON-RPC, spoken from outside: series 7.0 (``/<database>/``) and 8.0 (``/<database>/rpc/``), over TCP or a Unix socket.

What comes back is untrusted: it is limited in size and time, redirects are not followed, and everything that is not an answer of Tryton
becomes one of the errors of ``adapters/base.py``.
"""

import base64
import contextlib
import datetime as dt
import json
import ssl
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from wellkept.adapters.base import Conflicting, Invalid, Login, Refused, Site, Unreachable, Unsupported
from wellkept.lib.text import gettext_noop, said

TIMEOUT_SECONDS = 30.0
LARGEST_ANSWER = 64 * 1024 * 1024
UNIX = "unix:"
SHORT = 300
"""How many characters of a foreign text go into an error."""


class Warned(Conflicting):
    """Tryton asks "are you sure?": confirm the warning ``name`` for the user (model res.user.warning) and try again, or leave it."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass
class Session:
    """A signed-in user. ``path`` is where this series takes its calls; the key never shows in a repr."""

    site: Site
    user: int
    path: str
    key: str = field(repr=False)
    header: dict[str, str] = field(repr=False, default_factory=dict)
    timeout: float = TIMEOUT_SECONDS

    def call(self, method: str, *params: Any, context: dict[str, Any] | None = None) -> Any:
        """Call ``model.party.party.search_read`` and the like; the context goes last, as Tryton wants it.

        Dates, datetimes (UTC), durations, decimals and bytes go both ways as Python values. Raises the errors of ``adapters/base.py``.
        """
        return _post(self.site, self.path, method, [*params, context or {}], headers=self.header, timeout=self.timeout)

    def close(self) -> None:
        """Sign out; a session that is gone already is fine."""
        with contextlib.suppress(Refused, Unreachable, Invalid):
            _post(self.site, self.path, "common.db.logout", [], headers=self.header, timeout=self.timeout)


def version(site: Site, *, timeout: float = TIMEOUT_SECONDS) -> str:
    """The version that the server tells everybody. Raises Unreachable, Refused, Invalid."""
    answer = _first_shape(site, ("/", "/rpc/"), "common.server.version", [], timeout)[1]
    if not isinstance(answer, str):
        raise Invalid(gettext_noop("{url} answers, but names no version of Tryton"), url=site.url)
    return answer


def login(site: Site, login: Login | None = None, *, timeout: float = TIMEOUT_SECONDS) -> Session:
    """Sign in with a password (``site.login`` unless another is given). Raises Refused for a wrong one and after too many tries."""
    chosen = login or site.login
    if chosen is None:
        raise Invalid(gettext_noop("no user is known to sign in with"))
    name = urllib.parse.quote(site.database, safe="")
    path, answer = _first_shape(site, (f"/{name}/", f"/{name}/rpc/"), "common.db.login", [chosen.user, {"password": chosen.password}], timeout)
    if not isinstance(answer, list) or len(answer) < 2 or not isinstance(answer[0], int):
        raise Invalid(gettext_noop("{url} answers a sign-in with something else than a session"), url=site.url)
    user, key = answer[0], str(answer[1])
    token = base64.b64encode(f"{chosen.user}:{user}:{key}".encode()).decode()
    return Session(site, user, path, key, {"Authorization": f"Session {token}"}, timeout)


@contextlib.contextmanager
def session(site: Site, chosen: Login | None = None, *, timeout: float = TIMEOUT_SECONDS) -> Iterator[Session]:
    """A session that is signed out at the end of the block."""
    opened = login(site, chosen, timeout=timeout)
    try:
        yield opened
    finally:
        opened.close()


def _first_shape(site: Site, paths: tuple[str, str], method: str, params: list[Any], timeout: float) -> tuple[str, Any]:
    """Try the address of 7.0, then that of 8.0, which answers 405 at the old one."""
    try:
        return paths[0], _post(site, paths[0], method, params, timeout=timeout)
    except Unsupported:
        return paths[1], _post(site, paths[1], method, params, timeout=timeout)


def _post(site: Site, path: str, method: str, params: list[Any], *, timeout: float, headers: dict[str, str] | None = None) -> Any:
    body = json.dumps({"id": 1, "method": method, "params": params}, default=_encode).encode()
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    try:
        response, content = _exchange(site, path, body, sent, timeout)
    except httpx.TimeoutException as error:
        raise Unreachable(gettext_noop("{url} did not answer within {seconds} s"), url=site.url, seconds=f"{timeout:g}") from error
    except httpx.TransportError as error:
        raise Unreachable(gettext_noop("{url} does not answer: {reason}"), url=site.url, reason=_short(str(error)) or type(error).__name__) from error
    _check_status(site, response)
    return _result(site, response, content, method)


def _exchange(site: Site, path: str, body: bytes, headers: dict[str, str], timeout: float) -> tuple[httpx.Response, bytes]:
    """Send to the first address that takes the connection, where addresses were checked; otherwise to where the name leads."""
    *others, last = _ways(site, timeout)
    for client in others:
        with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout), client:
            return _send(client, path, body, headers, timeout)
    with last:
        return _send(last, path, body, headers, timeout)


def _send(client: httpx.Client, path: str, body: bytes, headers: dict[str, str], timeout: float) -> tuple[httpx.Response, bytes]:
    with client.stream("POST", path, content=body, headers=headers) as response:
        return response, _read(response, time.monotonic() + timeout)


def _ways(site: Site, timeout: float) -> list[httpx.Client]:
    """A client for one exchange by each way to the server. Proxies of the environment are left out: a proxy's way was not checked."""
    url = site.url or ""
    if url.startswith(UNIX):
        # Without being told, httpx reads all certificates that this machine trusts for each exchange: 25 ms, more than most calls take.
        way = httpx.HTTPTransport(uds=url.removeprefix(UNIX), verify=False)
        return [httpx.Client(base_url="http://localhost", transport=way, timeout=timeout, trust_env=False)]
    if not url.startswith(("http://", "https://")):
        raise Invalid(gettext_noop("the address of the ERP makes no sense: “{url}”"), url=url)
    secured = ssl.create_default_context() if url.startswith("https://") else False
    named = httpx.URL(url)
    if not site.addresses:
        return [httpx.Client(base_url=named, timeout=timeout, verify=secured, trust_env=False)]
    return [_to(named, address, timeout, secured) for address in site.addresses]


def _to(named: httpx.URL, address: str, timeout: float, secured: ssl.SSLContext | bool) -> httpx.Client:
    """A client that connects to an address and names the host of the URL, in the request and to prove the certificate."""

    def name(request: httpx.Request) -> None:
        request.headers["Host"] = named.netloc.decode()
        request.extensions["sni_hostname"] = named.host

    hooks = {"request": [name]}
    return httpx.Client(base_url=named.copy_with(host=address), timeout=timeout, verify=secured, trust_env=False, event_hooks=hooks)


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The whole answer; the limits hold for what it unpacks to, and for a server that sends byte by byte."""
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > LARGEST_ANSWER:
            raise Invalid(gettext_noop("the answer is larger than {most} MiB; ask for less at a time"), most=LARGEST_ANSWER // 1024 // 1024)
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer takes too long", request=response.request)
    return bytes(content)


def _check_status(site: Site, response: httpx.Response) -> None:
    code = response.status_code
    if code == httpx.codes.OK:
        return
    if code == httpx.codes.UNAUTHORIZED:
        raise Refused(gettext_noop("{url} refuses: wrong user or password, or the session has ended"), url=site.url)
    if code == httpx.codes.TOO_MANY_REQUESTS:
        raise Refused(gettext_noop("{url} refuses after too many tries; wait some minutes"), url=site.url)
    if code == httpx.codes.FORBIDDEN:
        raise Refused(gettext_noop("{url} refuses (403): not allowed to this user, or not offered to anybody"), url=site.url)
    if code == httpx.codes.METHOD_NOT_ALLOWED:
        raise Unsupported(gettext_noop("{url} takes no call at this address (405)"), url=site.url)
    if code == httpx.codes.NOT_FOUND:
        raise Invalid(gettext_noop("{url} knows no database {database}"), url=site.url, database=site.database)
    if response.is_redirect:
        target = _short(response.headers.get("location", ""))
        text = gettext_noop("{url} points to “{target}”; redirects are not followed, give the final address")
        raise Invalid(text, url=site.url, target=target)
    if code in {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}:
        raise Unreachable(gettext_noop("{url}: the server in front answers, Tryton behind it does not ({code})"), url=site.url, code=code)
    raise Invalid(gettext_noop("{url} answers with the status {code}"), url=site.url, code=code)


def _result(site: Site, response: httpx.Response, content: bytes, method: str) -> Any:
    kind = _short(response.headers.get("content-type", "nothing known").split(";")[0])
    try:
        answer = json.loads(content, object_hook=_decode)
    except (ValueError, RecursionError) as error:
        text = gettext_noop("{url} answers with {kind}, not with Tryton's RPC: is the address right?")
        raise Invalid(text, url=site.url, kind=kind) from error
    if not isinstance(answer, dict) or not {"result", "error"} & set(answer):
        raise Invalid(gettext_noop("{url} answers, but not as Tryton does: is the address right?"), url=site.url)
    if answer.get("error") is not None:
        raise _error(answer["error"], method)
    return answer.get("result")


def _error(error: object, method: str) -> Exception:
    """Tryton's errors: [kind, details] for those it means for people, [text, traceback] for the others."""
    parts = error if isinstance(error, list) and error else [error]
    kind, details = str(parts[0]), parts[1] if len(parts) > 1 else ""
    words = [str(part) for part in details if part] if isinstance(details, list) else [str(details)]
    if kind == "UserWarning":
        return Warned(_short(" ".join(words[1:])), words[0] if words else "")
    if kind == "ConcurrencyException":
        return Conflicting(gettext_noop("somebody else changed it meanwhile: “{words}”"), words=_short(" ".join(words)))
    if kind == "LoginException":
        return Refused(gettext_noop("Tryton asks for more than a password to sign in"))
    if kind == "UserError":
        return Refused(said("Tryton", _short(" ".join(words[:2]))))
    # A KeyError for a model that is not there comes as its name in quotes.
    if "doesn't exist on" in kind or f".{kind.strip(chr(39))}." in method:
        return Unsupported(gettext_noop("this Tryton has no {method}"), method=method)
    return Invalid(f"{method}: {_short(kind)}")


def _short(text: str) -> str:
    """A foreign text in one printable line of bounded length."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"


def _encode(value: object) -> dict[str, object]:
    if isinstance(value, dt.datetime):
        moment = value.astimezone(dt.UTC) if value.tzinfo is not None else value
        return {"__class__": "datetime"} | {
            name: getattr(moment, name) for name in ("year", "month", "day", "hour", "minute", "second", "microsecond")
        }
    if isinstance(value, dt.date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, dt.timedelta):
        return {"__class__": "timedelta", "seconds": value.total_seconds()}
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, bytes | bytearray):
        return {"__class__": "bytes", "base64": base64.encodebytes(value).decode()}
    raise TypeError(f"a {type(value).__name__} cannot be sent to Tryton")


def _decode(value: dict[str, Any]) -> Any:
    """Python values from Tryton's notation; its datetimes are UTC without saying so."""
    kind = value.get("__class__")
    numbers = {name: number for name, number in value.items() if name != "__class__"}
    if kind == "datetime":
        return dt.datetime(**numbers, tzinfo=dt.UTC)
    if kind == "date":
        return dt.date(**numbers)
    if kind == "time":
        return dt.time(**numbers)
    if kind == "timedelta":
        return dt.timedelta(seconds=value["seconds"])
    if kind == "Decimal":
        return Decimal(value["decimal"])
    if kind == "bytes":
        return base64.b64decode(value["base64"])
    return value
