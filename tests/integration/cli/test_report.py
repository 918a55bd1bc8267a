"""`tollhouse report`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from tests.gateway import Gateway


@pytest.fixture
def calls(tollhouse) -> None:
    gateway = Gateway(tollhouse.settings)
    gateway.add_echo("priced", "")
    for model in ("priced", "priced", "echo"):
        gateway.chat(model=model)
    gateway.rows(3)
    gateway.close()


def test_usage_is_told_by_several_groups_and_saved_in_each_kind_of_file(tollhouse, calls: None, tmp_path: Path) -> None:
    files = [tmp_path / f"usage.{ending}" for ending in ("csv", "xlsx", "parquet")]
    given = [part for file in files for part in (f"--{file.suffix[1:]}", str(file))]
    rows = tollhouse.json("report", "usage", "--by", "model", "--by", "day", *given)
    assert [(row["model"], row["requests"]) for row in rows] == [("echo", 1), ("priced", 2)]
    assert rows[1]["day"] == datetime.now(UTC).date().isoformat()
    assert len(files[0].read_text().splitlines()) == 3
    assert [row[0] for row in load_workbook(files[1]).active.iter_rows(values_only=True)] == ["model", "echo", "priced"]
    assert pq.read_table(files[2]).to_pylist()[1]["requests"] == 2


def test_usage_files_of_the_usage_command(tollhouse, calls: None, tmp_path: Path) -> None:
    book, table = tmp_path / "u.xlsx", tmp_path / "u.parquet"
    assert "2 rows are in" in tollhouse("usage", "--xlsx", str(book), "--parquet", str(table)).stdout
    assert load_workbook(book).active["A2"].value == "echo"
    assert pq.read_table(table).column_names[:2] == ["model", "requests"]


@pytest.mark.parametrize("report", ["usage", "latency", "forecast", "anomalies", "chargeback"])
def test_people_read_a_table(tollhouse, calls: None, report: str) -> None:
    assert tollhouse("report", report).stdout.strip()


def test_a_report_is_mailed_and_what_nobody_gets_is_refused(tollhouse, calls: None) -> None:
    done = tollhouse.json("report", "send", "usage", "--to", "a@example.com", "--period", "today")
    assert done == {"report": "usage", "rows": 2, "emails": 1, "posted": False}
    assert "emails" in tollhouse.error("report", "send", "usage", status=2)
    inside = tollhouse.error("report", "send", "usage", "--url", "http://127.0.0.1:9/x")
    assert "127.0.0.1" in inside or "private" in inside


def test_wrong_usage_ends_with_2(tollhouse) -> None:
    tollhouse.error("report", "usage", "--by", "colour", status=2)
    tollhouse.error("report", "usage", "--timezone", "Mars/Base", status=2)
    assert "month" in tollhouse.error("report", "chargeback", "--month", "soon", status=2)
    assert json.loads(tollhouse("report", "usage", "--json").stdout) == []
