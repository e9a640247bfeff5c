"""An employee enters the time he has worked."""

import datetime as dt
from decimal import Decimal

from wellkept.adapters.tryton.trials import books, choose, ordering
from wellkept.adapters.tryton.trials.flow import Flow

ROLES = ("employee",)
TABLES = ("timesheet_line", "timesheet_work", "company_employee")
HALF_AN_HOUR = dt.timedelta(minutes=30)
HOURS = """
    SELECT coalesce(extract(epoch FROM sum(duration)) / 3600, 0)::numeric FROM timesheet_line
    WHERE employee = %s AND work = %s AND date = CURRENT_DATE
"""


def run(flow: Flow) -> None:
    """One line of the timesheet."""
    connection = flow.connection
    work, called = choose.worked_on(connection, flow.company)
    employee = books.value(connection, "SELECT employee FROM res_user WHERE login = %s", [flow.logins["employee"].user])
    flow.chosen.update(work=called)
    with flow.step("enter the time", "employee") as person:
        today = books.value(connection, "SELECT CURRENT_DATE")
        before = books.value(connection, HOURS, [employee, work])
        form = person.form("timesheet.line")
        flow.check("the form proposes the employee himself", employee, form.values.get("employee"))
        form.enter(date=today, work=work, duration=HALF_AN_HOUR, description=ordering.MARK).save()
        flow.check("the hours are on the employee and the work", before + Decimal("0.5"), books.value(connection, HOURS, [employee, work]))
