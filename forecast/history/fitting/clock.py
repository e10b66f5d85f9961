"""Find the clock that closings run by: months of the quarter in which deals close faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from forecast.history.fitting.closings import (
    MONTHS,
    Closings,
    Floats,
    by_month,
    closings_of,
    edges_of_ages,
    fit_bands,
    month_test,
    quarter_month,
)
from forecast.history.records import Records

LEVEL = 0.01  # of the test, for all that is tried together
ONE_CLOCK = 0.5  # share of the bands' likelihood ratio that one clock for all ages must explain
SLOWEST = -6.0  # log of the least speed that is looked for
FIRST_YEAR, LAST_YEAR = 1900, 2300


@dataclass(frozen=True)
class Clock:
    """Hold how fast deals close in the three months of a fiscal quarter, with mean 1, or None.

    `said` is what was found in a sentence, `p_value` that of the test against no pattern.
    """

    month_of_quarter: tuple[float, float, float] | None = None
    fiscal_year_start: int = 1
    p_value: float = 1.0
    said: str = ""

    def operational_days(self, day_ordinals: NDArray[np.int64]) -> Floats:
        """Give days on the clock, the same as of the calendar on 1 January 2000.

        Each day counts as the speed of its month; without a pattern days stay as they are. What is
        no day between the years 1900 and 2300 (``OPEN``, ``UNDATED``) stays too. Shape as given.
        """
        days = np.asarray(day_ordinals)
        plain = days.astype(np.float64)
        if self.month_of_quarter is None:
            return plain
        table, first = _elapsed(self.month_of_quarter, self.fiscal_year_start)
        inside = (days >= first) & (days < first + len(table))
        return np.where(inside, table[np.where(inside, days - first, 0)], plain)


def _elapsed(speeds: Sequence[float], fiscal_year_start: int) -> tuple[Floats, int]:
    """Clock days at the beginning of each day, and the ordinal of the first."""
    begin, end = (np.datetime64(f"{year}-01-01") for year in (FIRST_YEAR, LAST_YEAR))
    days = np.arange(begin, end)
    first = int((begin - np.datetime64("0001-01-01")).astype(int)) + 1
    table = np.cumsum(np.asarray(speeds)[quarter_month(first, len(days), fiscal_year_start)])
    table = np.concatenate([[0.0], table])
    anchor = int((np.datetime64("2000-01-01") - begin).astype(int))
    return table - table[anchor] + first + anchor, first


def find_clock(records: Records, fiscal_year_start: int = 1) -> Clock:
    """Find whether wins come faster in some months of the fiscal quarter than in others.

    The model is the scenario's own (``closing``): a won item's lag runs at the speed of the month,
    so that the density of a win on day t is c f(M(t) - M(entered)) w(t), with M the integral of w.
    The distribution of lags is free (its hazard is constant in bins of age); lost items stay at
    risk, as conversion is no matter of the clock. Speeds are those of greatest likelihood.

    It is tested by the likelihood ratio against w = 1 and, as single months differ for many
    reasons, by F against the spread of months in the same place of the quarter; the same for young
    and for old deals alone (below and above the median age at the win). The larger p of a pair
    counts, and the least of the three times three must be below 1%; there must be 2 quarters and
    60 wins. Where young and old deals run by clocks of their own, the speeds are those that come
    nearest to the wins of each month, and `said` tells.
    """
    table = closings_of(records, fiscal_year_start)
    if table is None:
        said = "too few wins or quarters to see whether deals close faster in some months"
        return Clock(None, fiscal_year_start, 1.0, said)
    theta = _fit(lambda x: -_likelihood(x, table)[0])
    ratio = 2.0 * (_likelihood(theta, table)[0] - _likelihood(np.zeros(2), table)[0])
    even = _likelihood(np.zeros(2), table)[1]
    p_whole = month_test(table.wins.sum(axis=0), even, _likelihood(theta, table)[1], table)
    p_whole = max(p_whole, float(stats.chi2(MONTHS - 1).sf(max(ratio, 0.0))))
    bands = fit_bands(table)
    p_value = min(1.0, MONTHS * min(p_whole, *(band.p_value for band in bands)))
    seen = _by_place(table, table.wins.sum(axis=0))
    told = _Told(int(table.wins.sum()), p_value, seen, _by_place(table, even))
    if p_value >= LEVEL:
        return Clock(None, fiscal_year_start, p_value, told.none())
    if ratio < ONE_CLOCK * sum(band.ratio for band in bands):
        theta = _fit(lambda x: _misfit(x, table))
        said = told.two(_speeds(theta), [band.speeds for band in bands], bands[0].upto)
    else:
        said = told.one(_speeds(theta))
    first, second, third = (round(x, 4) for x in _speeds(theta))
    return Clock((first, second, third), fiscal_year_start, p_value, said)


def _by_place(table: Closings, daily: Floats) -> Floats:
    """Sum a figure a day over the months in the same place of the quarter."""
    return np.asarray(np.bincount(table.month, daily, minlength=MONTHS), dtype=np.float64)


def _speeds(theta: Floats) -> tuple[float, float, float]:
    raw = np.exp(np.array([theta[0], theta[1], 0.0]))
    raw = raw * MONTHS / raw.sum()
    return float(raw[0]), float(raw[1]), float(raw[2])


def _likelihood(theta: Floats, table: Closings) -> tuple[float, Floats]:
    """The log-likelihood with the best hazard by age, and the wins to expect each day."""
    speed = np.array(_speeds(theta))[table.month]
    elapsed = np.concatenate([[0.0], np.cumsum(speed)])
    begin = np.interp(table.begin, np.arange(len(elapsed)), elapsed)
    group, day = table.cells
    edges = edges_of_ages(len(speed))
    age = (elapsed[:-1] + 0.5 * speed)[day] - begin[group]
    bins = np.searchsorted(edges, age, side="right")
    exposure = table.risk[table.cells] * speed[day]
    n = len(edges) + 1
    wins = np.bincount(bins, weights=table.wins[table.cells], minlength=n)
    risk = np.bincount(bins, weights=exposure, minlength=n)
    some = wins > 0
    hazard = np.divide(wins, risk, out=np.zeros(n), where=risk > 0)
    value = float((wins[some] * np.log(hazard[some])).sum())
    value += float((table.wins.sum(axis=0) * np.log(speed)).sum())
    expected = np.bincount(day, weights=hazard[bins] * exposure, minlength=len(speed))
    return value, np.asarray(expected, dtype=np.float64)


def _misfit(theta: Floats, table: Closings) -> float:
    """How far the wins of months are from those to expect: chi-square."""
    seen = by_month(table, table.wins.sum(axis=0))
    expected = by_month(table, _likelihood(theta, table)[1])
    return float(((seen - expected) ** 2 / np.maximum(expected, 1.0)).sum())


def _fit(loss: Callable[[Floats], float]) -> Floats:
    bound = (SLOWEST, -SLOWEST)
    best = optimize.minimize(
        loss,
        np.zeros(2),
        method="Nelder-Mead",
        bounds=[bound, bound],
        options={"xatol": 5e-3, "fatol": 2e-2, "maxiter": 200, "initial_simplex": _SIMPLEX},
    )
    return np.asarray(best.x)


_SIMPLEX = np.array([[0.0, 0.0], [0.4, 0.0], [0.0, 0.4]])


@dataclass(frozen=True)
class _Told:
    """What was found, in sentences."""

    wins: int
    p_value: float
    seen: Floats
    even: Floats

    def none(self) -> str:
        return (
            f"{self.wins:,} wins show no months of the quarter in which deals close faster "
            f"(p = {self.p_value:.2g})"
        )

    def one(self, speeds: Sequence[float]) -> str:
        return f"{self._begin()}: speeds {_listed(speeds)} (p = {self.p_value:.2g})"

    def two(self, speeds: Sequence[float], bands: Sequence[Sequence[float]], upto: int) -> str:
        young, old = bands
        return (
            f"{self._begin()} (p = {self.p_value:.2g}), but not alike at all ages: speeds "
            f"{_listed(young)} up to {upto} days after entering the stage, {_listed(old)} later; "
            f"one clock that comes nearest to the wins of each month has {_listed(speeds)}"
        )

    def _begin(self) -> str:
        counts = [" : ".join(f"{x:,.0f}" for x in each) for each in (self.seen, self.even)]
        return (
            f"the months of the quarter had {counts[0]} wins where an even speed, with the same "
            f"arrivals, would have had {counts[1]}: deals close by the calendar"
        )


def _listed(speeds: Sequence[float]) -> str:
    return ", ".join(f"{x:.2f}" for x in speeds)
