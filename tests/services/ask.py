"""Asks the process of commands.py to run a command of Wellkept, and leaves with its exit code: the ``wellkept`` of a shell in the tests.

Needs nothing but Python itself, so that it starts in a moment.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

MOST_BYTES = 65536
"""Of one request."""


def ask(place: str, job: Mapping[str, Any], streams: Sequence[int]) -> int:
    """Have a command run with these standard streams, wait for its end, and return its exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.connect(place)
        socket.send_fds(line, [json.dumps(job).encode()], list(streams))
        answer = line.recv(MOST_BYTES)
    return int(answer)


if __name__ == "__main__":
    sys.exit(ask(os.environ["WELLKEPT_COMMANDS"], {"args": sys.argv[1:], "folder": os.getcwd(), "variables": {}}, (0, 1, 2)))  # noqa: PTH109 - pathlib costs a third of the start
