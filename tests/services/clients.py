"""Django's test clients that share what they are made of: loading it, the list of static files above all, takes longer than an ordinary request."""

from typing import Any

from django.test import Client
from django.test.client import ClientHandler

_HANDLER = ClientHandler(enforce_csrf_checks=False)


def new_client(**options: Any) -> Client:
    """A client with no cookies."""
    made = Client(**options)
    made.handler = _HANDLER
    return made
