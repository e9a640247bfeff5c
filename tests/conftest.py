"""Fixtures that every test may use."""

_SERVICES = ["committed", "counts", "index", "order", "reports", "tryton", "sets", "turns"]
pytest_plugins: list[str] = ["tests.people", *(f"tests.services.{name}" for name in _SERVICES)]
