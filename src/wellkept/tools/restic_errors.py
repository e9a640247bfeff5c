"""What went wrong with restic.

Errors say what the caller has to decide::

    ResticError
    ├── NoRepository   nothing is there: mend the location, or create it
    ├── WrongKey       the password does not open it: use the escrowed one
    ├── Refused        the place does not let us in, or is not the one we trust: mend the credentials, the host key or the certificate
    │   └── KeepsAll   it lets in, but lets nothing be removed (append-only): make room there
    ├── Unreachable    the place does not answer: try again later
    ├── Damaged        what is stored is not what was written: keep it, make a new backup elsewhere
    ├── Full           no space is left where it writes
    ├── Locked         another process holds the repository
    └── Incomplete     some of the files could not be read while backing up
"""

import re
from collections.abc import Iterable, Sequence

from wellkept.lib.text import Message, Told, gettext_noop, message, said


class ResticError(Told):
    """restic could not do it."""


class NoRepository(ResticError):
    """There is no repository at the location."""


class WrongKey(ResticError):
    """The password does not open the repository."""


class Refused(ResticError):
    """The place does not let us in, or does not prove to be the one that we trust."""


class KeepsAll(Refused):
    """The place takes what is written and lets nothing of it be removed."""


class Unreachable(ResticError):
    """The place of the repository does not answer."""


class Damaged(ResticError):
    """What is stored cannot be read back as it was written."""


class Full(ResticError):
    """No space is left."""


class Locked(ResticError):
    """Another process holds the repository."""


class Incomplete(ResticError):
    """Some files could not be read for the backup."""


NOT_LET_IN = (
    "401 Unauthorized",
    "403 Forbidden",
    "Access ?Denied",
    "signature we calculated does not match",
    "Access Key Id you provided does not exist",
    r"Permission denied \(",
    "Host key verification failed",
    "HOST IDENTIFICATION HAS CHANGED",
    "x509: ",
)
CRASH = re.compile(r"(panic|fatal error|runtime): ")
PACK_GONE = r"^pack \w+: does not exist"
SIGNS: Sequence[tuple[type[ResticError], Sequence[str]]] = (
    (Full, ("no space left on device", "disk quota exceeded", "not enough space")),
    (WrongKey, ("wrong password or no key found",)),
    (Locked, ("repository is already locked", "unable to create lock in backend: repository")),
    (KeepsAll, (r"^(Remove\(<(?!lock)|blob not removed).*(403|Access ?Denied|permission denied)",)),
    (Refused, NOT_LET_IN),
    (
        Unreachable,
        (
            "[Cc]onnection (refused|reset|lost|closed|timed out)",
            "no such host",
            "i/o timeout",
            "handshake timeout",
            "network is unreachable",
            "No route to host",
            "50[0234] (Internal|Bad Gateway|Service|Gateway)",
            "ssh: ",
            "unable to start the sftp session",
            "ssh command exited: exit status 255",
        ),
    ),
    (NoRepository, ("Is there a repository at the following location", "config file does not exist", "unable to open config file")),
    (Damaged, ("ciphertext verification failed", "unexpected EOF", "unexpected file size", PACK_GONE, "does not match", "contains errors")),
    (
        Damaged,
        ("config cannot be loaded", "not found in index", "invalid data", "id .* not found", "no such file or directory", r"There were \d+ errors"),
    ),
)
IN_VAIN = re.compile(rf"^(?!Remove\(<lock).* retrying after .*({'|'.join(NOT_LET_IN)})|connection lost|{PACK_GONE}")
"""What no further try makes better; an append-only place that keeps our own locks too is no reason to stop. A check that has missed a pack would
still try to read it, ten times in 40 seconds."""


def understand(stderr: str, secrets: Iterable[str] = ()) -> ResticError:
    """The error that the words of restic (and of ssh under it) mean, with its most telling line and without these secrets."""
    text = stderr
    for secret in secrets:
        text = text.replace(secret, "…") if secret else text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "Host key verification failed." in lines:
        return Refused(_other_host(text))
    for kind, signs in SIGNS:
        telling = [line for line in lines if re.search("|".join(signs), line)]
        if telling:
            first = next((line for line in telling if "retrying after" not in line), telling[-1])
            return kind(said("restic", _last_words(first).removeprefix("ignoring error for ")))
    crash = next((line for line in lines if CRASH.match(line)), None)
    if crash is not None or any(line.startswith("goroutine ") for line in lines):
        return ResticError(said("restic", crash) if crash is not None else gettext_noop("restic crashed"))
    return ResticError(said("restic", _last_words(lines[-1])) if lines else gettext_noop("restic failed and said nothing"))


def _last_words(line: str) -> str:
    """What a line ends with: restic writes what it gave up for onto the line of a warning before it."""
    return line.rpartition("Fatal: ")[2]


def _other_host(text: str) -> Message:
    shown = re.search(r"The fingerprint for the (\S+) key sent by the remote host is\s+(SHA256:\S+)", text)
    what = f"{shown.group(1)} {shown.group(2).rstrip('.')}" if shown is not None else message(gettext_noop("of another kind"))
    sentence = gettext_noop(
        "the server does not show the host key that was confirmed for it, but another one ({key}); nothing was sent to it. "
        "If the server was really renewed, confirm its new key: {command}"
    )
    return message(sentence, key=what, command="wellkept repository credentials NAME --host-key SHA256:…")
