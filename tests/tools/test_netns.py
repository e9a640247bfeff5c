import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wellkept.tools import command, netns, postgres

MAIL = "import smtplib; smtplib.SMTP('127.0.0.1', {port}).sendmail('erp@example.invalid', ['customer@example.invalid'], 'Subject: reminder')"
FETCH = "import urllib.request; urllib.request.urlopen('http://payments.example.invalid/charge', timeout=5)"


@pytest.fixture(params=[netns.NETWORK, netns.USER_AND_NETWORK])
def sealed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[netns.Sealed]:
    try:
        command.run([*netns.WALLS[request.param], "true"], timeout=20)
    except command.CommandError as error:
        pytest.skip(f"this machine does not allow a {request.param}: {error}")
    made = netns.seal(tmp_path, wall=request.param)
    yield made
    command.stop(made.group)


def test_inside_there_is_no_way_out(sealed: netns.Sealed) -> None:
    view = netns.look(sealed)
    assert (list(view.interfaces), list(view.routes)) == (["lo"], [])
    assert view.outside == "Network is unreachable"
    assert view.closed
    assert netns.inside(sealed, sealed.pid)
    assert not netns.inside(sealed, os.getpid())


def test_probes_are_taken_and_do_not_count(sealed: netns.Sealed) -> None:
    netns.probe(sealed)
    assert netns.caught(sealed) == []


def test_mail_and_http_from_inside_end_in_the_sink(sealed: netns.Sealed) -> None:
    netns.probe(sealed)
    command.run([*netns.prefix(sealed), sys.executable, "-c", MAIL.format(port=sealed.smtp_port)], timeout=30)
    command.run([*netns.prefix(sealed), sys.executable, "-c", FETCH], timeout=30, accept=(1,))
    caught = netns.caught(sealed)
    assert [visit["kind"] for visit in caught] == ["mail", "http"]
    assert "customer@example.invalid" in str(caught[0]["said"])
    assert "payments.example.invalid" in str(caught[1]["said"])


def test_a_sink_whose_folder_is_removed_ends(tmp_path: Path) -> None:
    folder = tmp_path / "wall"
    folder.mkdir()
    told: list[int] = []
    made = netns.seal(folder, wall=netns.NONE, on_start=told.append)
    assert told == [made.group]
    shutil.rmtree(folder)
    deadline = time.monotonic() + 15
    while command.group_alive(made.group) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not command.group_alive(made.group)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch the user")
def test_programs_inside_run_as_the_service_user() -> None:
    folder = postgres.throwaway_folder("wk-wall-")
    made = netns.seal(folder)
    try:
        done = command.run([*netns.prefix(made, postgres.service_user()), "id", "-un"], timeout=30)
        assert done.stdout.strip() == postgres.service_user()
        assert netns.look(made, postgres.service_user()).closed
    finally:
        command.stop(made.group)
        command.run(["rm", "-rf", folder])


def test_without_a_wall_nothing_is_claimed(tmp_path: Path) -> None:
    made = netns.seal(tmp_path, wall=netns.NONE)
    try:
        netns.probe(made)
        assert not netns.look(made).closed
        assert not netns.inside(made, made.pid)
    finally:
        command.stop(made.group)
