"""How likely records are, given conversions and lags: mixture cure with competing risks.

An item that enters a stage on day s goes way k in the end with chance c_k, and then leaves d days
later with chance p_k(d), H_k(d) being that of d days or fewer (lag_families). With what is left
over, c_0 = 1 - sum c_k, it is never seen to leave. What is known at the end of day A says

    left by way k, d days after it entered     c_k p_k(d)
    left by way k, nobody knows when           c_k [H_k(A - s) - h_k]
    not seen to leave                          1 - sum c_k [H_k(A - s) - h_k]

with h_k = 0; but where leaving is recorded from day R on only and all items are there,
h_k = H_k(R - 1 - s) for those that entered before R: they may have left unseen. Where those that
left before R are missing (delayed entry), h_k = 0 in the last line, H_k(R - 1 - s) in the one
above, and the chance of each item that entered before R is divided by that of being there at all,
1 - sum c_k H_k(R - 1 - s).

Sources: cure fraction: Boag 1949 (J. R. Stat. Soc. B 11), Maller & Zhou 1996 (Survival Analysis
with Long-Term Survivors); competing risks as a mixture: Larson & Dinse 1985 (Appl. Stat. 34);
truncation: Turnbull 1976 (J. R. Stat. Soc. B 38).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forecast.history.fitting.lag_families import TINY, DayTable, FloatArray
from forecast.history.fitting.tallies import Tally


class Reached(NamedTuple):
    """Hold, for each day of entry and way (M, K), H at the last day known and before recording."""

    now: FloatArray
    before: FloatArray


class Score(NamedTuple):
    """Hold a log-likelihood, its slope in the conversions (K), and what slopes in lags need."""

    value: float
    conversions: FloatArray
    now: FloatArray
    before: FloatArray


class Counts:
    """Give the likelihood of a tally at any conversions and lags."""

    def __init__(self, tally: Tally, delayed: bool) -> None:
        """Keep those rows of `tally` that say something."""
        self.tally = tally
        self.lags = [np.flatnonzero(row) for row in tally.left]
        self.left = [row[lags] for row, lags in zip(tally.left, self.lags, strict=True)]
        self.gone = tally.left.sum(axis=1)
        self.any_undated = bool(tally.undated.any())
        self.any_late = bool(tally.late.any())
        self.open_seen = not delayed  # leaving before recording began went unseen

    def reached(self, tables: list[DayTable]) -> Reached:
        """Look up H of each way at the ages of the tally."""
        age, unseen = self.tally.age, self.tally.unseen
        columns = range(len(tables))
        return Reached(
            np.stack([tables[k].by[age[:, k]] for k in columns], axis=1),
            np.stack([tables[k].by[unseen[:, k]] for k in columns], axis=1),
        )

    def lag_part(self, k: int, table: DayTable) -> float:
        """Give the sum of log p_k(d) over those seen to leave by way k."""
        return float(self.left[k] @ np.log(table.at[self.lags[k]]))

    def score(self, chances: FloatArray, reached: Reached) -> Score:
        """Give all else than the `lag_part`s, with slopes in c (K) and in H (M, K)."""
        value = float(self.gone @ np.log(np.maximum(chances, TINY)))
        slope = self.gone / np.maximum(chances, TINY)
        now = np.zeros_like(reached.now)
        before = np.zeros_like(reached.now)
        seen = reached.now - reached.before if self.open_seen else reached.now
        still = np.maximum(1.0 - seen @ chances, TINY)
        weight = self.tally.there / still
        value += float(self.tally.there @ np.log(still))
        slope = slope - weight @ seen
        now -= weight[:, None] * chances
        if self.open_seen:
            before += weight[:, None] * chances
        if self.any_late:
            there = np.maximum(1.0 - reached.before @ chances, TINY)
            weight = self.tally.late / there
            value -= float(self.tally.late @ np.log(there))
            slope = slope + weight @ reached.before
            before += weight[:, None] * chances
        if self.any_undated:
            between = np.maximum(reached.now - reached.before, TINY)
            counts = self.tally.undated.T
            value += float((counts * np.log(between * np.maximum(chances, TINY))).sum())
            slope = slope + counts.sum(axis=0) / np.maximum(chances, TINY)
            now += counts / between
            before -= counts / between
        return Score(value, slope, now, before)
