"""Ed25519 signatures over plain data. Keys are 32 bytes, written in base64."""

import base64
import binascii
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wellkept.lib.hashing import canonical_json


def public_key(seed: str) -> str:
    """The public key that belongs to a private seed."""
    raw = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed)).public_key().public_bytes_raw()
    return base64.b64encode(raw).decode()


def sign(data: object, seed: str) -> str:
    """The signature over the canonical JSON of ``data``, in base64."""
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed))
    return base64.b64encode(key.sign(canonical_json(data))).decode()


def signed_by(data: object, signature: str, public_keys: Iterable[str]) -> bool:
    """Whether one of the public keys made the signature; anything that is not a signature or not a key counts as no."""
    content = canonical_json(data)
    for public in public_keys:
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
            key.verify(base64.b64decode(signature, validate=True), content)
        except (InvalidSignature, ValueError, binascii.Error):
            continue
        return True
    return False
