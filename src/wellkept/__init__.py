"""Wellkept maintains self-hosted ERP systems and proves what it did."""

__version__ = "0.1.0"
