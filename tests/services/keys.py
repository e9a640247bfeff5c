"""Makes the key of a repository quick to derive: restic takes half a second of a processor each time it opens one, and the tests open a thousand.

restic has no option for it, so its key file is written anew: the same master key, sealed with the same password at the least cost. What is
stored, and everything that restic does, stays as it is.
"""

import base64
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

LEAST = {"N": 2, "r": 1, "p": 1}
NONCE, TAG = 16, 16
CLAMP = bytes.fromhex("ffffff0ffcffff0ffcffff0ffcffff0f")


def quicken(folder: Path, password: str) -> None:
    """Write the only key of the repository in this folder anew; ``password`` opens it before and after."""
    (old,) = (folder / "keys").iterdir()
    key = json.loads(old.read_text())
    sealed = base64.b64decode(key["data"])
    master = _crypt(_derived(key, password), sealed[:NONCE], sealed[NONCE:-TAG])
    key |= LEAST
    secret, nonce = _derived(key, password), os.urandom(NONCE)
    stored = _crypt(secret, nonce, master)
    key["data"] = base64.b64encode(nonce + stored + _tag(secret, nonce, stored)).decode()
    content = json.dumps(key).encode()
    fresh = old.with_name(hashlib.sha256(content).hexdigest())
    fresh.write_bytes(content)
    shutil.copystat(old, fresh)
    shutil.chown(fresh, old.stat().st_uid, old.stat().st_gid)
    old.unlink()


def _derived(key: dict[str, Any], password: str) -> bytes:
    """The 64 bytes that restic derives from a password: 32 to encrypt with, 32 to authenticate with."""
    cost = {name.lower(): key[name] for name in LEAST}
    return hashlib.scrypt(password.encode(), salt=base64.b64decode(key["salt"]), **cost, maxmem=2**28, dklen=64)


def _crypt(secret: bytes, nonce: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(secret[:32]), modes.CTR(nonce)).encryptor().update(data)


def _tag(secret: bytes, nonce: bytes, data: bytes) -> bytes:
    """Poly1305-AES: its second half comes from AES of the nonce."""
    block = Cipher(algorithms.AES(secret[32:48]), modes.ECB()).encryptor().update(nonce)
    clamped = bytes(one & mask for one, mask in zip(secret[48:64], CLAMP, strict=True))
    return Poly1305.generate_tag(clamped + block, data)
