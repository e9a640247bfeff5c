"""Passwords of a copy, hashed and checked by Tryton's own interpreter with the schemes that the installation has; they go through its input."""

from collections.abc import Sequence

from wellkept.adapters.base import Invalid, Site
from wellkept.lib.text import gettext_noop
from wellkept.tools import command

HASHER = """
import sys
from trytond.res import user
hasher = getattr(user, "CRYPT_CONTEXT", None) or user.PASSWORD_HASH  # the second since 7.6
"""
HASH = HASHER + 'sys.stdout.write("\\n".join(hasher.hash(password) for password in sys.stdin.read().split("\\n")))'
VERIFY = f"""{HASHER}
password, stored = sys.stdin.read().split("\\n")
sys.stdout.write("same" if hasher.verify(password, stored) else "other")
"""


def hashes(site: Site, passwords: Sequence[str]) -> Sequence[str]:
    """The passwords as Tryton stores them."""
    return _ask(site, HASH, passwords).split("\n") if passwords else []


def same(site: Site, password: str, stored: str) -> bool:
    """Whether a stored hash is that of a password."""
    return _ask(site, VERIFY, [password, stored]) == "same"


def _ask(site: Site, program: str, lines: Sequence[str]) -> str:
    if site.interpreter is None or site.config is None:
        raise Invalid(gettext_noop("the password of a copy needs Tryton's interpreter and the copy's configuration"))
    env = {"TRYTOND_CONFIG": str(site.config)}
    text = "\n".join(lines).encode()
    return command.run([site.interpreter, "-W", "ignore", "-c", program], env=env, stdin=text, user=site.os_user, timeout=60).stdout
