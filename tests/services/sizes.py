"""Teaches a worker the size ``tiny``, for tests of what happens around the making of a company: named in ``WELLKEPT_OPERATION_MODULES``."""

from tests.services.tryton import TINY
from wellkept.adapters.tryton.provision import company
from wellkept.estate import provision

company.SIZES = {**company.SIZES, "tiny": TINY}
provision.SIZES = tuple(company.SIZES)
