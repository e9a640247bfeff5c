"""Addresses."""

from urllib.parse import parse_qs, unquote, urlsplit

from wellkept.lib.text import gettext_noop


def parse_postgresql_url(url: str) -> dict[str, object]:
    """Django's database settings for ``postgresql://user:password@host:port/name?host=/socket/folder&port=5432&sslmode=…``.

    Raises ValueError when the scheme is another one or the name is missing.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError(gettext_noop("the database address must start with postgresql://"))
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise ValueError(gettext_noop("the database address names no database"))
    host, port = query.pop("host", None), query.pop("port", None)
    return {
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host or parts.hostname or "",
        "PORT": port or str(parts.port or ""),
        "OPTIONS": query,
    }
