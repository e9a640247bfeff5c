"""Figures of the people: hours, attendance, users with their groups and roles, rights of the groups."""

from collections.abc import Sequence

from wellkept.adapters.tryton.figures.source import Source, Table, exact, money, needs
from wellkept.planning.figures import Figure

HOURS = """
    SELECT l.company, e.id, p.name, count(*), round(extract(epoch FROM sum(l.duration)) / 3600, 4){cost}
    FROM timesheet_line l JOIN company_employee e ON e.id = l.employee JOIN party_party p ON p.id = e.party GROUP BY l.company, e.id, p.name
"""
COST = ", coalesce(sum(round(extract(epoch FROM l.duration) / 3600, 4) * l.cost_price), 0)"
HOURS_BY_WORK = """
    SELECT l.company, w.id, coalesce(w.name, w.origin, ''), round(extract(epoch FROM sum(l.duration)) / 3600, 4)
    FROM timesheet_line l JOIN timesheet_work w ON w.id = l.work GROUP BY l.company, w.id, w.name, w.origin
"""
ATTENDANCE = """
    SELECT l.company, e.id, p.name, l.type, to_char(l.at, 'YYYY-MM'), count(*), round(sum(extract(epoch FROM l.at::time)) / 3600, 4)
    FROM attendance_line l JOIN company_employee e ON e.id = l.employee JOIN party_party p ON p.id = e.party
    GROUP BY l.company, e.id, p.name, l.type, to_char(l.at, 'YYYY-MM')
"""
USERS = """
    SELECT u.id, u.login, u.active,
           (SELECT string_agg(g.name, ', ' ORDER BY g.name) FROM "res_user-res_group" x JOIN res_group g ON g.id = x."group" WHERE x."user" = u.id)
    FROM res_user u
"""
ROLES = """
    SELECT x."user",
           string_agg(r.name || coalesce(' from ' || x.from_date::date, '') || coalesce(' to ' || x.to_date::date, ''), ', ' ORDER BY r.name, x.id)
    FROM res_user_role x JOIN res_role r ON r.id = x.role GROUP BY x."user"
"""
RIGHTS = """
    SELECT coalesce(g.name, 'everybody'), a.active, count(*), md5(string_agg(concat_ws(' ', {model}, a.perm_read, a.perm_write, a.perm_create,
           a.perm_delete), ';' ORDER BY ({model})::text, a.id)), count(*) FILTER (WHERE a.perm_write)
    FROM ir_model_access a LEFT JOIN res_group g ON g.id = a."group" GROUP BY g.id, g.name, a.active
"""

MODEL_BY_NAME = "coalesce((SELECT m.id::text FROM ir_model m WHERE m.name = a.model), a.model)"
"""Series after 7.0 keep the name of the model, not its number: as a number the fingerprint stays the same when Tryton is upgraded."""


@needs("timesheet_line", "timesheet_work", "company_employee", "party_party")
def hours(source: Source) -> Sequence[Figure]:
    """Hours of the timesheets by employee and by work."""
    table = Table("hours", "Hours by employee and work")
    cost = COST if source.column("timesheet_line", "cost_price") else ", NULL"
    for company, employee, name, count, total, spent in source.rows(HOURS.format(cost=cost)):
        key, label = f"{company}/employee/{employee}", f"hours of {name}{source.of(company)}"
        table.put(f"{key}/hours", label, exact(total))
        table.put(f"{key}/lines", f"{label}, lines", exact(count))
        if spent is not None:
            table.put(f"{key}/cost", f"{label}, cost", money(spent))
    for company, work, name, total in source.rows(HOURS_BY_WORK):
        table.put(f"{company}/work/{work}", f"hours on {name or work}{source.of(company)}", exact(total))
    return (table.figure(),)


@needs("attendance_line", "company_employee", "party_party")
def attendance(source: Source) -> Sequence[Figure]:
    """Times of coming and going by employee and month."""
    table = Table("attendance", "Attendance")
    for company, employee, name, kind, month, count, clock in source.rows(ATTENDANCE):
        key, label = f"{company}/{employee}/{kind}/{month}", f"attendance of {name}{source.of(company)}, {kind}, {month}"
        table.put(f"{key}/count", f"{label}, entries", exact(count))
        table.put(f"{key}/clock", f"{label}, sum of the times of day in hours", exact(clock))
    return (table.figure(),)


def users(source: Source) -> Sequence[Figure]:
    """Every user: active or not, groups, and roles."""
    table = Table("users", "Users and their groups")
    roles = {user: told for user, told in source.rows(ROLES)} if source.has("res_user_role", "res_role") else {}  # noqa: C416 - rows are open tuples
    for user, login, active, groups in source.rows(USERS):
        told = f"{'active' if active else 'inactive'}; groups: {groups or 'none'}"
        table.put(f"user/{user}", f"user {login}", told + (f"; roles: {roles[user]}" if user in roles else ""))
    return (table.figure(),)


def access_rights(source: Source) -> Sequence[Figure]:
    """The model rights of each group: how many, how many may write, and a fingerprint of all."""
    table = Table("access_rights", "Rights of the groups")
    model = "a.model" if source.tables["ir_model_access"]["model"] == "integer" else MODEL_BY_NAME
    for group, active, count, print_, writing in source.rows(RIGHTS.format(model=model)):
        state = "" if active else ", inactive"
        table.put(f"{group}{state}", f"rights of {group}{state}", f"{count} models, {writing} to write, fingerprint {print_[:12]}")
    return (table.figure(),)
