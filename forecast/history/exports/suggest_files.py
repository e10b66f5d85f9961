"""Read a file of which nobody has said yet how it is encoded, or which of its sheets counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from forecast.history.tables.encodings import NOT_UTF8
from forecast.history.tables.table import RawTable, read_table
from forecast.scenario.errors import ScenarioError, listed

if TYPE_CHECKING:
    from forecast.history.exports.suggest_values import Draft

WESTERN: Final = "cp1252"


def read_somehow(path: Path, draft: Draft) -> tuple[RawTable, Mapping[str, str]]:
    """Read a file; where it asks for an encoding or a sheet, one is proposed and told as a doubt.

    Raises ScenarioError for what an answer does not mend.
    """
    try:
        return read_table(path), {}
    except ScenarioError as error:
        asked = error.faults[0]
        if asked.path == "sheet":
            return _largest_sheet(path, error, draft)
        if not asked.got.endswith(NOT_UTF8) or asked.must != "UTF-8":
            raise
        try:
            raw = read_table(path, encoding=WESTERN)
        except ScenarioError:
            raise error from None
    sample = _first_foreign(raw)
    draft.doubt(
        f"encoding: {path.name} is not UTF-8; {WESTERN} (Western Windows) is a guess: "
        f"look whether {sample} is written as it should be"
    )
    return raw, {"encoding": WESTERN}


def _first_foreign(raw: RawTable) -> str:
    """Give the first name or cell with a foreign letter, else one with a foreign sign."""
    signs = ""
    for text in (*raw.columns, *(cell for name in raw.columns for cell in raw.frame[name])):
        if not text.isascii():
            if any(char.isalpha() and not char.isascii() for char in text):
                return str(text)[:60]
            signs = signs or str(text)[:60]
    return signs or "everything"


def _largest_sheet(
    path: Path, error: ScenarioError, draft: Draft
) -> tuple[RawTable, Mapping[str, str]]:
    """Read the sheet with the most rows of those that hold a table."""
    from forecast.history.tables.excel import sheet_names

    found = []
    names = sheet_names(path)
    for name in names:
        try:
            found.append((name, read_table(path, sheet=name)))
        except ScenarioError:
            continue  # notes, pivot tables: they are no records
    if not found:
        raise error
    name, raw = max(found, key=lambda pair: len(pair[1]))
    draft.doubt(f"sheet: {name}, of {listed(names)}, has the most rows of a table")
    return raw, {"sheet": name}
