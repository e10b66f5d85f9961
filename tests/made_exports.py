"""Make the bad exports that are too large or too binary to be kept: each writes one file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import xlsxwriter

HEADER = ["id", "created", "closed", "status", "amount"]
ROWS = [["A-1", "2027-01-05", "2027-01-31", "won", 25000], ["A-2", "2027-01-07", "", "open", ""]]
CSV = "".join(f"{','.join(map(str, row))}\n" for row in [HEADER, *ROWS]).encode()
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_CELL = '<c r="{}"><v>1</v></c>'


def workbook(path: Path, *sheets: list[list[object]], **names: str) -> None:
    """Write a workbook of ordinary cells."""
    with xlsxwriter.Workbook(path) as book:
        for index, rows in enumerate(sheets):
            sheet = book.add_worksheet(names.get(f"sheet{index}"))
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)


def raw_workbook(path: Path, rows: str, texts: str = "", **more: str) -> None:
    """Write a workbook from the XML of its rows, with whatever that says."""
    relation = f'<Relationship Id="r1" Type="{_OFFICE}/{{}}" Target="{{}}"/>'
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": relation.format("officeDocument", "xl/workbook.xml"),
        "xl/_rels/workbook.xml.rels": relation.format("worksheet", "worksheets/sheet1.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="Deals" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'{more.get("head", "")}<worksheet xmlns="{_MAIN}"><sheetData>'
        f"{rows}</sheetData></worksheet>",
    }
    if texts:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{texts}</sst>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in parts.items():
            if name.endswith(".rels"):
                text = f'<Relationships xmlns="{_PACKAGE}">{text}</Relationships>'
            packed.writestr(name, text)


def _rows(*cells: str) -> str:
    return "".join(f"<row>{_CELL.format(cell)}</row>" for cell in cells)


def sparse(path: Path) -> None:
    """A kilobyte with cells in the two far corners of a sheet."""
    raw_workbook(path, _rows("A1", "XFD1048576"))


def zip_bomb(path: Path) -> None:
    """A sheet that is blanks for twenty megabytes."""
    raw_workbook(path, _rows("A1") + " " * 20_000_000)


def long_text_everywhere(path: Path) -> None:
    """One long text that every cell holds."""
    cells = "".join(f'<row><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 40_001))
    raw_workbook(path, cells, f"<si><t>{'x' * 32_767}</t></si>")


def hidden_size(path: Path) -> None:
    """A sheet that says that it is small, and is not."""
    noise = "".join(f"<!-- {os.urandom(20).hex()} -->" for _ in range(8_000))
    raw_workbook(path, _rows("A1") + noise + " " * 1_000_000)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        size = struct.pack("<I", packed.getinfo("xl/worksheets/sheet1.xml").file_size)
    path.write_bytes(data.replace(size, struct.pack("<I", 500_000)))


def two_of_a_name(path: Path) -> None:
    """A workbook with a part twice, of which programs may read either."""
    workbook(path, [HEADER, *ROWS])
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("xl/worksheets/SHEET1.xml", "<worksheet/>")


def locked_zip(path: Path) -> None:
    """A workbook inside a ZIP file with a password."""
    workbook(path, [HEADER, *ROWS])
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = data.find(mark)
        while where >= 0:
            data[where + at] |= 1
            where = data.find(mark, where + 1)
    path.write_bytes(bytes(data))


def zip_of(*names: str) -> Callable[[Path], None]:
    """A ZIP file with other things in it."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as packed:
            for name in names:
                packed.writestr(name, CSV)

    return write


def cut(make: Callable[[Path], None], share: float) -> Callable[[Path], None]:
    """The beginning of a file, as a broken download leaves it."""

    def write(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return write


def content(data: bytes) -> Callable[[Path], None]:
    """Nothing but these bytes."""
    return lambda path: path.write_bytes(data) and None


def packed(path: Path) -> None:
    """Many rows, packed by gzip."""
    path.write_bytes(gzip.compress(CSV * 10_000))


def million_columns(path: Path) -> None:
    """A header of a million names, on a line of eight megabytes."""
    path.write_text(",".join(f"c{i:06d}" for i in range(1_000_000)) + "\n1\n", encoding="utf-8")


def three_thousand_columns(path: Path) -> None:
    """A table on its side."""
    path.write_text(",".join(f"c{i}" for i in range(3_000)) + "\n" + "1," * 2_999 + "1\n", "utf-8")


def huge(path: Path) -> None:
    """Three gigabytes, of which the disk holds none."""
    with path.open("wb") as opened:
        opened.write(CSV)
        opened.truncate(3_000_000_000)


def table(**columns: pa.Array) -> Callable[[Path], None]:
    """A Parquet file of these columns."""
    return lambda path: pyarrow.parquet.write_table(pa.table(columns), path)


def feather(path: Path) -> None:
    """A table in Arrow's own format."""
    pyarrow.feather.write_feather(pa.table({"id": ["A-1"]}), path)


def database(path: Path) -> None:
    """An SQLite database."""
    connection = sqlite3.connect(path)
    connection.execute("create table deals (id text)")
    connection.commit()
    connection.close()


MADE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a-million-columns.csv": (million_columns, "got 1,000,000 columns; must be at most 2,000"),
    "three-thousand-columns.csv": (three_thousand_columns, "got 3,000 columns"),
    "three-gigabytes.csv": (huge, "got a file of 3,000,000,000 bytes"),
    "a-long-cell.csv": (content(CSV + b"A-3,,," + b"x" * 200_000 + b",\n"), "a cell of more than"),
    "binary-junk.csv": (content(bytes(range(256)) * 20), "got a file that is no text"),
    "pdf.csv": (content(b"%PDF-1.7\n" + bytes(range(128, 256))), "got a PDF document"),
    "picture.csv": (content(b"\x89PNG\r\n\x1a\n" + bytes(100)), "got a picture"),
    "database.csv": (database, "got an SQLite database"),
    "feather.csv": (feather, "got a Feather (Arrow) file"),
    "avro.csv": (content(b"Obj\x01" + bytes(50)), "got an Avro file"),
    "orc.csv": (content(b"ORC" + bytes(50)), "got an ORC file"),
    "bzip2.csv": (content(bz2.compress(CSV)), "got a file packed by bzip2"),
    "xz.csv": (content(lzma.compress(CSV)), "got a file packed by xz"),
    "zstd.csv": (content(b"\x28\xb5\x2f\xfd" + bytes(50)), "got a file packed by zstd"),
    "7z.csv": (content(b"7z\xbc\xaf\x27\x1c" + bytes(50)), "got a 7-Zip archive"),
    "rar.csv": (content(b"Rar!\x1a\x07" + bytes(50)), "got a RAR archive"),
    "cut-off.csv.gz": (cut(packed, 0.5), "got a gzip file that is cut off"),
    "damaged.csv.gz": (content(gzip.compress(CSV)[:-8] + bytes(8)), "cut off or damaged"),
    "nothing.csv.gz": (content(gzip.compress(b"")), "with nothing in it"),
    "workbook.xlsx.gz": (content(gzip.compress(b"PK\x03\x04" + bytes(9))), "a workbook packed"),
    "archive.zip": (zip_of("deals.csv", "leads.csv"), "got a ZIP file with deals.csv, leads.csv"),
    "empty.zip": (zip_of(), "got a ZIP file with nothing in it"),
    "letter.xlsx": (zip_of("word/document.xml"), "got a Word document"),
    "cut-off.xlsx": (cut(lambda path: workbook(path, [HEADER, *ROWS]), 0.6), "got a workbook that"),
    "zip-bomb.xlsx": (zip_bomb, "that unpacks to 20,00"),
    "far-corners.xlsx": (sparse, "got a sheet of 1,048,576 rows and 16,384 columns"),
    "one-text-everywhere.xlsx": (long_text_everywhere, "got a sheet with 1,31"),
    "hidden-size.xlsx": (hidden_size, "that hides its size"),
    "two-of-a-name.xlsx": (two_of_a_name, "got a workbook with two parts of one name"),
    "locked-zip.xlsx": (locked_zip, "got a ZIP file with a password"),
    "doctype.xlsx": (
        lambda path: raw_workbook(path, _rows("A1"), head='<!DOCTYPE x [<!ENTITY a "b">]>'),
        "has a DOCTYPE",
    ),
    "unknown-encoding.xlsx": (
        lambda path: raw_workbook(
            path, "<row><c r='A1'/></row>", head="<?xml version='1.0' encoding='UTF-99'?>"
        ),
        "got a workbook that is cut off or damaged (unknown encoding: UTF-99)",
    ),
    "broken-xml.xlsx": (
        lambda path: raw_workbook(path, "<row><c r='A1'><v>1</v></row>"),
        "got a workbook that",
    ),
    "password.xlsx": (
        content(
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
            + bytes(600)
            + "EncryptedPackage".encode("utf-16-le")
        ),
        "got a workbook with a password",
    ),
    "junk.xls": (content(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)), "got a workbook that"),
    "empty.xlsx": (lambda path: workbook(path, []), "got a workbook with nothing in it"),
    "header-only.xlsx": (lambda path: workbook(path, [HEADER]), "and nothing below it"),
    "two-sheets.xlsx": (
        lambda path: workbook(path, [HEADER, *ROWS], [HEADER], sheet0="Deals", sheet1="Old deals"),
        "got 2 sheets: Deals and 'Old deals'; must be the sheet to read. Write sheet: ",
    ),
    "title.xlsx": (
        lambda path: workbook(path, [["Pipeline report"], [], HEADER, *ROWS]),
        "got 'Pipeline report' where the names of 5 columns are missed",
    ),
    "pivot-table.xlsx": (
        lambda path: workbook(
            path, [["Row Labels", "Sum of amount"], ["web", 3], ["Grand Total", 3]]
        ),
        "got 'Row Labels', as of a pivot table",
    ),
    "cut-off.parquet": (cut(table(id=pa.array(["A-1"] * 1000)), 0.7), "got a Parquet file that"),
    "junk.parquet": (content(b"PAR1" + bytes(100)), "got a Parquet file that cannot be read"),
    "no-rows.parquet": (table(id=pa.array([], pa.string())), "and nothing below it"),
    "nested.parquet": (
        table(id=pa.array(["A-1"]), tags=pa.array([["a", "b"]])),
        "tags: got lists or groups",
    ),
    "bytes.parquet": (table(id=pa.array([b"\xff\xfe"])), "id: got bytes"),
    "named-so.parquet": (content(io.BytesIO(CSV[:-3]).read()), "got 4 cells"),
}
