"""Tables as files: exact, typed, and nothing that a spreadsheet would run."""

import csv
import io
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from tollhouse import table_files
from tollhouse.domain.errors import InvalidSetting
from tollhouse.domain.tables import Column, Table, TableFormat
from tollhouse.table_files import write, write_apart

COLUMNS = (Column("model", "text"), Column("requests"), Column("cost_usd", "money"), Column("share", "share"))
TABLE = Table("usage", COLUMNS, [('gpt, "big"', 3, 123_456_789_000_000_001, 0.25), ("", 0, -1, None)])
FORMULAS = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1"]


@pytest.fixture(params=[write, write_apart], ids=["here", "apart"])
def make(request: pytest.FixtureRequest) -> Callable[[Table, TableFormat], bytes]:
    return request.param


def cells(file: bytes) -> list[list[Any]]:
    return [list(row) for row in load_workbook(io.BytesIO(file)).active.iter_rows()]


def test_csv_has_each_nano_dollar(make: Callable[..., bytes]) -> None:
    rows = [*csv.reader(io.StringIO(make(TABLE, "csv").decode()))]
    assert rows[0] == ["model", "requests", "cost_usd", "share"]
    assert rows[1] == ['gpt, "big"', "3", "123456789.000000001", "0.25"]
    assert rows[2] == ["", "0", "-0.000000001", ""]


def test_json_has_money_as_text(make: Callable[..., bytes]) -> None:
    first = json.loads(make(TABLE, "json"))[0]
    assert first == {"model": 'gpt, "big"', "requests": 3, "cost_usd": "123456789.000000001", "share": 0.25}


def test_parquet_has_decimals(make: Callable[..., bytes]) -> None:
    table = pq.read_table(io.BytesIO(make(TABLE, "parquet")))
    assert table.to_pylist()[0]["cost_usd"] == Decimal("123456789.000000001")
    assert [str(field.type) for field in table.schema] == ["string", "int64", "decimal128(38, 9)", "double"]


def test_excel_has_numbers_that_can_be_added_up(make: Callable[..., bytes]) -> None:
    head, first, _ = cells(make(Table("usage", COLUMNS, [("m", 3, 1_500_000_001, 0.25), ("n", 1, 1, None)]), "xlsx"))
    assert [cell.value for cell in head] == ["model", "requests", "cost_usd", "share"]
    assert [cell.value for cell in first] == ["m", 3, 1.500000001, 0.25]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    table = Table("usage", (Column("key", "text"),), [(text,)])
    (_, (cell,)) = cells(write(table, "xlsx"))
    assert cell.data_type == "s"
    assert str(cell.value).startswith("'")
    (_, (told,)) = csv.reader(io.StringIO(write(table, "csv").decode(), newline=""))
    assert told == f"'{text}"


def test_a_negative_amount_stays_a_number() -> None:
    assert b"\r\n,0,-0.000000001," in write(TABLE, "csv")


def test_what_excel_cannot_hold_is_left_out() -> None:
    table = Table("usage", (Column("key", "text"),), [("a\x00b\x1f" + "c" * 40_000,)])
    (_, (cell,)) = cells(write(table, "xlsx"))
    assert cell.value.startswith("abccc")


def test_a_table_without_rows_has_its_heads(make: Callable[..., bytes]) -> None:
    empty = Table("usage", COLUMNS, [])
    assert make(empty, "csv").strip() == b"model,requests,cost_usd,share"
    assert pq.read_table(io.BytesIO(make(empty, "parquet"))).column_names == [column.name for column in COLUMNS]


def test_without_what_writes_parquet_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidSetting, match=r"tollhouse\[reports\]"):
        write(TABLE, "parquet")


def test_the_process_that_serves_imports_nothing_of_it() -> None:
    import subprocess

    script = (
        "import sys; from tollhouse.web.create_app import create_app; from tollhouse import wiring; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert not {"pandas", "pyarrow", "openpyxl", "numpy"} & set(done.stdout.split())
    assert table_files.__name__ in done.stdout
