"""Dates and numbers that were such at their source are beyond doubt: Parquet files and queries."""

import datetime as dt
import sqlite3

import pyarrow
import pyarrow.parquet
import pytest
from exports_of import faults_of, reasons, write_export
from test_mapping_deals import items_of, ordinal, stays_of

from forecast.history.exports.read import read_records

MAPPING = """
dates: '%d/%m/%y'
deals:
  {source}
  columns: {{id: id, created: made, closed: closed, status: status, amount: amount}}
  status: {{won: won, open: open}}
"""


def test_typed_cells_need_no_order_and_no_decimal_mark(tmp_path):
    days = [dt.datetime(2026, 1, 2, 10), dt.datetime(2026, 2, 3), None]
    table = pyarrow.table(
        {
            "id": [1, 2, 3],
            "made": pyarrow.array(days, pyarrow.timestamp("us")),
            "closed": ["05/03/26", "", ""],
            "status": ["won", "open", "open"],
            "amount": [1.234, None, 2.0],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "d.parquet")
    records, report = read_records(write_export(tmp_path, MAPPING.format(source="file: d.parquet")))
    assert items_of(records).loc["1", "amount"] == 1.234
    assert stays_of(records, "1")[0][1:3] == (ordinal("2026-01-02"), ordinal("2026-03-05"))
    assert reasons(report) == {"open, without the day on which it arrived": 1}


def test_a_query_is_read_by_a_mapping(tmp_path, monkeypatch):
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.execute("CREATE TABLE deals (id, made, closed, status, amount)")
        rows = [("a", "02/01/26", "05/03/26", "won", 10.5), ("b", "03/02/26", None, "open", None)]
        crm.executemany("INSERT INTO deals VALUES (?, ?, ?, ?, ?)", rows)
    crm.close()
    monkeypatch.setenv("SALES_DB", f"sqlite:///{tmp_path / 'crm.db'}")
    source = 'sql: {url: "${SALES_DB}", query: SELECT * FROM deals}'
    records, report = read_records(write_export(tmp_path, MAPPING.format(source=source)))
    assert report.items == {"won": 1, "lost": 0, "open": 1}
    assert items_of(records).loc["a", "amount"] == 10.5
    assert stays_of(records, "b")[0][1] == ordinal("2026-02-03")


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path, name):
    path = write_export(tmp_path, MAPPING.format(source=f"file: {name}"))
    assert len(faults_of(read_records, path)) == 1
