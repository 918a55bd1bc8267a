"""Files that commands write tables into."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from tollhouse.domain.tables import Table, TableFormat

_FILE = click.Path(dir_okay=False, path_type=Path)
file_options = (
    click.option("--csv", type=_FILE, help="Write the rows into this file."),
    click.option("--xlsx", type=_FILE, help="Write them into this Excel file."),
    click.option("--parquet", type=_FILE, help="Write them into this Parquet file."),
)


def save(table: "Table", csv: Path | None, xlsx: Path | None, parquet: Path | None) -> list[Path]:
    """Write the table wherever it is wanted; where that was."""
    from tollhouse.table_files import write

    files = []
    for format, file in (("csv", csv), ("xlsx", xlsx), ("parquet", parquet)):
        if file is not None:
            content = write(table, cast("TableFormat", format))
            try:
                file.write_bytes(content)
            except OSError as error:
                raise click.FileError(str(file), error.strerror) from None
            files.append(file)
    return files
