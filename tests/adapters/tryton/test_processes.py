"""Tryton's processes, found by the configuration they were started with."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.installation import until
from wellkept.adapters.base import Site
from wellkept.adapters.conformance import Bench
from wellkept.adapters.tryton import config, inspect, processes
from wellkept.tools import command, postgres

PATIENCE = 30.0


@pytest.fixture(scope="module")
def running(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path, int]]:
    """A web server as somebody else would have started it: gunicorn, settings partly in its environment; its site, its configuration, its group."""
    port, log = postgres.free_port(), tmp_path_factory.mktemp("log") / "web.log"
    with bench.harmless_copy() as site:
        public = site.config.with_name("public.conf")
        public.write_text(f"[database]\nuri = postgresql://nobody:old@127.0.0.1:1/\npath = {site.files}\n")
        public.chmod(0o644)
        env = {
            "TRYTOND_CONFIG": str(public),
            "TRYTOND_DATABASE_NAMES": site.database,
            "TRYTOND_DATABASE__URI": config.uri_of(site.server),
            "WSGI_COMMENT": "postgresql://erp:hunter2@db/",
        }
        program = [site.interpreter, site.interpreter.with_name("gunicorn"), "-b", f"127.0.0.1:{port}", "--env", "NOTE=http://u:hunter2@host/x"]
        group = command.spawn([*program, "trytond.application:app"], log=log, env=env, user=site.os_user, dies_with_us=True)
        try:
            deadline = time.monotonic() + PATIENCE
            while not processes.of_config(public) and time.monotonic() < deadline:
                time.sleep(0.1)
            yield site, public, port
        finally:
            command.stop(group)


def test_a_running_server_tells_what_its_configuration_does_not(running: tuple[Site, Path, int]) -> None:
    site, public, port = running
    found = inspect.from_config(public)
    assert (found.database, found.url, found.os_user) == (site.database, f"http://127.0.0.1:{port}", site.os_user)
    assert found.interpreter == site.interpreter
    assert found.server == site.server
    assert found.files == site.files


def test_its_processes_are_listed_without_secrets(running: tuple[Site, Path, int]) -> None:
    _, public, port = running
    listed = processes.of_config(public)
    assert {found.role for found in listed} == {"web"}
    assert all(f"127.0.0.1:{port}" in found.command and "hunter2" not in found.command for found in listed)
    assert "NOTE=http://…@host/x" in listed[0].command
    assert os.getpid() not in {found.pid for found in listed}


def test_a_link_to_the_configuration_leads_to_the_same_processes(running: tuple[Site, Path, int], tmp_path: Path) -> None:
    _, public, _ = running
    link = tmp_path / "linked.conf"
    link.symlink_to(public)

    def same() -> bool:
        return [found.pid for found in processes.of_config(link)] == [found.pid for found in processes.of_config(public)] != []

    until(same, 10, "a moment at which no process begins or ends between two looks")
    other = tmp_path / "other.conf"
    other.write_text("[database]\n")
    assert processes.of_config(other) == []


@pytest.mark.parametrize(
    ("arguments", "role", "databases", "url"),
    [
        ("/v/bin/python /v/bin/trytond -c /etc/t.conf -d live", "web", ["live"], None),
        ("/v/bin/python3 /v/bin/trytond-cron --config=/etc/t.conf --database=a", "cron", ["a"], None),
        ("/v/bin/python /v/bin/trytond-worker -c /etc/t.conf -d a -d b", "worker", ["a", "b"], None),
        ("uwsgi --http :8000 --wsgi trytond.application:app", "web", [], "http://127.0.0.1:8000"),
        ("/v/bin/python /v/bin/gunicorn --bind=unix:/run/t.sock trytond.application:app", "web", [], "unix:/run/t.sock"),
        ("/usr/bin/vim /etc/trytond.conf", None, [], None),
        ("grep trytond", None, [], None),
    ],
)
def test_command_lines_are_understood(arguments: str, role: str | None, databases: list[str], url: str | None) -> None:
    parts = tuple(arguments.split())
    assert processes.role_of(parts, {}) == role
    found = processes.Found(1, role or "", parts, {}, Path("/"), "erp")
    assert (found.databases(), found.url()) == (databases, url)
