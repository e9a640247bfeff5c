"""What a user of Tryton does all day, timed over its own RPC: sign in, search, open, save.

Saving changes a preference of the probing user and puts it back, so that no business record, number or document date moves.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wellkept.adapters.base import AdapterError, Invalid, Site, Timing
from wellkept.adapters.tryton import rpc
from wellkept.lib.text import gettext_noop, message, reason

NAMES: Sequence[str] = ("login", "search", "open", "save")
PAGE = 80
SEARCHED = ("sale.sale", "purchase.purchase", "account.invoice", "party.party")
"""What is searched and opened: the first of these that the user may read and that has a record."""
MARK = " ✓"


def run(site: Site) -> Sequence[Timing]:
    """Do and time each action in the order of NAMES; an action that fails carries its error, and those after it say that it failed."""
    timings: list[Timing] = []
    session: rpc.Session | None = None

    def sign_in() -> None:
        nonlocal session
        if site.login is None:
            raise Invalid(gettext_noop("no user is known for the probes"))
        session = rpc.login(site, site.login)

    timings.append(_timed("login", sign_in))
    if session is None:
        unsigned = message(gettext_noop("not signed in: {reason}"), reason=timings[0].error)
        return [*timings, *(Timing(name, 0.0, unsigned) for name in NAMES[1:])]
    signed_in: rpc.Session = session
    context = _context(signed_in)
    found: dict[str, Sequence[int]] = {}
    timings.append(_timed("search", lambda: found.update(_search(signed_in, context))))
    timings.append(_timed("open", lambda: _open(signed_in, context, found)))
    timings.append(_save(signed_in, context))
    signed_in.close()
    return timings


def _timed(name: str, action: Callable[[], object]) -> Timing:
    started = time.monotonic()
    try:
        action()
    except AdapterError as error:
        return Timing(name, time.monotonic() - started, reason(error))
    return Timing(name, time.monotonic() - started)


def _context(session: rpc.Session) -> dict[str, Any]:
    """The context that Tryton's own client sends with each call; empty where it cannot be had, so that the probes themselves fail and say why."""
    try:
        preferences = session.call("model.res.user.get_preferences", True)
    except AdapterError:
        return {}
    return preferences if isinstance(preferences, dict) else {}


def _search(session: rpc.Session, context: dict[str, Any]) -> dict[str, Sequence[int]]:
    """The newest page of the first kind of document that has one, as a list in the client shows it."""
    refused: AdapterError | None = None
    for model in SEARCHED:
        try:
            rows = session.call(f"model.{model}.search_read", [], 0, PAGE, [["id", "DESC"]], ["rec_name"], context=context)
        except AdapterError as error:
            refused = error
            continue
        if rows:
            return {model: [int(row["id"]) for row in rows]}
    if refused is not None:
        raise refused
    raise Invalid(gettext_noop("there is no record to search for"))


def _open(session: rpc.Session, context: dict[str, Any], found: Mapping[str, Sequence[int]]) -> None:
    """One record with all its fields, as a form in the client shows it."""
    if not found:
        raise Invalid(gettext_noop("nothing was found to open"))
    ((model, numbers),) = found.items()
    view = session.call(f"model.{model}.fields_view_get", None, "form", context=context)
    names = [name for name, field in view["fields"].items() if field.get("type") != "binary"]
    rows = session.call(f"model.{model}.read", [numbers[0]], names, context=context)
    if len(rows) != 1:
        raise Invalid(gettext_noop("{model} {number} was found but could not be opened"), model=model, number=numbers[0])


def _save(session: rpc.Session, context: dict[str, Any]) -> Timing:
    """Only the saving itself is timed, not the reading before and the putting back after it."""
    name, timing = NAMES[3], Timing(NAMES[3], 0.0)
    try:
        before = session.call("model.res.user.get_preferences", False, context=context).get("signature")
        changed = (before or "") + MARK
        try:
            timing = _timed(name, lambda: session.call("model.res.user.set_preferences", {"signature": changed}, context=context))
            if timing.error is None and session.call("model.res.user.get_preferences", False, context=context).get("signature") != changed:
                raise Invalid(gettext_noop("what was saved could not be read back"))
        finally:
            session.call("model.res.user.set_preferences", {"signature": before}, context=context)
    except AdapterError as error:
        return Timing(name, timing.seconds, timing.error or reason(error))
    return timing
