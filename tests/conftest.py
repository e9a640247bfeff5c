"""Fixtures that every test may use."""

pytest_plugins: list[str] = ["tests.people", "tests.services.committed", "tests.services.counts", "tests.services.index", "tests.services.tryton"]
