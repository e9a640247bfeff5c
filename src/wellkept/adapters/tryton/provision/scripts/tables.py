"""Tryton's own ``trytond-admin``, with the same arguments, for making the tables and records of its modules in an empty database.

What the modules bring was checked by those who wrote them: its domains are not checked again here, which is a third of the time.
"""

from quick import skip_checks
from trytond import commandline
from trytond.config import config


def main():
    """Read the arguments as trytond-admin does, and run it."""
    options = commandline.get_parser_admin().parse_args()
    config.update_etc(options.configfile)
    commandline.config_log(options)
    skip_checks()
    # Tryton reads its settings when this is imported.
    from trytond import admin

    admin.run(options)


if __name__ == "__main__":
    main()
