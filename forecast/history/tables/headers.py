"""Name the columns of a table, and tell a report from a table of records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from forecast.history.tables.files import MOST_COLUMNS, refuse
from forecast.scenario.errors import shorten, shown

RECORDS: Final = "one row of column names, then a row a record"
NO_ROWS: Final = "a row of column names and nothing below it"
NO_ROWS_MEND: Final = "Check the filter of the export."
NO_REPORT: Final = (
    "It looks like a report, not like records. Export the list of records that it was made from, "
    "or delete what stands above, below and beside them."
)
_TOTALS: Final = frozenset(
    {"grand total", "row labels", "column labels", "total general", "gesamtergebnis"}
)
_AGGREGATE: Final = re.compile(r"total|(count|sum|average|min|max|distinct count) of \S.*")
_FEW = 0.5  # of the columns have a name: fewer, and the row is no header


@dataclass(frozen=True)
class Header:
    """Hold the names of columns, each once.

    - names: as written, without spaces around; told apart where they repeat or are blank
    - repeated: each name that is there more than once, with what its columns are called now
    - unnamed: what the columns without a name are called now
    """

    names: tuple[str, ...]
    repeated: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unnamed: tuple[str, ...] = ()


def name_columns(written: Sequence[str]) -> Header:
    """Give every column a name of its own.

    >>> name_columns(["id", "name", "", "name"]).names
    ('id', 'name', 'column 3', 'name (2)')
    """
    plain = [" ".join(name.split()) for name in written]
    counts = Counter(plain)
    taken = set(plain)
    names: list[str] = []
    repeated: dict[str, list[str]] = {}
    unnamed: list[str] = []
    for index, name in enumerate(plain):
        if not name:
            unnamed.append(_free(f"column {index + 1}", taken))
            names.append(unnamed[-1])
        elif counts[name] == 1:
            names.append(name)
        else:
            same = repeated.setdefault(name, [])
            same.append(_free(f"{name} ({len(same) + 1})", taken) if same else name)
            names.append(same[-1])
    told = {name: tuple(same) for name, same in repeated.items()}
    return Header(tuple(names), told, tuple(unnamed))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{name}*"
    taken.add(name)
    return name


def check_width(file: str, line: int, columns: int) -> None:
    """Refuse a table of too many columns."""
    if columns > MOST_COLUMNS:
        got, must = f"{columns:,} columns", f"at most {MOST_COLUMNS:,}"
        mend = "Check that rows and columns are not exchanged, and export what is needed."
        refuse(file, got, must, mend, line)


def check_report(
    file: str, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> None:
    """Refuse a report or a pivot table that was saved as a table.

    `rows` are some of the first and last rows with their lines, the header (its first) among them.
    """
    line = rows[0][0]
    # Columns may well be called so; in a report there are others without a name beside them.
    bare = not all(name.strip() for name in header)
    for at, cells in rows:
        filled = [cell.strip() for cell in cells if cell.strip()]
        looked_at = filled if at == line else filled[:1]
        signs = [cell for cell in looked_at if _is_sign(cell.casefold().rstrip(":"), bare)]
        if signs:
            got = f"{shown(shorten(signs[0], 40))}, as of a pivot table"
            refuse(file, got, RECORDS, NO_REPORT, at)
    named = sum(bool(name.strip()) for name in header)
    width = max(sum(bool(cell.strip()) for cell in cells) for _, cells in rows)
    if named < _FEW * width:
        title = next((name.strip() for name in header if name.strip()), "")
        got = f"{shown(shorten(title, 40))} where the names of {width:,} columns are missed"
        refuse(file, got, RECORDS, NO_REPORT, line)


def _is_sign(text: str, bare: bool) -> bool:
    return text in _TOTALS or (bare and _AGGREGATE.fullmatch(text) is not None)
