"""A package index of a test's own, asked with the real clients."""

import base64
import functools
import hashlib
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Index:
    """A package index: a folder of real wheels, served as every index serves them."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address

    def add(self, package: str, version: str) -> str:
        """Build a wheel with one empty module and return its hash."""
        return hashlib.sha256(wheel(self.folder / package, package, version).read_bytes()).hexdigest()


def wheel(folder: Path, package: str, version: str, content: Mapping[str, str] | None = None, modules: Sequence[str] = ()) -> Path:
    """Build a wheel of these files (None: one empty module), which says that it has these modules of Tryton."""
    name = package.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    points = "".join(f"{module} = trytond.modules.{module}\n" for module in modules)
    files = {
        **({f"{name}.py": ""} if content is None else content),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": f"[trytond.modules]\n{points}"} if modules else {}),
    }
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=") for path, text in files.items()}
    record = "".join(f"{path},sha256={digests[path]},{len(text)}\n" for path, text in files.items()) + f"{info}/RECORD,,\n"
    made = folder / f"{name}-{version}-py3-none-any.whl"
    made.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(made, "w") as file:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            file.writestr(path, text)
    return made


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index of the test's own, which the clients are told of as an administrator would tell them."""
    folder = tmp_path / "simple"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/simple"
        for name, value in {"PIP_INDEX_URL": address, "PIP_FIND_LINKS": "", "UV_DEFAULT_INDEX": address, "UV_FIND_LINKS": ""}.items():
            monkeypatch.setenv(name, value)
        yield Index(folder, address)
        server.shutdown()
