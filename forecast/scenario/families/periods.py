"""A lag of exactly so many whole periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from forecast.scenario.families.base import Array, FamilyFault
from forecast.scenario.families.chances import check_chances

MOST_PERIODS = 10_000


@dataclass(frozen=True, slots=True)
class Periods:
    """k periods later with chance p: pairs (k, p), k ascending, the chances summing to 1."""

    chances: tuple[tuple[int, float], ...]

    @property
    def mean(self) -> float:
        """The mean lag, in periods."""
        return fsum(k * chance for k, chance in self.chances)

    def pmf(self, last: int) -> Array:
        """P(K = 0), …, P(K = last), and as one more cell P(K > last)."""
        cells = np.zeros(last + 2)
        for k, chance in self.chances:
            cells[min(k, last + 1)] += chance
        return cells


def build_periods(pairs: Sequence[tuple[float, float]]) -> Periods:
    """From pairs of a number of periods and its chance; `FamilyFault` if they will not do."""
    for k, _ in pairs:
        if not 0.0 <= k <= MOST_PERIODS or k != int(k):
            must = f"a whole number of periods, 0 to {MOST_PERIODS:,}"
            mend = "For example {periods: {1: 40%, 2: 60%}}; a lag in days can be a distribution."
            raise FamilyFault(None, f"{k:.6g}", must, mend)
    check_chances("periods", pairs)
    total = fsum(chance for _, chance in pairs)
    kept = sorted((int(k), chance / total) for k, chance in pairs if chance > 0.0)
    return Periods(tuple(kept))
