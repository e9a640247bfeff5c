"""Business flows tried on a harmless copy, as the people whose work they are; and a look around that changes nothing.

The copy needs its web server and its worker: much of what Tryton does after a button is done by its queue.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from psycopg import errors

from wellkept.adapters.base import Connection, Invalid, Login, Refused, Site
from wellkept.adapters.trial import Trial
from wellkept.adapters.tryton import neutralise, passwords
from wellkept.adapters.tryton.trials import buying, choose, clocking, making, queue, roles, selling
from wellkept.adapters.tryton.trials.flow import Ended, Flow, LeftOut
from wellkept.adapters.tryton.trials.kinds import titles as titles
from wellkept.adapters.tryton.trials.looking import look as look
from wellkept.adapters.tryton.trials.words import WORDS as WORDS
from wellkept.lib.text import gettext_noop, said
from wellkept.tools import postgres

FLOWS: Mapping[str, tuple[Callable[[Flow], None], Sequence[str], Sequence[str]]] = {
    "quote to payment": (selling.run, selling.ROLES, selling.TABLES),
    "purchase to supplier invoice": (buying.run, buying.ROLES, buying.TABLES),
    "production": (making.run, making.ROLES, making.TABLES),
    "timesheet": (clocking.run, clocking.ROLES, clocking.TABLES),
}
NAMES: Sequence[str] = tuple(FLOWS)


def run(site: Site, *, only: Collection[str] = ()) -> Sequence[Trial]:
    """Try each flow (or ``only`` those) on a copy whose web server and worker run.

    Raises Refused for a site that is not proven harmless, Invalid when its processes do not run. What goes wrong in a flow is in its result.
    """
    failing = [proof for proof in neutralise.prove(site) if not proof.holds]
    if failing:
        text = gettext_noop("business flows only run on a copy that is proven harmless: {proof} does not hold ({seen})")
        raise Refused(text, proof=failing[0].name, seen=failing[0].seen)
    queue.needs_worker(site)
    if site.server is None:
        raise Invalid(gettext_noop("the server of the copy is not known"))
    with postgres.connect(site.server, site.database, autocommit=True) as connection:
        company = choose.company(connection)
        found = {role: roles.find(connection, role, company) for role in roles.ROLES}
        logins = {role: login for role, login in found.items() if login is not None}
        made = {name: Login(name, secrets.token_urlsafe(24)) for name in dict.fromkeys(logins.values())}
        roles.let_in(connection, list(made.values()), passwords.hashes(site, [login.password for login in made.values()]))
        try:
            people = {role: made[login] for role, login in logins.items()}
            return [_try(site, connection, company, people, name) for name in only or NAMES]
        finally:
            roles.shut_out(connection, list(made))


def _try(site: Site, connection: Connection, company: int, people: Mapping[str, Login], name: str) -> Trial:
    work, needed, tables = FLOWS[name]
    flow = Flow(site, connection, company, people)
    try:
        choose.needs(connection, *tables)
        flow.needs_people(needed)
        work(flow)
    except (LeftOut, Ended) as problem:
        return flow.result(name, problem)
    except (errors.UndefinedTable, errors.UndefinedColumn) as problem:
        # Another set of modules, or a series that nobody has tried this on, is no fault of the company.
        return flow.result(name, LeftOut(said("PostgreSQL", str(problem).splitlines()[0])))
    return flow.result(name, None)
