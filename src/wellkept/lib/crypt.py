"""Secrets at rest: keys, encryption of stored values, and keys derived for one purpose each."""

import base64
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wellkept.lib.text import Told, gettext_noop


class WrongKey(Told):
    """A secret cannot be opened with the keys at hand."""


def read_keys(path: Path) -> list[str]:
    """The keys of a key file, newest first (one Fernet key a line). Raises WrongKey when there is none."""
    keys = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if not keys:
        raise WrongKey(gettext_noop("{path} holds no key; put back the copy of it that you keep outside this machine"), path=str(path))
    return keys


def encrypt(text: str, keys: Sequence[str]) -> str:
    """Encrypt with the newest key (Fernet: AES-128-CBC with HMAC-SHA-256)."""
    return MultiFernet([Fernet(key) for key in keys]).encrypt(text.encode()).decode()


def decrypt(token: str, keys: Sequence[str]) -> str:
    """Open what ``encrypt`` made with any of the keys. Raises WrongKey when none fits."""
    try:
        return MultiFernet([Fernet(key) for key in keys]).decrypt(token.encode()).decode()
    except InvalidToken as error:
        text = gettext_noop("a stored secret cannot be opened with the keys in secret.key; put back the key file it was written with")
        raise WrongKey(text) from error


def derive(key: str, purpose: str) -> str:
    """A key of 32 bytes (base64) for one purpose, from a master key (HKDF-SHA-256, RFC 5869)."""
    raw = HKDF(hashes.SHA256(), 32, None, purpose.encode()).derive(base64.urlsafe_b64decode(key))
    return base64.urlsafe_b64encode(raw).decode()
