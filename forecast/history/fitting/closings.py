"""When deals are won, by their age and the calendar: the table that the clock is found in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from forecast.history.records import OPEN, UNDATED, WON, Gap, Records

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
MONTHS = 3  # of a quarter
LEAST_QUARTERS = 2.0
LEAST_WINS = 60
LEAST_MONTH = 5.0  # wins to expect of a month that is looked at
MAIN_SHARE = 0.2  # of the wins that come straight from a stage, for it to be looked at
GROUPS = 130  # of days of entry that are told apart
MOST_DAYS = 5 * 366  # that are looked at
BINS = 40  # of ages
ROUNDS = 50  # of the fit of speeds and hazards in turn


@dataclass(frozen=True)
class Closings:
    """Hold groups of stays that began together, day by day from the first to as_of.

    - risk: (group, day) stays that are not won yet; wins: (group, day).
    - begin: (group,) their mean day of entry, from the first day on; month: (day,) its place in
      the quarter, 0 to 2; first: the ordinal of the first day.
    """

    risk: Floats
    wins: Floats
    begin: Floats
    month: NDArray[np.int64]
    first: int

    @cached_property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Groups and days where anything is at risk."""
        group, day = np.nonzero(self.risk)
        return group.astype(np.int64), day.astype(np.int64)


@dataclass(frozen=True)
class Band:
    """Hold the speeds of months among deals of some ages: up to `upto` days, or later."""

    speeds: tuple[float, float, float]
    ratio: float  # likelihood ratio against even speeds
    p_value: float
    upto: int


def quarter_month(first: int, n: int, fiscal_year_start: int) -> NDArray[np.int64]:
    """Give the month of the fiscal quarter, 0 to 2, of so many days from an ordinal on."""
    return np.asarray((_months(first, n) - (fiscal_year_start - 1)) % MONTHS)


def _months(first: int, n: int) -> NDArray[np.int64]:
    """Months since 1970 of so many days from an ordinal on."""
    days = np.datetime64("0001-01-01") + np.arange(first - 1, first - 1 + n)
    return np.asarray(days.astype("datetime64[M]").astype(np.int64))


def by_month(table: Closings, daily: Floats) -> Floats:
    """Sum a figure a day over calendar months."""
    months = _months(table.first, len(daily))
    return np.asarray(np.bincount(months - months[0], weights=daily), dtype=np.float64)


def closings_of(records: Records, fiscal_year_start: int) -> Closings | None:
    """Count by day of entry and day the stays in the stages that lead to `won`.

    Only those that began since all was recorded; None where there are too few to see anything.
    """
    stays = records.stays
    won = (stays["to"] == WON).to_numpy()
    if not won.any():
        return None
    last = records.as_of.toordinal()
    stages = stays["stage"].cat.codes.to_numpy()
    counts = np.bincount(stages[won], minlength=len(records.stages))
    leads = counts >= MAIN_SHARE * counts.sum()
    since = [_since(records.gaps.get(name)) for name in records.stages]
    entered, left = stays["entered"].to_numpy(), stays["left"].to_numpy()
    begin = np.maximum(np.array(since), last - MOST_DAYS)[stages]
    rows = leads[stages] & (left != UNDATED) & (entered >= begin)
    entered, won = entered[rows], won[rows]
    left = np.where(won, left[rows], OPEN)
    if won.sum() < LEAST_WINS:
        return None
    first = int(entered.min())
    if last - first + 1 < LEAST_QUARTERS * 365.25 / 4:
        return None
    return _grouped(entered, left, (first, last), fiscal_year_start)


def _since(gap: Gap | None) -> int:
    return 0 if gap is None else gap.since.toordinal()


def _grouped(entered: Days, left: Days, span: tuple[int, int], fiscal_year_start: int) -> Closings:
    first, last = span
    days = last - first + 1
    width = -(-days // GROUPS)
    groups = -(-days // width)
    group = (entered - first) // width
    key = group * days
    won = left != OPEN
    shape = (groups, days)
    wins = np.bincount((key + left - first)[won], minlength=groups * days).reshape(shape)
    came = np.bincount(key + entered - first, minlength=groups * days).reshape(shape)
    gone = np.cumsum(wins, axis=1) - wins
    risk = (np.cumsum(came, axis=1) - gone).astype(np.float64)
    count = np.maximum(np.bincount(group, minlength=groups), 1)
    begin = np.bincount(group, weights=entered - first, minlength=groups) / count
    month = quarter_month(first, days, fiscal_year_start)
    return Closings(risk, wins.astype(np.float64), begin, month, first)


def edges_of_ages(days: int) -> Floats:
    """Give the edges of bins of age: days at first, and then ever longer."""
    edges = np.unique(np.round(np.geomspace(1.0, max(days, 2), BINS)))
    return np.asarray(edges, dtype=np.float64)


def fit_bands(table: Closings) -> tuple[Band, Band]:
    """Fit the speeds of months apart for young and for old deals.

    The hazard is h(age) w(month), a Poisson regression with the days at risk as exposure.
    """
    n_groups, n_days = table.risk.shape
    age = np.maximum(np.arange(n_days) + 0.5 - table.begin[:, None], 0.0)
    edges = edges_of_ages(n_days)
    bins = np.searchsorted(edges, age.ravel(), side="right")
    wins = np.bincount(bins, weights=table.wins.ravel(), minlength=len(edges) + 1)
    middle = int(np.searchsorted(np.cumsum(wins), wins.sum() / 2.0))
    upto = int(edges[min(middle, len(edges) - 1)])
    young = (bins <= middle).reshape(n_groups, n_days)
    cells = bins.reshape(n_groups, n_days)
    return (_band(table, cells, young, upto), _band(table, cells, ~young, upto))


def _band(table: Closings, cells: NDArray[np.int64], inside: NDArray[np.bool_], upto: int) -> Band:
    wins, risk = table.wins * inside, table.risk * inside
    n = int(cells.max()) + 1
    key = (cells * MONTHS + table.month[None, :]).ravel()
    d, r = (
        np.bincount(key, weights=x.ravel(), minlength=n * MONTHS)
        .reshape(n, MONTHS)
        .astype(np.float64)
        for x in (wins, risk)
    )
    speeds = np.ones(MONTHS)
    even = _hazard(d, r, speeds)
    for _ in range(ROUNDS):
        speeds = _divided(d.sum(axis=0), (_hazard(d, r, speeds)[:, None] * r).sum(axis=0))
        speeds = speeds * MONTHS / max(float(speeds.sum()), 1e-12)
    fitted = _hazard(d, r, speeds)
    ratio = 2.0 * (_log(d, fitted[:, None] * speeds) - _log(d, even[:, None] * np.ones(MONTHS)))
    daily = [(h[cells] * risk).sum(axis=0) for h in (even, fitted)]
    f_test = month_test(wins.sum(axis=0), daily[0], daily[1] * speeds[table.month], table)
    p_value = max(f_test, float(stats.chi2(MONTHS - 1).sf(max(ratio, 0.0))))
    return Band((float(speeds[0]), float(speeds[1]), float(speeds[2])), ratio, p_value, upto)


def _hazard(d: Floats, r: Floats, speeds: Floats) -> Floats:
    return _divided(d.sum(axis=1), r @ speeds)


def _divided(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _log(d: Floats, rate: Floats) -> float:
    """Σ d log rate, the part of the log-likelihood that differs: expected wins are the same."""
    some = d > 0
    return float((d[some] * np.log(np.maximum(rate[some], 1e-300))).sum())


def month_test(seen: Floats, even: Floats, fitted: Floats, table: Closings) -> float:
    """Give the p-value of the pattern against the spread of single months, by F; all (day,)."""
    count, plain, pattern = (by_month(table, x) for x in (seen, even, fitted))
    enough = plain >= LEAST_MONTH
    left = int(enough.sum()) - MONTHS
    if left < 2:
        return 1.0
    count, plain, pattern = count[enough], plain[enough], pattern[enough]
    # A month to which the pattern gives next to nothing is measured by a quarter of a win.
    rest = float(((count - pattern) ** 2 / np.maximum(pattern, 0.05 * plain)).sum())
    without = float(((count - plain) ** 2 / plain).sum())
    statistic = max(without - rest, 0.0) / (MONTHS - 1) / max(rest / left, 1.0)
    return float(stats.f(MONTHS - 1, left).sf(statistic))
