"""Files that lie in memory only, for programs that want a path where a secret or a passing text is."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def file(text: str = "") -> Iterator[Path]:
    """A file with this text that programs of the same user can read and append to by its path, while the block lasts.

    No disk ever holds it, and it is gone with this process however that ends.
    """
    descriptor = os.memfd_create("wellkept")
    try:
        os.fchmod(descriptor, 0o600)
        with os.fdopen(os.dup(descriptor), "w") as writer:
            writer.write(text)
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)
