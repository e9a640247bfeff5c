"""Who calls: a token (``Authorization: Bearer wk_…``) or the session of a signed-in person, then with the CSRF token for anything that changes."""

from typing import Any, TypeVar

from django.core.cache import cache
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja.errors import HttpError
from ninja.security import HttpBearer, SessionAuth

from wellkept.estate import access, tokens
from wellkept.estate.errors import Invalid, NotFound
from wellkept.estate.models import ApiToken, Organisation, Role

M = TypeVar("M", bound=Model)
FAILURES = 20
FAILURES_SECONDS = 300


class TokenAuth(HttpBearer):
    """A token. After FAILURES wrong ones from an address within FAILURES_SECONDS the answer to more is 429 (per web process).

    A good token works all the same: behind one address may be a whole office, and 256 random bits are not guessed.
    """

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        found = tokens.find(token)
        if found is not None:
            return found
        key = f"api-failures:{request.META.get('REMOTE_ADDR', '')}"
        cache.add(key, 0, FAILURES_SECONDS)
        if cache.incr(key) > FAILURES:
            raise HttpError(429, "Too many wrong tokens from this address; wait five minutes.")
        raise HttpError(401, "This token is unknown, has ended, or was revoked.")


AUTH = [TokenAuth(), SessionAuth()]


def who(request: HttpRequest) -> Any:
    """The token or the person that calls."""
    return request.auth  # type: ignore[attr-defined]


def seen(request: HttpRequest, model: type[M], related: tuple[str, ...] = (), **lookup: Any) -> M:
    """The row that is meant, when the caller may see it. Raises NotFound otherwise: what is not visible does not exist."""
    found = access.visible_to(who(request), model).select_related(*related).filter(**lookup).first()
    if found is None:
        raise NotFound(f"there is no such {model._meta.verbose_name}")  # noqa: SLF001 - Django's documented way to the name
    return found


def allowed(request: HttpRequest, model: type[M], role: str, related: tuple[str, ...] = (), **lookup: Any) -> M:
    """The row that is meant, when the caller sees it and has the role there. Raises NotFound and Denied."""
    found = seen(request, model, related, **lookup)
    access.require(who(request), role, found)
    return found


def whole_organisation(request: HttpRequest, slug: str, role: str = Role.VIEWER) -> Organisation:
    """The organisation of a short name, for members of all of it with the role. Raises NotFound and Denied."""
    return allowed(request, Organisation, role, slug=slug)


def agreed(confirm: str, name: str) -> None:
    """Raise Invalid unless the name of what is at stake was sent again."""
    if confirm != name:
        raise Invalid(gettext_noop("nothing was done: to agree, send confirm: {name}"), name=name)
