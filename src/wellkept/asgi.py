"""The web application for an ASGI server (``uvicorn wellkept.asgi:application``)."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wellkept.settings")
application = get_asgi_application()
