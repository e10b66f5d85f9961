"""The days from whose knowledge forecasts are made again, and what came in the periods after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.history.records import UNDATED, WON, Records
from forecast.scenario.calendar import Calendar, build_calendar, by_period

Floats = NDArray[np.float64]

LEAST_PERIODS = 3  # of wins, before a forecast is worth making
LEAST_WINS = 20
DEALS, BOOKINGS = "deals", "bookings"
METRICS = (DEALS, BOOKINGS)


class BacktestError(Exception):
    """The records do not allow the backtest that was asked for."""

    exit_code = 2


@dataclass(frozen=True)
class Plan:
    """What to repeat: forecasts of `horizon` periods, made anew every `every` periods.

    `since` and `until` bound the first period that is forecast. `unit` is month or week. With a
    `horizon` of one period and `every` one, each period is looked at once.
    """

    unit: str = "month"
    every: int = 1
    horizon: int = 1
    since: dt.date | None = None
    until: dt.date | None = None


@dataclass(frozen=True)
class Periods:
    """The whole periods of records, from the first arrival to the last that is known in full.

    ``edges[t]`` is the first day (ordinal) of period t; there is one edge more than periods.
    """

    unit: str
    edges: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many periods there are."""
        return len(self.edges) - 1

    def label(self, period: int) -> str:
        """Name a period: 2018-03, or its first day."""
        day = dt.date.fromordinal(int(self.edges[period])).isoformat()
        return day[:7] if self.unit == "month" else day

    def as_of(self, period: int) -> dt.date:
        """Give the last day before a period."""
        return dt.date.fromordinal(int(self.edges[period]) - 1)

    def calendar(self, period: int, horizon: int) -> Calendar:
        """Lay out the periods that a forecast from `period` on looks at, each by itself."""
        start = dt.date.fromordinal(int(self.edges[period]))
        return by_period(build_calendar(start, (float(horizon), self.unit), self.unit))

    def of(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the period of each day: -1 before the first, `count` after the last."""
        return np.searchsorted(self.edges, days, side="right") - 1


def whole_periods(records: Records, unit: str) -> Periods:
    """Lay out the whole periods that records cover; raises ``BacktestError`` if there are none."""
    entered = records.stays["entered"].to_numpy()
    if not len(entered):
        raise BacktestError("The records are empty: nothing can be forecast, or compared.")
    first = dt.date.fromordinal(int(entered.min()))
    first = first.replace(day=1) if unit == "month" else first - dt.timedelta(first.weekday())
    edges, last = [first.toordinal()], records.as_of.toordinal()
    while edges[-1] <= last + 1:
        day = dt.date.fromordinal(edges[-1])
        later = day + dt.timedelta(32 if unit == "month" else 7)
        edges.append((later.replace(day=1) if unit == "month" else later).toordinal())
    return Periods(unit, np.array(edges[:-1], dtype=np.int64))


@dataclass(frozen=True)
class Wins:
    """Deals that were won: the day, the value (nan where not known), in the order of the days."""

    day: NDArray[np.int64]
    amount: Floats
    item: NDArray[np.int64]


def wins_of(records: Records) -> Wins:
    """Find the deals that were won on a known day."""
    stays = records.stays
    rows = stays[(stays["to"] == WON).to_numpy() & (stays["left"] != UNDATED).to_numpy()]
    day, item = rows["left"].to_numpy(), rows["item"].to_numpy()
    order = np.argsort(day, kind="stable")
    amount = records.items["amount"].to_numpy(np.float64)[item]
    return Wins(day[order], amount[order], item[order])


def arrival_days(records: Records) -> NDArray[np.int64]:
    """Give the day on which each item arrived, shape (item,)."""
    first = np.full(len(records.items), np.iinfo(np.int64).max)
    np.minimum.at(first, records.stays["item"].to_numpy(), records.stays["entered"].to_numpy())
    return first


@dataclass(frozen=True)
class Came:
    """What really came in each whole period, from records as they are known today."""

    records: Records
    periods: Periods

    @cached_property
    def totals(self) -> Mapping[str, Floats]:
        """Deals and bookings by period; bookings only where amounts are known."""
        wins = wins_of(self.records)
        period = self.periods.of(wins.day)
        kept = (period >= 0) & (period < self.periods.count)
        amounts = np.nan_to_num(wins.amount[kept])
        count = self.periods.count
        deals = np.bincount(period[kept], minlength=count).astype(np.float64)
        if not np.isfinite(wins.amount).any():
            return {DEALS: deals}
        bookings = np.bincount(period[kept], amounts, count).astype(np.float64)
        return {DEALS: deals, BOOKINGS: bookings}

    @property
    def metrics(self) -> tuple[str, ...]:
        """What can be compared."""
        return tuple(self.totals)

    def after(self, origin: int, horizon: int, metric: str) -> Floats:
        """Give the outcomes of the periods from `origin` on, nan where they are not known yet."""
        found = np.full(horizon, np.nan)
        known = self.totals[metric][origin : origin + horizon]
        found[: len(known)] = known
        return found

    def arrivals(self, calendar: Calendar) -> pd.DataFrame:
        """Count the items that arrived in each period of a calendar, by channel."""
        period = np.searchsorted(np.array(calendar.edges), arrival_days(self.records), "right") - 1
        kept = (period >= 0) & (period < calendar.periods)
        channel = self.records.items["channel"].astype(str)[kept]
        table = pd.crosstab(pd.Series(period[kept], index=channel.index), channel)
        return table.reindex(range(calendar.periods), fill_value=0)


def find_origins(records: Records, periods: Periods, plan: Plan) -> list[int]:
    """Choose the periods from which on forecasts are made again.

    By default from the first period before which wins of three whole periods, 20 at least, were
    known, to the last whole one. Raises ``BacktestError`` where none is left.
    """
    wins = periods.of(wins_of(records).day)
    wins = wins[wins >= 0]
    if not len(wins):
        raise BacktestError("The records hold no win with a day: nothing can be compared.")
    first = int(wins.min()) + LEAST_PERIODS
    # The first period of wins is rarely recorded as a whole; the origin must know LEAST_WINS.
    enough = [t for t in range(first, periods.count) if (wins < t).sum() >= LEAST_WINS]
    starts = [dt.date.fromordinal(int(e)) for e in periods.edges]
    earliest = plan.since or (starts[enough[0]] if enough else None)
    found = [
        t
        for t in range(1, periods.count)
        if earliest is not None
        and starts[t] >= earliest
        and (plan.until is None or starts[t] <= plan.until)
        and (wins < t).any()
    ]
    if not found:
        span = f"{periods.label(0)} to {periods.label(periods.count - 1)}" if periods.count else ""
        raise BacktestError(
            f"No forecast can be made again: the records cover whole {plan.unit}s of "
            f"{span or 'nothing'}, and it takes {LEAST_PERIODS} {plan.unit}s and {LEAST_WINS} wins "
            "before the first and a whole one after the last. Choose --from and --to inside, or "
            "a shorter --period."
        )
    return found[:: plan.every]
