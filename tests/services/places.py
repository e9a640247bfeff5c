"""Real servers for repositories on this machine: OpenSSH's sshd for sftp, rclone's servers for restic's REST protocol (with TLS) and for S3.

rclone comes as a package from PyPI, for tests only; its S3 server checks signatures and keeps objects as files. sshd is run from its Debian package
without being installed: installing it would open the machine to its network. Each server listens on 127.0.0.1 and ends with its block.
"""

import contextlib
import datetime as dt
import ipaddress
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.services.keys import quicken
from wellkept import home as homes
from wellkept.tools import command, postgres

RCLONE = Path(sys.executable).with_name("rclone")


@dataclass
class Place:
    """A server of repositories: where one goes in it, and what a client needs to know."""

    folder: Path
    address: str
    port: int
    line: list[str]
    credentials: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    host_key: str = ""
    ca: str = ""
    bucket: str = "."
    group: int = 0
    starts: int = 0

    def location(self, name: str) -> str:
        """The place of the repository of this name."""
        return f"{self.address}/{name}"

    def stored(self, name: str) -> Path:
        """The folder in which the server keeps that repository."""
        return next(self.folder.glob(f"**/{name}"))

    def put(self, repository: Path, name: str) -> None:
        """Have a copy of a repository there, as if it had been made there: making one takes seconds."""
        target = shutil.copytree(repository, self.folder / self.bucket / name)
        command.run(["chmod", "-R", "u+w", target])
        if self.user is not None:
            command.run(["chown", "-R", self.user, self.folder])

    def quicken(self, name: str, password: str) -> None:
        """Make the key of a repository quick to derive, while the server is away: some remember which files they have."""
        self.cut()
        quicken(self.stored(name), password)
        self.start()

    def start(self) -> None:
        """Start the server, again on the same port, and wait until it listens; it ends with the thread that calls this."""
        self.starts += 1
        self.group = command.spawn(self.line, log=self.folder.parent / "log", env=self.env, user=self.user, dies_with_us=True)
        deadline = time.monotonic() + 20
        while not listening(self.port):
            assert command.group_alive(self.group), (self.folder.parent / "log").read_text()
            assert time.monotonic() < deadline, (self.folder.parent / "log").read_text()
            time.sleep(0.05)

    def cut(self) -> None:
        """Kill the server with every connection it has; once it is gone this does nothing."""
        if not command.group_alive(self.group):
            return
        for pid in family(self.group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        command.stop(self.group, grace=0)


def family(pid: int) -> list[int]:
    """A process and everything that it started, whatever group that is in."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def _running(place: Place) -> Iterator[Place]:
    place.start()
    try:
        yield place
    finally:
        place.cut()
        shutil.rmtree(place.folder.parent)


def _folder() -> Path:
    made = postgres.throwaway_folder("wk-place-")
    return postgres.owned_folder(made / "stored", postgres.service_user())


def sshd_program() -> Path:
    """sshd, from the system or from where scripts/bootstrap --test unpacked it."""
    return next(path for path in (Path("/usr/sbin/sshd"), homes.cache() / "sshd" / "usr/sbin/sshd") if path.exists())


def new_key(path: Path, owner: str) -> Path:
    """A pair of ssh keys without a passphrase, ``path`` and ``path.pub``."""
    command.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path])
    for part in (path, path.with_name(f"{path.name}.pub")):
        shutil.chown(part, owner)
    return path


@contextlib.contextmanager
def sftp_server() -> Iterator[Place]:
    """sshd as an ordinary user, who gets sftp with one key and nothing else."""
    stored, user, port = _folder(), postgres.service_user(), postgres.free_port()
    folder = stored.parent
    program = Path(shutil.copy(sshd_program(), folder / "sshd"))
    program.chmod(0o755)
    host, client = new_key(folder / "host", user), new_key(folder / "client", user)
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": host,
        "AuthorizedKeysFile": f"{client}.pub",
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
        "ForceCommand": "internal-sftp",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    line = [str(program), "-D", "-e", "-f", str(folder / "sshd_config")]
    address, key = f"sftp://{user}@127.0.0.1:{port}/{stored}", {"SSH_PRIVATE_KEY": client.read_text()}
    with _running(Place(stored, address, port, line, key, user=user, host_key=host.with_name("host.pub").read_text())) as place:
        yield place


@contextlib.contextmanager
def rest_server(*options: str) -> Iterator[Place]:
    """rclone's server of restic's REST protocol, with TLS by a certificate of its own; ``--append-only`` may be among the options."""
    stored, port = _folder(), postgres.free_port()
    certificate, key = own_certificate()
    (stored.parent / "server.pem").write_text(certificate + key)
    pem = str(stored.parent / "server.pem")
    line = [str(RCLONE), "serve", "restic", "--addr", f"127.0.0.1:{port}", "--cert", pem, "--key", pem, *options, str(stored)]
    env = {"RCLONE_CONFIG": os.devnull, "RCLONE_USER": "keeper", "RCLONE_PASS": "rest-secret-1"}
    credentials = {"REST_USER": "keeper", "REST_PASSWORD": "rest-secret-1"}
    with _running(Place(stored, f"rest:https://127.0.0.1:{port}", port, line, credentials, env, ca=certificate)) as place:
        yield place


@contextlib.contextmanager
def s3_server() -> Iterator[Place]:
    """rclone's S3 server: buckets are folders; a request with a wrong signature is refused."""
    stored, port = _folder(), postgres.free_port()
    line = [str(RCLONE), "serve", "s3", "--addr", f"127.0.0.1:{port}", str(stored)]
    env = {"RCLONE_CONFIG": os.devnull, "RCLONE_AUTH_KEY": '"KEEPER1,s3-secret-1"'}
    credentials = {"AWS_ACCESS_KEY_ID": "KEEPER1", "AWS_SECRET_ACCESS_KEY": "s3-secret-1"}
    with _running(Place(stored, f"s3:http://127.0.0.1:{port}/bucket", port, line, credentials, env, bucket="bucket")) as place:
        yield place


def own_certificate() -> tuple[str, str]:
    """A certificate for 127.0.0.1 that is its own authority, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - dt.timedelta(days=1), now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
