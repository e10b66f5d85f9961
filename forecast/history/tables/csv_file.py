"""Read CSV files: fast where they are plain, by the standard library where they are not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.history.tables.csv_dialect import MOST_CHARS, Dialect, find_dialect, refuse_quotes
from forecast.history.tables.csv_scan import Layout, scan
from forecast.history.tables.encodings import to_utf8
from forecast.history.tables.files import (
    CSV,
    FILE,
    MOST_FAULTS,
    ROW,
    check_cells,
    kind_of,
    read_bytes,
    refuse,
)
from forecast.history.tables.headers import (
    NO_ROWS,
    NO_ROWS_MEND,
    RECORDS,
    check_report,
    check_width,
    name_columns,
)
from forecast.history.tables.table import RawTable, filled_rows, text_frame, without_bare
from forecast.scenario.errors import Fault, ScenarioError

_BEGIN_BYTES = 4096
_LONGEST_LINE_BYTES = 50_000_000
_BEYOND = 1_000  # cells behind the last column are looked at, whether they are blank
_LOOKED_AT = 1_000  # first and last rows that are searched for signs of a report


@dataclass
class _Records:
    """Hold the records below the header as they were cut, and where they stand."""

    frame: pd.DataFrame  # columns 0, 1, …; short records are filled up with ""
    lines: NDArray[np.int64]
    cells: NDArray[np.int64]


def read_csv(path: Path, encoding: str | None, separator: str | None) -> RawTable:
    """Read a CSV file, packed by gzip or not; see ``read_table``."""
    file = str(path)
    data = read_bytes(path)
    if kind_of(file, data[:_BEGIN_BYTES]) != CSV:
        refuse(file, "a workbook packed by gzip", "a CSV file", "Unpack it first.")
    data = to_utf8(file, data, encoding)
    dialect = find_dialect(file, data, separator)
    check_width(file, dialect.line, len(dialect.header))
    records = _fast(file, data, dialect) or _slow(file, data, dialect)
    return _table(file, dialect, records)


def _fast(file: str, data: bytes, dialect: Dialect) -> _Records | None:
    """Cut the records by pandas; None where that could go wrong."""
    body = data[dialect.begin :]
    layout = scan(body, dialect.separator.encode())
    if layout is None or (len(layout.ends) and (layout.ends - layout.starts).max() > MOST_CHARS):
        return None
    if not len(layout.ends):
        return _Records(pd.DataFrame(), layout.lines, layout.cells)
    named, most = len(dialect.header), int(layout.cells.max())
    check_cells(file, len(layout.ends), named)
    if most > named + _BEYOND:
        line = int(layout.lines[layout.cells.argmax()]) + dialect.next_line - 1
        raise ScenarioError([_ragged(file, line, most, named)])
    frame = pd.read_csv(
        io.BytesIO(body),
        sep=dialect.separator,
        header=None,
        names=range(max(most, named)),
        index_col=False,
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        skip_blank_lines=False,
        engine="c",
    )
    if len(frame) != len(layout.ends):
        return None
    return _Records(frame, layout.lines + dialect.next_line - 1, _cells_of(layout))


def _cells_of(layout: Layout) -> NDArray[np.int64]:
    """Count the cells; a line with nothing on it has none."""
    return np.where(layout.ends == layout.starts, 0, layout.cells)


def _slow(file: str, data: bytes, dialect: Dialect) -> _Records:
    """Cut the records by the standard library, which says where it could not."""
    body = data[dialect.begin :]
    longest = max(map(len, re.split(rb"[\r\n]", body)), default=0)
    if longest > _LONGEST_LINE_BYTES:
        got, must = f"a line of {longest:,} bytes", f"at most {_LONGEST_LINE_BYTES:,}"
        refuse(file, got, must, "Check that it has line ends, and export it again.", dialect.line)
    text = io.StringIO(body.decode("utf-8"), newline="")
    reader = csv.reader(text, delimiter=dialect.separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = dialect.next_line
    try:
        for cells in reader:
            rows.append(cells)
            lines.append(line)
            line = dialect.next_line + reader.line_num
    except csv.Error as error:
        refuse_quotes(file, line, str(error))
    named = len(dialect.header)
    check_cells(file, len(rows), named)
    width = max([named, *map(len, rows)])
    columns = {
        index: [cells[index] if index < len(cells) else "" for cells in rows]
        for index in range(min(width, named + _BEYOND))
    }
    counts = np.array([len(cells) for cells in rows], dtype=np.int64)
    return _Records(text_frame(columns), np.array(lines, dtype=np.int64), counts)


def _table(file: str, dialect: Dialect, records: _Records) -> RawTable:
    named = len(dialect.header)
    rows = _some(dialect, records)
    check_report(file, dialect.header, rows)
    _check_ragged(file, records, named)
    header = name_columns(dialect.header)
    frame = records.frame.iloc[:, :named]
    filled = filled_rows(frame) if len(frame) else np.zeros(0, dtype=bool)
    if not filled.any():
        refuse(file, NO_ROWS, RECORDS, NO_ROWS_MEND, dialect.line)
    if not filled.all():
        frame = frame[filled].reset_index(drop=True)
    frame.columns = pd.Index(header.names)
    lines = records.lines[filled]
    _check_header_again(file, dialect, frame, lines)
    frame, unnamed = without_bare(frame, header)
    return RawTable(
        file,
        tuple(frame.columns),
        frame,
        lines,
        repeated=header.repeated,
        unnamed=unnamed,
        blank_rows=int((~filled).sum()),
        header_line=dialect.line,
    )


def _some(dialect: Dialect, records: _Records) -> list[tuple[int, Sequence[str]]]:
    """Give the header, and some of the first and last records."""
    count = len(records.lines)
    picked = sorted({*range(min(_LOOKED_AT, count)), *range(max(0, count - _LOOKED_AT), count)})
    cells = records.frame.iloc[picked].to_numpy(dtype=object).tolist()
    lines = records.lines[picked].tolist()
    return [(dialect.line, dialect.header), *zip(lines, cells, strict=True)]


def _check_ragged(file: str, records: _Records, named: int) -> None:
    """Refuse records with too few cells, or with text in too many; blank ones are let be."""
    short = (records.cells < named) & (records.cells > 1 if named > 1 else records.cells > 0)
    if named > 1:
        lone = np.flatnonzero(records.cells == 1)
        short[lone] = filled_rows(records.frame.iloc[lone])
    beyond = np.flatnonzero(records.cells > named)
    long = np.zeros(len(short), dtype=bool)
    if len(beyond):
        # The slow reader keeps no more than is shown, so a very long record counts as filled.
        kept = records.frame.iloc[beyond, named:]
        long[beyond] = filled_rows(kept) | (records.cells[beyond] > records.frame.shape[1])
    wrong = np.flatnonzero(short | long)
    faults = [
        _ragged(file, int(records.lines[row]), int(records.cells[row]), named)
        for row in wrong[:MOST_FAULTS]
    ]
    if len(wrong) > MOST_FAULTS:
        got = f"{len(wrong) - MOST_FAULTS:,} more rows with too few or too many cells"
        mend = "Export it again, or mend how the cells are quoted."
        faults.append(Fault(file, int(records.lines[wrong[-1]]), FILE, got, "none", mend))
    if faults:
        raise ScenarioError(faults)


def _ragged(file: str, line: int, cells: int, named: int) -> Fault:
    mend = "Add what is missing, or look for a line break or a quotation mark inside a cell."
    if cells > named:
        mend = 'Put quotes around cells with the separator in them ("Miller, Inc."); write 25000.'
    got = f"{cells:,} cell{'s' if cells > 1 else ''}"
    return Fault(file, line, ROW, got, f"{named:,}, as there are names in the header", mend)


def _check_header_again(
    file: str, dialect: Dialect, frame: pd.DataFrame, lines: NDArray[np.int64]
) -> None:
    """Refuse the names of the columns in the middle: two exports behind each other."""
    same = np.arange(len(frame))
    for index, name in enumerate(dialect.header):
        if len(same):
            same = same[(frame.iloc[same, index] == name).to_numpy(dtype=bool)]
    if len(same) and any(dialect.header):
        got, must = "the row of column names again", "a record"
        mend = "Two exports stand behind each other: delete that row."
        refuse(file, got, must, mend, int(lines[same[0]]), ROW)
