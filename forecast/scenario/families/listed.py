"""Distributions that are lists: one number, values with chances, data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import sqrt
from typing import ClassVar, NamedTuple, Self

import numpy as np

from forecast.scenario.families.base import (
    Array,
    Code,
    Family,
    as_array,
    unit_only,
)


@dataclass(frozen=True, slots=True)
class Fixed(Family):
    """One number, for certain."""

    value: float

    name: ClassVar[str] = "fixed"

    @property
    def low(self) -> float:
        return self.value

    @property
    def high(self) -> float:
        return self.value

    @property
    def mean(self) -> float:
        return self.value

    @property
    def sd(self) -> float:
        return 0.0

    def cdf(self, x: Array) -> Array:
        return (as_array(x) >= self.value).astype(np.float64)

    def ppf(self, u: Array) -> Array:
        u = as_array(u)
        return unit_only(u, np.full_like(u, self.value))

    def from_normal(self, z: Array) -> Array:
        return np.full_like(as_array(z), self.value)

    def integrated_cdf(self, x: Array) -> Array:
        return np.maximum(as_array(x) - self.value, 0.0)

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.FIXED), (self.value,)

    def quadrature(self, n: int) -> tuple[Array, Array]:  # noqa: ARG002 - one point is exact
        return np.array([self.value]), np.ones(1)


class _Steps(NamedTuple):
    """What a list's methods need again and again, worked out once."""

    values: Array
    chances: Array
    below: Array
    """P(X <= value), with a 0 in front and exactly 1 at the end."""
    integral: Array
    """∫ F up to each value."""


class Listed(Family):
    """What `Values` and `Empirical` have in common: finitely many values, in order."""

    __slots__ = ()

    def _steps(self) -> _Steps:
        raise NotImplementedError

    @property
    def values(self) -> Array:
        """The distinct values, ascending (read-only)."""
        return self._steps().values

    @property
    def chances(self) -> Array:
        """The chance of each of `values`; they sum to 1 (read-only)."""
        return self._steps().chances

    @property
    def low(self) -> float:
        return float(self.values[0])

    @property
    def high(self) -> float:
        return float(self.values[-1])

    @property
    def mean(self) -> float:
        # Measured from the lowest value: a constant list has exactly that mean. No np.dot here
        # or below: its last bits depend on the number of threads.
        low = self.low
        return low + float((self.chances * (self.values - low)).sum())

    @property
    def sd(self) -> float:
        return sqrt(float((self.chances * (self.values - self.mean) ** 2).sum()))

    def cdf(self, x: Array) -> Array:
        steps = self._steps()
        return steps.below[np.searchsorted(steps.values, as_array(x), side="right")]

    def integrated_cdf(self, x: Array) -> Array:
        """Straight pieces: ∫ F up to the value below, plus F there times what is beyond it."""
        x, steps = as_array(x), self._steps()
        passed = np.searchsorted(steps.values, x, side="right")
        at = np.maximum(passed - 1, 0)
        inside = steps.integral[at] + steps.below[passed] * (x - steps.values[at])
        return np.where(passed > 0, inside, 0.0)

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.DISCRETE), ()

    def quadrature(self, n: int) -> tuple[Array, Array]:  # noqa: ARG002 - the values are exact
        return self.values, self.chances


@dataclass(frozen=True, slots=True)
class Values(Listed):
    """Distinct values with chances. Kept as bytes: compact, hashable, compared at once."""

    packed_values: bytes = field(repr=False)
    packed_chances: bytes = field(repr=False)

    name: ClassVar[str] = "values"

    @classmethod
    def of(cls, values: Sequence[float] | Array, chances: Sequence[float] | Array) -> Self:
        """From distinct values and their chances, in any order; the chances are normalised."""
        points, weights = np.array(values, dtype=np.float64), np.array(chances, dtype=np.float64)
        order = np.argsort(points)
        order = order[weights[order] > 0.0]
        weights = weights[order]
        # + 0.0 turns -0.0 into 0.0, which is equal but has other bytes.
        return cls((points[order] + 0.0).tobytes(), (weights / weights.sum()).tobytes())

    def _steps(self) -> _Steps:
        return _steps_of_values(self)

    def ppf(self, u: Array) -> Array:
        u, steps = as_array(u), self._steps()
        return unit_only(u, steps.values[np.searchsorted(steps.below[1:-1], u, side="left")])

    def from_normal(self, z: Array) -> Array:
        at = np.searchsorted(_normal_cuts(self), as_array(z), side="left")
        return self.values[at]


@dataclass(frozen=True, slots=True)
class Empirical(Listed):
    """Data, each number as likely as any other. Kept sorted, as bytes."""

    packed: bytes = field(repr=False)

    name: ClassVar[str] = "empirical"

    @classmethod
    def of(cls, numbers: Sequence[float] | Array) -> Self:
        """From numbers in any order, ties included."""
        return cls((np.sort(np.array(numbers, dtype=np.float64)) + 0.0).tobytes())

    def _steps(self) -> _Steps:
        return _steps_of_data(self)

    def ppf(self, u: Array) -> Array:
        """The ⌈n·u⌉-th smallest number: no search, however many numbers there are."""
        u, data = as_array(u), np.frombuffer(self.packed)
        rank = np.ceil(np.clip(np.nan_to_num(u), 0.0, 1.0) * data.size).astype(np.intp)
        return unit_only(u, data[np.maximum(rank - 1, 0)])

    def from_normal(self, z: Array) -> Array:
        from scipy.special import ndtr

        return self.ppf(ndtr(as_array(z)))


@lru_cache(maxsize=32)
def _steps_of_values(family: Values) -> _Steps:
    chances = np.frombuffer(family.packed_chances)
    return _make_steps(np.frombuffer(family.packed_values), chances, np.cumsum(chances))


@lru_cache(maxsize=32)
def _steps_of_data(family: Empirical) -> _Steps:
    data = np.frombuffer(family.packed)
    values, counts = np.unique(data, return_counts=True)
    return _make_steps(values, counts / data.size, np.cumsum(counts) / data.size)


def _make_steps(values: Array, chances: Array, running: Array) -> _Steps:
    below = np.concatenate(([0.0], running))
    below[-1] = 1.0
    integral = np.concatenate(([0.0], np.cumsum(below[1:-1] * np.diff(values))))
    for array in (values, chances, below, integral):
        array.flags.writeable = False
    return _Steps(values, chances, below, integral)


@lru_cache(maxsize=32)
def _normal_cuts(family: Values) -> Array:
    """The normal draws at which one value gives way to the next, each from its shorter tail."""
    from scipy.special import ndtri

    chances = family.chances
    below, above = np.cumsum(chances)[:-1], np.cumsum(chances[::-1])[::-1][1:]
    cuts: Array = np.where(
        below < 0.5, ndtri(np.minimum(below, 0.5)), -ndtri(np.minimum(above, 0.5))
    )
    cuts.flags.writeable = False
    return cuts
