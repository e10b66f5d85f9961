"""Open deals as they are written: named columns of text, and the faults found in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from forecast.scenario.errors import Fault, did_you_mean, nearest, shown, visible
from forecast.scenario.forms import BROKEN, Door
from forecast.scenario.nodes import Place
from forecast.scenario.quantities import QuantityFault
from forecast.scenario.source import FORBIDDEN

COLUMNS: Final = {
    "id": "what the deal is called",
    "stage": "the stage that it is in",
    "entered": "the day on which it entered that stage",
    "channel": "where it came from",
    "segment": "who it is",
    "product": "what it would buy",
    "amount": "its value if won; blank where it is not known",
    "probability": "its own chance of being won, in place of the model's",
    "expected_close": "the day of its expected close, in place of the model's time",
    "close_cv": "how far the close may be off that day, as a coefficient of variation",
}
REQUIRED: Final = ("id", "stage", "amount")
MOST_FAULTS = 20
NEAR = 0.75  # of two names, from 0 to 1


@dataclass
class Sheet:
    """Our columns of the open deals, blank cells as "", and the number of each row.

    ``where`` gives the place of a row's cell; ``word`` is what a row is called there.
    """

    where: Callable[[int, str], Place]
    word: str = "row"
    rows: list[int] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    told: set[tuple[int, str]] = field(default_factory=set)  # cells with a fault
    header: int = 1  # the row that holds the names of the columns
    misspelled: set[str] = field(default_factory=set)  # columns that are there by another name

    def fault(self, row: int, column: str, got: str, must: str, mend: str) -> Any:
        """Record a fault of a row's cell; gives ``BROKEN``.

        A cell has one fault only. The first ones of each column are kept, for no more are shown.
        """
        if (row, column) in self.told:
            return BROKEN
        self.told.add((row, column))
        self.counts[column] = self.counts.get(column, 0) + 1
        if self.counts[column] <= MOST_FAULTS:
            self.faults.append((row, self.where(row, column).fault(got, must, mend)))
        return BROKEN

    def read(self, column: str, parse: Callable[[str], Any]) -> list[Any]:
        """Read a column cell by cell, each text once; ``parse`` raises ``QuantityFault``."""
        known: dict[str, Any] = {}
        found = []
        for row, cell in zip(self.rows, self.columns[column], strict=True):
            if cell not in known:
                known[cell] = _parsed(cell, parse)
            value = known[cell]
            if isinstance(value, QuantityFault):
                value = self.fault(row, column, value.got, value.must, value.mend)
            found.append(value)
        return found

    def tell(self, door: Door) -> None:
        """Hand over the faults in the order of the rows, and the count of what is too many."""
        first = sorted(self.faults, key=lambda each: each[0])[:MOST_FAULTS]
        door.faults.extend(fault for _, fault in first)
        rest = sum(self.counts.values()) - len(first)
        if rest:
            last = first[-1][1]
            place = Place(last.file, last.line, "")
            got = f"{rest:,} more fault{'s' if rest > 1 else ''} of the open deals"
            door.fault(place, got, "none", "Mend those above first, then check again.")

    def text(self) -> str:
        """Write the deals as CSV with nothing around them: what is kept of a file."""
        filled = {
            name: cells
            for name, cells in self.columns.items()
            if name in REQUIRED or any(cells) or not cells
        }
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(filled)
        writer.writerows(zip(*filled.values(), strict=True))
        return written.getvalue()


def _parsed(cell: str, parse: Callable[[str], Any]) -> Any:
    """Read a cell; gives the fault when it cannot be read."""
    try:
        if not cell.isprintable() and (bad := FORBIDDEN.search(cell) or _line_break(cell)):
            got = f"{shown(visible(cell))} with {bad if isinstance(bad, str) else 'a character'}"
            mend = "Delete what cannot be seen in that cell."
            raise QuantityFault(got, "text that can be seen, on one line", mend)
        return parse(cell)
    except QuantityFault as fault:
        return fault


def _line_break(cell: str) -> str | None:
    return "a line break or a tab" if any(char in cell for char in "\n\r\t") else None


def find_columns(sheet: Sheet, names: Sequence[str]) -> dict[str, int]:
    """Find our columns among those of a header, whatever their case and the spaces around.

    Other columns are left alone, unless their name is nearly that of one of ours that is missing.
    """
    plain = [name.strip().casefold() for name in names]
    found: dict[str, int] = {}
    for index, name in enumerate(plain):
        if name not in COLUMNS:
            continue
        if name in found:
            mend = "Rename or delete one of the two."
            sheet.fault(sheet.header, name, f"two columns {name}", "one column of that name", mend)
        found.setdefault(name, index)
    missing = [name for name in COLUMNS if name not in found]
    for written, name in zip(names, plain, strict=True):
        near = None if name in COLUMNS else nearly(name, missing)
        if near is not None:
            sheet.misspelled.add(near)
            got = f"the unknown column {shown(written.strip())}"
            must = "the name of a column that is read, or one that is not nearly such a name"
            mend = f"Did you mean {near}? Then write that; else rename the column."
            sheet.fault(sheet.header, written.strip(), got, must, mend)
    return found


def nearly(name: str, ours: Sequence[str]) -> str | None:
    """Find the column of ours that a name is nearly that of.

    >>> nearly("probabilty", list(COLUMNS)), nearly("owner", list(COLUMNS))
    ('probability', None)
    """
    joined = "_".join(name.replace("-", " ").replace("_", " ").split())
    return nearest(joined, ours, NEAR)


def check_columns(sheet: Sheet, needed: Sequence[str]) -> bool:
    """Record a fault for each column that must be there and is not; tells whether all are."""
    missing = [name for name in needed if name not in sheet.columns]
    for name in missing:
        if name not in sheet.misspelled:
            mend = f"Add the column {name}: {COLUMNS[name]}."
            if not sheet.columns and not sheet.misspelled:
                mend = f"{mend} The first row must hold the names of the columns."
            must = f"open deals with {name} ({COLUMNS[name]})"
            sheet.fault(sheet.header, name, f"no column {name}", must, mend)
    return not missing


def one_of(name: str, what: str, known: Sequence[str]) -> int:
    """Find a name among those of the scenario; raises ``QuantityFault``."""
    must = f"a {what} of the scenario"
    if name in known:
        return known.index(name)
    mend = did_you_mean(name, known) or f"Write a {what} that stands in the scenario."
    raise QuantityFault(shown(name), must, mend)
