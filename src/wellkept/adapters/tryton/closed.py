"""What answers at Tryton's address while Tryton is closed: a page for people, a refusal in Tryton's own words for its clients.

A script of its own, run with Tryton's Python and without this package::

    closed.py FOLDER    reads FOLDER/notice.json, also when it changes; writes FOLDER/state; ends when the notice is gone

It waits until the address is free, so that it can be started before Tryton stops. Tryton's clients freeze, or try for a minute, when they get a 503;
an error of the kind that Tryton means for people comes up at once as a message that can be read, and what was typed stays where it is.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import errno
import hashlib
import html
import json
import math
import os
import re
import signal
import socket
import sys
import xmlrpc.client
from pathlib import Path
from typing import Any

UNIX = "unix:"
HEAD_BYTES = 16 * 1024
BODY_BYTES = 64 * 1024
"""What is kept of a body; the rest is read and thrown away, because clients listen only when they have sent all."""
DROPPED_BYTES = 256 * 1024 * 1024
VISIT_SECONDS = 30.0
VISITORS = 400
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.02
LOOK_SECONDS = 0.2
RETRY_SECONDS = (5, 30, 120)
"""When to ask again: at the earliest, when nothing is known, at the latest."""
RPC_KEYS = {"id", "method", "params"}
FIRST_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*(\d{1,15})\s*,\s*"method"')

WORDS = {
    "en": {
        "title": "This ERP is closed for maintenance",
        "when": "It is expected to be open again at {clock}, in about {minutes} min.",
        "late": "It takes longer than planned (it was to be open again at {clock}). We are working on it.",
        "unknown": "When it will be open again is shown here as soon as it is known.",
        "saved": "Nothing that you saved is lost.",
        "typing": "What you are typing now cannot be saved until then: leave that window open, and save again afterwards.",
        "back": "This page goes back to the ERP by itself.",
        "contact": "Questions: {contact}",
    },
    "zh-hant": {
        "title": "本系統正在維護，暫停使用",
        "when": "預計 {clock} 恢復使用，約還需 {minutes} 分鐘。",
        "late": "維護時間比預期長（原訂 {clock} 恢復），我們仍在處理中。",
        "unknown": "恢復時間確定後會立即顯示在這裡。",
        "saved": "您已儲存的資料都不會遺失。",
        "typing": "目前輸入中的內容要等恢復後才能儲存：請保留該視窗，屆時再儲存一次。",
        "back": "恢復後，本頁會自動回到系統。",
        "contact": "如有疑問：{contact}",
    },
    "zh-hans": {
        "title": "本系统正在维护，暂停使用",
        "when": "预计 {clock} 恢复使用，大约还需 {minutes} 分钟。",
        "late": "维护时间比预期长（原定 {clock} 恢复），我们仍在处理中。",
        "unknown": "恢复时间确定后会立即显示在这里。",
        "saved": "您已保存的数据都不会丢失。",
        "typing": "目前正在输入的内容要等恢复后才能保存：请保留该窗口，届时再保存一次。",
        "back": "恢复后，本页会自动回到系统。",
        "contact": "如有疑问：{contact}",
    },
}
STYLE = """
:root{color-scheme:light dark}
body{font:1.1rem/1.6 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#f6f8fb;color:#1d273b}
main{max-width:34rem;margin:1.5rem;padding:2rem;background:#fff;border:1px solid #dce1e7;border-radius:8px}
h1{font-size:1.5rem;line-height:1.3;margin:0 0 1rem}
.when{font-weight:600}.small{color:#5c677a;font-size:.95rem}
@media(prefers-color-scheme:dark){body{background:#151f2c;color:#dce1e7}main{background:#1b2738;border-color:#2c3a4f}.small{color:#9aa8bd}}
"""
SCRIPT = """
setInterval(async()=>{try{const answer=await fetch(location.href,{cache:'no-store',redirect:'manual'});
if([502,503,504].includes(answer.status)){const text=await answer.text();
const fresh=new DOMParser().parseFromString(text,'text/html').querySelector('main');
if(fresh)document.querySelector('main').replaceWith(fresh)}else location.reload()}catch(gone){}},5000)
"""


def hashed(text: str) -> str:
    """What a policy calls a piece of a page that may run."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


POLICY = f"default-src 'none'; connect-src 'self'; script-src {hashed(SCRIPT)}; style-src {hashed(STYLE)}; frame-ancestors 'none'"


class Told:
    """The notice, read again when its file changes; one that is being changed or makes no sense leaves the last one in force."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.stamp = (0, 0)
        self.notice: dict[str, Any] = {}
        self.look()

    def look(self) -> bool:
        """Read what changed; False when the notice is gone."""
        try:
            stat = self.file.stat()
        except FileNotFoundError:
            return False
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self.stamp:
            with contextlib.suppress(ValueError, OSError):
                self.notice = json.loads(self.file.read_text(encoding="utf-8"))
                self.stamp = stamp
        return True

    def remaining(self) -> float | None:
        """Seconds until the ERP is expected to be open, negative when it should be; None when nobody knows."""
        until = self.notice.get("until")
        return (dt.datetime.fromisoformat(until) - dt.datetime.now(dt.UTC)).total_seconds() if until else None

    def retry(self) -> int:
        """After how many seconds to ask again."""
        least, usual, most = RETRY_SECONDS
        left = self.remaining()
        return usual if left is None else max(least, min(most, math.ceil(left)))

    def lines(self, language: str) -> dict[str, str]:
        """Every sentence in a language, those that do not apply left out."""
        words, left = WORDS[language], self.remaining()
        clock = minutes = ""
        if left is not None:
            until = dt.datetime.fromisoformat(self.notice["until"])
            clock, minutes = f"{until:%H:%M} ({until.tzname() or 'UTC'})", str(max(1, math.ceil(left / 60)))
        chosen = "unknown" if left is None else "when" if left > 0 else "late"
        contact = str(self.notice.get("contact") or "")
        reasons = self.notice.get("reason") or {}
        found = {name: words[name] for name in ("title", "saved", "typing", "back")}
        found["reason"] = str(reasons.get(language) or reasons.get("en") or "")
        found["when"] = words[chosen].format(clock=clock, minutes=minutes)
        found["contact"] = words["contact"].format(contact=contact) if contact else ""
        return found


def language_of(wish: str) -> str | None:
    """Which of our languages an Accept-Language header, or a Tryton language such as zh_TW, asks for first; None when it names none of them."""
    wishes = []
    for part in wish.replace("_", "-").lower().split(",")[:20]:
        tag, _, weight = part.partition(";q=")
        with contextlib.suppress(ValueError):
            wishes.append((-float(weight or 1), tag.strip()))
    for _, tag in sorted(wishes, key=lambda one: one[0]):
        if tag.split("-")[0] == "zh":
            return "zh-hant" if {"tw", "hk", "mo", "hant"} & set(tag.split("-")) else "zh-hans"
        if tag.split("-")[0] == "en":
            return "en"
    return None


def page(told: Told, language: str) -> str:
    """The page for a person."""
    lines = {name: html.escape(text) for name, text in told.lines(language).items()}
    parts = [f"<h1>{lines['title']}</h1>"]
    parts += [f"<p>{lines['reason']}</p>"] if lines["reason"] else []
    parts += [f'<p class="when">{lines["when"]}</p>', f"<p>{lines['saved']}{' ' if language == 'en' else ''}{lines['typing']}</p>"]
    parts += [f'<p class="small">{lines[name]}</p>' for name in ("contact", "back") if lines[name]]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{lines["title"]}</title>'
    refresh = f'<noscript><meta http-equiv="refresh" content="{told.retry()}"></noscript>'
    tag = {"zh-hant": "zh-Hant", "zh-hans": "zh-Hans"}.get(language, language)
    whole = f"{head}{refresh}<style>{STYLE}</style></head><body><main>{''.join(parts)}</main><script>{SCRIPT}</script></body></html>"
    return f'<!doctype html><html lang="{tag}"><head>{whole}'


def answer(told: Told, method: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
    """Status, content type and content for one request."""
    kind, wanted = headers.get("content-type", ""), language_of(headers.get("accept-language", ""))
    if method == "POST" and "json" in kind:
        called, spoken = rpc_call(body)
        if called is not None:
            lines = told.lines(spoken or wanted or "en")
            text = "\n".join(lines[name] for name in ("reason", "when", "saved", "typing", "contact") if lines[name])
            error = {"id": called, "error": ["UserError", [lines["title"], text, None]]}
            return 200, "application/json", json.dumps(error).encode()
    lines = told.lines(wanted or "en")
    plain = f"{lines['title']}. {lines['when']} {lines['saved']}"
    if method == "POST" and "xml" in kind:
        return 200, "text/xml", xmlrpc.client.dumps(xmlrpc.client.Fault(1, plain), methodresponse=True).encode()
    if method in {"GET", "HEAD"}:
        return 503, "text/html; charset=utf-8", page(told, wanted or "en").encode()
    return 503, "text/plain; charset=utf-8", plain.encode()


def rpc_call(body: bytes) -> tuple[Any, str | None]:
    """The id of a call of Tryton's JSON-RPC and the language of who calls; None for what is no call. Of a long body only the beginning is known."""
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        begun = FIRST_ID.match(body)
        return (int(begun.group(1)), None) if begun else (None, None)
    if not isinstance(call, dict) or set(call) != RPC_KEYS:
        return None, None
    params = call["params"] if isinstance(call["params"], list) and call["params"] else [None]
    spoken = params[-1].get("language") if isinstance(params[-1], dict) else params[-1] if call["method"] == "common.db.login" else None
    return call["id"], language_of(spoken) if isinstance(spoken, str) else None


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """Method, headers (small letters) and the beginning of the body of one request."""
    first = await reader.readexactly(1)
    if not first.isalpha():
        # Tryton's desktop client tries TLS first, and would wait for five seconds for an answer to that.
        raise ValueError("this is no HTTP")
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    size = min(int(headers.get("content-length") or 0), DROPPED_BYTES)
    body = await reader.readexactly(min(size, BODY_BYTES)) if size > 0 else b""
    dropped = len(body)
    while dropped < size:
        block = await reader.read(min(size - dropped, BODY_BYTES))
        if not block:
            break
        dropped += len(block)
    return head[0].split(" ")[0].upper(), headers, body


class Door:
    """Takes visitors, as many as it can, each for a limited time."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.inside = 0

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.inside += 1
        try:
            if self.inside <= VISITORS:
                await asyncio.wait_for(self.talk(reader, writer), VISIT_SECONDS)
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError):
            writer.transport.abort()
        finally:
            self.inside -= 1
            writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, headers, body = await read_request(reader)
        self.told.look()
        status, kind, content = answer(self.told, method, headers, body)
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Service Unavailable'}", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
        lines += ["Connection: close", "Cache-Control: no-store", "X-Content-Type-Options: nosniff", f"Content-Security-Policy: {POLICY}"]
        lines += [f"Retry-After: {self.told.retry()}"] if status == 503 else []
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else content))
        await writer.drain()


def listen(address: str) -> socket.socket | None:
    """A socket that listens there; None while somebody else does."""
    if address.startswith(UNIX):
        path = address[len(UNIX) :]
        return None if answered(path) else at_path(path)
    host, _, port = address.rpartition("://")[2].rstrip("/").rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host.strip("[]"), int(port)))
        made.listen(VISITORS)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return made


def answered(path: str) -> bool:
    """Whether somebody listens at a path; what a killed program left there listens to nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


def at_path(path: str) -> socket.socket:
    """Only Tryton's own user may come in by a path, as with Tryton itself; the name is there when somebody listens."""
    fresh = f"{path}.new"
    Path(fresh).unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.umask(0o077)
    made.bind(fresh)
    made.listen(VISITORS)
    Path(fresh).rename(path)
    return made


async def serve(folder: Path) -> None:
    """Wait for the address, then answer there until the notice is gone, the address is somebody else's, or a signal says so."""
    told, ended = Told(folder / "notice.json"), asyncio.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wanted, ended.set)
    address, state = str(told.notice["address"]), folder / "state"
    state.write_text("waiting")
    made = await taken(address, told, ended)
    if made is None:
        return
    visit = Door(told).visit
    server = await asyncio.start_server(visit, sock=made, limit=HEAD_BYTES, backlog=VISITORS)
    mine = inode(address)
    state.write_text("serving")
    while not ended.is_set() and told.look() and inode(address) in {mine, None}:
        if mine is not None and inode(address) is None:
            # A Tryton that ends removes the path, at worst just after it was taken over.
            server.close()
            server = await asyncio.start_server(visit, sock=at_path(address[len(UNIX) :]), limit=HEAD_BYTES, backlog=VISITORS)
            mine = inode(address)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), LOOK_SECONDS)
    server.close()
    leave(address, mine)


async def taken(address: str, told: Told, ended: asyncio.Event) -> socket.socket | None:
    """The address as soon as it is free; None when that takes too long, or nobody wants it any more."""
    for _ in range(int(WAIT_SECONDS / POLL_SECONDS)):
        made = listen(address)
        if made is not None or ended.is_set() or not told.look():
            return made
        await asyncio.sleep(POLL_SECONDS)
    return None


def leave(address: str, mine: int | None) -> None:
    """Remove the path at which nobody listens any more, unless somebody else took it over."""
    if mine is not None and inode(address) == mine:
        Path(address[len(UNIX) :]).unlink()


def inode(address: str) -> int | None:
    """What is at the path of an address; None when nothing is, or when it has none."""
    if not address.startswith(UNIX):
        return None
    try:
        return Path(address[len(UNIX) :]).stat().st_ino
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
