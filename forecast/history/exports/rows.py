"""Rows of an export under our names of the columns, and what becomes of each of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecast.history.exports import dates
from forecast.history.exports.data_report import MOST_EXAMPLES, Example, Finding, TableReport
from forecast.history.exports.dates import EITHER, SENTINEL
from forecast.history.exports.mapping import SET_ASIDE, ExportMapping, TableMap
from forecast.history.tables.table import RawTable, read_table
from forecast.scenario.errors import did_you_mean, listed, shorten, shown
from forecast.scenario.forms import Door
from forecast.scenario.nodes import Text

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
MOST_UNREADABLE: Final = 0.05  # of the cells of a column: more, and the mapping is wrong, not they


@dataclass(frozen=True)
class Coded:
    """Hold a column of text: every text once, and its index in each row."""

    codes: Ints
    texts: list[str]

    def __getitem__(self, row: int) -> str:
        return self.texts[int(self.codes[row])]

    def spread(self, values: Any) -> Any:
        """Give a value of each text to its rows."""
        return np.asarray(values)[self.codes]

    def is_in(self, wanted: Sequence[str]) -> Mask:
        """Tell which rows hold one of some texts, whatever their case."""
        folded = {text.strip().casefold() for text in wanted}
        found: Mask = self.spread([text.casefold() in folded for text in self.texts])
        return found


@dataclass(frozen=True)
class DayColumn:
    """Hold what each row of a column of dates says; see ``dates.Days``."""

    state: npt.NDArray[np.int8]
    day: Ints
    moment: Ints


@dataclass
class Rows:
    """Hold a table's rows and what becomes of each: 0 in `fate` is used, else a reason's number.

    A row has one fate, and the first reason counts: so the rows are always those that are used
    and those that are set aside, without one more or less.
    """

    table: TableMap
    raw: RawTable
    door: Door
    mapping: ExportMapping
    theirs: Mapping[str, str] = field(default_factory=dict)
    entered: Mapping[str, str] = field(default_factory=dict)
    reasons: list[tuple[str, str, bool]] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fate = np.zeros(len(self.raw), dtype=np.int16)
        self._coded: dict[str, Coded] = {}

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def live(self) -> Mask:
        """Tell which rows are not set aside."""
        return np.asarray(self.fate == 0)

    def has(self, name: str) -> bool:
        """Tell whether one of our columns is there."""
        return name in self.theirs

    def coded(self, theirs: str) -> Coded:
        """Give a column of the export, without the spaces around its texts."""
        if theirs not in self._coded:
            codes, found = pd.factorize(self.raw.frame[theirs])
            texts = found.tolist()
            plain = [text.strip() for text in texts]
            if plain != texts:
                again, once = pd.factorize(np.array(plain, dtype=object))
                codes, plain = again[codes], once.tolist()
            self._coded[theirs] = Coded(codes.astype(np.int64, copy=False), plain)
        return self._coded[theirs]

    def column(self, name: str) -> Coded:
        """Give one of our columns; blank in every row where the export has none."""
        if name not in self.theirs:
            return Coded(np.zeros(len(self), dtype=np.int64), [""])
        return self.coded(self.theirs[name])

    @property
    def ids(self) -> Coded:
        """Give the ids, or those of the leads where the table has none of its own."""
        return self.column("id" if self.has("id") else "lead")

    def set_aside(self, mask: Mask, why: str, column: str = "", chosen: bool = False) -> int:
        """Set rows aside that are not so yet; `chosen` when the mapping wants it. Counts them."""
        fresh = mask & self.live
        count = int(fresh.sum())
        if count:
            key = (why, column, chosen)
            if key not in self.reasons:
                self.reasons.append(key)
            self.fate[fresh] = self.reasons.index(key) + 1
        return count

    def doubted(self) -> Mask:
        """Tell which rows were set aside for what is wrong with them."""
        chosen = np.array([True, *(chosen for _, _, chosen in self.reasons)])
        return np.asarray(~chosen[self.fate])

    def note(self, mask: Mask, what: str, column: str = "") -> None:
        """Keep something suspicious about rows."""
        count = int(mask.sum())
        if count:
            self.found.append(Finding(what, count, self.examples(mask, column)))

    def examples(self, mask: Mask, column: str = "") -> tuple[Example, ...]:
        """Give the first rows of some, with what they say in one of our columns."""
        rows = np.flatnonzero(mask)[:MOST_EXAMPLES]
        return tuple(
            Example(
                self.table.kind,
                self.raw.line_of(row),
                self.ids[row],
                self.column(column)[row] if column else "",
            )
            for row in rows
        )

    def report(self) -> TableReport:
        """Account for every row."""
        counts = np.bincount(self.fate, minlength=len(self.reasons) + 1)
        aside = [
            Finding(why, int(counts[number]), self.examples(self.fate == number, column))
            for number, (why, column, _) in enumerate(self.reasons, start=1)
            if counts[number]
        ]
        aside.sort(key=lambda finding: -finding.count)
        raw, kind = self.raw, self.table.kind
        blank = raw.blank_rows
        return TableReport(
            kind, raw.source, raw.word, len(raw), int(counts[0]), tuple(aside), blank
        )

    def fault(self, mask: Mask, column: str, got: str, must: str, mend: str) -> None:
        """Record a fault at the first of some rows."""
        row = int(np.flatnonzero(mask)[0])
        self.door.faults.append(self.raw.fault(row, self.theirs[column], got, must, mend))

    def days(self, name: str, theirs: str = "") -> DayColumn:
        """Read one of our columns of dates; what can be read two ways is a fault."""
        coded = self.coded(theirs) if theirs else self.column(name)
        order = self.table.dates.get("entered" if theirs else name)
        read = dates.read_days(coded.texts, order, self.mapping.time_zone)
        state = read.state[coded.codes]
        either = (state == EITHER) & self.live
        if either.any():
            self._either(either, theirs or self.theirs[name], coded)
        column = DayColumn(state, read.day[coded.codes], read.moment[coded.codes])
        typed = self.raw.are_dates(theirs or self.theirs[name])
        if typed.any() and order and "%" in order:
            column = self._typed(column, coded, typed)
        sentinel = (column.state == SENTINEL) & self.live
        self.note(
            sentinel, f"{theirs or name} is no real date, taken as blank", "" if theirs else name
        )
        return column

    def _typed(self, column: DayColumn, coded: Coded, typed: Mask) -> DayColumn:
        """Read the cells that were dates at their source, which no pattern fits."""
        read = dates.read_days(coded.texts, None, self.mapping.time_zone)
        pairs = ((column.state, read.state), (column.day, read.day), (column.moment, read.moment))
        return DayColumn(*(np.where(typed, own[coded.codes], old) for old, own in pairs))

    def _either(self, either: Mask, theirs: str, coded: Coded) -> None:
        row = int(np.flatnonzero(either)[0])
        text, count = coded[row], int(either.sum())
        got = f"{shown(text)}, which can be read two ways, as can {count:,} of {len(self):,} dates"
        mends = []
        for order in (dates.DAY_FIRST, dates.MONTH_FIRST):
            day = dates.read_days([text], order, None).day[0]
            if day:
                mends.append(f"dates: {order} ({dt.date.fromordinal(int(day)):%-d %B %Y})")
        mend = f"Add {' or '.join(mends)} to {self.table.place.file}."
        must = "dates whose order of day and month is said"
        self.door.faults.append(self.raw.fault(row, theirs, got, must, mend))

    def refuse_unreadable(self, mask: Mask, of: Mask, column: str, what: str) -> bool:
        """Make it a fault when too many cells cannot be read: then the mapping is wrong."""
        count, total = int(mask.sum()), int(of.sum())
        if count <= MOST_UNREADABLE * total or self.mapping.unreadable == SET_ASIDE:
            return False
        row = int(np.flatnonzero(mask)[0])
        text = shown(shorten(self.column(column)[row], 40))
        share = f", as {count:,} of {total:,} cells" if count > 1 else ""
        got = f"{text}, which is no {what}{share}"
        mend = (
            f"Check columns: {{{column}: …}} in {self.mapping.file} and how {what}s are written, "
            "or mend the export; unreadable: set aside reads on."
        )
        self.fault(mask, column, got, f"{what}s that can be read", mend)
        return True


def load(table: TableMap, door: Door, mapping: ExportMapping) -> Rows | None:
    """Read the text of a table and find our columns in it; None where that is a fault.

    Raises ScenarioError for a file that cannot be read.
    """
    raw = read_raw(table)
    rows = Rows(table, raw, door, mapping)
    before = len(door.faults)
    rows.theirs = _find_all(raw, table.columns, door)
    rows.entered = _find_all(raw, table.entered, door)
    if len(door.faults) > before:
        return None
    if not len(raw):
        got, must = "no rows", "a table with rows"
        door.faults.append(raw.fault(None, "(file)", got, must, "Export it again, with its rows."))
        return None
    _choose(rows)
    return rows if len(door.faults) == before else None


def read_raw(table: TableMap) -> RawTable:
    """Read the text of a table's file or query."""
    source = table.source
    if source.file is not None:
        return read_table(
            source.file,
            sheet=source.sheet,
            encoding=source.encoding,
            separator=source.separator,
        )
    from forecast.history.tables.sql import read_sql

    return read_sql(source.url or "", source.query or "")


def _find_all(raw: RawTable, wanted: Mapping[str, Text], door: Door) -> dict[str, str]:
    found = {name: _find(raw, written, door) for name, written in wanted.items()}
    return {name: column for name, column in found.items() if column is not None}


def _find(raw: RawTable, written: Text, door: Door) -> str | None:
    """Find a column by the name in the mapping, whatever its case."""
    name = " ".join(str(written).split())
    if name in raw.repeated:
        places = listed(raw.repeated[name])
        got, must = f"{shown(name)}, which stands over several columns ({places})", "one column"
        door.fault(written.place, got, must, "Rename or delete one of them in the export.")
        return None
    if name in raw.columns:
        return name
    folded = [column for column in raw.columns if column.casefold() == name.casefold()]
    if len(folded) == 1:
        return folded[0]
    mend = did_you_mean(name, raw.columns) or f"It has {listed(raw.columns[:20])}."
    door.fault(written.place, shown(name), f"a column of {raw.source}", mend)
    return None


def _choose(rows: Rows) -> None:
    """Set aside the rows that the mapping does not want."""
    table, raw = rows.table, rows.raw
    for wanted, chosen in ((True, table.only), (False, table.leave_out)):
        for written, values in chosen.items():
            column = _find(
                raw, Text(written, table.place.at("only" if wanted else "except")), rows.door
            )
            if column is None:
                continue
            inside = rows.coded(column).is_in(values)
            key = "other than" if wanted else ""
            why = " ".join(f"with {column} {key} {listed(values, 'or')}, left out".split())
            rows.set_aside(~inside if wanted else inside, why, chosen=True)
