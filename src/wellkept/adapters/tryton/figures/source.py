"""What the readers of figures share: the connection with its snapshot, the tables that are there, and how values become exact text."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from wellkept.adapters.base import Connection
from wellkept.adapters.tryton import schema
from wellkept.adapters.tryton.schema import Tables
from wellkept.planning.figures import Figure


@dataclass(frozen=True)
class Source:
    """One Tryton database in one snapshot, and its file store. ``companies`` names the companies by id."""

    connection: Connection
    tables: Tables
    titles: Mapping[str, str]
    companies: Mapping[int, str]
    files: Path | None
    database: str
    layout: Mapping[str, str]
    thorough: bool

    def has(self, *tables: str) -> bool:
        """Whether all these tables are there, that is: whether the modules that need them are activated."""
        return all(table in self.tables for table in tables)

    def column(self, table: str, name: str) -> bool:
        """Whether a table has a column."""
        return name in self.tables.get(table, {})

    def rows(self, query: Any, parameters: Sequence[object] | None = None) -> Iterable[tuple[Any, ...]]:
        """The rows of a query. Raises Refused when the role may not read a table."""
        return schema.rows(self.connection, query, parameters)

    def of(self, company: int | None) -> str:
        """The words that tell one company's figure from another's; empty where there is only one company."""
        return f" ({self.companies.get(company or 0, 'no company')})" if len(self.companies) > 1 else ""

    def title(self, table: str) -> str:
        """What people call the records of a table."""
        return self.titles.get(table, table.replace("_", " "))


Reader = Callable[[Source], Sequence[Figure]]


def needs(*tables: str) -> Callable[[Reader], Reader]:
    """Leave the figures of a reader out where one of its tables is missing, that is: where a module is not activated."""

    def decorate(reader: Reader) -> Reader:
        @functools.wraps(reader)
        def read(source: Source) -> Sequence[Figure]:
            return reader(source) if source.has(*tables) else ()

        return read

    return decorate


class Table:
    """The values and labels of a figure while it is being read."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self.values: dict[str, str] = {}
        self.labels: dict[str, str] = {}

    def put(self, key: str, label: str, value: str) -> None:
        """Add a value; both its key and its label are plain text."""
        self.values[key] = value
        self.labels[key] = label

    def figure(self) -> Figure:
        """The finished figure."""
        return Figure(self.name, self.title, self.values, self.labels)


def money(value: Decimal | None) -> str:
    """An amount with all its digits and at least two places."""
    return exact(value, places=2)


def exact(value: Decimal | int | None, *, places: int = 0) -> str:
    """A number as text without loss and without needless zeros, but with at least ``places`` decimal places; nothing counts as 0."""
    number = Decimal(value or 0)
    if not number.is_finite():
        return str(number)
    whole, _, part = f"{number:f}".partition(".")
    part = part.rstrip("0").ljust(places, "0")
    text = f"{whole}.{part}" if part else whole
    return text.removeprefix("-") if not number else text
