"""A line to a server on this machine that is cut for good once a client has sent so many bytes."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

BLOCK = 65536


@dataclass
class Line:
    """``port`` of 127.0.0.1 leads to the server. When clients have sent ``most`` bytes (0: no limit), ``event`` is called and nobody gets through."""

    server: int
    event: Callable[[], object]
    port: int = 0
    most: int = 0
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    listener: socket.socket | None = None
    ends: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        """Let clients through; after a cut on the same port, and without a limit."""
        self.most, self.listener = 0, socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        """End every connection, and take no further one."""
        listener, self.listener = self.listener, None
        for end in (listener, *self.ends):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self.ends.clear()

    def cut_after(self, more: int) -> None:
        """Cut the line when clients have sent so many bytes more."""
        with self.lock:
            self.most = self.sent + more

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server))
                self.ends += [client, server]
                for source, target, counted in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=(source, target, counted), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if counted and self._is_too_much(len(block)):
                    return
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def _is_too_much(self, size: int) -> bool:
        with self.lock:
            self.sent += size
            now = bool(self.most) and self.sent > self.most
            if now:
                self.most = 0
        if now:
            self.close()
            self.event()
        return now


@contextlib.contextmanager
def line(server: int, event: Callable[[], object]) -> Iterator[Line]:
    """A line to the server on this port of 127.0.0.1, while the block runs."""
    made = Line(server, event)
    made.open()
    try:
        yield made
    finally:
        made.close()
