"""Escrow: a secret encrypted with age (https://age-encryption.org) to people's own keys, so that it survives the loss of this installation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyrage
from pyrage import x25519

from wellkept.lib.text import Told, gettext_noop

HEADER = "-----BEGIN AGE ENCRYPTED FILE-----"


class EscrowError(Told):
    """An escrow file or a key cannot be used; the text says which."""


@dataclass(frozen=True)
class Identity:
    """A key pair: ``private`` opens, ``public`` (the recipient, age1…) is what is encrypted to."""

    public: str
    private: str = field(repr=False)


def new_identity() -> Identity:
    """A fresh key pair from the operating system's random numbers."""
    made = x25519.Identity.generate()
    return Identity(str(made.to_public()), str(made))


def identity_of(private: str) -> Identity:
    """The key pair of a private key. Raises EscrowError when it is not one."""
    made = _identity(private)
    return Identity(str(made.to_public()), str(made))


def check_recipient(text: str) -> str:
    """A recipient as a person typed it, without spaces around. Raises EscrowError when it is not one."""
    return str(_recipient(text.strip()))


def seal(content: Mapping[str, str], recipients: Sequence[str]) -> str:
    """Encrypt plain data to every recipient; the result is an armoured age file."""
    if not recipients:
        raise EscrowError(gettext_noop("an escrow needs at least one recipient"))
    return bytes(pyrage.encrypt(json.dumps(dict(content), sort_keys=True).encode(), [_recipient(one) for one in recipients], armored=True)).decode()


def unseal(sealed: str, private: str) -> dict[str, str]:
    """Open an escrow with a private key. Raises EscrowError when the key is not one of its recipients' or the file is damaged."""
    try:
        opened = json.loads(pyrage.decrypt(sealed.encode(), [_identity(private)]))
    except pyrage.DecryptError as error:
        raise EscrowError(gettext_noop("this key does not open the escrow file, or the file is damaged ({words})"), words=str(error)) from error
    except ValueError as error:
        raise EscrowError(gettext_noop("the escrow file does not hold what it should")) from error
    if not isinstance(opened, dict) or not all(isinstance(value, str) for value in opened.values()):
        raise EscrowError(gettext_noop("the escrow file does not hold what it should"))
    return opened


def private_key_in(text: str) -> str:
    """The private key in the text of an identity file (comments and empty lines are passed over). Raises EscrowError when there is none."""
    for line in text.splitlines():
        if line.strip().upper().startswith("AGE-SECRET-KEY-"):
            return line.strip()
    raise EscrowError(gettext_noop("there is no private key (a line that starts with AGE-SECRET-KEY-)"))


def _recipient(text: str) -> x25519.Recipient:
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise EscrowError(gettext_noop("“{text}” is not an age public key (age1…)"), text=text[:80]) from error


def _identity(text: str) -> x25519.Identity:
    try:
        return x25519.Identity.from_str(text.strip())
    except pyrage.IdentityError as error:
        raise EscrowError(gettext_noop("that is not an age private key (AGE-SECRET-KEY-…)")) from error
