"""Who does what in a company: the users that a flow is tried as, chosen from the database, never an administrator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wellkept.adapters.base import Connection, Invalid, Login
from wellkept.adapters.tryton import schema
from wellkept.lib.text import gettext_noop

RECENT = 2000
"""How many of the newest records of a kind of work show who does it."""


ENTERED = "SELECT create_uid AS id FROM {table} ORDER BY {table}.id DESC LIMIT {recent}"
DID = 'SELECT "user" AS id FROM ir_model_log WHERE resource LIKE %(resource)s AND target = %(did)s ORDER BY ir_model_log.id DESC LIMIT {recent}'
OWN = "SELECT u.id FROM {table} l JOIN res_user u ON u.employee = l.employee ORDER BY l.id DESC LIMIT {recent}"


@dataclass(frozen=True)
class Role:
    """What people of a role work on, and the group ("sale.group_sale") that gives them the right to, if one does.

    ``evidence`` is the query that shows who does it; ``did`` the change that Tryton's log then has.
    """

    model: str
    group: str
    did: str = ""
    evidence: str = DID

    @property
    def table(self) -> str:
        """The table of the model."""
        return self.model.replace(".", "_")


ROLES: Mapping[str, Role] = {
    "seller": Role("sale.sale", "sale.group_sale", "state:quotation"),
    "buyer": Role("purchase.purchase", "purchase.group_purchase", "state:quotation"),
    "storekeeper": Role("stock.shipment.out", "stock.group_stock", "state:done"),
    "receiver": Role("stock.shipment.in", "stock.group_stock", "state:done"),
    "accountant": Role("account.move", "account.group_account", evidence=ENTERED),
    "cashier": Role("account.statement", "account_statement.group_statement", evidence=ENTERED),
    "planner": Role("production", "production.group_production", "state:waiting"),
    "worker": Role("production", "production.group_production", "state:running"),
    "employee": Role("timesheet.line", "", evidence=OWN),
}
# A group has the rights of its parents, so its members are also theirs. Those in the group come first, then who did most of late; who only
# ever did such work is there for companies with groups of their own.
CANDIDATES = """
    WITH RECURSIVE wanted AS (
        SELECT db_id AS id FROM ir_model_data WHERE model = 'res.group' AND module = %(module)s AND fs_id = %(group)s
        UNION SELECT g.id FROM res_group g JOIN wanted w ON g.parent = w.id WHERE g.active
    ), administrators AS (
        SELECT db_id AS id FROM ir_model_data WHERE model = 'res.group' AND module = 'res' AND fs_id = 'group_admin'
        UNION SELECT g.id FROM res_group g JOIN administrators a ON g.parent = a.id
    ), done AS (
        SELECT id, count(*) AS number FROM ({work}) newest GROUP BY id
    ), listed AS (
        SELECT u.id, u.login, coalesce(e.number, 0) AS number,
               EXISTS (SELECT FROM "res_user-res_group" r JOIN wanted w ON w.id = r."group" WHERE r."user" = u.id) AS member
        FROM res_user u LEFT JOIN done e ON e.id = u.id
        WHERE u.active AND u.login IS NOT NULL AND u.login <> 'root'
          AND NOT EXISTS (SELECT FROM "res_user-res_group" r JOIN administrators a ON a.id = r."group" WHERE r."user" = u.id)
          AND EXISTS (SELECT FROM "res_user-company_company" c WHERE c."user" = u.id AND c.company = %(company)s)
          AND NOT EXISTS (SELECT FROM company_employee p WHERE p.id = u.employee AND p.end_date < CURRENT_DATE)
    )
    SELECT login FROM listed WHERE member OR number > 0 ORDER BY member DESC, number DESC, id
"""


def find(connection: Connection, role: str, company: int) -> str | None:
    """The login of the user who is most of all in a role in a company; None when nobody but administrators is."""
    wanted = ROLES[role]
    if wanted.table not in schema.tables(connection):
        return None
    query = CANDIDATES.format(work=wanted.evidence.format(table=wanted.table, recent=RECENT))
    module, _, group = wanted.group.partition(".")
    named = {"module": module, "group": group, "company": company, "resource": f"{wanted.model},%", "did": wanted.did}
    row = connection.execute(query, named).fetchone()
    return str(row[0]) if row else None


def let_in(connection: Connection, logins: Sequence[Login], hashes: Sequence[str]) -> None:
    """Give users of a copy their passwords for the trial."""
    for login, hashed in zip(logins, hashes, strict=True):
        if connection.execute("UPDATE res_user SET password_hash = %s WHERE login = %s AND active", [hashed, login.user]).rowcount != 1:
            raise Invalid(gettext_noop("the copy has no user {user}"), user=login.user)


def shut_out(connection: Connection, logins: Sequence[str]) -> None:
    """Take the passwords and the sessions away again, and the tasks that failed: there are no others on a copy."""
    connection.execute("UPDATE res_user SET password_hash = NULL WHERE login = ANY(%s)", [list(logins)])
    connection.execute("DELETE FROM ir_session WHERE create_uid = ANY(SELECT id FROM res_user WHERE login = ANY(%s))", [list(logins)])
    connection.execute("DELETE FROM ir_queue WHERE finished_at IS NULL")
