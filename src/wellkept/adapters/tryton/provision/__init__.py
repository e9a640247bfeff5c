"""A real Tryton with a working company, made by us: install the programs, create the database, fill it.

``install`` → ``create_database`` → ``fill``. Everything runs with Tryton's own interpreter; nothing here imports it.
"""

from wellkept.adapters.tryton.provision.company import LOGINS, SIZES, fill
from wellkept.adapters.tryton.provision.database import create_database, set_admin_password, write_config
from wellkept.adapters.tryton.provision.install import install, interpreter, modules, requirements, version

__all__ = [
    "LOGINS",
    "SIZES",
    "create_database",
    "fill",
    "install",
    "interpreter",
    "modules",
    "requirements",
    "set_admin_password",
    "version",
    "write_config",
]
