"""Files of tables."""

from typing import Protocol

from tollhouse.domain.tables import Table, TableFormat


class WriteTable(Protocol):
    """Makes a file of a table."""

    def __call__(self, table: Table, format: TableFormat) -> bytes:
        """Raises InvalidSetting where what writes it is not installed."""
