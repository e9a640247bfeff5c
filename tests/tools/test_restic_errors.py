"""What restic 0.14 and ssh were seen to write, in the orders in which they were seen to write it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wellkept.tools import restic, restic_errors

UNLOCKING = "error while unlocking: ssh command exited: exit status 255Fatal: unable to save snapshot: ssh command exited: exit status 255\n"
CLEANING = "error in cleanup handler: ssh command exited: exit status 255\n"
TOLD = "subprocess ssh: Connection to 127.0.0.1 closed by remote host.\n"
AGAIN = "Save(<data/7b9c>) returned error, retrying after 552.330144ms: {}: connection lost\n\x1b[2Ksignal interrupt received, cleaning up\n"


@pytest.mark.parametrize(
    ("written", "telling"),
    [
        (TOLD + UNLOCKING + CLEANING, "subprocess ssh: Connection to 127.0.0.1 closed by remote host."),
        (UNLOCKING + CLEANING, "unable to save snapshot: ssh command exited: exit status 255"),
        (CLEANING, "error in cleanup handler: ssh command exited: exit status 255"),
        (TOLD + AGAIN.format("OpenFile") + CLEANING, "subprocess ssh: Connection to 127.0.0.1 closed by remote host."),
        (AGAIN.format("Write") + "client_loop: send disconnect: Broken pipe\n" + CLEANING, CLEANING.strip()),
    ],
)
def test_a_lost_connection_is_known_in_whatever_words_it_is_told(written: str, telling: str) -> None:
    error = restic_errors.understand(written)
    assert type(error) is restic_errors.Unreachable
    assert str(error) == f"restic said: “{telling}”"


def test_a_server_that_lets_nobody_in_is_not_taken_for_one_that_is_gone() -> None:
    told = "subprocess ssh: wellkept@127.0.0.1: Permission denied (publickey).\n"
    written = "Fatal: unable to open repository: ssh command exited: exit status 255\n"
    assert type(restic_errors.understand(told + written)) is restic_errors.Refused


STACK = """
goroutine 412 [running]:
github.com/restic/restic/internal/archiver.(*fileSaver).saveFile(0xc0002c8000)
\tgithub.com/restic/restic/internal/archiver/file_saver.go:201 +0x7e5
created by golang.org/x/sync/errgroup.(*Group).Go
\tgolang.org/x/sync/errgroup/errgroup.go:72 +0xa5
"""


@pytest.mark.parametrize(
    ("head", "telling"), [("panic: send on closed channel\n", "restic said: “panic: send on closed channel”"), ("", "restic crashed")]
)
def test_a_crash_is_told_by_its_reason_and_not_by_the_end_of_its_stack(head: str, telling: str) -> None:
    error = restic_errors.understand(head + STACK)
    assert (type(error), str(error)) == (restic_errors.ResticError, telling)


@pytest.mark.parametrize(("megabytes", "kind"), [(20, restic_errors.Full), (90, restic_errors.ResticError)])
def test_a_crash_on_a_full_disk_is_one_for_want_of_room(
    megabytes: int, kind: type[Exception], small_disk: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in the place of restic crashes as it was seen to."""
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{STACK}\nEND\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(restic.ResticError) as told:
        restic.snapshots(restic.Repository(str(small_disk(megabytes)), "password"))
    assert type(told.value) is kind
