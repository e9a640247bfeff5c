"""What this adapter is for."""

NAME = "tryton"
TITLE = "Tryton"
SERIES = ("7.0", "8.0")
"""Series that the conformance suite runs on; others are read as far as they look the same."""
DISTRIBUTION = "trytond"
"""The package whose version is the version on disk; modules are ``trytond_<name>``."""
