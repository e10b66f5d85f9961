"""Whether conversions change from month to month of entry, and by how much."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np

from forecast.history.fitting.lag_families import FloatArray
from forecast.history.fitting.pooling import differ, group_counts, pool
from forecast.history.fitting.stage_fit import StageFit
from forecast.history.fitting.tallies import DayClock, Stays, tally

CLEARLY = 1e-3  # the p-value at which months differ
LEAST_MONTHS, LEAST_CASES = 4, 5.0


class Drift(NamedTuple):
    """Hold the p-value of months of entry being alike, and by way the variance between them (K).

    `between` is 0 where they may be alike. `early` and `late` (K) are the conversions of the
    earlier and the later half of the months.
    """

    p_value: float
    between: FloatArray
    early: FloatArray
    late: FloatArray

    def sentence(self, k: int) -> str:
        """Tell it, if there is something to tell."""
        if self.p_value >= CLEARLY:
            return ""
        return (
            f"; months of entry differ (p = {self.p_value:.1g}): {self.early[k]:.1%} in the "
            f"earlier half of them, {self.late[k]:.1%} in the later"
        )


def drift(stays: Stays, fit: StageFit, clock: DayClock | None, delayed: bool) -> Drift:
    """Compare months of entry at the lags of all, by the likelihood ratio.

    A run of a forecast has one conversion for all its cohorts, so that it is not known better than
    by the variance between months, however many cases there were.
    """
    ways = len(stays.ways)
    none = Drift(1.0, np.zeros(ways), np.zeros(ways), np.zeros(ways))
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
    between = [pool(gone[:, k], cases[:, k], fit.mode.conversions[k]).between for k in range(ways)]
    half = len(kept) // 2
    return Drift(
        p_value,
        np.array(between),
        gone[:half].sum(axis=0) / cases[:half].sum(axis=0),
        gone[half:].sum(axis=0) / cases[half:].sum(axis=0),
    )


def _months(stays: Stays) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Number the calendar month of entry of each stay."""
    first = int(stays.entered.min())
    days = [dt.date.fromordinal(day) for day in range(first, int(stays.entered.max()) + 1)]
    months = np.array([day.year * 12 + day.month for day in days], dtype=np.int64)
    return months[stays.entered - first]
