"""The reference pages of commands, exit codes and API, written from the code itself: ``python -m wellkept.cli.reference FOLDER``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperOption
from typer.main import get_command

from wellkept import platform
from wellkept.cli import main
from wellkept.cli.exit_codes import ExitCode

VALUES = {int: "NUMBER", float: "NUMBER", Path: "PATH"}


def pages() -> dict[str, str]:
    """The pages by file name."""
    return {"commands.md": "\n".join(_commands()) + "\n", "exit-codes.md": "\n".join(_exit_codes()) + "\n", "api.md": "\n".join(_api()) + "\n"}


def every_command() -> Iterator[tuple[str, Any]]:
    """Every command that can be given, with its name in words ("backup take")."""
    for name in (*main.TOP_LEVEL, *main.NOUNS):
        yield from _below(name, main.load(name))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for verb, child in children.items():
        yield from _below(f"{name} {verb}", child)


def _commands() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield f"{get_command(main.app).help}"
    yield ""
    yield "How a command ended is its [exit code](exit-codes.md). What commands read from the environment is in [settings](settings.md)."
    for name, command in every_command():
        yield ""
        yield f"## wellkept {name}"
        yield ""
        yield " ".join((command.help or "").split())
        rows = [_option(part) if isinstance(part, TyperOption) else _argument(part) for part in command.params if part.name != "help"]
        if rows:
            yield ""
            yield "| | |"
            yield "|---|---|"
            yield from rows


def _argument(part: Any) -> str:
    name = (part.metavar or part.name).upper()
    return _row(name if part.required else f"[{name}]", part)


def _option(part: Any) -> str:
    names = ", ".join([*part.opts, *part.secondary_opts])
    value = "" if part.is_flag else f" {VALUES.get(part.type_descriptor.annotation, 'TEXT')}"
    return _row(f"{names}{value}", part)


def _row(name: str, part: Any) -> str:
    default = (
        f" Default: {part.default}." if isinstance(part.default, str | int) and not isinstance(part.default, bool) and part.default != "" else ""
    )
    return f"| `{name}` | {' '.join((part.help or '').split())}{default} |".replace("\n", " ")


def _exit_codes() -> Iterator[str]:
    yield "# Exit codes"
    yield ""
    yield "Every command ends with one of these. With `--json` an error is one object that names it: "
    yield '`{"error": {"code": 4, "name": "not_found", "message": "…"}}`.'
    yield ""
    yield "| code | name | meaning |"
    yield "|---|---|---|"
    yield from (f"| {int(code)} | {code.name.lower()} | {code.meaning} |" for code in ExitCode)


def _api() -> Iterator[str]:
    """From the same description that /api/openapi.json gives to programs."""
    platform.setup_django(quiet=True)
    from wellkept.api.root import api

    schema = api.get_openapi_schema(path_prefix="/api/")
    yield "# API"
    yield ""
    yield "Programs call it with a token (`Authorization: Bearer wk_…`, made with `wellkept token create` or on the page Settings); a signed-in"
    yield "browser may call it too and sends the CSRF token with everything that changes. What a caller may do is what the person behind the token"
    yield "may do, and no more than the token's scope. What a caller may not see does not exist (404). Lists take `limit` (at most 500) and"
    yield '`offset` and answer `{"items": […], "count": N}`; errors answer `{"error": {"name": "not_found", "message": "…"}}`.'
    yield "All details: `/api/docs`."
    yield ""
    yield "| | | |"
    yield "|---|---|---|"
    for path, methods in sorted(schema["paths"].items()):
        for method, described in methods.items():
            yield f"| {method.upper()} | `{path}` | {described['summary']} |"


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
