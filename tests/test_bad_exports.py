"""Every known way in which an export is broken is refused, with a line that says how to mend it.

Small files are kept in ``bad_exports/``, large and binary ones are made (``made_exports.py``).
None ends in a traceback, and none is read with rows left out.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyarrow as pa
import pytest
from made_exports import CSV, MADE, packed, table

from forecast.history.tables import csv_file, encodings, files, parquet
from forecast.history.tables.table import read_table
from forecast.scenario.errors import ScenarioError

KEPT = Path(__file__).parent / "bad_exports"
SHAPE = re.compile(
    r"(?P<file>.+?):(?P<line>[1-9][0-9]*): (?P<path>\S.*?): (?P<got>got .+); must be .+\. .*[^ .]\."
)
# What must be said of the first fault: its line, its path and a part of its message.
EXPECTED = {
    "empty.csv": (1, "(file)", "got an empty file"),
    "only-blanks.csv": (1, "(file)", "got a file with nothing in it but blanks"),
    "header-only.csv": (1, "(file)", "got a row of column names and nothing below it"),
    "header-and-blank-rows.csv": (1, "(file)", "got a row of column names and nothing below it"),
    "unclosed-quote.csv": (3, "(row)", "got a quotation mark that is never closed"),
    "text-behind-a-quote.csv": (3, "(row)", "got text behind a closing quotation mark"),
    "too-few-cells.csv": (3, "(row)", "got 3 cells; must be 5"),
    "too-many-cells.csv": (3, "(row)", "got 6 cells; must be 5"),
    "thousands-with-commas.csv": (2, "(row)", "got 6 cells; must be 5"),
    "cut-off.csv": (4, "(row)", "got 2 cells; must be 5"),
    "line-break-without-quotes.csv": (2, "(row)", "got 4 cells; must be 5"),
    "nul-byte.csv": (3, "(file)", "got a NUL byte"),
    "latin-1.csv": (3, "(file)", "got the byte 0xFC (ü in Windows-1252), which is not UTF-8"),
    "mixed-encodings.csv": (3, "(file)", "one encoding, and line 2 has letters in UTF-8"),
    "utf-16-without-mark.csv": (1, "(file)", "write encoding: utf-16-le"),
    "cut-utf-16.csv": (4, "(file)", "which is not utf-16"),
    "pivot-table.csv": (5, "(file)", "got 'Count of id', as of a pivot table"),
    "pivot-of-excel.csv": (1, "(file)", "got 'Row Labels', as of a pivot table"),
    "grand-total-below.csv": (5, "(file)", "got 'Grand Total', as of a pivot table"),
    "report-with-title.csv": (1, "(file)", "got 'Pipeline report' where the names of 5 columns"),
    "footer-of-a-report.csv": (6, "(row)", "got 1 cell; must be 5"),
    "header-twice.csv": (3, "(row)", "got the row of column names again"),
    "web-page.xls": (1, "(file)", "got a web page or XML"),
    "xml-spreadsheet.xls": (1, "(file)", "got a web page or XML"),
    "json.csv": (1, "(file)", "got JSON"),
    "json-list.csv": (1, "(file)", "got JSON"),
    "json-lines.csv": (1, "(file)", "got JSON"),
    "rich-text.csv": (1, "(file)", "got a document (RTF)"),
    "git-lfs.csv": (1, "(file)", "git lfs pull"),
    "separator-in-doubt.csv": (1, "(row)", "got cells that commas or semicolons may stand between"),
}
FAULTS = {"thousands-with-commas.csv": 2, "footer-of-a-report.csv": 2}
FAULTS |= {"line-break-without-quotes.csv": 2}


def refusal(path: str | Path, **more: str) -> list[str]:
    """The lines of a refusal, in the one shape of all of them."""
    with pytest.raises(ScenarioError) as caught:
        read_table(path, **more)
    lines = str(caught.value).split("\n")
    assert caught.value.exit_code == 2
    assert lines == [str(fault) for fault in caught.value.faults]
    for line in lines:
        assert SHAPE.fullmatch(line), line
        assert "Traceback" not in line
        assert "Error" not in line
    return lines


def test_every_file_that_is_kept_has_its_expectation() -> None:
    assert {path.name for path in KEPT.iterdir()} == set(EXPECTED)
    assert len(EXPECTED) + len(MADE) >= 70


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_file_is_refused(name: str) -> None:
    lines = refusal(KEPT / name)
    at, path, part = EXPECTED[name]
    said = SHAPE.fullmatch(lines[0])
    assert said is not None
    assert (int(said["line"]), said["path"]) == (at, path)
    assert part in lines[0]
    assert len(lines) == FAULTS.get(name, 1)


@pytest.mark.parametrize("name", MADE)
def test_a_bad_file_that_is_made_is_refused(name: str, tmp_path: Path) -> None:
    make, part = MADE[name]
    make(tmp_path / name)
    lines = refusal(tmp_path / name)
    assert part in lines[0]
    assert len(lines) == 1


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    assert "got a folder" in refusal(tmp_path)[0]
    missing = refusal(tmp_path / "nowhere.csv")[0]
    assert "got no such file" in missing
    assert f"looked for in {tmp_path}" in missing
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere.csv")
    assert "got no such file" in refusal(tmp_path / "dangling.csv")[0]


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ("x" * 5_000, "a\0b", f"{CSV!r}", ""):
        refusal(f"{tmp_path}/{name}")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deals.csv"
    path.write_bytes(CSV)
    path.chmod(0)
    if os.geteuid() == 0:  # may read all

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    assert "got a file that may not be read" in refusal(path)[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs devices and pipes")
def test_devices_and_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert "got a device or a pipe" in refusal(tmp_path / "pipe.csv")[0]
    assert "got a device or a pipe" in refusal("/dev/zero")[0]


def test_an_address_is_no_file() -> None:
    text = refusal("https://me:secret@example.com/deals.csv")[0]
    assert "got an address" in text
    assert "secret" not in text


def test_a_gzip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path / "deals.csv.gz")
    monkeypatch.setattr(files, "MOST_BYTES", 50_000)
    assert (
        "got a gzip file with more than 50,000 bytes in it" in refusal(tmp_path / "deals.csv.gz")[0]
    )


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deals.csv").write_bytes(CSV)
    monkeypatch.setattr(files, "MOST_ROWS", 1)
    assert "got 2 rows; must be at most 1" in refusal(tmp_path / "deals.csv")[0]
    monkeypatch.setattr(files, "MOST_ROWS", 10)
    monkeypatch.setattr(files, "MOST_CELLS", 9)
    assert "got 10 cells; must be at most 9" in refusal(tmp_path / "deals.csv")[0]


def test_a_row_of_a_million_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deals.csv"
    path.write_bytes(CSV + b"," * 1_000_000 + b"\n")
    assert f"{path}:4: (row): got 1,000,001 cells; must be 5" in refusal(path)[0]
    path.write_bytes(CSV + b'5" pipe' + b"," * 1_000_000 + b"\n")
    assert f"{path}:4: (row): got 1,000,001 cells; must be 5" in refusal(path)[0]
    monkeypatch.setattr(csv_file, "_LONGEST_LINE_BYTES", 900_000)
    assert "got a line of 1,000,007 bytes" in refusal(path)[0]


def test_too_much_in_a_parquet_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deals.parquet"
    text = ["x" * 1_000] * 1_000
    table(id=pa.array(text))(path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(parquet, "MOST_BYTES", 100_000)
    assert "got more than 100,000 characters in it" in refusal(path)[0]
    monkeypatch.setattr(files, "MOST_ROWS", 10)
    assert "got 1,000 rows; must be at most 10" in refusal(path)[0]


def test_many_ragged_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_bytes(CSV + b"A-3,only\n" * 1_000)
    lines = refusal(tmp_path / "deals.csv")
    assert len(lines) == 21
    assert "got 980 more rows with too few or too many cells" in lines[-1]


OPTIONS = {
    "sheet": ("Deals", "sheet: got sheet: for a file that is CSV; must be left out"),
    "encoding": ("utf-9", "encoding: got the encoding utf-9"),
    "separator": ("comma-ish", "separator: got comma-ish; must be one character"),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_that_do_not_fit(option: str, tmp_path: Path) -> None:
    value, part = OPTIONS[option]
    (tmp_path / "deals.csv").write_bytes(CSV)
    assert part in refusal(tmp_path / "deals.csv", **{option: value})[0]


def test_an_encoding_that_is_not_the_files(tmp_path: Path) -> None:
    path = tmp_path / "deals.csv"
    path.write_bytes("id,name\n1,Müller\n2,Köhler\n".encode())
    said = refusal(path, encoding="cp1252")[0]
    assert "got ü in UTF-8, which cp1252 would read as Ã¼" in said
    assert "Leave out encoding:." in said
    path.write_bytes(path.read_bytes() + b"3,\xfcber\n")
    assert "Parts of it were joined" in refusal(path, encoding="latin-1")[0]
    path.write_bytes(b"id,name\n1,\x81\n")
    assert "got the byte 0x81, which is not cp1252" in refusal(path, encoding="cp1252")[0]


@pytest.mark.parametrize("piece", [1, 2, 3, 5])
def test_a_byte_that_is_not_utf8_is_found_wherever_pieces_end(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = "a€😀ü".encode()
    monkeypatch.setattr(encodings, "_PIECE_BYTES", piece)
    assert encodings._first_not_utf8(data) is None
    for cut in range(len(data) + 1):
        with pytest.raises(UnicodeDecodeError) as caught:
            (data[:cut] + b"\xff").decode()
        assert encodings._first_not_utf8(data[:cut] + b"\xff") == caught.value.start


def test_a_sheet_that_is_not_there(tmp_path: Path) -> None:
    MADE["two-sheets.xlsx"][0](tmp_path / "deals.xlsx")
    said = refusal(tmp_path / "deals.xlsx", sheet="Won")[0]
    assert "sheet: got the sheet Won; must be a sheet of the workbook. The sheets are Deals" in said
