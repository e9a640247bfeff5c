"""The web application for an ASGI server (``uvicorn wellkept.asgi:application``)."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wellkept.settings")
MOST_BYTES = 32_000_000
"""Of one request. Django reads all of it before anybody is asked who it is."""
Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def limited(app: App, most: int = MOST_BYTES) -> App:
    """The application, which answers 413 to a request with more bytes than ``most``, as soon as that is known."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        seen, refused = 0, False

        async def refuse() -> None:
            nonlocal refused
            refused = True
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": f"This is larger than {most // 1_000_000} MB; nothing of it was kept.\n".encode()})

        async def some() -> Message:
            nonlocal seen
            message: Message = {"type": "http.disconnect"} if refused else await receive()
            seen += len(message.get("body", b""))
            if seen > most and not refused:
                await refuse()
            return {"type": "http.disconnect"} if refused else message

        declared = dict(scope.get("headers", ())).get(b"content-length", b"0")
        if scope["type"] == "http" and declared.isdigit() and int(declared) > most:
            await refuse()
        else:
            await app(scope, some, send)

    return answer


application = limited(get_asgi_application())
