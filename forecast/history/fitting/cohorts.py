"""Whether conversions change from month to month of entry, and by how much."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np

from forecast.history.fitting.lag_families import FloatArray
from forecast.history.fitting.pooling import differ, group_counts
from forecast.history.fitting.stage_fit import StageFit
from forecast.history.fitting.tallies import DayClock, Stays, tally

CLEARLY = 1e-3  # the p-value at which months differ
LEAST_MONTHS, LEAST_CASES = 4, 5.0
MOST_GONE = 0.999
LAG_ERROR = 0.07  # of a conversion, where half of it was seen by now
WALKS = np.array([0.0, 0.03, 0.06, 0.12, 0.25])  # of the level a month, by its mean
WALKS_PRIOR = np.array([0.4, 0.2, 0.2, 0.15, 0.05])
NOISES = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.8])  # of single months, by the mean


class Drift(NamedTuple):
    """Hold the p-value of months of entry being alike, and by way the variance between them (K).

    `between` is 0 where they may be alike. `early` and `late` (K) are the conversions of the
    earlier and the later half of the months, `now` (K) those to expect of the month to come.
    """

    p_value: float
    between: FloatArray
    early: FloatArray
    late: FloatArray
    now: FloatArray

    def sentence(self, k: int) -> str:
        """Tell it, if there is something to tell."""
        if self.p_value >= CLEARLY:
            return ""
        return (
            f"; months of entry differ (p = {self.p_value:.1g}): {self.early[k]:.1%} in the "
            f"earlier half of them, {self.late[k]:.1%} in the later; the level now is taken"
        )


def drift(stays: Stays, fit: StageFit, clock: DayClock | None, delayed: bool) -> Drift:
    """Compare months of entry at the lags of all, by the likelihood ratio.

    A run of a forecast has one conversion for all its cohorts, so that it is not known better than
    by the variance between months, however many cases there were.
    """
    ways = len(stays.ways)
    none = Drift(1.0, np.zeros(ways), np.zeros(ways), np.zeros(ways), fit.values)
    month = _months(stays)
    parts = [tally(stays, clock, month == m) for m in np.unique(month)]
    groups = [group_counts(part, fit.tables, delayed) for part in parts]
    kept = [i for i, g in enumerate(groups) if g.cases.max() >= LEAST_CASES]
    if len(kept) < LEAST_MONTHS:
        return none
    parts, groups = [parts[i] for i in kept], [groups[i] for i in kept]
    p_value = differ(groups, parts, fit.tables, delayed)
    if p_value >= CLEARLY:
        return none._replace(p_value=p_value)
    gone = np.array([g.gone for g in groups])
    cases = np.array([g.cases for g in groups])
    entered = np.array([part.entered.sum() for part in parts])
    levels = [level_now(gone[:, k], cases[:, k], entered) for k in range(ways)]
    now = np.array([level for level, _ in levels])
    # What is never seen to leave keeps its share where the ways together would leave none.
    now *= min(1.0, MOST_GONE / max(float(now.sum()), 1e-9))
    half = len(kept) // 2
    return Drift(
        p_value,
        np.array([variance for _, variance in levels]),
        gone[:half].sum(axis=0) / cases[:half].sum(axis=0),
        gone[half:].sum(axis=0) / cases[half:].sum(axis=0),
        now,
    )


def level_now(gone: FloatArray, cases: FloatArray, entered: FloatArray) -> tuple[float, float]:
    """Give the conversion to expect of the month after some months, and its variance.

    The months' conversions are a level that walks, the noise of each month, and chance (a local
    level: Harvey 1989, Forecasting, Structural Time Series Models and the Kalman Filter). How far
    it walks and how large the noise is are averaged over what the months leave possible. Young
    months rest on lags that are not known exactly: the less was seen of them, the less they count.
    """
    seen, mean = gone / cases, float((gone.sum() + 0.5) / (cases.sum() + 1.0))
    reach = np.minimum(cases / entered, 1.0)
    chance = mean * (1.0 - mean) / cases + (LAG_ERROR * mean * (1.0 - reach) / reach) ** 2
    walk, noise = (grid.ravel() for grid in np.meshgrid(WALKS * mean, NOISES * mean, indexing="ij"))
    level = np.full(len(walk), seen[0])
    variance = chance[0] + noise**2
    logs = np.log(np.repeat(WALKS_PRIOR, len(NOISES)))
    for y, own in zip(seen[1:], chance[1:], strict=True):
        variance = variance + walk**2
        total = variance + noise**2 + own
        off = y - level
        logs = logs - 0.5 * (np.log(total) + off**2 / total)
        level = level + variance / total * off
        variance = variance * (1.0 - variance / total)
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    value = float(weight @ level)
    spread = variance + walk**2 + noise**2 + (level - value) ** 2
    return min(max(value, 1e-9), 1.0), float(weight @ spread)


def _months(stays: Stays) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Number the calendar month of entry of each stay."""
    first = int(stays.entered.min())
    days = [dt.date.fromordinal(day) for day in range(first, int(stays.entered.max()) + 1)]
    months = np.array([day.year * 12 + day.month for day in days], dtype=np.int64)
    return months[stays.entered - first]
