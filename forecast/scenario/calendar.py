"""The calendar of a scenario: days, periods, fiscal quarters, and how figures fall on them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAYS_PER_MONTH = 365.25 / 12
MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}
DAYS_IN = {"day": 1.0, "week": 7.0, **{u: n * DAYS_PER_MONTH for u, n in MONTHS_IN.items()}}
LONGEST_PERIODS = 4_000
LONGEST_QUARTERS = 400


class Units(NamedTuple):
    """Calendar units (months, fiscal quarters, ...) that a calendar's days fall into."""

    # (day,) which unit, counted from the one that holds the start
    index: NDArray[np.int64]  # type: ignore[assignment]  # hides tuple.index, which nobody calls
    length_days: NDArray[np.int64]  # (unit,) whole length, days before the start included
    elapsed_days: int  # of the first unit, before the start


@dataclass(frozen=True)
class Calendar:
    """Simulated time: ``edges[t]`` is the first day (proleptic ordinal) of period ``t``."""

    unit: str
    edges: tuple[int, ...]
    quarter_of: tuple[int, ...]
    quarters: tuple[str, ...]
    fiscal_year_start: int

    @property
    def start(self) -> dt.date:
        """The first simulated day."""
        return dt.date.fromordinal(self.edges[0])

    @property
    def as_of(self) -> dt.date:
        """The last day that is known: the day before the start."""
        return dt.date.fromordinal(self.edges[0] - 1)

    @property
    def periods(self) -> int:
        """How many periods are simulated."""
        return len(self.edges) - 1

    @property
    def period_days(self) -> float:
        """A period's length in days, as lags count it."""
        return DAYS_IN[self.unit]

    @property
    def first_offset(self) -> float:
        """The part of the first period that was over before the start (0 unless mid-month)."""
        if self.unit != "month" or self.start.day == 1:
            return 0.0
        return (self.start.day - 1) / days_in_month(self.start.year, self.start.month)

    @property
    def years(self) -> dict[str, tuple[int, ...]]:
        """The fiscal years that the horizon meets, each with the indices of its quarters."""
        years: dict[str, tuple[int, ...]] = {}
        for i, label in enumerate(self.quarters):
            years[label[:4]] = (*years.get(label[:4], ()), i)
        return years

    def days(self) -> NDArray[np.int64]:
        """All simulated days as ordinals, shape (day,)."""
        return np.arange(self.edges[0], self.edges[-1], dtype=np.int64)

    def period_of_days(self) -> NDArray[np.int64]:
        """The period of each simulated day, shape (day,)."""
        return np.repeat(np.arange(self.periods), np.diff(self.edges))

    def month_of_days(self) -> NDArray[np.int64]:
        """The calendar month (0..11) of each simulated day, shape (day,)."""
        return _month_number(self.days()) % 12

    def units(self, per: str) -> Units:
        """Number the units ``per`` (day, week, month, quarter, year) that the days fall into.

        Quarters and years are fiscal, weeks begin with the start.
        """
        days = self.days()
        if per in ("day", "week"):
            length = int(DAYS_IN[per])
            index = (days - days[0]) // length
            return Units(index, np.full(int(index[-1]) + 1, length, dtype=np.int64), 0)
        months = MONTHS_IN[per]
        number = (_month_number(days) - (self.fiscal_year_start - 1)) // months
        index = number - number[0]
        firsts = [
            _first_day_of_month(int(number[0] + i) * months + self.fiscal_year_start - 1)
            for i in range(int(index[-1]) + 2)
        ]
        edges = np.array(firsts, dtype=np.int64)
        return Units(index, edges[1:] - edges[:-1], int(days[0]) - firsts[0])

    def units_elapsed(self, per: str) -> NDArray[np.float64]:
        """Time from the start to each period's edges in units ``per``, shape (period + 1,)."""
        if self.unit == "month" and per in MONTHS_IN:
            return np.arange(self.periods + 1) / MONTHS_IN[per]
        return (np.array(self.edges) - self.edges[0]) / DAYS_IN[per]


def build_calendar(
    start: dt.date, horizon: tuple[float, str], unit: str, fiscal_year_start: int = 1
) -> Calendar:
    """Lay out the periods of ``horizon`` (amount, unit) from ``start``.

    A period belongs to the fiscal quarter of its middle day, and is simulated when that day lies
    before the horizon's end. Raises ``ValueError`` when no or too many periods would result.
    """
    end = _end_of(start, horizon)
    if (end - start.toordinal()) / DAYS_IN[unit] > LONGEST_PERIODS + 1:
        raise ValueError(f"more than {LONGEST_PERIODS:,} periods")
    edges = [start.toordinal()]
    middles: list[int] = []
    while True:
        following = _next_edge(edges[-1], unit)
        middle = _middle_of(edges[-1], unit)
        if middle >= end:
            break
        edges.append(following)
        middles.append(middle)
    if not middles:
        raise ValueError("no whole period")
    if len(middles) > LONGEST_PERIODS:
        raise ValueError(f"more than {LONGEST_PERIODS:,} periods")
    labels = [quarter_label(dt.date.fromordinal(m), fiscal_year_start) for m in middles]
    quarters = tuple(dict.fromkeys(labels))
    if len(quarters) > LONGEST_QUARTERS:
        raise ValueError(f"more than {LONGEST_QUARTERS} quarters")
    where = {label: i for i, label in enumerate(quarters)}
    return Calendar(
        unit, tuple(edges), tuple(where[label] for label in labels), quarters, fiscal_year_start
    )


def by_period(calendar: Calendar) -> Calendar:
    """Report each period by itself: every "quarter" is one period.

    A month is labelled ``2018-03``, other periods by their first day. Which periods are simulated,
    and what falls into them, stays as it was; goals, which count quarters, do not fit any more.

    >>> by_period(build_calendar(dt.date(2027, 1, 1), (2.0, "month"), "month")).quarters
    ('2027-01', '2027-02')
    """
    width = 7 if calendar.unit == "month" else 10
    labels = (dt.date.fromordinal(edge).isoformat()[:width] for edge in calendar.edges[:-1])
    return replace(calendar, quarter_of=tuple(range(calendar.periods)), quarters=tuple(labels))


def quarter_label(day: dt.date, fiscal_year_start: int = 1) -> str:
    """Label the fiscal quarter of a day by the year in which its fiscal year ends.

    >>> quarter_label(dt.date(2027, 2, 1)), quarter_label(dt.date(2026, 10, 1), 10)
    ('2027Q1', '2027Q1')
    """
    quarter = (day.month - fiscal_year_start) % 12 // 3 + 1
    later = fiscal_year_start > 1 and day.month >= fiscal_year_start
    return f"{day.year + int(later)}Q{quarter}"


def days_in_month(year: int, month: int) -> int:
    """Count the days of a month."""
    first = (year * 12) + month - 1
    return _first_day_of_month(first + 1) - _first_day_of_month(first)


def _first_day_of_month(number: int) -> int:
    return dt.date(number // 12, number % 12 + 1, 1).toordinal()


def _month_number(days: NDArray[np.int64]) -> NDArray[np.int64]:
    since_1970 = (days - dt.date(1970, 1, 1).toordinal()).astype("datetime64[D]")
    return since_1970.astype("datetime64[M]").astype(np.int64) + 1970 * 12


def _end_of(start: dt.date, horizon: tuple[float, str]) -> int:
    amount, unit = horizon
    months = amount * MONTHS_IN[unit] if unit in MONTHS_IN else None
    if months is None or months != int(months):
        return start.toordinal() + round(amount * DAYS_IN[unit])
    if months > 12 * 4_000:
        raise ValueError(f"more than {LONGEST_QUARTERS} quarters")
    number = start.year * 12 + start.month - 1 + int(months)
    first = _first_day_of_month(number)
    return first + min(start.day, _first_day_of_month(number + 1) - first) - 1


def _next_edge(edge: int, unit: str) -> int:
    if unit != "month":
        return edge + int(DAYS_IN[unit])
    day = dt.date.fromordinal(edge)
    return _first_day_of_month(day.year * 12 + day.month)


def _middle_of(edge: int, unit: str) -> int:
    if unit != "month":
        return edge + int(DAYS_IN[unit]) // 2
    day = dt.date.fromordinal(edge)
    first = edge - day.day + 1
    return first + days_in_month(day.year, day.month) // 2
