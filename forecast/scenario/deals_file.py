"""Read open deals from a CSV or Parquet file, or from CSV text, into a sheet of text.

Files come from spreadsheets and exports under any name, so what they are is told by their first
bytes. Rows are numbered as a spreadsheet shows them: the header is row 1, and a cell of several
lines is in one row.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from forecast.scenario.deals_sheet import Sheet, find_columns
from forecast.scenario.errors import shown
from forecast.scenario.nodes import Place

MOST_BYTES = 200_000_000
MOST_DEALS = 100_000
ROW = "(row)"
SAVE_CSV = "Open it in a spreadsheet and save it as CSV UTF-8."
UTF8 = "a CSV file in UTF-8"
# What a file begins with, and what it is then, whatever its name says.
_OTHERS: Final = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx) or another ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"%PDF", "a PDF document"),
)
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "upright bars"}


def read_file(path: Path) -> Sheet:
    """Read a file that is there; its faults are recorded in the sheet."""
    sheet = Sheet(lambda row, column: Place(str(path), row, column))
    try:
        size = os.path.getsize(path)
        data = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        got = f"a file that cannot be read ({error.strerror or error})"
        _whole(sheet, got, UTF8, "Check your right to read it, and its disk.")
        return sheet
    if size > MOST_BYTES:
        mend = "Keep the columns that are read, and the deals that are open."
        _whole(sheet, f"{size:,} bytes", f"at most {MOST_BYTES:,}", mend)
    elif data.startswith(b"PAR1"):
        _read_parquet(sheet, path)
    elif (text := _decoded(sheet, data, path)) is not None:
        read_csv(sheet, text)
    return sheet


def _whole(sheet: Sheet, got: str, must: str, mend: str) -> None:
    sheet.fault(sheet.header, "(file)", got, must, mend)


def _decoded(sheet: Sheet, data: bytes, path: Path) -> str | None:
    """Turn bytes into text, or say what they are instead."""
    for begin, what in _OTHERS:
        if data.startswith(begin):
            _whole(sheet, what, UTF8, SAVE_CSV)
            return None
    if data.lstrip()[:1] == b"<":
        _whole(sheet, "a web page or XML, as some exports called .xls are", UTF8, SAVE_CSV)
        return None
    if path.suffix.lower() in (".parquet", ".pq"):
        _whole(sheet, "no Parquet file, for all its name", "Parquet or CSV", "Write it anew.")
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        mend = "Save it as CSV UTF-8 (in Excel: Save As, CSV UTF-8)."
        _whole(sheet, "text in UTF-16", UTF8, mend)
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        letter = data[error.start : error.start + 1].decode("latin-1")
        reading = f" ({letter} in Latin-1)" if letter.isprintable() else ""
        before = io.StringIO(data[: error.start].decode("latin-1") + letter, newline="")
        row = max(1, sum(1 for _ in csv.reader(before)))
        got = f"the byte 0x{data[error.start]:02X}{reading}, which is not UTF-8"
        mend = "Save it as CSV UTF-8 (in Excel: Save As, CSV UTF-8)."
        sheet.fault(row, "(file)", got, UTF8, mend)
        return None


def read_csv(sheet: Sheet, text: str) -> None:
    """Read CSV text into a sheet."""
    records = _records(sheet, text)
    first = next(records, None)
    if first is None:
        if not sheet.faults:
            mend = "Write a first row such as id,stage,entered,amount."
            _whole(sheet, "an empty file", "a first row of column names, then deals", mend)
        return
    sheet.header, header = first
    if _wrong_separator(sheet, header):
        return
    index = find_columns(sheet, header)
    kept: list[list[str]] = []
    for row, cells in records:
        if len(cells) != len(header):
            _ragged(sheet, row, len(cells), len(header))
        elif len(kept) == MOST_DEALS:
            _too_many(sheet, row)
            break
        else:
            kept.append(cells)
            sheet.rows.append(row)
    _fill(sheet, index, kept)


def _fill(sheet: Sheet, index: dict[str, int], records: list[list[str]]) -> None:
    sheet.columns = {
        # In the order of the file: it is that of the faults of a row.
        name: [cells[at].strip() for cells in records]
        for name, at in index.items()
    }


def _records(sheet: Sheet, text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the records that hold something, with their row numbers."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    row = 0
    try:
        for row, cells in enumerate(rows, start=1):
            if any(cell.strip() for cell in cells):  # spreadsheets add blank rows at the end
                yield row, cells
    except csv.Error as error:
        row += 1
        if "limit" in str(error) or "end of data" in str(error):
            got = "a quotation mark that is never closed"
            mend = 'Close it, or write a quotation mark inside a cell twice: "".'
        else:
            got = "text behind a closing quotation mark"
            mend = 'Write a quotation mark inside a cell twice: "the ""big"" deal".'
        sheet.fault(row, ROW, got, 'cells with commas between them, quoted as "a, b"', mend)


def _wrong_separator(sheet: Sheet, header: list[str]) -> bool:
    """Refuse columns that are parted by something else than commas."""
    line = ",".join(header)
    hint = line.strip().lower()
    if hint.startswith("sep="):
        mend = "Delete that row; it is meant for Excel alone."
        got = f"the row {shown(line.strip())}"
        sheet.fault(sheet.header, ROW, got, "the names of the columns", mend)
        return True
    for mark, name in _SEPARATORS.items():
        if line.count(mark) > line.count(","):
            got = f"columns with {name} between them"
            mend = "Save the file as CSV with commas, and numbers with a decimal point."
            sheet.fault(sheet.header, ROW, got, "columns with commas between them", mend)
            return True
    return False


def _ragged(sheet: Sheet, row: int, cells: int, wanted: int) -> None:
    got = f"{cells} cell{'s' if cells > 1 else ''}"
    mend = "Add the commas of blank cells, or check for a line break inside a cell."
    if cells > wanted:
        mend = 'Put quotes around cells with commas ("Miller, Inc."), and write 25000 for 25,000.'
    sheet.fault(row, ROW, got, f"{wanted}, as in the first row", mend)


def _too_many(sheet: Sheet, row: int) -> None:
    mend = "Keep the deals that are open and may still be won."
    sheet.fault(row, ROW, f"more than {MOST_DEALS:,} deals", f"at most {MOST_DEALS:,}", mend)


def _read_parquet(sheet: Sheet, path: Path) -> None:
    try:
        import pyarrow.parquet
    except ImportError:
        must = "a file that can be read: pyarrow, which reads Parquet, is not installed"
        mend = "Install it with: pip install 'pipecast[parquet]'; or save the file as CSV."
        _whole(sheet, "a Parquet file", must, mend)
        return
    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = list(file.schema_arrow.names)
        index = find_columns(sheet, names)
        count = file.metadata.num_rows
        if count > MOST_DEALS:
            _too_many(sheet, MOST_DEALS + sheet.header + 1)
            return
        table = file.read(columns=[names[at] for at in index.values()])
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0]
        mend = "Write it anew, or save it as CSV."
        _whole(sheet, f"a Parquet file that cannot be read ({reason})", "a whole file", mend)
        return
    if table.num_columns == len(index):  # else one of ours is there twice
        columns = {
            name: [_cell(value) for value in _microseconds(table.column(names[at])).to_pylist()]
            for name, at in index.items()
        }
        _keep_filled(sheet, columns, count)


def _microseconds(column: Any) -> Any:
    """Round times down to what Python's own can hold: exports store nanoseconds."""
    import pyarrow

    kind = column.type
    if not pyarrow.types.is_timestamp(kind):
        return column
    return column.cast(pyarrow.timestamp("us", tz=kind.tz), safe=False)


def _keep_filled(sheet: Sheet, columns: dict[str, list[str]], count: int) -> None:
    """Take over the columns, without the rows that are blank."""
    filled = [i for i in range(count) if any(cells[i] for cells in columns.values())]
    sheet.rows = [i + sheet.header + 1 for i in filled]
    sheet.columns = {name: [cells[i] for i in filled] for name, cells in columns.items()}


def _cell(value: Any) -> str:
    """Write a value of a Parquet column as a CSV file would hold it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"a {type(value).__name__}"
    return repr(value) if isinstance(value, float) else str(value).strip()
