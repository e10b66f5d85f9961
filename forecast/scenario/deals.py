"""Make open deals of a sheet: every cell read and checked, the stale ones retired."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.scenario import quantities
from forecast.scenario.calendar import Calendar
from forecast.scenario.deals_sheet import REQUIRED, Sheet, check_columns, one_of
from forecast.scenario.errors import shown
from forecast.scenario.forms import BROKEN
from forecast.scenario.model import LOST, WON
from forecast.scenario.pipeline_model import OpenDeals, Pipeline
from forecast.scenario.quantities import QuantityFault

MOST_VALUE = 1e12
MOST_CV = 10.0
NAMES = ("channel", "segment", "product")
_CLOSED = re.compile(r"(closed[ _-]?)?(won|lost)|closed", re.IGNORECASE)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?"
    r" ?(Z|z|UTC|[+-](?:[01][0-9]|2[0-3]):?(?:[0-5][0-9])?)?"
)
_SERIAL = re.compile(r"[34][0-9]{4}(\.[0-9]+)?")


@dataclass(frozen=True)
class Known:
    """What a scenario tells its open deals: its names (None: not readable) and its calendar."""

    stages: tuple[str, ...] | None
    channel: tuple[str, ...] | None
    segment: tuple[str, ...] | None
    product: tuple[str, ...] | None
    calendar: Calendar | None


@dataclass(frozen=True)
class _Day:
    """A date of a cell, and the UTC offset behind its time ("" for none)."""

    ordinal: int
    offset: str


def read_deals(sheet: Sheet, known: Known, stale_after_days: float | None) -> Any:
    """Read the open deals; ``BROKEN`` when the sheet has faults, which it then holds."""
    if sheet.faults and not sheet.columns:
        return BROKEN  # no deals were found: there is nothing more to say
    several = [name for name in NAMES if len(getattr(known, name) or ()) > 1]
    check_columns(sheet, [*REQUIRED, *several])
    deals = _Reader(sheet, known).read()
    if sheet.faults or deals is None:
        return BROKEN
    return _retire(deals, stale_after_days)


class _Reader:
    """Reads the columns of a sheet, each in the words of its own faults."""

    def __init__(self, sheet: Sheet, known: Known) -> None:
        self.sheet = sheet
        self.known = known
        self.count = len(sheet.rows)
        self.zone: str | None = None  # the UTC offset of the dates read so far

    def read(self) -> OpenDeals | None:
        """Read all columns, faults and all; None when there is no calendar to date them by."""
        ids = self._ids()
        stage = self._column("stage", self._stage, 0)
        names = {name: self._name(name) for name in NAMES}
        amount = self._column("amount", _amount, 0.0)
        probability = self._column("probability", _probability, None)
        entered = self._days("entered", self._entered)
        close = self._days("expected_close", self._close)
        cv = self._column("close_cv", _cv, None)
        self._check_given(entered, probability, close, cv)
        calendar = self.known.calendar
        if self.sheet.faults or calendar is None:
            return None
        close_days = _days_from_start(close, calendar)
        return OpenDeals(
            ids=tuple(ids),
            stage=np.array(stage, dtype=np.int64),
            **{name: np.array(names[name], dtype=np.int64) for name in NAMES},
            amount=np.array(amount, dtype=np.float64),
            age_days=-_days_from_start(entered, calendar),
            age_periods=_age_periods(entered, calendar),
            probability=np.array(probability, dtype=np.float64),
            close_period=_close_periods(close, calendar),
            close_days=close_days,
            # A time whose mean is 0 is 0, whatever its coefficient of variation.
            close_cv=np.where(close_days > 0, np.nan_to_num(np.array(cv, dtype=np.float64)), 0.0),
        )

    def _column(self, name: str, parse: Callable[[str], Any], default: Any) -> list[Any]:
        if name not in self.sheet.columns:
            return [default] * self.count
        return self.sheet.read(name, parse)

    def _ids(self) -> list[str]:
        found = self._column("id", _id, "")
        first: dict[str, int] = {}
        for row, name in zip(self.sheet.rows, found, strict=True):
            if name and name is not BROKEN and first.setdefault(name, row) != row:
                got = f"{shown(name)} a second time (first in {self.sheet.word} {first[name]})"
                mend = "Keep the row that holds, or give each deal an id of its own."
                self.sheet.fault(row, "id", got, "an id for one deal only", mend)
        return found

    def _stage(self, cell: str) -> Any:
        stages = self.known.stages
        must = "a stage of the scenario in which the deal is open"
        if not cell:
            raise QuantityFault("nothing", must, "Write the deal's stage.")
        if stages is None or cell in stages:
            return stages.index(cell) if stages else 0
        if _CLOSED.fullmatch(cell):
            mend = f"Remove the row: a deal that is {WON} or {LOST} is not open."
            raise QuantityFault(shown(cell), must, mend)
        return one_of(cell, "stage", stages)

    def _name(self, name: str) -> list[Any]:
        """Read a column of names; it is not looked at where the scenario makes no difference."""
        names: tuple[str, ...] | None = getattr(self.known, name)
        if not names:
            return [0] * self.count

        def parse(cell: str) -> int:
            if not cell and len(names) > 1:
                must = f"a {name} of the scenario"
                raise QuantityFault("nothing", must, f"Write the deal's {name}.")
            return one_of(cell, name, names) if cell else 0

        return self._column(name, parse, 0)

    def _days(self, name: str, check: Callable[[dt.date, str], None]) -> list[Any]:
        """Read a column of dates, with one UTC offset in all of them; None where blank."""

        def parse(cell: str) -> _Day | None:
            if not cell:
                return None
            match = _TIME.fullmatch(cell)
            day = _day(match[1] if match else cell, cell)
            check(day, cell)
            return _Day(day.toordinal(), _offset(match[2]) if match else "")

        found = self._column(name, parse, None)
        self._check_zones(name, found)
        return found

    def _check_zones(self, name: str, days: list[Any]) -> None:
        """Refuse a second UTC offset, and times with one beside times without, once for each."""
        told: set[str] = set()
        first = self.zone
        for row, day in zip(self.sheet.rows, days, strict=True):
            if not isinstance(day, _Day) or day.offset in told:
                continue
            # Days alone in one column go with times in the other.
            if first is None or (not told and "" in (day.offset, first)):
                first = day.offset
            elif day.offset != first:
                got = f"a date {_zone(day.offset)} where those before it are {_zone(first)}"
                mend = "Export all dates in one time zone, or write them without times."
                self.sheet.fault(row, name, got, "dates of one time zone", mend)
            told.add(day.offset)
        self.zone = self.zone or first

    def _entered(self, day: dt.date, cell: str) -> None:
        calendar = self.known.calendar
        if calendar is not None and day > calendar.as_of:
            must = f"{calendar.as_of} (the day before start) or earlier"
            mend = "Correct the date, remove the deal, or begin the scenario later."
            raise QuantityFault(shown(cell), must, mend)

    def _close(self, day: dt.date, cell: str) -> None:
        calendar = self.known.calendar
        if calendar is not None and day < calendar.start:
            must = f"{calendar.start} (the start) or later, for the deal is open until then"
            mend = "Correct the date, leave it blank, or remove the deal if it is closed."
            raise QuantityFault(shown(cell), must, mend)

    def _check_given(
        self, entered: list[Any], probability: list[Any], close: list[Any], cv: list[Any]
    ) -> None:
        """Refuse a deal of which the model cannot tell when it goes on, and idle figures."""
        sheet = self.sheet
        told = "entered" in sheet.columns or "entered" in sheet.misspelled
        for row, since, chance, day, spread in zip(
            sheet.rows, entered, probability, close, cv, strict=True
        ):
            if since is None and (chance is None or day is None) and told:
                if "entered" in sheet.columns:
                    must = "the day on which the deal entered its stage"
                    mend = "Write it, or both a probability and an expected_close."
                    sheet.fault(row, "entered", "nothing", must, mend)
            elif since is None and (chance is None or day is None):
                told = True  # once for the whole file
                check_columns(sheet, ["entered"])
            if spread is not None and spread is not BROKEN and day is None:
                must = "blank where no expected_close is given"
                mend = "Write the expected_close that it spreads, or leave it blank."
                sheet.fault(row, "close_cv", f"{spread:g}", must, mend)


def _id(cell: str) -> str:
    if not cell:
        raise QuantityFault("nothing", "an id", "Give each deal an id of its own.")
    if len(cell) > quantities.MAX_CHARS:
        must = f"an id of at most {quantities.MAX_CHARS} characters"
        raise QuantityFault(f"{len(cell)} characters", must, "Shorten it.")
    return cell


def _amount(cell: str) -> float:
    must = f"an amount of money from 0 to {MOST_VALUE:,.0f}"
    if not cell:
        return float("nan")
    value = _number(cell, must)
    if cell.endswith("%"):
        mend = "Write the deal's whole value; its chance goes in probability."
        raise QuantityFault(shown(cell), must, mend)
    if value < 0:
        mend = "Remove credits and refunds: they are not open deals."
        raise QuantityFault(shown(cell), must, mend)
    if value > MOST_VALUE:
        raise QuantityFault(shown(cell), must, "Check its digits and its unit.")
    return value


def _probability(cell: str) -> float | None:
    if not cell:
        return None
    must = "a probability from 0% to 100%"
    value = _number(cell, must)
    if not 0 <= value <= 1:
        mend = "Write a share of 1, such as 30% or 0.30."
        if 1 < value <= 100 and not cell.endswith("%"):
            mend = f"Write {value:g}% or {value / 100:g}."
        raise QuantityFault(shown(cell), must, mend)
    return value


def _cv(cell: str) -> float | None:
    if not cell:
        return None
    must = f"a coefficient of variation from 0 to {MOST_CV:g}"
    value = _number(cell, must)
    if not 0 <= value <= MOST_CV:
        raise QuantityFault(shown(cell), must, "Write one such as 0.3 or 30%.")
    return value


def _number(cell: str, must: str) -> float:
    try:
        return quantities.number(cell)
    except QuantityFault as fault:
        raise QuantityFault(fault.got, must, fault.mend) from None


def _day(text: str, cell: str) -> dt.date:
    try:
        return quantities.day(text)
    except QuantityFault as fault:
        mend = fault.mend
        if _SERIAL.fullmatch(cell):
            mend = "Format the column as yyyy-mm-dd; this is a spreadsheet's number of a day."
        raise QuantityFault(shown(cell), fault.must, mend) from None


def _offset(written: str | None) -> str:
    """Write a UTC offset one way: +02:00."""
    if not written:
        return ""
    if written.upper() in ("Z", "UTC"):
        return "+00:00"
    digits = written[1:].replace(":", "").ljust(4, "0")
    return f"{'+' if digits == '0000' else written[0]}{digits[:2]}:{digits[2:]}"


def _zone(offset: str) -> str:
    return f"at {offset}" if offset else "without a time zone"


def _days_from_start(days: list[Any], calendar: Calendar) -> NDArray[np.float64]:
    start = calendar.edges[0]
    return np.array([np.nan if d is None else d.ordinal - start for d in days], dtype=np.float64)


def _age_periods(days: list[Any], calendar: Calendar) -> NDArray[np.int64]:
    """Whole periods back from the first one, the months of the calendar where they are months."""
    start = calendar.start
    length = round(calendar.period_days)

    def age(day: _Day | None) -> int:
        if day is None:
            return -1
        if calendar.unit != "month":
            return -((day.ordinal - calendar.edges[0]) // length)
        date = dt.date.fromordinal(day.ordinal)
        return (start.year - date.year) * 12 + start.month - date.month

    return np.array([age(day) for day in days], dtype=np.int64)


def _close_periods(days: list[Any], calendar: Calendar) -> NDArray[np.int64]:
    """The period that holds each day; the number of periods behind the last one."""
    at = np.array([-1 if d is None else d.ordinal for d in days], dtype=np.int64)
    period = np.searchsorted(np.array(calendar.edges), at, side="right") - 1
    return np.where(at < 0, -1, period).astype(np.int64)


def _retire(deals: OpenDeals, stale_after_days: float | None) -> Pipeline:
    """Set those aside that entered their stage too long ago; undated ones never."""
    if stale_after_days is None:
        return Pipeline(deals, ())
    stale = np.nan_to_num(deals.age_days, nan=-1.0) > stale_after_days
    if not stale.any():
        return Pipeline(deals, ())
    parts: Mapping[str, Any] = vars(deals)
    kept = {name: part[~stale] for name, part in parts.items() if name != "ids"}
    ids = tuple(name for name, old in zip(deals.ids, stale, strict=True) if not old)
    retired = tuple(name for name, old in zip(deals.ids, stale, strict=True) if old)
    return Pipeline(OpenDeals(ids=ids, **kept), retired)
