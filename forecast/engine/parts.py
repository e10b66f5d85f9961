"""A list of values cut into parts, so that many draws from it cost what a few do.

Values that have a large share of what the values before them left are parts of their own: how many
of n draws they get is a binomial, and as each takes its share the draws are used up after some
64 log n of them. What is left is a set of many values without a large one; its sums have a ladder,
but for values so far off that one of them moves a sum of many visibly. Those are cut by themselves,
after the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from forecast.engine.units import Unit, rough_unit
from forecast.scenario.families import Listed, Values

Array = NDArray[np.float64]

LARGE = 1.0 / 64.0
LEAST_UNIT = 64
# Measured: a draw by an alias table costs 2 to 3 ns, a binomial 30 to 60 ns.
DRAWS_PER_BINOMIAL = 16


@dataclass(frozen=True)
class Part:
    """One value, or a set of values with their chances within the set."""

    values: Array
    chances: Array
    chance: float  # of the part
    share: float  # of what the parts before it left

    def unit(self) -> Unit:
        """The unit of a set's ladder: the sum of LEAST_UNIT values, or more."""
        return rough_unit(Values.of(self.values, self.chances), 1.0, LEAST_UNIT)


def least_to_cut(family: Listed) -> int:
    """From how many draws on it pays to count parts."""
    heads = _heads(np.sort(family.chances)[::-1])
    rest = LEAST_UNIT if heads < len(family.values) else 0
    return max(2, DRAWS_PER_BINOMIAL * min(heads, 64) + rest)


def cut(family: Listed) -> list[Part]:
    """The parts of a list, in the order in which they are counted."""
    pieces = _pieces(family.values, family.chances)
    left = np.cumsum([float(chances.sum()) for _, chances in pieces][::-1])[::-1]
    parts = []
    for i, (values, chances) in enumerate(pieces):
        chance = float(chances.sum())
        share = chance / float(left[i]) if i < len(pieces) - 1 else 1.0
        parts.append(Part(values, chances / chance, chance, share))
    return parts


def _heads(chances: Array) -> int:
    """How many of the chances, the largest first, are a large share of those not before them."""
    if chances[0] < LARGE:
        return 0
    left = np.cumsum(chances[::-1])[::-1]
    small = np.flatnonzero(chances < LARGE * left)
    return int(small[0]) if len(small) else len(chances)


def _pieces(values: Array, chances: Array) -> list[tuple[Array, Array]]:
    order = np.argsort(-chances, kind="stable")
    heads = _heads(chances[order])
    pieces = [(values[[i]], chances[[i]]) for i in order[:heads]]
    rest = np.sort(order[heads:])
    if len(rest) == 0:
        return pieces
    inside = _near(values[rest], chances[rest])
    near, far = rest[inside], rest[~inside]
    pieces.append((values[near], chances[near]))
    return pieces + (_pieces(values[far], chances[far]) if len(far) else [])


def _near(values: Array, chances: Array) -> NDArray[np.bool_]:
    """Which values are no further from the mean than the standard deviation of a unit's sum."""
    inside = np.ones(len(values), bool)
    while True:
        weights = chances[inside] / chances[inside].sum()
        mean = float((weights * values[inside]).sum())
        sd = sqrt(float((weights * (values[inside] - mean) ** 2).sum()))
        far = inside & (np.abs(values - mean) > sd * sqrt(LEAST_UNIT))
        if not far.any():
            return inside
        inside &= ~far
