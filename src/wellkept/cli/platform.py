"""The installation itself: init, up, web, worker, doctor, status."""

import sys
from typing import Annotated, Any

import typer

from wellkept import home as homes
from wellkept import platform
from wellkept.cli import output
from wellkept.cli.exit_codes import ExitCode
from wellkept.tools import pid_one

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on; default: the one chosen at init.")]


def init(quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing when all is well.")] = False, as_json: output.Json = False) -> None:
    """Set up the home folder, its database and its tables; safe to repeat, also after an update."""
    home = homes.current()
    platform.initialise(home)
    if not quiet:
        output.emit({"home": str(home.path), "ready": True}, as_json=as_json)


def up(host: Host = "127.0.0.1", port: Port = None) -> None:
    """Run the pages, a worker and the watchdog on this machine until Ctrl-C."""
    pid_one.bury_for_all()
    home = _set_up_home()
    supervisor = platform.Supervisor(home, host, port or int(home.config()["web_port"]), say=_say)
    supervisor.start()
    _say(f"Wellkept is up: http://{host}:{supervisor.port} (Ctrl-C stops it)")
    try:
        with platform.stop_signals(supervisor.end):
            _start_systems(home)
            supervisor.watch()
    finally:
        supervisor.stop()
    _say("stopped")


def web(host: Host = "127.0.0.1", port: Port = None) -> None:
    """Run the pages and the API only."""
    pid_one.bury_for_all()
    home = _set_up_home()
    platform.require_current_tables()
    import uvicorn

    uvicorn.run(
        "wellkept.asgi:application",
        host=host,
        port=port or int(home.config()["web_port"]),
        log_level="warning",
        timeout_graceful_shutdown=3,
        proxy_headers=False,
        server_header=False,
    )


def worker(name: Annotated[str | None, typer.Option(help="The worker's name; default: made from the host's.")] = None) -> None:
    """Run a worker: it carries out operations, takes over those of dead workers, and fires schedules."""
    pid_one.bury_for_all()
    _set_up_home()
    platform.require_current_tables()
    from wellkept.operations import runtime

    runtime.serve(name)


def watcher(name: Annotated[str | None, typer.Option(help="The watcher's name; default: made from the host's.")] = None) -> None:
    """Run a watcher: it reads how ERPs and their databases work, and keeps what it read. Several share what is to be watched."""
    _set_up_home()
    platform.require_current_tables()
    from wellkept.monitoring import watcher as watching

    watching.run(name)


def doctor(as_json: output.Json = False) -> None:
    """Say what is missing on this machine and the command that mends it."""
    checks = platform.doctor(homes.current())
    rows = [{"check": c.name, "ok": c.ok, "needed": c.needed, "seen": c.seen, "remedy": "" if c.ok else c.remedy} for c in checks]
    output.emit(rows, as_json=as_json)
    if any(check.needed and not check.ok for check in checks):
        raise typer.Exit(ExitCode.NOT_SET_UP)


def status(as_json: output.Json = False) -> None:
    """Say how this installation is: pages, database, workers, open runs."""
    answer = platform.status(homes.current())
    output.emit(answer, as_json=as_json)
    if not answer["database"] or not answer["workers"]:
        raise typer.Exit(ExitCode.NOT_SET_UP)


def _set_up_home() -> homes.Home:
    home = homes.current()
    if not home.key_file.exists():
        output.fail(ExitCode.NOT_SET_UP, f"{home.path} is not set up; run: wellkept init")
    return home


def _start_systems(home: homes.Home) -> None:
    platform.setup_django()
    from wellkept.estate import systems

    systems.ensure_running(home)


def _say(text: Any) -> None:
    print(text, file=sys.stderr, flush=True)
