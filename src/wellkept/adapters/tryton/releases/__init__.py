"""From one series of Tryton to the next: what there is, what it needs, how it is installed beside the old one, migrated, and its log understood.

A jump ("7.0-8.0") is described by one file of data in ``jumps/``: the manual steps, the log lines that are known to be harmless, and the
figures that change on purpose. Everything here is mechanism; nothing decides when or whether to upgrade.
"""

from wellkept.adapters.tryton.releases.changes import unexpected
from wellkept.adapters.tryton.releases.constraints import breaches
from wellkept.adapters.tryton.releases.index import available, path
from wellkept.adapters.tryton.releases.jumps import JUMPS, notes
from wellkept.adapters.tryton.releases.migration import migrate, read_log
from wellkept.adapters.tryton.releases.needs import install, missing, offered, requirements
from wellkept.adapters.tryton.releases.packages import build_module, pinned, resolve
from wellkept.adapters.tryton.releases.steps import applies, holds, run_note
from wellkept.adapters.tryton.releases.wheels import read_module

__all__ = [
    "JUMPS",
    "applies",
    "available",
    "breaches",
    "build_module",
    "holds",
    "install",
    "migrate",
    "missing",
    "notes",
    "offered",
    "path",
    "pinned",
    "read_log",
    "read_module",
    "requirements",
    "resolve",
    "run_note",
    "unexpected",
]
