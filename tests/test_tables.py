"""Files of every kind are read as the text that is in them, with the rows where they stand."""

from __future__ import annotations

import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import xlsxwriter
from made_exports import raw_workbook, workbook
from shared_data import real

from forecast.history.tables import sheet_scan, tryout
from forecast.history.tables.headers import name_columns
from forecast.history.tables.table import DATE, NUMBER, TEXT, RawTable, harmless, read_table
from forecast.scenario.errors import ScenarioError


def csv(tmp_path: Path, text: str | bytes, **more: str) -> RawTable:
    path = tmp_path / "deals.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, **more)


# --- CSV --------------------------------------------------------------------------------------


def test_nothing_is_guessed(tmp_path: Path) -> None:
    row = ["None", "NA", "nan", "null", "007", "1e5", "01/02/2027", "TRUE", " x ", "=1+1", "1,5"]
    names = ",".join(f"c{i}" for i in range(len(row)))
    found = csv(tmp_path, f'{names}\n{",".join(row[:-1])},"1,5"\n')
    assert found.frame.iloc[0].tolist() == row
    assert found.kinds == {}
    assert found.source == str(tmp_path / "deals.csv")


def test_blank_cells_rows_and_columns(tmp_path: Path) -> None:
    text = "id,note,,\n1,,,\n\n  \n,,,\n2,x,,\n\n"
    found = csv(tmp_path, text)
    assert found.columns == ("id", "note")
    assert found.frame.to_numpy().tolist() == [["1", ""], ["2", "x"]]
    assert (found.lines.tolist(), found.blank_rows, found.header_line) == ([2, 6], 4, 1)


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    found = csv(tmp_path, '\n"id","a\nlong name"\n1,"two\nlines"\n2,"x"\n')
    assert found.columns == ("id", "a long name")
    assert [found.line_of(row) for row in range(2)] == [4, 6]
    fault = found.fault(1, "id", "2", "1", "Write 1.")
    assert str(fault).startswith(f"{tmp_path / 'deals.csv'}:6: id: got 2")
    assert found.fault(None, "id", "2", "1", "Write 1.").line == 2


def test_names_that_repeat_or_are_missing_are_told_apart(tmp_path: Path) -> None:
    found = csv(tmp_path, ",id,name,name,name (2)\n0,A,x,y,z\n")
    assert found.columns == ("column 1", "id", "name", "name (2)*", "name (2)")
    assert found.repeated == {"name": ("name", "name (2)*")}
    assert found.unnamed == ("column 1",)
    assert found.frame["name (2)*"].tolist() == ["y"]
    assert name_columns(["a", "a", "a"]).names == ("a", "a (2)", "a (3)")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("id,name\n1,Müller\n".encode("utf-8-sig"), None),
        ("id;name\r\n1;Müller\r\n".encode("utf-16"), None),
        ("id\tname\r1\tMüller\r".encode(), None),
        ("id|name\n1|Müller".encode("cp1252"), "cp1252"),
        ("id,name\n1,Müller".encode("latin-1"), "Latin-1"),
        ("sep=;\r\nid;name\r\n1;Müller\r\n".encode(), None),
        ('"sep=\t"\nid\tname\n1\tMüller\n'.encode(), None),
        (" id , name \n1,Müller\n".encode(), None),
    ],
)
def test_ways_to_write_the_same_table(tmp_path: Path, text: bytes, encoding: str | None) -> None:
    found = csv(tmp_path, text, encoding=encoding)
    assert found.columns == ("id", "name")
    assert found.frame.to_numpy().tolist() == [["1", "Müller"]]


def test_a_separator_that_is_named(tmp_path: Path) -> None:
    text = "id;status,amount\nA-1;won,25000\n"
    assert csv(tmp_path, text, separator="semicolon").columns == ("id", "status,amount")
    assert csv(tmp_path, text, separator=",").columns == ("id;status", "amount")
    assert csv(tmp_path, "a:b\n1:2\n", separator=":").columns == ("a", "b")


def test_quotes_in_the_middle_of_a_cell(tmp_path: Path) -> None:
    found = csv(tmp_path, 'id,name\n1,5" pipe\n2,"a ""b"", c"\n')
    assert found.frame["name"].tolist() == ['5" pipe', 'a "b", c']
    assert found.lines.tolist() == [2, 3]


def test_columns_may_have_names_as_of_a_report(tmp_path: Path) -> None:
    text = (
        "id,Count of calls,account\nA-1,3,Sum of Us\nA-2,4,Total\nTotal,1,Count of Monte Cristo\n"
    )
    assert len(csv(tmp_path, text)) == 3


def test_a_file_is_what_its_first_bytes_say(tmp_path: Path) -> None:
    workbook(tmp_path / "deals.csv", [["id"], ["A-1"]])
    assert read_table(tmp_path / "deals.csv").word == "row"
    (tmp_path / "deals.xlsx").write_text("id\nA-1\n")
    assert read_table(tmp_path / "deals.xlsx").word == "line"
    pyarrow.parquet.write_table(pa.table({"id": ["A-1"]}), tmp_path / "deals.xls")
    assert read_table(tmp_path / "deals.xls").frame["id"].tolist() == ["A-1"]


# --- Excel ------------------------------------------------------------------------------------


def write_sheet(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Deals")
        book.add_worksheet("Notes").hide()
        day, moment, hour = (
            book.add_format({"num_format": each}) for each in ("dd.mm.yyyy", "m/d/yy h:mm", "hh:mm")
        )
        sheet.write_row(2, 1, ["id", "closed", "amount", "more"])
        sheet.write_row(3, 1, ["007"])
        sheet.write_datetime(3, 2, dt.datetime(2027, 1, 2), day)
        sheet.write_number(3, 3, 25000)
        sheet.write_formula(3, 4, "=1+1", None, 2)
        sheet.write_row(5, 1, ["A-2"])
        sheet.write_datetime(5, 2, dt.datetime(2027, 1, 2, 9, 30), moment)
        sheet.write_number(5, 3, 0.1)
        sheet.write_formula(5, 4, "=NA()", None, "#N/A")
        sheet.write_number(6, 1, 46024)
        sheet.write_string(6, 2, "02/01/2027")
        sheet.write_boolean(6, 3, True)
        sheet.write_number(6, 4, 0.5, hour)
        sheet.write_string(7, 1, "=cmd|' /C calc'!A0")


def test_cells_of_a_sheet(tmp_path: Path) -> None:
    write_sheet(tmp_path / "deals.xlsx")
    found = read_table(tmp_path / "deals.xlsx")
    assert found.source == f"{tmp_path / 'deals.xlsx'} (sheet Deals)"
    assert found.columns == ("id", "closed", "amount", "more")
    assert found.frame.to_numpy().tolist() == [
        ["007", "2027-01-02", "25000", "2"],
        ["A-2", "2027-01-02T09:30:00", "0.1", "#N/A"],
        ["46024", "02/01/2027", "true", "12:00:00"],
        ["=cmd|' /C calc'!A0", "", "", ""],
    ]
    assert (found.lines.tolist(), found.word, found.header_line) == ([4, 6, 7, 8], "row", 3)
    assert found.blank_rows == 1
    assert found.kind_of("closed").tolist() == [DATE, DATE, TEXT, TEXT]
    assert found.are_dates("closed").tolist() == [True, True, False, False]
    assert found.kind_of("id").tolist() == [TEXT, TEXT, NUMBER, TEXT]
    assert found.are_numbers("amount").tolist() == [True, True, False, False]


def test_a_sheet_by_its_name(tmp_path: Path) -> None:
    rows = [["id"], ["A-1"]]
    workbook(tmp_path / "two.xlsx", rows, [["id"], ["B-1"]], sheet0="New", sheet1="Old")
    found = read_table(tmp_path / "two.xlsx", sheet="Old")
    assert found.frame["id"].tolist() == ["B-1"]
    assert found.source.endswith("two.xlsx (sheet Old)")


def test_a_sheet_without_addresses_of_cells(tmp_path: Path) -> None:
    cell = "<c><v>{}</v></c>"
    rows = f"<row>{cell.format(1)}{cell.format(2)}</row><row><c/><c t='e'><v>#REF!</v></c></row>"
    raw_workbook(tmp_path / "deals.xlsx", rows + f"<row>{cell.format(3)}</row>")
    found = read_table(tmp_path / "deals.xlsx")
    assert found.columns == ("1", "2")
    assert found.frame.to_numpy().tolist() == [["", "#REF!"], ["3", ""]]


@pytest.mark.parametrize("piece", [50, 300, 1_000])
def test_errors_are_found_wherever_pieces_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    write_sheet(tmp_path / "deals.xlsx")
    monkeypatch.setattr(sheet_scan, "_PIECE_BYTES", piece)
    assert read_table(tmp_path / "deals.xlsx").frame["more"].tolist()[1] == "#N/A"


_ODS = """<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>
<table:table table:name="Deals">{}</table:table></office:spreadsheet></office:body>
</office:document-content>"""
_ODS_CELL = '<table:table-cell office:value-type="{}" {}{}><text:p>{}</text:p></table:table-cell>'


def write_ods(path: Path, *cells: str, repeated: int = 1) -> None:
    rows = "".join(
        f'<table:table-row table:number-rows-repeated="{repeated}">{cell}</table:table-row>'
        for cell in cells
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        names = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        packed.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{names}"/>')
        packed.writestr("content.xml", _ODS.format(rows))


def test_an_opendocument_sheet(tmp_path: Path) -> None:
    name = _ODS_CELL.format("string", "", "", "closed")
    day = _ODS_CELL.format("date", 'office:date-value="2027-01-02"', "", "02.01.27")
    write_ods(tmp_path / "deals.ods", name, day)
    found = read_table(tmp_path / "deals.ods")
    assert found.frame["closed"].tolist() == ["2027-01-02"]
    assert found.are_dates("closed").tolist() == [True]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs limits of memory")
def test_an_opendocument_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tryout, "MOST_MEMORY_BYTES", 300_000_000)
    wide = 'table:number-columns-repeated="16384"'
    write_ods(tmp_path / "bomb.ods", _ODS_CELL.format("string", wide, "", "x" * 99), repeated=1_000)
    with pytest.raises(ScenarioError, match="bytes or very long to open"):
        read_table(tmp_path / "bomb.ods")


# --- Parquet ----------------------------------------------------------------------------------


def test_types_of_parquet(tmp_path: Path) -> None:
    berlin = pa.timestamp("ns", tz="Europe/Berlin")
    moments = [dt.datetime(2027, 1, 5, 9, 30, tzinfo=dt.UTC), None]
    days = [dt.date(2027, 1, 31), None]
    columns = {
        "id": pa.array(["None", "007"]),
        "stage": pa.array(["won", None]).dictionary_encode(),
        "closed": pa.array(days),
        "created": pa.array(moments, berlin),
        "naive": pa.array([dt.datetime(2027, 1, 5), None], pa.timestamp("ms")),
        "exact": pa.array([1_800_000_000_123_456_789, None], pa.timestamp("ns")),
        "amount": pa.array([Decimal("25000.50"), None], pa.decimal128(12, 2)),
        "rate": pa.array([0.1, float("nan")]),
        "single": pa.array(np.array([0.1, 2.0], dtype=np.float32)),
        "count": pa.array([2**60, None], pa.int64()),
        "is_won": pa.array([True, None]),
        "nothing": pa.nulls(2),
        "large": pa.array(["a", ""], pa.large_string()),
    }
    path = tmp_path / "deals.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=1)
    found = read_table(path)
    first, last = found.frame.to_dict("records")
    assert first == {
        "id": "None",
        "stage": "won",
        "closed": "2027-01-31",
        "created": "2027-01-05T10:30:00+01:00",
        "naive": "2027-01-05T00:00:00",
        "exact": "2027-01-15T08:00:00.123456",
        "amount": "25000.50",
        "rate": "0.1",
        "single": "0.1",
        "count": "1152921504606846976",
        "is_won": "true",
        "nothing": "",
        "large": "a",
    }
    assert last == dict.fromkeys(first, "") | {"id": "007", "single": "2"}
    assert found.are_dates("created").tolist() == [True, False]
    assert found.are_numbers("amount").tolist() == [True, False]
    assert found.kind_of("id").tolist() == [TEXT, TEXT]


def test_frames_of_pandas_come_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["A-1", "A-2", None], "n": [1, None, None]})
    frame.to_parquet(tmp_path / "deals.parquet")
    found = read_table(tmp_path / "deals.parquet")
    assert found.frame.to_numpy().tolist() == [["A-1", "1"], ["A-2", ""]]
    assert (found.blank_rows, found.lines.tolist()) == (1, [1, 2])


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"id": ["A-1"]}).to_parquet(tmp_path / "deals.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ScenarioError, match=r"pip install 'pipecast\[parquet\]'"):
        read_table(tmp_path / "deals.parquet")


# --- what is written --------------------------------------------------------------------------

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1", "\r=1", " =1", "\n=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_made_harmless(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "web", "-5", "+1.5", "-1e3", "25000", "a=b", "2027-01-31"])
def test_what_is_no_formula_is_left_alone(text: str) -> None:
    assert harmless(text) == text


# --- real data --------------------------------------------------------------------------------


def test_real_exports() -> None:
    assert len(read_table(real("maven-crm/sales_pipeline.csv"))) == 8_800
    assert (
        len(read_table(real("olist-funnel/olist_marketing_qualified_leads_dataset.csv"))) == 8_000
    )
    samples = real("crm-export-samples")
    twice = read_table(samples / "salesforce_opportunity_history_fivetran_seed_excerpt.csv")
    assert list(twice.repeated) == ["_fivetran_active"]
    with pytest.raises(ScenarioError, match="as of a pivot table"):
        read_table(samples / "pivot-saved-as-sales_pipeline.csv")
