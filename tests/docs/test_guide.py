"""The guide works: every command of it is executed, in order, on a Tryton that runs, and prints what the page says."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.services import ask, commands, places
from tests.services.platform import PREFIX, remove_home
from wellkept import home as homes
from wellkept.tools import postgres, ssh

ROOT = Path(__file__).parents[2]
PAGES = ["first-hour.md", "getting-back.md", "off-site.md", "upgrading.md"]
REALLY_STARTED = 4
"""How many commands start as they do for a reader: the first makes the home."""


@dataclass
class Example:
    """A command of the guide and the lines that it says are printed (``…`` stands for anything)."""

    page: str
    command: str
    expected: list[str] = field(default_factory=list)


def examples(page: str) -> list[Example]:
    found: list[Example] = []
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "guide" / page).read_text(), flags=re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Example(page, line.removeprefix("$ ")))
            else:
                found[-1].expected.append(line)
    return found


def matches(expected: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    return any(re.fullmatch(pattern, line.strip(), flags=re.IGNORECASE) for line in printed.splitlines())


def elsewhere(servers: contextlib.ExitStack, folder: Path) -> dict[str, str]:
    """What the page on places elsewhere names, and the real servers and keys that stand for it."""
    sftp, s3 = servers.enter_context(places.sftp_server()), servers.enter_context(places.s3_server())
    (folder / "nas.key").write_text(sftp.credentials["SSH_PRIVATE_KEY"])
    (folder / "s3.env").write_text("".join(f"{name}={value}\n" for name, value in s3.credentials.items()))
    return {
        "sftp://keeper@nas.example:22//erp": sftp.location("erp"),
        "SHA256:nas": ssh.host_key(sftp.host_key).fingerprint,
        "s3:https://s3.example/erp": s3.location("erp"),
    }


def quicker(servers: contextlib.ExitStack, folder: Path, environment: dict[str, str]) -> None:
    """From here on ``wellkept`` is a process that has imported everything and forks, instead of one that imports it: sixty starts are a minute."""
    environment["WELLKEPT_COMMANDS"] = servers.enter_context(commands.served(environment))
    (folder / "bin").mkdir()
    program = folder / "bin" / "wellkept"
    program.write_text(f"#!{sys.executable} -IS\n{Path(ask.__file__).read_text()}")
    program.chmod(0o755)
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"


@pytest.mark.slow
def test_every_command_of_the_guide_works(running_company):
    folder = postgres.throwaway_folder(PREFIX)
    said_and_real = {"/etc/tryton/trytond.conf": str(running_company.config), "/srv/": f"{folder}/srv/"}
    (folder / "srv").mkdir()
    environment = {**os.environ, "WELLKEPT_HOME": str(folder / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = 0
    servers = contextlib.ExitStack()
    try:
        said_and_real |= elsewhere(servers, folder)
        for page in PAGES:
            for example in examples(page):
                line = example.command
                for said, real in said_and_real.items():
                    line = line.replace(said, real)
                ran = subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
                printed = ran.stdout + ran.stderr
                assert ran.returncode == 0, f"{page}: {example.command}\n{printed}"
                assert all(matches(wanted, printed) for wanted in example.expected), f"{page}: {example.command}\n{printed}"
                done += 1
                if done == REALLY_STARTED:
                    quicker(servers, folder, environment)
    finally:
        servers.close()
        remove_home(homes.Home(folder / "home"))
        shutil.rmtree(folder)
    print(f"guide: {done} commands executed")
    assert done >= 42


def test_the_guide_names_every_page_it_has():
    assert sorted(PAGES) == sorted(path.name for path in (ROOT / "docs" / "guide").glob("*.md"))
