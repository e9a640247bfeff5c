"""Style sheets, scripts and pictures: compressed on the way, and kept by browsers until they change."""

import gzip
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware

from wellkept.lib.hashing import file_sha256

TEXT = ("text/", "image/svg+xml", "application/json")
FOREVER = "public, max-age=31536000, immutable"


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise with whole answers: an ASGI server cannot pass on a file object without reading it anyway."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """The file, compressed where the browser takes that; an address with its version never expires."""
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file as file:
                body = file.read()
        headers = dict(found.headers)
        plain = found.status == 200 and body and "Content-Encoding" not in headers
        if plain and headers.get("Content-Type", "").startswith(TEXT) and "gzip" in request.headers.get("Accept-Encoding", ""):
            body = packed(body)
            headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(body))}
        headers["Vary"] = "Accept-Encoding"
        if "v" in request.GET:
            headers["Cache-Control"] = FOREVER
        return HttpResponse(body, status=int(found.status), headers=headers)


@lru_cache(maxsize=64)
def packed(body: bytes) -> bytes:
    """The compressed bytes; each file is compressed once per process."""
    return gzip.compress(body, mtime=0)


class Versioned(StaticFilesStorage):
    """Addresses that carry a part of the file's hash, so that a browser asks again only when the file changed."""

    def url(self, name: str | None) -> str:
        """The address of a static file with its version."""
        plain = super().url(name)
        version = _version(name or "")
        return f"{plain}?v={version}" if version else plain


@cache
def _version(name: str) -> str:
    path = finders.find(name)
    return file_sha256(Path(str(path)))[:10] if path else ""
