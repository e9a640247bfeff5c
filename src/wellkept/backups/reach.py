"""What leads to the place of a repository, besides its key: credentials, the host key of an sftp server, certificates that the system does not know.

A server that nobody has confirmed is never trusted: without its host key an sftp place is refused with the key that the server shows, so that a
person can compare it with the one on the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from django.utils.translation import gettext_noop

from wellkept.estate.errors import Invalid
from wellkept.lib.text import message, reason
from wellkept.tools import restic, ssh

SSH_KEY = "SSH_PRIVATE_KEY"
CREDENTIAL_NAMES = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"),
    "rest": ("REST_USER", "REST_PASSWORD"),
    "sftp": (SSH_KEY,),
    "folder": (),
}


@dataclass(frozen=True)
class Access:
    """What leads to a place. ``host_key`` is a public key ("ssh-ed25519 AAAA…") or its fingerprint ("SHA256:…"), ``ca`` the PEM of certificates."""

    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    host_key: str = ""
    ca: str = ""


class Unconfirmed(Invalid):
    """Nobody has confirmed yet that the server is the right one; ``shown`` is the key by which it introduced itself."""

    def __init__(self, place: ssh.Target, shown: ssh.HostKey) -> None:
        text = gettext_noop(
            "The server {host} shows the host key {shown}. If that is the right one, confirm it: give {fingerprint} as the host key. "
            "On the server, ssh-keygen -lf /etc/ssh/ssh_host_{file}_key.pub prints the right one"
        )
        super().__init__(text, host=place.host, shown=str(shown), fingerprint=shown.fingerprint, file=str(shown).split()[0].lower())
        self.shown = shown


def kind(place: str) -> str:
    """What sort of place it is: "s3", "rest", "sftp" or "folder"."""
    return "folder" if restic.is_folder(place) else place.partition(":")[0]


def checked(place: str, wish: Access, known: Access | None = None) -> Access:
    """The access as it is stored: what is given replaces what is ``known``, an empty credential removes it.

    Raises Unconfirmed, Invalid for what makes no sense, and Unreachable when a server does not show its host key.
    """
    before = known or Access()
    names = CREDENTIAL_NAMES[kind(place)]
    unknown = sorted(set(wish.credentials) - set(names))
    if unknown and names:
        raise Invalid(gettext_noop("{name} is not a credential of this place; known are {names}"), name=unknown[0], names=", ".join(names))
    if unknown:
        raise Invalid(gettext_noop("A folder on this machine needs no credentials"))
    merged = {name: value for name, value in {**before.credentials, **wish.credentials}.items() if value}
    if kind(place) != "sftp":
        if wish.host_key:
            raise Invalid(gettext_noop("A host key belongs to an sftp server only"))
        return Access(merged, ca=_certificates(place, wish.ca) or before.ca)
    if wish.ca:
        raise Invalid(gettext_noop("A certificate belongs to an https address only"))
    if SSH_KEY not in merged:
        raise Invalid(gettext_noop("An sftp server needs an ssh private key, one without a passphrase: ssh-keygen -t ed25519 -N '' -f FILE makes it"))
    try:
        merged[SSH_KEY] = ssh.private_key(merged[SSH_KEY])
        return Access(merged, _host_key(ssh.target(place), wish.host_key.strip() or before.host_key))
    except ssh.WrongKey as error:
        raise Invalid(reason(error)) from error
    except ssh.NoAnswer as error:
        raise restic.Unreachable(reason(error)) from error


def _host_key(place: ssh.Target, given: str) -> str:
    if given and not ssh.FINGERPRINT.fullmatch(given):
        return ssh.host_key(given).text
    shown = ssh.scan(place)
    if not given:
        raise Unconfirmed(place, shown[0])
    for key in shown:
        if key.fingerprint == given:
            return key.text
    text = gettext_noop("The server {host} shows the host key {shown}, not {given}; nothing was changed")
    raise Invalid(message(text, host=place.host, shown=", ".join(map(str, shown)), given=given))


def _certificates(place: str, text: str) -> str:
    if not text.strip():
        return ""
    if "http://" in place or restic.is_folder(place):
        raise Invalid(gettext_noop("A certificate belongs to an https address only"))
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise Invalid(gettext_noop("This is no certificate: it begins with -----BEGIN CERTIFICATE-----")) from error
    return text.strip() + "\n"
