"""ssh: the way to a repository on an sftp server, with a key and a host key of its own and nothing of the user's ``~/.ssh``.

Errors::

    SshError
    ├── NoAnswer    no ssh server answers there
    └── WrongKey    a text is not a key that can be used here
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from wellkept.lib.text import Told, gettext_noop
from wellkept.tools import command

TARGET = re.compile(r"sftp:(//)?(?:([A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(?::(\d+)(?=/))?[:/].+")
HOST_KEY = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa) ([A-Za-z0-9+/]+=*)")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
KINDS = {"ssh-ed25519": "ED25519", "ecdsa-sha2-nistp256": "ECDSA", "ecdsa-sha2-nistp384": "ECDSA", "ecdsa-sha2-nistp521": "ECDSA", "ssh-rsa": "RSA"}
ALIAS = "repository"
OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    f"HostKeyAlias={ALIAS}",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)


class SshError(Told):
    """The way by ssh cannot be used."""


class NoAnswer(SshError):
    """No ssh server answers there."""


class WrongKey(SshError):
    """A text is not a key that can be used here."""


@dataclass(frozen=True)
class Target:
    """Where an sftp repository is; without a user it is the one that runs Wellkept, without a port 22."""

    user: str | None
    host: str
    port: int


@dataclass(frozen=True)
class HostKey:
    """The public key by which a server proves to be itself: its algorithm and its content in base64."""

    algorithm: str
    content: str

    @property
    def text(self) -> str:
        """As it stands in /etc/ssh/ssh_host_*_key.pub, without the comment."""
        return f"{self.algorithm} {self.content}"

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l prints it, "SHA256:…"."""
        digest = hashlib.sha256(base64.b64decode(self.content)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        return f"{KINDS[self.algorithm]} {self.fingerprint}"


def target(location: str) -> Target:
    """The server in an sftp location, "sftp:user@host:/folder" or "sftp://user@host:port//folder". Raises ValueError for anything else."""
    found = TARGET.fullmatch(location)
    port = int(found.group(4) or 22) if found is not None and found.group(1) else 22
    if found is None or not 0 < port < 65536 or (found.group(4) and not found.group(1)):
        raise ValueError(gettext_noop("an sftp repository is written sftp:user@host:/folder or sftp://user@host:port//folder"))
    return Target(found.group(2), found.group(3).strip("[]"), port)


def host_key(text: str) -> HostKey:
    """A host key as it stands in a .pub file or a line of known_hosts. Raises WrongKey."""
    found = HOST_KEY.search(text)
    if found is None:
        raise WrongKey(gettext_noop("a host key is written “ssh-ed25519 AAAA…”, or as its fingerprint “SHA256:…”"))
    try:
        base64.b64decode(found.group(2), validate=True)
    except ValueError as error:
        raise WrongKey(gettext_noop("the host key is not whole")) from error
    return HostKey(found.group(1), found.group(2))


def private_key(text: str) -> str:
    """The private key as ssh wants it (Unix line ends, a last one). Raises WrongKey for one with a passphrase and for what is none."""
    clean = "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"
    load = serialization.load_ssh_private_key if "OPENSSH" in clean else serialization.load_pem_private_key
    try:
        load(clean.encode(), password=None)
    except TypeError as error:
        text = gettext_noop("the ssh key has a passphrase, which nobody could type at night; give one without: {command}")
        raise WrongKey(text, command="ssh-keygen -t ed25519 -N '' -f FILE") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        text = gettext_noop("this is not an ssh private key; it is the text of a file like ~/.ssh/id_ed25519, not of the .pub beside it")
        raise WrongKey(text) from error
    return clean


def scan(place: Target, *, timeout: float = 30) -> list[HostKey]:
    """The host keys that a server shows, the best kind first; that it is the right server is for a person to say. Raises NoAnswer."""
    args = ["ssh-keyscan", "-T", "10", "-t", "ed25519,ecdsa,rsa", "-p", str(place.port), place.host]
    done = command.run(args, timeout=timeout, accept=(0, 1))
    found = {host_key(line) for line in done.stdout.splitlines() if not line.startswith("#") and HOST_KEY.search(line)}
    if not found:
        raise NoAnswer(gettext_noop("no ssh server answers at {host} port {port}"), host=place.host, port=place.port)
    return sorted(found, key=lambda key: list(KINDS).index(key.algorithm))


def sftp_command(place: Target, *, key: Path, known: Path, log: Path) -> Sequence[str]:
    """The command that opens an sftp channel: ``key`` and ``known`` are files with the private key and the line of ``known_host``.

    ssh writes what goes wrong into ``log``: the caller of ssh (restic) may be gone before it reads it.
    """
    options = [part for option in (*OPTIONS, f"UserKnownHostsFile={known}") for part in ("-o", option)]
    user = ["-l", place.user] if place.user else []
    return ["ssh", "-F", "none", "-E", str(log), "-i", str(key), *options, "-p", str(place.port), *user, "-s", "--", place.host, "sftp"]


def known_host(key: HostKey) -> str:
    """The content of the file that makes ssh accept this key and no other."""
    return f"{ALIAS} {key.text}\n"
