"""A value that was read: what a series gets at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """``name`` says what was measured and in which unit, as OpenMetrics does ("postgres_wal_bytes"), ``label`` of which part ("public.sale_line").

    A ``counter`` only grows until it begins again at zero; what is kept of it is its rate per second.
    """

    name: str
    value: float
    label: str = ""
    counter: bool = False
