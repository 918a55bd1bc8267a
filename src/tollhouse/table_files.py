"""Tables as files: CSV, JSON, Excel, Parquet.

What writes the last two takes much memory and long to import. A process that serves calls has another do it:
`python -m tollhouse.table_files FORMAT`, a table as JSON in, the file out.
"""

import csv
import io
import re
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from tollhouse.domain.errors import InvalidSetting, Unavailable
from tollhouse.domain.tables import FORMATS, Column, Table, TableFormat, dollars

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula; the last four are as wide as some keyboards write them."""
SECONDS = 120
NOT_INSTALLED = 3
"""How the process ends that lacks what it needs."""
_LONGEST_CELL = 32_767
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def write(table: Table, format: TableFormat) -> bytes:
    """The file. Raises InvalidSetting where what writes it is not installed."""
    writers = {"csv": _csv, "json": _json, "xlsx": _xlsx, "parquet": _parquet}
    return writers[format](table)


def write_apart(table: Table, format: TableFormat) -> bytes:
    """The same, without taking what it needs into this process. Raises InvalidSetting, Unavailable."""
    if format in ("csv", "json"):
        return write(table, format)
    columns = [[column.name, column.kind] for column in table.columns]
    given = orjson.dumps({"name": table.name, "columns": columns, "rows": table.rows})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tollhouse.table_files", format],
            input=given,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("The file took too long to write: ask about a shorter time.") from None
    if done.returncode == NOT_INSTALLED:
        raise InvalidSetting(done.stderr.decode(errors="replace").strip())
    if done.returncode:
        raise Unavailable("The file could not be written; the log of the gateway's machine has the reason.")
    return done.stdout


def defused(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _csv(table: Table) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(column.name for column in table.columns)
    for row in table.documents():
        writer.writerow(defused(value) if isinstance(value, str) and _is_text(table, name) else value
                        for name, value in row.items())  # fmt: skip
    return out.getvalue().encode()


def _json(table: Table) -> bytes:
    return orjson.dumps(table.documents())


def _xlsx(table: Table) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(table.name[:31])
    sheet.freeze_panes = "A2"

    def cell(value: Any, column: Column) -> Any:
        if column.kind == "text" and value is not None:
            made = WriteOnlyCell(sheet, _CONTROL.sub("", defused(str(value)))[:_LONGEST_CELL])
            made.data_type = "s"
            return made
        if column.kind == "money" and value is not None:
            made = WriteOnlyCell(sheet, dollars(value))
            made.number_format = "0.000000000"
            return made
        return value

    heads = [WriteOnlyCell(sheet, column.name) for column in table.columns]
    for head in heads:
        head.font = Font(bold=True)
    sheet.append(heads)
    for row in table.rows:
        sheet.append([cell(value, column) for value, column in zip(row, table.columns, strict=True)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _parquet(table: Table) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise InvalidSetting("Parquet files need more than is installed: `pip install 'tollhouse[reports]'`.") from None
    kinds = {"text": pa.string(), "number": pa.int64(), "money": pa.decimal128(38, 9), "share": pa.float64()}
    fields = [pa.field(column.name, kinds[column.kind]) for column in table.columns]
    columns = [
        [_decimal(row[place]) if column.kind == "money" else row[place] for row in table.rows]
        for place, column in enumerate(table.columns)
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, fields, strict=True)]
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, schema=pa.schema(fields)), out, compression="zstd")
    return out.getvalue()


def _decimal(nanos: int | None) -> Decimal | None:
    return None if nanos is None else dollars(nanos)


def _is_text(table: Table, name: str) -> bool:
    return any(column.name == name and column.kind == "text" for column in table.columns)


def main(arguments: Sequence[str]) -> int:
    """Write a table that comes as JSON on standard input."""
    format = arguments[0] if arguments else ""
    if format not in FORMATS:
        return 2
    given = orjson.loads(sys.stdin.buffer.read())
    columns = [Column(name, kind) for name, kind in given["columns"]]
    try:
        file = write(Table(given["name"], columns, given["rows"]), format)
    except InvalidSetting as error:
        sys.stderr.write(error.message)
        return NOT_INSTALLED
    sys.stdout.buffer.write(file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
