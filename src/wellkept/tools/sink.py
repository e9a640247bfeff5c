"""A place where mail and HTTP end: it takes everything, delivers nothing, and writes down that somebody came.

A script of its own, run with any Python and without this package, because it runs inside a network namespace::

    sink.py serve FOLDER        listens on the loopback; writes FOLDER/ready.json, then one line for each visit to FOLDER/visits.jsonl
    sink.py probe FOLDER MARK   sends a mail and an HTTP request with the mark to it
    sink.py look                prints what network this process has: {"interfaces", "routes", "outside"}
"""

import contextlib
import fcntl
import json
import os
import smtplib
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
OUTSIDE = ("192.0.2.1", 80)
"""An address reserved for documentation (RFC 5737): nobody has it, so trying it disturbs nobody."""
VISIT_SECONDS = 10.0
VISIT_BYTES = 1 << 20
PREFIX = "/proc/self/net"


class Visit(socketserver.BaseRequestHandler):
    """One connection; written down when it ends, whatever was said in it."""

    kind = ""
    folder = Path()
    lock = threading.Lock()

    def handle(self) -> None:
        self.request.settimeout(VISIT_SECONDS)
        self.said = b""
        with contextlib.suppress(OSError):
            self.talk()
        line = json.dumps({"kind": self.kind, "bytes": len(self.said), "said": self.said[:4000].decode(errors="replace")})
        with self.lock, (self.folder / "visits.jsonl").open("a") as file:
            file.write(line + "\n")
            file.flush()

    def talk(self) -> None:
        raise NotImplementedError

    def hear(self) -> bytes:
        """Read up to a line end; empty when the visitor has gone or talks too much."""
        line = b""
        while not line.endswith(b"\n") and len(self.said) < VISIT_BYTES:
            block = self.request.recv(1)
            if not block:
                return b""
            line += block
            self.said += block
        return line


class Mail(Visit):
    """As much SMTP as makes a sender believe that its mail was taken."""

    kind = "mail"

    def talk(self) -> None:
        self.request.sendall(b"220 sink\r\n")
        while line := self.hear():
            word = line[:4].upper()
            if word == b"QUIT":
                self.request.sendall(b"221 bye\r\n")
                return
            self.request.sendall(b"354 go on\r\n" if word == b"DATA" else b"250 ok\r\n")
            if word == b"DATA":
                while (text := self.hear()) and text.rstrip(b"\r\n") != b".":
                    pass
                self.request.sendall(b"250 taken\r\n")


class Web(Visit):
    """Reads a request's head and answers that nothing is here."""

    kind = "http"

    def talk(self) -> None:
        while line := self.hear():
            if not line.strip():
                break
        self.request.sendall(b"HTTP/1.1 503 Sink\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class Server(socketserver.ThreadingTCPServer):
    """A listener on a free port of the loopback."""

    allow_reuse_address = True
    daemon_threads = True


def raise_loopback() -> None:
    """Switch the loopback on: in a new network namespace it is off."""
    name = b"lo".ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        answer = fcntl.ioctl(handle, SIOCGIFFLAGS, name + bytes(24))
        flags = struct.unpack_from("h", answer, 16)[0]
        if not flags & IFF_UP:
            fcntl.ioctl(handle, SIOCSIFFLAGS, name + struct.pack("h", flags | IFF_UP) + bytes(22))


def serve(folder: Path) -> None:
    """Listen until the process is ended, or its folder is gone."""
    raise_loopback()
    Visit.folder = folder
    (folder / "visits.jsonl").touch()
    mail, web = Server((HOST, 0), Mail), Server((HOST, 0), Web)
    for server in (mail, web):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    fresh = folder / "ready.new"
    fresh.write_text(json.dumps({"smtp": mail.server_address[1], "http": web.server_address[1], "pid": os.getpid()}))
    fresh.replace(folder / "ready.json")
    while folder.exists():
        time.sleep(1.0)


def probe(folder: Path, mark: str) -> None:
    """Visit both listeners once, with the mark, the way a program would."""
    ports = json.loads((folder / "ready.json").read_text())
    with smtplib.SMTP(HOST, ports["smtp"], timeout=VISIT_SECONDS) as client:
        client.sendmail("probe@example.invalid", ["sink@example.invalid"], f"Subject: {mark}\r\n\r\n{mark}\r\n")
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{HOST}:{ports['http']}/{mark}", timeout=VISIT_SECONDS)


def look() -> dict[str, object]:
    """The network of this process: its interfaces, its routes besides those of the loopback, and what happens when it tries to reach outside."""
    interfaces = [line.split(":")[0].strip() for line in Path(f"{PREFIX}/dev").read_text().splitlines()[2:]]
    routes = [line.split()[0] for line in Path(f"{PREFIX}/route").read_text().splitlines()[1:] if line.strip()]
    newer = Path(f"{PREFIX}/ipv6_route")
    if newer.exists():
        routes += [line.split()[-1] for line in newer.read_text().splitlines() if line.split()[-1] != "lo"]
    try:
        with socket.create_connection(OUTSIDE, timeout=2):
            outside = "connected"
    except OSError as error:
        outside = error.strerror or type(error).__name__
    return {"interfaces": sorted(interfaces), "routes": sorted(set(routes)), "outside": outside}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    elif sys.argv[1] == "probe":
        probe(Path(sys.argv[2]), sys.argv[3])
    else:
        print(json.dumps(look()))  # noqa: T201 - a script's answer
