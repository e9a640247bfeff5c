"""The reference pages say what the commands do, and every command can be used by programs."""

import importlib
from pathlib import Path

import pytest

from wellkept.cli import exit_codes, output, reference
from wellkept.cli.exit_codes import ExitCode

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
UNTIL_STOPPED = {"up", "watcher", "web", "worker"}
"""Commands that serve until they are stopped and print no result."""


@pytest.mark.parametrize("name", ["commands.md", "exit-codes.md", "api.md"])
def test_the_page_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == reference.pages()[name], "write it again: python -m wellkept.cli.reference docs/reference"


def test_every_command_speaks_json_and_explains_itself() -> None:
    every = dict(reference.every_command())
    assert len(every) >= 40
    assert {name for name, command in every.items() if not any("--json" in part.opts for part in command.params)} == UNTIL_STOPPED
    for name, command in every.items():
        assert (command.help or "").strip().endswith((".", ")")), name
        silent = [part.name for part in command.params if not part.help]
        assert silent == [], name


def test_every_error_of_the_table_exists_and_is_an_error() -> None:
    for dotted, code in exit_codes.BY_ERROR.items():
        module, _, name = dotted.rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        assert issubclass(kind, Exception)
        assert exit_codes.of(kind.__new__(kind)) == code, dotted
    assert len({int(code) for code in ExitCode}) == len(ExitCode)


def test_an_error_that_only_a_programmer_can_mend_has_no_code() -> None:
    assert exit_codes.of(ZeroDivisionError()) is None


def test_a_subclass_counts_as_its_nearest_ancestor() -> None:
    from wellkept.adapters.base import Refused
    from wellkept.operations.errors import Unexpected

    assert exit_codes.of(type("Narrower", (Refused,), {})()) == ExitCode.REFUSED
    assert exit_codes.of(Unexpected("x")) == ExitCode.RUN_FAILED


def test_text_of_an_erp_cannot_steer_the_terminal() -> None:
    assert output.plain("a\x1b[31mb\x07\r\u202e c\n\td 中文") == "a\ufffd[31mb\ufffd\ufffd\ufffd c\n\td 中文"
