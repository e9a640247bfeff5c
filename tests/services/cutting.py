"""A wire between a client and PostgreSQL that is cut at a chosen statement, or whose server crashes there."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

UNTYPED = {80877103, 80877104}
"""Requests for encryption, which have no type and come before the first message."""
STATEMENT_ENDS = (b"Q", b"S")
READY = b"Z"

CUTS = ("unsent", "sent", "unheard")
"""The client is gone before the server gets the statement, right after, or when the server has done it and nobody hears of it."""


@dataclass
class Wire:
    """``port`` of 127.0.0.1 leads to the server. The ``at``-th statement (from 1; 0: none) is cut in the way ``how``, and ``event`` called then."""

    port: int
    how: str
    at: int
    event: Callable[[], object]
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def reached(self) -> bool:
        return 0 < self.at <= self.seen


@contextlib.contextmanager
def wire(server_port: int, *, how: str = "unsent", at: int = 0, event: Callable[[], object] = lambda: None) -> Iterator[Wire]:
    """A wire to the server on 127.0.0.1, while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Wire(listener.getsockname()[1], how, at, event)
        threading.Thread(target=_accept, args=(listener, server_port, made), daemon=True).start()
        yield made


def _accept(listener: socket.socket, server_port: int, made: Wire) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            ready = threading.Event()
            silent = threading.Event()
            threading.Thread(target=_backward, args=(server, client, ready, silent), daemon=True).start()
            threading.Thread(target=_forward, args=(client, server, made, ready, silent), daemon=True).start()


def _forward(client: socket.socket, server: socket.socket, made: Wire, ready: threading.Event, silent: threading.Event) -> None:
    with client, server, _hung_up(client, server), contextlib.suppress(OSError, EOFError):
        _begin(client, server)
        statement = b""
        while True:
            head = _exactly(client, 5)
            statement += head + _exactly(client, struct.unpack("!I", head[1:])[0] - 4)
            if head[:1] not in STATEMENT_ENDS:
                if head[:1] in {b"p", b"X"}:
                    server.sendall(statement)
                    statement = b""
                continue
            with made.lock:
                made.seen += 1
                now = made.seen == made.at
            if not now:
                server.sendall(statement)
                statement = b""
                continue
            _cut(server, statement, made, ready, silent)
            return


@contextlib.contextmanager
def _hung_up(*ends: socket.socket) -> Iterator[None]:
    """Closing alone would tell nobody while another thread listens."""
    try:
        yield
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _cut(server: socket.socket, statement: bytes, made: Wire, ready: threading.Event, silent: threading.Event) -> None:
    silent.set()
    if made.how != "unsent":
        ready.clear()
        server.sendall(statement)
    if made.how == "unheard":
        ready.wait(20)
    made.event()


def _begin(client: socket.socket, server: socket.socket) -> None:
    while True:
        size = _exactly(client, 4)
        rest = _exactly(client, struct.unpack("!I", size)[0] - 4)
        server.sendall(size + rest)
        if struct.unpack("!I", rest[:4])[0] not in UNTYPED:
            return


def _backward(server: socket.socket, client: socket.socket, ready: threading.Event, silent: threading.Event) -> None:
    """Answers pass as they come; a one-byte answer to a request for encryption is no message."""
    with contextlib.suppress(OSError):
        while block := server.recv(65536):
            if not silent.is_set():
                client.sendall(block)
            if block[-6:-1] == READY + struct.pack("!I", 5):
                ready.set()
        ready.set()
        client.shutdown(socket.SHUT_RDWR)


def _exactly(source: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        block = source.recv(size - len(got))
        if not block:
            raise EOFError
        got += block
    return got
