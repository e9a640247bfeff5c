"""What restic 0.14 and ssh were seen to write, in the orders in which they were seen to write it."""

import pytest

from wellkept.tools import restic_errors

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
