"""Read a sheet of an Excel or OpenDocument workbook, as its cells show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NoReturn

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from forecast.history.tables.cells import cell_text, typed_columns
from forecast.history.tables.files import OLE, refuse
from forecast.history.tables.headers import RECORDS, check_report, check_width, name_columns
from forecast.history.tables.table import RawTable, text_frame, typed_table
from forecast.history.tables.tryout import try_out
from forecast.history.tables.workbook import AS_CSV, MOST_CELLS, check_workbook
from forecast.scenario.errors import listed, shown

_LOOKED_AT = 1_000
# What Excel calls the workbook inside the one that it locks, which looks like an old .xls.
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_NO_FORMAT: Final = "Cannot detect file format"
WORKBOOK: Final = "an Excel workbook that can be read"


def read_excel(path: Path, sheet: str | None) -> RawTable:
    """Read one sheet; see ``read_table``."""
    file = str(path)
    with path.open("rb") as opened:
        begin = opened.read(8)
    if begin == OLE and _ENCRYPTED in path.read_bytes():
        _refuse_password(file)
    errors = None if begin == OLE else check_workbook(file, path)
    if errors is None:
        try_out(file, path)
    try:
        # Opened by its bytes, for calamine goes by the name of a path.
        with path.open("rb") as opened, CalamineWorkbook.from_filelike(opened) as workbook:
            found, source = _choose(file, workbook, sheet)
            rows, start = _rows(source, found)
    except PasswordError:
        _refuse_password(file)
    except (CalamineError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        if reason == _NO_FORMAT:
            reason = "none of its parts is as it should be"
        got = f"a workbook that cannot be read ({reason})"
        refuse(file, got, WORKBOOK, "Open it in Excel and save it again, or save it as CSV UTF-8.")
    except BaseException as error:
        # What calamine did not foresee comes as an error that is none of Python's ordinary ones.
        if type(error).__name__ != "PanicException":
            raise
        refuse(file, "a workbook that cannot be read", WORKBOOK, "Save it as CSV UTF-8.")
    if errors is not None:
        errors.put(found.name, rows, start)
    return _table(source, rows, start[0] + 1)


def sheet_names(path: Path) -> list[str]:
    """Name the sheets that can be seen and hold anything, of a workbook that can be read."""
    with path.open("rb") as opened, CalamineWorkbook.from_filelike(opened) as workbook:
        names = [
            each.name
            for each in workbook.sheets_metadata
            if each.typ == SheetTypeEnum.WorkSheet and each.visible == SheetVisibleEnum.Visible
        ]
        return [name for name in names if workbook.get_sheet_by_name(name).height > 0]


def _refuse_password(file: str) -> NoReturn:
    mend = "Save it without a password (File, Info, Protect Workbook)."
    refuse(file, "a workbook with a password", WORKBOOK, mend)


def _choose(file: str, workbook: CalamineWorkbook, sheet: str | None) -> tuple[CalamineSheet, str]:
    """Find the sheet to read, and what it is called in messages."""
    tables = [each for each in workbook.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    names = [each.name for each in tables]
    if sheet is not None:
        if sheet not in names:
            mend = f"The sheets are {listed(names)}." if names else "Save the data as CSV."
            refuse(file, f"the sheet {shown(sheet)}", "a sheet of the workbook", mend, 1, "sheet")
        return workbook.get_sheet_by_name(sheet), _called(file, sheet, names)
    seen = [each.name for each in tables if each.visible == SheetVisibleEnum.Visible]
    filled = [each for each in map(workbook.get_sheet_by_name, seen) if each.height > 0]
    if not filled:
        got = "a workbook with nothing in it"
        refuse(file, got, "a sheet with a table", "Export it again, or write sheet:.")
    if len(filled) > 1:
        got = f"{len(filled)} sheets: {listed(each.name for each in filled)}"
        mend = f"Write sheet: with one of them, as sheet: {filled[0].name}."
        refuse(file, got, "the sheet to read", mend, 1, "sheet")
    return filled[0], _called(file, filled[0].name, names)


def _called(file: str, sheet: str, names: list[str]) -> str:
    return file if len(names) == 1 else f"{file} (sheet {sheet})"


def _rows(source: str, sheet: CalamineSheet) -> tuple[list[list[Any]], tuple[int, int]]:
    """Give the rows from the first cell that is filled, and where that is, from (0, 0)."""
    if sheet.height * sheet.width > MOST_CELLS:
        got = f"a sheet of {sheet.height:,} rows and {sheet.width:,} columns"
        refuse(source, got, f"at most {MOST_CELLS:,} cells", AS_CSV)
    return sheet.to_python(skip_empty_area=True), sheet.start or (0, 0)


def _table(source: str, rows: list[list[Any]], first: int) -> RawTable:
    if not rows:
        refuse(source, "a sheet with nothing in it", RECORDS, "Write sheet: with another one.")
    written = [" ".join(cell_text(cell).split()) for cell in rows[0]]
    check_width(source, first, len(written))
    _check_sheet_report(source, written, rows, first)
    header = name_columns(written)
    body = rows[1:]
    columns = {name: [row[i] for row in body] for i, name in enumerate(header.names)}
    texts, kinds = typed_columns(columns)
    return typed_table(source, header, text_frame(texts), kinds, first + 1)


def _check_sheet_report(source: str, written: list[str], rows: list[list[Any]], first: int) -> None:
    last = range(max(1, len(rows) - _LOOKED_AT), len(rows))
    picked = sorted({*range(1, min(_LOOKED_AT, len(rows))), *last})
    some = [(first + at, [cell_text(cell) for cell in rows[at]]) for at in picked]
    check_report(source, written, [(first, written), *some])
