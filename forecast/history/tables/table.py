"""Read a file or a query of any CRM into a table of text, exactly as it is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.history.tables.files import CSV, EXCEL, GZIP, PARQUET, check_file, kind_of, refuse
from forecast.history.tables.headers import NO_ROWS, NO_ROWS_MEND, RECORDS, Header
from forecast.scenario.errors import Fault
from forecast.scenario.source import FORMULA

TEXT, NUMBER, DATE = 0, 1, 2  # what a cell was where it came from
_BEGIN_BYTES = 4096
Kinds = NDArray[np.int8]


@dataclass(frozen=True)
class RawTable:
    """Hold a table of text.

    - source: what it is called in messages
    - columns: the names as written, without spaces around; each once
    - frame: a column of text for each; blank cells are "", and nothing else is: `None`, `NA` and
      `nan` are what somebody wrote. Rows without any text are left out.
    - lines: the line (of a CSV file) or row (of a sheet) of each row of `frame`
    - kinds: for columns with cells that were dates or numbers at their source, what each cell was
      (``TEXT``, ``NUMBER``, ``DATE``); a date that was one is in ISO order, and beyond doubt
    - repeated: names that stand over several columns, with what these are called here
    - unnamed: what columns without a name are called here
    - blank_rows: how many rows held no text
    - word: what `lines` count: "line" or "row"
    - header_line: the line of the names; 1 where there is none, as of a query
    """

    source: str
    columns: tuple[str, ...]
    frame: pd.DataFrame
    lines: NDArray[np.int64]
    kinds: Mapping[str, Kinds] = field(default_factory=dict)
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unnamed: tuple[str, ...] = ()
    blank_rows: int = 0
    word: str = "line"
    header_line: int = 1

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.frame)

    def line_of(self, row: int) -> int:
        """Give the line or row, as an editor or a spreadsheet shows it, of a row of `frame`."""
        return int(self.lines[row])

    def kind_of(self, column: str) -> Kinds:
        """Give what each cell of a column was at its source: array (row) of int8."""
        known = self.kinds.get(column)
        return np.zeros(len(self.frame), dtype=np.int8) if known is None else known

    def are_dates(self, column: str) -> NDArray[np.bool_]:
        """Tell which cells of a column were dates at their source: array (row) of bool."""
        return np.equal(self.kind_of(column), DATE)

    def are_numbers(self, column: str) -> NDArray[np.bool_]:
        """Tell which cells of a column were numbers at their source: array (row) of bool."""
        return np.equal(self.kind_of(column), NUMBER)

    def fault(self, row: int | None, column: str, got: str, must: str, mend: str) -> Fault:
        """Make a fault of a cell; of the header where `row` is None."""
        line = self.header_line if row is None else self.line_of(row)
        return Fault(self.source, line, column, got, must, mend)


def read_table(
    path: str | os.PathLike[str],
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    separator: str | None = None,
) -> RawTable:
    """Read a CSV, Excel or Parquet file; which one is told by its first bytes, not by its name.

    - sheet: the one to read of a workbook with several
    - encoding: of a CSV file that is not UTF-8 (`cp1252`, `latin-1`, …)
    - separator: of a CSV file, where its header does not tell

    Raises ScenarioError with a fault for each thing that is wrong: no row is dropped silently.
    """
    file = str(path)
    place = Path(path)
    check_file(file)
    with place.open("rb") as opened:
        begin = opened.read(_BEGIN_BYTES)
    kind = CSV if begin.startswith(GZIP) else kind_of(file, begin)
    _check_options(file, kind, sheet=sheet, encoding=encoding, separator=separator)
    if kind == EXCEL:
        from forecast.history.tables.excel import read_excel

        return read_excel(place, sheet)
    if kind == PARQUET:
        from forecast.history.tables.parquet import read_parquet

        return read_parquet(place)
    from forecast.history.tables.csv_file import read_csv

    return read_csv(place, encoding, separator)


def _check_options(file: str, kind: str, **options: str | None) -> None:
    fits = {"sheet": EXCEL, "encoding": CSV, "separator": CSV}
    for name, value in options.items():
        if value is not None and fits[name] != kind:
            got = f"{name}: for a file that is {kind}"
            refuse(file, got, f"left out, as it is for {fits[name]}", f"Remove {name}:.", 1, name)


def text_frame(columns: Mapping[Any, Any]) -> pd.DataFrame:
    """Make a frame of text columns, the same way for every source."""
    return pd.DataFrame(dict(columns), dtype=str)


def filled_rows(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which rows hold any text: array (row) of bool."""
    filled = np.zeros(len(frame), dtype=bool)
    for column in frame.columns:
        if filled.all():
            break
        cells = frame.loc[~filled, column]
        filled[~filled] = (cells.str.strip() != "").to_numpy(dtype=bool)
    return filled


def without_bare(frame: pd.DataFrame, header: Header) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out columns without a name and without a cell, which separators at line ends make.

    Gives the names of the other columns without one.
    """
    bare = [name for name in header.unnamed if (frame[name] == "").all()]
    left = tuple(name for name in header.unnamed if name not in bare)
    return (frame.drop(columns=bare) if bare else frame), left


def typed_table(
    source: str, header: Header, frame: pd.DataFrame, kinds: Mapping[str, Kinds], first: int
) -> RawTable:
    """Make the table of a source that counts rows; the first one of `frame` is row `first`.

    Raises ScenarioError where no row holds any text.
    """
    filled = filled_rows(frame)
    header_line = max(1, first - 1)
    if not filled.any():
        refuse(source, NO_ROWS, RECORDS, NO_ROWS_MEND, header_line)
    frame, unnamed = without_bare(frame, header)
    return RawTable(
        source,
        tuple(frame.columns),
        frame if filled.all() else frame[filled].reset_index(drop=True),
        np.flatnonzero(filled) + first,
        {name: found[filled] for name, found in kinds.items()},
        header.repeated,
        unnamed,
        int((~filled).sum()),
        "row",
        header_line,
    )


def harmless(text: str) -> str:
    """Write a cell so that no spreadsheet takes it for a formula: with an apostrophe before it.

    Numbers are left as they are, for -5 is no formula. See OWASP, "CSV Injection".

    >>> harmless("=cmd|' /C calc'!A0"), harmless("-5.2"), harmless("web")
    ("'=cmd|' /C calc'!A0", '-5.2', 'web')
    """
    if not text.lstrip(" ").startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
