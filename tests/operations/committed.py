"""A database whose rows are really committed, and the database administrator who may do anything to them."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection


@contextlib.contextmanager
def database_administrator() -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection on which no trigger and no foreign key holds anything back."""
    server = settings.HOME.cluster().server()
    name = str(connection.settings_dict["NAME"])
    with psycopg.connect(host=server.host, port=server.port, user=server.user, dbname=name) as made:
        made.execute("SET session_replication_role = replica")
        yield made


def empty() -> None:
    """Remove every row of ours, the append-only ones too."""
    from django.apps import apps

    tables = ", ".join(f'"{model._meta.db_table}"' for model in apps.get_app_config("wellkept").get_models())
    with database_administrator() as admin:
        admin.execute(f"TRUNCATE {tables} CASCADE")
    for file in ("checkpoints.jsonl", "checkpoint.pub"):
        (settings.HOME.path / file).unlink(missing_ok=True)


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Rows of the test are committed, and all removed afterwards (the flush of transactional tests stumbles over append-only tables)."""
    with django_db_blocker.unblock():
        empty()
        try:
            yield
        finally:
            empty()
            connection.close()
