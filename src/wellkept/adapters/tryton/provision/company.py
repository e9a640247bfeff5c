"""The company: people, parties, products and a year of documents, put in by a script that Tryton's own interpreter runs."""

import datetime as dt
import json
from collections.abc import Mapping

from wellkept.adapters.base import Invalid, Site
from wellkept.adapters.tryton.provision.database import QUICK
from wellkept.adapters.tryton.provision.install import OnLine
from wellkept.adapters.tryton.provision.workplace import SCRIPTS, give_to, workplace
from wellkept.lib.text import gettext_noop
from wellkept.tools import command, postgres

LOGINS: tuple[str, ...] = tuple(person["login"] for person in json.loads((SCRIPTS / "people.json").read_text(encoding="utf-8")))
"""The users that a company has besides Tryton's ``admin``: buyer, seller, accountant, storekeeper, planner, hr and more."""

_SMALL = {
    "weeks": 52,
    "periods": 13,
    "parties": 160,
    "products": 40,
    "purchases": 34,
    "productions": 24,
    "sales": 56,
    "office_weeks": 12,
    "opportunities": 24,
    "inspections": 20,
    "attachments": 60,
}
SIZES: Mapping[str, Mapping[str, int]] = {
    "small": _SMALL,
    "medium": {
        "weeks": 52,
        "periods": 52,
        "parties": 1200,
        "products": 200,
        "purchases": 220,
        "productions": 160,
        "sales": 400,
        "office_weeks": 52,
        "opportunities": 150,
        "inspections": 140,
        "attachments": 500,
    },
    "large": {**_SMALL, "multiplied_parties": 100_000, "multiplied_moves": 1_000_000},
}
FILL_SECONDS = 3600.0


def fill(site: Site, size: str, *, seed: int, base_date: dt.date, passwords: Mapping[str, str], on_line: OnLine | None = None) -> dict[str, float]:
    """Fill the site's empty Tryton with a company whose last working day is ``base_date``; return the seconds of each stage.

    ``passwords`` are by login (see LOGINS); a user without one cannot sign in. The same size, seed and date give the same business figures.
    """
    if size not in SIZES:
        raise Invalid(gettext_noop("there is no size {size}; these are: {known}"), size=size, known=", ".join(SIZES))
    unknown = set(passwords) - set(LOGINS)
    if unknown:
        raise Invalid(gettext_noop("the company has no user {names}"), names=", ".join(sorted(unknown)))
    if site.interpreter is None or site.config is None:
        raise Invalid(gettext_noop("the site of database {database} does not say its interpreter and its configuration"), database=site.database)
    job = {"config": str(site.config), "database": site.database, "seed": seed, "base_date": base_date.isoformat(), "amounts": SIZES[size]}
    user = site.os_user or postgres.service_user()
    with workplace(user) as folder:
        order = folder / "job.json"
        order.write_text(json.dumps(job))
        give_to(order, user)
        done = command.run(
            [site.interpreter, "-W", "ignore", folder / "scripts" / "fill.py", order],
            # Sets of strings are walked in another order in each process unless the hash seed is fixed: figures would differ.
            env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", **QUICK},
            stdin=json.dumps(dict(passwords)).encode(),
            user=user,
            timeout=FILL_SECONDS,
            on_line=on_line,
        )
    return {name: float(seconds) for name, seconds in (line.split() for line in done.stdout.splitlines())}
