"""Time, presence, projects, opportunities, quality and papers: what people do beside the trade."""

import datetime as dt
import random
import zlib
from decimal import Decimal

from session import find, new
from orders import working_day


def make_office(session, amounts, customers, products):
    """All of it; the number of weeks and documents comes from ``amounts``."""
    weeks = amounts["office_weeks"]
    _projects(session, weeks)
    _attendance(session, weeks)
    _opportunities(session, amounts, customers, products)
    _quality(session, amounts)
    _papers(session, amounts["attachments"])
    _analytic(session)


def _projects(session, weeks):
    rnd = session.random("projects")
    Work, Status = session.get("project.work"), session.get("project.work.status")
    with session.work("projects"):
        done = find(Status, ("name", "=", "Done")).id
        names = ("ERP rollout 系统上线", "Pump test bench 试验台", "ISO 9001 renewal 认证")
        roots = new(Work, [{"name": name, "type": "project", "company": session.company, "timesheet_available": True} for name in names])
        tasks = [
            {
                "name": f"{root.name}: {step}",
                "type": "task",
                "company": session.company,
                "parent": root.id,
                "timesheet_available": True,
                "effort_duration": dt.timedelta(hours=rnd.randint(8, 60)),
            }
            for root in roots
            for step in ("plan", "build", "test", "hand over")
        ]
        made = new(Work, tasks)
        finished = [task for number, task in enumerate(made) if number % 4 < 2]
        Work.write(finished, {"status": done, "progress": 1.0})
        works = [work.timesheet_works[0].id for work in made if work.timesheet_works]
    with session.work("hr"):
        staff = [session.employees[login] for login in ("projects", "planner", "worker", "inspector")]
        rows = []
        for day in _days(session, weeks):
            rows += [
                {
                    "work": rnd.choice(works),
                    "employee": person,
                    "date": day,
                    "duration": dt.timedelta(minutes=15 * rnd.randint(4, 30)),
                    "company": session.company,
                }
                for person in staff
                if rnd.random() < 0.7
            ]
        new(session.get("timesheet.line"), rows)


def _days(session, weeks):
    days = (session.base - dt.timedelta(days=back) for back in range(7 * weeks, -1, -1))
    return [day for day in days if day.weekday() < 5]


def _attendance(session, weeks):
    rnd = session.random("attendance")
    rows = []
    for day in _days(session, weeks):
        for employee in list(session.employees.values())[:-1]:
            if rnd.random() < 0.06:
                continue
            # The office is in Shanghai (UTC+8); Tryton stores instants in UTC.
            arrival = dt.datetime.combine(day, dt.time(0, 0)) + dt.timedelta(minutes=rnd.randint(0, 75))
            leave = arrival + dt.timedelta(minutes=rnd.randint(450, 590))
            rows += [
                {"employee": employee, "company": session.company, "at": at, "date": day, "type": kind}
                for at, kind in ((arrival, "in"), (leave, "out"))
            ]
    with session.work("hr"):
        new(session.get("attendance.line"), rows)


def _opportunities(session, amounts, customers, products):
    rnd = session.random("opportunities")
    Opportunity = session.get("sale.opportunity")
    with session.work("seller"):
        rows = []
        for _ in range(amounts["opportunities"]):
            start = working_day(session.base - dt.timedelta(days=rnd.randint(0, 300)), session.base)
            product = rnd.choice(products["made"])
            unit = session.get("product.product")(product).default_uom.id
            rows.append(
                {
                    "party": rnd.choice(customers),
                    "company": session.company,
                    "employee": session.employees["seller"],
                    "start_date": start,
                    "description": rnd.choice(("New plant", "Replacement 更换", "Framework contract 框架合同")),
                    "amount": Decimal(rnd.randint(2, 90) * 1000),
                    "payment_term": None,
                    "lines": [("create", [{"product": product, "quantity": rnd.randint(1, 6), "unit": unit}])],
                }
            )
        made = new(Opportunity, rows)
        Opportunity.opportunity([o for o in made if rnd.random() < 0.7])
        going = [o for o in made if o.state == "opportunity"]
        Opportunity.lost([o for o in going if rnd.random() < 0.3])


def _quality(session, amounts):
    rnd = session.random("quality")
    with session.work("inspector"):
        Control, Inspection = session.get("quality.control"), session.get("quality.inspection")
        points = [
            {"string": "Clean 清洁", "name": "clean", "type_": "boolean"},
            {"string": "Pressure bar 压力", "name": "pressure", "type_": "float", "tolerance_lower": 9.5, "tolerance_upper": 10.5},
        ]
        (control,) = new(Control, [{"name": "Final inspection 出厂检验", "company": session.company, "points": [("create", points)]}])
        productions = session.get("production").search([("state", "=", "done")], order=[("id", "ASC")], limit=amounts["inspections"])
        rows = [
            {
                "company": session.company,
                "control": control.id,
                "points": {"clean": rnd.random() < 0.95, "pressure": round(rnd.gauss(10, 0.25), 2)},
                "processed_at": dt.datetime.combine(production.effective_date, dt.time(7, 30)),
            }
            for production in productions
        ]
        inspections = new(Inspection, rows)
        Inspection.process(inspections[: max(1, len(inspections) * 9 // 10)])
        failed = [inspection for inspection in inspections if inspection.state == "failed"]
        Inspection.pass_(failed[: len(failed) // 2])


def _papers(session, count):
    """Attached files with real bytes, on orders, invoices, parties and products; some notes as well."""
    rnd = session.random("papers")
    with session.work("buyer"):
        targets = []
        for model in ("account.invoice", "purchase.purchase", "sale.sale", "party.party", "product.template"):
            targets += [str(record) for record in session.get(model).search([], order=[("id", "ASC")], limit=count)]
        rows = [_paper(rnd, number, target) for number, target in enumerate(rnd.sample(targets, min(count, len(targets))))]
        new(session.get("ir.attachment"), rows)
        notes = [
            {
                "resource": row["resource"],
                "message": rnd.choice(("Called, will pay on Friday.", "请先电话确认再发货。", "Price agreed until the end of the year.")),
            }
            for row in rows[:: max(1, len(rows) // 12)]
        ]
        new(session.get("ir.note"), notes)


def _paper(rnd, number, target):
    model = target.split(",")[0].rsplit(".", 1)[-1]
    if number % 3 == 0:
        text = "\n".join(f"{line},{rnd.randint(1, 999)},{rnd.random():.4f}" for line in range(rnd.randint(50, 2000)))
        return {"name": f"measurements-{number}.csv", "type": "data", "data": text.encode(), "resource": target}
    if number % 3 == 1:
        return {"name": f"scan-{model}-{number}.pdf", "type": "data", "data": pdf(rnd, f"Document {number} / {target}"), "resource": target}
    return {"name": f"photo-{number}.png", "type": "data", "data": png(rnd, rnd.randint(40, 160)), "resource": target}


def pdf(rnd, text):
    """A small PDF page that says ``text``, with some incompressible bytes as a scan would have."""
    content = f"BT /F1 14 Tf 60 740 Td ({text}) Tj ET".encode()
    scan = rnd.randbytes(rnd.randint(2_000, 60_000))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(scan), scan),
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
        len(objects) + 1,
        len(out),
    )


def png(rnd: random.Random, side):
    """A square grey picture of random dots."""

    def chunk(kind, body):
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    rows = b"".join(b"\0" + rnd.randbytes(side) for _ in range(side))
    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _analytic(session):
    Account = session.get("analytic_account.account")
    with session.work("accountant"):
        (root,) = new(Account, [{"name": "Cost centres 成本中心", "type": "root", "company": session.company}])
        new(
            Account,
            [
                {"name": name, "code": code, "type": "normal", "root": root.id, "parent": root.id, "company": session.company}
                for code, name in (("100", "Production"), ("200", "Sales"), ("300", "Administration"))
            ],
        )
