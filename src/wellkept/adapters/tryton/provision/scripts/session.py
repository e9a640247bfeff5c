"""A session inside Tryton's own interpreter: the pool, a clock that can be set, transactions and lookups."""

import contextlib
import datetime as dt
import os
import random
import sys
import time

from quick import skip_checks
from trytond.config import config


class Session:
    """One database, its pool, the day that Tryton takes for today, and who does the work."""

    def __init__(self, job):
        os.environ.setdefault("TRYTOND_APPNAME", "wellkept-fill")
        config.update_etc(job["config"])
        # Queued work is done here after each commit: a company left with a long queue would change by itself after the fill.
        config.set("queue", "worker", "False")
        # Each attribute reads its neighbours in the cache along: 200 instead of 2000 records made the trade a sixth faster.
        config.set("cache", "record", "200")
        from trytond.pool import Pool
        from trytond.transaction import Transaction

        # Tryton asks for a lock by ending the transaction and starting it again. We are alone on this database: taking the lock at once is enough.
        Transaction.lock_table = lambda transaction, table: transaction.database.lock(transaction.connection, table)
        Transaction.lock_records = lambda transaction, table, ids: None
        self.Transaction = Transaction
        self.database = job["database"]
        self.seed = job["seed"]
        self.base = dt.date.fromisoformat(job["base_date"])
        self.today = self.base
        self.users = {"admin": 1}
        self.employees = {}
        self.company = None
        self.pool = Pool(self.database)
        Pool.start()
        self.pool.init()
        self.get("ir.date").today = staticmethod(lambda timezone=None: self.today)
        self._save_time()

    def _save_time(self):
        """Leave out what only costs time here.

        Drawing an invoice takes 0.3 s, so only the first of a batch is printed. A test has Tryton validate the finished company.
        """
        skip_checks()
        Invoice = self.get("account.invoice")
        print_invoice = Invoice.print_invoice
        Invoice.print_invoice = classmethod(lambda cls, invoices: print_invoice(invoices[:1]))

    def get(self, model, type="model"):
        """A class of the pool by the name of its model."""
        return self.pool.get(model, type=type)

    def random(self, topic):
        """A generator of its own for each topic, so that a change in one part leaves the others as they were."""
        return random.Random(f"{self.seed}:{topic}")

    @contextlib.contextmanager
    def work(self, login="admin", today=None):
        """A committed transaction of one user on one day; what it queued is done right after it."""
        self.today = today or self.today
        context = {"company": self.company, "employee": self.employees.get(login), "language": "en", "_skip_warnings": True, "queue_batch": False}
        with self.Transaction().start(self.database, self.users[login], context=context) as transaction:
            yield transaction
            waiting = transaction.tasks
        while waiting:
            tasks = list(waiting)
            waiting.clear()
            with self.Transaction().start(self.database, 0, context={"queue_batch": False}):
                for task in self.get("ir.queue").browse(tasks):
                    task.run()

    def xml(self, module, name):
        """The id of a record that a module brought along."""
        return self.get("ir.model.data").get_id(module, name)


def find(model, *domain):
    """Exactly one record."""
    (record,) = model.search(list(domain), limit=2)
    return record


def new(model, rows):
    """Create rows in one call; none is fine."""
    return model.create(rows) if rows else []


@contextlib.contextmanager
def stage(name):
    """Say on standard output how long a stage took, in seconds."""
    started = time.monotonic()
    yield
    print(f"{name} {time.monotonic() - started:.1f}", flush=True)
    sys.stdout.flush()
