"""``wellkept demo``."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from wellkept import demo as demos
from wellkept import home as homes
from wellkept import platform
from wellkept.cli.exit_codes import ExitCode
from wellkept.tools import postgres


def demo(
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Keep the pages up afterwards until Ctrl-C.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")] = False,
    folder: Annotated[Path | None, typer.Option("--home", help="The folder for everything the demo makes.")] = None,
    upgrades: Annotated[bool, typer.Option("--upgrade", help="Also rehearse an upgrade to the next release, have it approved, and do it.")] = False,
    size: Annotated[str, typer.Option(help="How much the company has done: small, medium or large.")] = "small",
    remove: Annotated[bool, typer.Option("--reset", help="Remove exactly what the demo made, and end.")] = False,
) -> None:
    """Make a real ERP, adopt it, back it up, prove the backup by restoring it, and record all of it."""
    os.environ["WELLKEPT_HOME"] = str((folder or demos.default_home()).absolute())
    home = homes.current()
    if remove:
        _reset(home)
        return
    demos.mark(home)
    with demos.held(home):
        _demo(home, serve=serve, as_json=as_json, work={"size": size, "upgrades": upgrades})


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _reset(home: homes.Home) -> None:
    left = demos.reset(home)
    _say(f"removed what the demo made in {home.path}" + (f"; left because the demo did not make it: {', '.join(left)}" if left else ""))


def _demo(home: homes.Home, *, serve: bool, as_json: bool, work: dict[str, Any]) -> None:
    shown = demos.Demo(home, _say)
    supervisor = platform.Supervisor(home, port=postgres.free_port(), say=_say, stops_database=True)
    report: dict[str, object] = {}
    with platform.stop_signals(_interrupt):
        try:
            _start(shown, supervisor)
            watcher = demos.watch_in_background(supervisor)
            report = demos.run(shown, **work)
            for name, seconds in shown.phases.items():
                _say(f"{name}: {seconds:.1f} s")
            _print(report, as_json=as_json)
            if serve:
                _say(f"still serving http://127.0.0.1:{supervisor.port} until Ctrl-C")
                watcher.join()
        except KeyboardInterrupt:
            _say("stopping")
        finally:
            supervisor.stop()
    if not report.get("ok"):
        raise typer.Exit(ExitCode.NOT_PROVEN)


def _start(shown: demos.Demo, supervisor: platform.Supervisor) -> None:
    password = demos.new_password()
    with shown.phase("start"):
        demos.prepare(shown, password)
        shown.home.write_config({**shown.home.config(), "web_port": supervisor.port})
        supervisor.start()
    _say(f"the pages are up: http://127.0.0.1:{supervisor.port}  sign in as {demos.EMAIL} with the password {password} (shown once)")
    _say(f"{demos.SECOND}, who approves what {demos.EMAIL} asks for, has the same password")


def _interrupt() -> None:
    raise KeyboardInterrupt


def _print(report: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, ensure_ascii=False), flush=True)
        return
    for key, value in report.items():
        print(f"{key}: {value}", flush=True)
