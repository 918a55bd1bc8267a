"""A report as a table: what its columns are called, what kind of thing is in each, and its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tollhouse.domain.money import NANOS_PER_USD, usd_from_nanos

Kind = Literal["text", "number", "money", "share"]
"""Money is whole nano-dollars, told as US dollars; a share, and other fractions, are floats."""
TableFormat = Literal["csv", "xlsx", "parquet", "json"]
FORMATS: dict[TableFormat, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
}
"""Of files of a table, with their media types."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is the report's, which names files of it."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]

    def documents(self) -> list[dict[str, Any]]:
        """A row each, as JSON tells it: money as decimal strings, which no reader rounds."""
        return [
            {
                column.name: usd_from_nanos(value) if column.kind == "money" and value is not None else value
                for column, value in zip(self.columns, row, strict=True)
            }
            for row in self.rows
        ]


def dollars(nanos: int) -> Decimal:
    """Exactly."""
    return Decimal(nanos) / NANOS_PER_USD
