"""Fill an empty Tryton database with a working company.

Runs with Tryton's own interpreter: ``python fill.py JOB.json``; standard input holds one JSON object, login → password. JOB.json says
{"config", "database", "size", "seed", "base_date", "amounts"}. Two fills with the same job make the same business figures.
"""

import datetime as dt
import json
import sys
from pathlib import Path

import backdate
import catalogue
import desk
import ground
import multiply
import office
import orders
import trade
from session import Session, stage


def main():
    """Read the job and the passwords, make the company, say the seconds of each stage."""
    job = json.loads(Path(sys.argv[1]).read_text())
    passwords = json.load(sys.stdin)
    people = json.loads(Path(__file__).with_name("people.json").read_text())
    amounts = job["amounts"]
    with stage("start"):
        session = Session(job)
    first_day = session.base - dt.timedelta(days=7 * amounts["weeks"])
    with stage("company"):
        ground.make_company(session, people, passwords)
    with stage("books"):
        ground.make_books(session)
        with session.work("accountant", first_day):
            ground.open_books(session, first_day)
    with stage("parties"):
        customers, suppliers = catalogue.make_parties(session, amounts["parties"])
    with stage("products"):
        products = catalogue.make_products(session, amounts["products"])
        catalogue.make_warehouse(session, products, suppliers, first_day)
    with stage("trade"):
        world = orders.read_world(session, customers, suppliers, products)
        trade.make_history(session, world, amounts)
    with stage("desk"):
        desk.leave_open(session, world)
    with stage("office"):
        office.make_office(session, amounts, customers, products)
    with stage("dates"):
        backdate.spread_timestamps(session)
    if "multiplied_parties" in amounts:
        with stage("multiply"):
            multiply.multiply(session, amounts["multiplied_parties"], amounts["multiplied_moves"])


if __name__ == "__main__":
    main()
