"""Deals that close by the calendar: the lag into ``won`` on a clock of uneven speed.

Time runs at speed w, the factor of the month of the quarter (of mean 1), so that with M the
integral of w an item that enters at x closes at the y where M(y) - M(x) is its lag. No deal is
gained or lost by that, they only move. With w constant inside a period, entry uniform on the part
[s, 1) of period t, A_k = w_{t+1} + ... + w_{t+k} and I the integral of the lag's distribution F
(both in periods),

    P(at most k periods) = (I(A_k + w_t (1 - s)) - I(A_k)) / (w_t (1 - s)),

and F(A_k) where w_t is 0: what is left of the entry period is uniform on [0, w_t (1 - s)). All w
being 1 it is the formula of ``engine.lags``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.layout import Layout
from forecast.scenario.calendar import Calendar
from forecast.scenario.model import Closing, Scenario, Variable

STANDSTILL = 1e-6  # a width of the entry period below which F is taken at its middle
MONTHS = 3  # of a quarter


@dataclass(frozen=True)
class Clock:
    """Phases of the periods for lags: those of one have the same offset and speeds ahead.

    Months go on as they were behind the horizon; of other periods nobody looks there.
    """

    of: NDArray[np.int64]  # (period,)
    first: tuple[int, ...]  # (lag phase,) its first period
    offsets: tuple[float, ...]  # (lag phase,)
    months: Floats  # (period, month of the quarter) the share of a period's days
    closing: Closing | None

    def ahead(self, phase: int) -> Floats:
        """Shares of the months from a phase's first period on, shape (period, month)."""
        begin = self.first[phase]
        return self.months[begin : begin + len(self.of)]


def make_clock(scenario: Scenario) -> Clock:
    """Number the phases of a scenario's lags."""
    calendar, closing = scenario.calendar, scenario.versions[0].closing
    offsets = np.zeros(calendar.periods)
    offsets[0] = calendar.first_offset
    months = _months(calendar)
    if closing is None:
        position = [0] * calendar.periods
    elif calendar.unit == "month":
        position = np.argmax(months[: calendar.periods], axis=1).tolist()
    else:
        position = list(range(calendar.periods))
    known: dict[tuple[int, float], int] = {}
    keys = list(zip(position, offsets.tolist(), strict=True))
    of = [known.setdefault(key, len(known)) for key in keys]
    first = tuple(keys.index(key) for key in known)
    return Clock(
        np.array(of, dtype=np.int64), first, tuple(key[1] for key in known), months, closing
    )


def _months(calendar: Calendar) -> Floats:
    """The share of each period's days in each month of a quarter."""
    month = (calendar.month_of_days() - (calendar.fiscal_year_start - 1)) % MONTHS
    period = calendar.period_of_days()
    if calendar.unit == "month":
        return np.eye(MONTHS)[(int(month[0]) + np.arange(2 * calendar.periods)) % MONTHS]
    parts = [np.bincount(period[month == m], minlength=calendar.periods) for m in range(MONTHS)]
    return np.stack(parts, axis=1) / np.diff(calendar.edges)[:, None]


def speeds(closing: Closing, values: Values, months: Floats) -> Floats:
    """How fast time runs, shape (row, period)."""
    factors = [values(number)[:, None] for number in closing.month_of_quarter]
    total = np.maximum(factors[0] + factors[1] + factors[2], 1e-300)
    parts = [MONTHS * factor / total * months[:, m] for m, factor in enumerate(factors)]
    return np.asarray(parts[0] + parts[1] + parts[2])


def days_ahead(clock: Clock, layout: Layout, values: Values) -> Floats:
    """Days that the clock has run by the end of each period from the start on: (row, period).

    None, (1, 0), where no open deal asks for it.
    """
    calendar, closing = layout.scenario.calendar, clock.closing
    if closing is None or layout.scenario.pipeline is None:
        return np.zeros((1, 0))
    lasts = np.full(calendar.periods, calendar.period_days)
    lasts[0] *= 1.0 - calendar.first_offset
    speed = speeds(closing, values, clock.months[: calendar.periods])
    return np.asarray(np.cumsum(speed * lasts, axis=1))


def closing_below(lag: Variable, values: Values, speed: Floats, days: float, s: float) -> Floats:
    """P(at most 0, 1, ... periods), shape (row, period); speed (row, period) from the entry on.

    ``days`` is the length of a period.
    """
    factor = values.factor(lag.about)
    scale = days / (np.ones(1) if factor is None else factor)[:, None]
    width = speed[:, :1] * (1.0 - s)
    edges = np.concatenate([np.zeros_like(width), np.cumsum(speed[:, 1:], axis=1)], axis=1)
    stands = width < STANDSTILL
    divisor = np.where(stands, 1.0, width)
    upper = _at(lag.family.integrated_cdf, (edges + divisor) * scale)
    moving = (upper - _at(lag.family.integrated_cdf, edges * scale)) / (divisor * scale)
    if not stands.any():
        return moving
    return np.where(stands, _at(lag.family.cdf, (edges + 0.5 * width) * scale), moving)


def _at(function: Callable[[Floats], Floats], x: Floats) -> Floats:
    return np.asarray(function(x.ravel())).reshape(x.shape)
