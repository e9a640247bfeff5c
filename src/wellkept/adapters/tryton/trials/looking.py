"""A look around that changes nothing: every list that a user's menu offers, a record of each kind, and new orders that are not saved.

All calls are those that Tryton answers in read-only transactions; only the session itself is written, and closed.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from wellkept.adapters.base import AdapterError, Invalid, Site
from wellkept.adapters.trial import Sight
from wellkept.adapters.tryton.trials.client import Person, signed_in
from wellkept.lib.text import gettext_noop, reason

PAGE = 80
WINDOW = "ir.action.act_window"
ADMINISTRATION = ("ir.", "res.")
NEWEST = [["id", "DESC"]]
ENTERED: Mapping[str, tuple[str, str | None]] = {
    "sale.sale": ("party", "sale.line"),
    "purchase.purchase": ("party", "purchase.line"),
    "account.invoice": ("party", None),
    "stock.shipment.in": ("supplier", None),
    "production": ("product", None),
}
"""What is entered first into a new record of a kind, and the kind of its lines, which get a product."""


def look(site: Site, *, most: int | None = None, at_once: int = 1, rounds: int = 1) -> Sequence[Sight]:
    """Sign in as the site's own login and look at everything its menu leads to, or at ``most`` so many kinds of record, orders first.

    So many kinds are looked at ``at_once``: a server that has just started works each of them out with one processor. All is done in so many
    ``rounds``, each with a session of its own; the menu is read in the first. What cannot be opened carries its error.
    """
    sights: list[Sight] = []
    if site.login is None:
        raise Invalid(gettext_noop("no user is known to sign in with"))
    kinds: Sequence[str] | None = None
    for _round in range(rounds):
        started = time.monotonic()
        try:
            with signed_in(site, "observer", site.login) as person:
                # To confirm a warning would be written down by the ERP.
                person.confirms = False
                sights.append(Sight("login", "login", time.monotonic() - started))
                kinds = _chosen(person, most) if kinds is None else kinds
                with ThreadPoolExecutor(at_once) as pool:
                    for seen in pool.map(partial(_look_at, person), kinds):
                        sights += seen
        except AdapterError as error:
            sights.append(Sight("login", "login", time.monotonic() - started, reason(error)))
    return sights


def _chosen(person: Person, most: int | None) -> Sequence[str]:
    return sorted(_kinds(person), key=lambda kind: list(ENTERED).index(kind) if kind in ENTERED else len(ENTERED))[:most]


def _kinds(person: Person) -> Sequence[str]:
    """The kinds of business record whose lists the menu opens."""
    menus = person.call("ir.ui.menu.search_read", [], 0, None, None, ["action"])
    windows = [int(menu["action"].split(",")[1]) for menu in menus if (menu["action"] or "").startswith(f"{WINDOW},")]
    models = [action["res_model"] or "" for action in person.call(f"{WINDOW}.read", sorted(set(windows)), ["res_model"])]
    return [model for model in dict.fromkeys(models) if model and not model.startswith(ADMINISTRATION)]


def _look_at(person: Person, kind: str) -> Sequence[Sight]:
    sights: list[Sight] = []
    found: list[int] = []
    with _timed(sights, kind, "list"):
        rows = person.call(f"{kind}.search_read", [], 0, PAGE, None, _names(person, kind, "tree"))
        found += [int(row["id"]) for row in rows]
    if found:
        with _timed(sights, kind, "record"):
            person.read(kind, found[0], *_names(person, kind, "form"))
    if kind in ENTERED:
        with _timed(sights, kind, "new"):
            _begin(person, kind)
    return sights


def _names(person: Person, kind: str, view: str) -> Sequence[str]:
    fields = person.call(f"{kind}.fields_view_get", None, view)["fields"]
    return ["rec_name", *(name for name, definition in fields.items() if definition.get("type") != "binary")]


def _begin(person: Person, kind: str) -> None:
    """Open a new record, enter what the newest one has, and throw it away."""
    first, line_kind = ENTERED[kind]
    form = person.form(kind)
    newest = person.call(f"{kind}.search_read", [[first, "!=", None]], 0, 1, NEWEST, [first])
    if newest:
        form.enter(**{first: newest[0][first]})
    products = person.call(f"{line_kind}.search_read", [["product", "!=", None]], 0, 1, NEWEST, ["product"]) if line_kind else []
    if products:
        form.line("lines", product=products[0]["product"], quantity=1.0)


@contextmanager
def _timed(sights: list[Sight], what: str, way: Any) -> Iterator[None]:
    started, error = time.monotonic(), None
    try:
        yield
    except AdapterError as problem:
        error = reason(problem)
    sights.append(Sight(what, way, time.monotonic() - started, error))
