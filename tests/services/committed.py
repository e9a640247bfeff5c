"""A database whose rows are really committed, and the database administrator who may do anything to them."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from wellkept.operations import checkpoints, engine
from wellkept.operations.models import Checkpoint, Record


@contextlib.contextmanager
def database_administrator() -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection on which no trigger and no foreign key holds anything back."""
    server = settings.HOME.cluster().server()
    name = str(connection.settings_dict["NAME"])
    with psycopg.connect(host=server.host, port=server.port, user=server.user, dbname=name) as made:
        made.execute("SET session_replication_role = replica")
        yield made


def triggers(state: str) -> None:
    """``DISABLE`` or ``ENABLE`` what protects the append-only tables."""
    with database_administrator() as admin:
        for model in (Record, Checkpoint):
            admin.execute(f"ALTER TABLE {model._meta.db_table} {state} TRIGGER USER")


@pytest.fixture
def _protection_back() -> Iterator[None]:
    yield
    triggers("ENABLE")


@pytest.fixture
def committed(_protection_back: None, transactional_db: None) -> Iterator[None]:
    """Rows of the test are really committed, and all removed afterwards, the append-only ones too."""
    yield
    triggers("DISABLE")
    engine._client.cache_clear()
    with database_administrator() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dbos%'")
    for file in (checkpoints.path(), checkpoints.keys_path()):
        file.unlink(missing_ok=True)
