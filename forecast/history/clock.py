"""Find the clock that closings run by: months of the quarter in which deals close faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from forecast.history.records import OPEN, UNDATED, WON, Gap, Records

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
MONTHS = 3  # of a quarter
LEAST_QUARTERS = 3.0
LEAST_WINS = 60
LEVEL = 0.01  # of the test
GROUPS = 260  # of days of entry that are told apart
MOST_DAYS = 5 * 366  # that are looked at
BINS = 40  # of ages
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
    table = np.cumsum(np.asarray(speeds)[_quarter_month(first, len(days), fiscal_year_start)])
    table = np.concatenate([[0.0], table])
    anchor = int((np.datetime64("2000-01-01") - begin).astype(int))
    return table - table[anchor] + first + anchor, first


def _quarter_month(first: int, n: int, fiscal_year_start: int) -> NDArray[np.int64]:
    """The month of the fiscal quarter, 0 to 2, of so many days from an ordinal on."""
    days = np.datetime64("0001-01-01") + np.arange(first - 1, first - 1 + n)
    month = days.astype("datetime64[M]").astype(np.int64)
    return np.asarray((month - (fiscal_year_start - 1)) % MONTHS)


@dataclass(frozen=True)
class _Closings:
    """Groups of stays that began together, day by day from the first to as_of.

    - risk: (group, day) stays that are not won yet; wins: (group, day).
    - begin: (group,) their mean day of entry; month: (day,) of the quarter.
    """

    risk: Floats
    wins: Floats
    begin: Floats
    month: NDArray[np.int64]
    first: int


def find_clock(records: Records, fiscal_year_start: int = 1) -> Clock:
    """Find whether wins come faster in some months of the fiscal quarter than in others.

    The model is the scenario's own (``closing``): a won item's lag runs at the speed of the month,
    so that the density of a win on day t is c f(M(t) - M(entered)) w(t), with M the integral of w.
    The distribution of lags is free (its hazard is constant in bins of age); lost items stay at
    risk, as conversion is no matter of the clock. Speeds are those of greatest likelihood, tested
    by the likelihood ratio against w = 1. As months differ for many reasons, the test is also
    taken between months against the spread within the same month of the quarter (F). Both must be
    below 1%; at least 3 quarters and 60 wins.
    """
    table = _table(records, fiscal_year_start)
    if table is None:
        return Clock(
            None, fiscal_year_start, 1.0, "too few wins or quarters to see whether months differ"
        )
    flat, _ = _likelihood(np.zeros(2), table)
    best = _fit(table)
    found, expected = _likelihood(best, table)
    ratio = max(2.0 * (found - flat), 0.0)
    p_value = float(stats.chi2(MONTHS - 1).sf(ratio))
    p_value = max(p_value, _between(table, expected))
    speeds = _speeds(best)
    said = _said(table, speeds, p_value)
    if p_value >= LEVEL:
        return Clock(None, fiscal_year_start, p_value, said)
    rounded = (round(speeds[0], 4), round(speeds[1], 4), round(speeds[2], 4))
    return Clock(rounded, fiscal_year_start, p_value, said)


def _speeds(theta: Floats) -> tuple[float, float, float]:
    raw = np.exp(np.array([theta[0], theta[1], 0.0]))
    raw = raw * MONTHS / raw.sum()
    return float(raw[0]), float(raw[1]), float(raw[2])


def _table(records: Records, fiscal_year_start: int) -> _Closings | None:
    """Stays in the stages that lead to `won`, entered since everything was recorded."""
    stays = records.stays
    won = (stays["to"] == WON).to_numpy()
    if not won.any():
        return None
    last = records.as_of.toordinal()
    stages = stays["stage"].cat.codes.to_numpy()
    leads = np.zeros(len(records.stages), dtype=bool)
    counts = np.bincount(stages[won], minlength=len(records.stages))
    leads[counts >= 0.2 * counts.sum()] = True
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


def _grouped(
    entered: Days, left: Days, span: tuple[int, int], fiscal_year_start: int
) -> _Closings:
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
    month = _quarter_month(first, days, fiscal_year_start)
    return _Closings(risk, wins.astype(np.float64), begin, month, first)


def _likelihood(theta: Floats, table: _Closings) -> tuple[float, Floats]:
    """The log-likelihood with the best hazard by age, and the wins to expect each day."""
    speed = np.array(_speeds(theta))[table.month]
    elapsed = np.concatenate([[0.0], np.cumsum(speed)])
    begin = np.interp(table.begin, np.arange(len(elapsed)), elapsed)
    age = np.maximum((elapsed[:-1] + 0.5 * speed)[None, :] - begin[:, None], 0.0)
    edges = _edges(len(speed))
    bins = np.searchsorted(edges, age.ravel(), side="right")
    exposure = table.risk * speed
    n = len(edges) + 1
    wins = np.bincount(bins, weights=table.wins.ravel(), minlength=n)
    risk = np.bincount(bins, weights=exposure.ravel(), minlength=n)
    some = wins > 0
    hazard = np.divide(wins, risk, out=np.zeros(n), where=risk > 0)
    value = float((wins[some] * np.log(hazard[some])).sum())
    value += float((table.wins.sum(axis=0) * np.log(speed)).sum())
    expected = (hazard[bins].reshape(age.shape) * exposure).sum(axis=0)
    return value, expected


def _edges(days: int) -> Floats:
    """Edges of the bins of age: days at first, and then ever longer."""
    edges = np.unique(np.round(np.geomspace(1.0, max(days, 2), BINS)))
    return np.asarray(edges, dtype=np.float64)


def _fit(table: _Closings) -> Floats:
    bound = (SLOWEST, -SLOWEST)
    best = optimize.minimize(
        lambda theta: -_likelihood(theta, table)[0],
        np.zeros(2),
        method="Nelder-Mead",
        bounds=[bound, bound],
        options={"xatol": 1e-3, "fatol": 1e-2, "maxiter": 200, "initial_simplex": _SIMPLEX},
    )
    return np.asarray(best.x)


_SIMPLEX = np.array([[0.0, 0.0], [0.4, 0.0], [0.0, 0.4]])


def _between(table: _Closings, expected: Floats) -> float:
    """The p-value of the F test of the months' patterns against the spread of single months."""
    flat = _likelihood(np.zeros(2), table)[1]
    day = np.datetime64("0001-01-01") + np.arange(table.first - 1, table.first - 1 + len(flat))
    index = day.astype("datetime64[M]").astype(np.int64)
    index = index - index[0]
    seen = table.wins.sum(axis=0)
    totals = [np.bincount(index, weights=x) for x in (seen, flat, expected)]
    enough = (totals[1] >= 5.0) & (totals[2] > 0)
    count, plain, fitted = (x[enough] for x in totals)
    left = len(count) - MONTHS
    if left < 2:
        return 1.0
    without = float(((count - plain) ** 2 / plain).sum())
    rest = float(((count - fitted) ** 2 / fitted).sum())
    scale = max(rest / left, 1.0)
    statistic = max(without - rest, 0.0) / (MONTHS - 1) / scale
    return float(stats.f(MONTHS - 1, left).sf(statistic))


def _said(table: _Closings, speeds: tuple[float, float, float], p_value: float) -> str:
    n = int(table.wins.sum())
    shown = ", ".join(f"{s:.2f}" for s in speeds)
    if p_value >= LEVEL:
        return f"{n:,} wins show no months of the quarter that close faster (p = {p_value:.2g})"
    return (
        f"{n:,} wins: deals of the same age close at speeds of {shown} in the three months of a "
        f"quarter (p = {p_value:.2g})"
    )
