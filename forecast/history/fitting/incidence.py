"""What is seen of a stage without a model: the share that has gone each way by each age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.history.records import OPEN, UNDATED, Records

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Incidence:
    """Hold the cumulative incidence of a way: the share that has gone it within so many days.

    `days` (d,) are ages, `share` (d,) the estimates, `low` and `high` (d,) pointwise 90% intervals;
    `there` (d,) counts the items that were under observation at each age.
    """

    days: Floats
    share: Floats
    low: Floats
    high: Floats
    there: NDArray[np.int64]


def find_incidence(records: Records, stage: str, to: str) -> Incidence:
    """Estimate a way's cumulative incidence by Aalen and Johansen (1978), whatever came in between.

    Items count from the age at which they were under observation: those from before a gap from its
    day on, or not at all where what became of them is missing. Ends without a day do not count.
    The variance is the delta method's (Marubini and Valsecchi 1995, "Analysing Survival Data from
    Clinical Trials and Observational Studies", chapter 10).
    """
    stays = records.stays
    here = (stays["stage"] == stage).to_numpy() & (stays["left"] != UNDATED).to_numpy()
    entered, left = stays["entered"].to_numpy()[here], stays["left"].to_numpy()[here]
    mine = (stays["to"] == to).to_numpy()[here]
    gap = records.gaps.get(stage)
    begin = np.zeros(len(entered), dtype=np.int64)
    if gap is not None:
        since = gap.since.toordinal()
        begin = np.maximum(since - entered, 0)
        keep = left >= since
        if gap.complete:
            keep &= entered >= since
        entered, left, mine, begin = entered[keep], left[keep], mine[keep], begin[keep]
    ended = left != OPEN
    age = np.where(ended, left, records.as_of.toordinal() + 1) - entered
    size = int(age.max(initial=0)) + 2
    there = np.cumsum(np.bincount(begin, minlength=size)) - np.concatenate(
        [[0], np.cumsum(np.bincount(age, minlength=size))[:-1]]
    )
    any_way = np.bincount(age[ended], minlength=size).astype(np.float64)
    this = np.bincount(age[ended & mine], minlength=size).astype(np.float64)
    risk = np.maximum(there, 1).astype(np.float64)
    left_over = np.cumprod(1.0 - any_way / risk)
    before = np.concatenate([[1.0], left_over[:-1]])
    share = np.cumsum(before * this / risk)
    error = 1.6449 * np.sqrt(np.maximum(_variance(risk, any_way, this, share, before), 0.0))
    low: Floats = np.maximum(share - error, 0.0)
    high: Floats = np.minimum(share + error, 1.0)
    days = np.arange(size, dtype=np.float64) + 0.5
    return Incidence(days, share, low, high, there)


def _variance(n: Floats, d: Floats, d1: Floats, share: Floats, left: Floats) -> Floats:
    """With F the incidence, S the share left before, d ends (d1 of this way) of n at an age s:

    sum (F(t) - F(s))^2 d / (n (n - d)) + sum S^2 d1 (n - d1) / n^3 - 2 sum (F(t) - F(s)) S d1 / n^2
    """
    # The last item's end leaves nothing to learn from: its age counts as one before the last.
    a = d / (n * np.maximum(n - d, 1))
    e = left * d1 / n**2
    direct = np.cumsum(left**2 * d1 * (n - d1) / n**3)
    squares = share**2 * np.cumsum(a) - 2 * share * np.cumsum(a * share) + np.cumsum(a * share**2)
    return np.asarray(squares + direct - 2 * (share * np.cumsum(e) - np.cumsum(share * e)))
