"""The uniform and triangular distributions."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import hypot, sqrt
from typing import ClassVar

import numpy as np

from forecast.scenario.families.base import (
    Array,
    Code,
    Family,
    as_array,
    unit_only,
)


@dataclass(frozen=True, slots=True)
class Uniform(Family):
    """Every value between low and high equally likely."""

    # `field()` keeps dataclass from taking the inherited property for a default.
    low: float = field()
    high: float = field()

    name: ClassVar[str] = "uniform"

    @property
    def mean(self) -> float:
        return 0.5 * self.low + 0.5 * self.high

    @property
    def sd(self) -> float:
        return (self.high - self.low) / sqrt(12.0)

    def cdf(self, x: Array) -> Array:
        return np.clip((as_array(x) - self.low) / (self.high - self.low), 0.0, 1.0)

    def ppf(self, u: Array) -> Array:
        u = as_array(u)
        return unit_only(u, self._at(u, 1.0 - u))

    def _at(self, below: Array, above: Array) -> Array:
        """The value with these shares below and above, exact at both ends."""
        width = self.high - self.low
        return np.where(below < above, self.low + width * below, self.high - width * above)

    def from_normal(self, z: Array) -> Array:
        from scipy.special import ndtr

        z = as_array(z)
        tail = ndtr(-np.abs(z)) * (self.high - self.low)
        return np.where(z < 0.0, self.low + tail, self.high - tail)

    def integrated_cdf(self, x: Array) -> Array:
        """(x-low)²/(2·width) inside, and a slope of 1 from there on."""
        x, width = as_array(x), self.high - self.low
        inside = np.clip(x - self.low, 0.0, width)
        return inside * (inside / width) * 0.5 + np.maximum(x - self.high, 0.0)

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.UNIFORM), (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Triangular(Family):
    """Density rising in a straight line from low to mode and falling to high."""

    low: float = field()
    mode: float
    high: float = field()

    name: ClassVar[str] = "triangular"

    @property
    def mean(self) -> float:
        return self.low / 3.0 + self.mode / 3.0 + self.high / 3.0

    @property
    def sd(self) -> float:
        """√((p² + p·q + q²)/18), p and q the widths left and right of the mode."""
        p, q = self.mode - self.low, self.high - self.mode
        return hypot(p, q, sqrt(p) * sqrt(q)) / sqrt(18.0)

    def cdf(self, x: Array) -> Array:
        x, width = as_array(x), self.high - self.low
        rise, fall = self.mode - self.low, self.high - self.mode
        left = np.clip(x - self.low, 0.0, rise)
        right = np.clip(x - self.mode, 0.0, fall)
        # A side of no width has no values strictly inside; `or 1.0` only keeps 0/0 out.
        rising = (left / width) * (left / (rise or 1.0))
        falling = rise / width + (right / width) * (2.0 - right / (fall or 1.0))
        inside = np.where(x < self.mode, rising, np.minimum(falling, 1.0))
        return np.where(x < self.high, inside, 1.0)

    def ppf(self, u: Array) -> Array:
        u = as_array(u)
        return unit_only(u, self._at(np.clip(u, 0.0, 1.0), np.clip(1.0 - u, 0.0, 1.0)))

    def _at(self, below: Array, above: Array) -> Array:
        """The value with these shares below and above it; each side from its own end.

        Right of the mode high - √(above·fall·width), which where little is below is said as
        mode + (below·width - rise)/(1 + √(above·width/fall)): low may be 0, and near it.
        """
        width, rise, fall = self.high - self.low, self.mode - self.low, self.high - self.mode
        left = self.low + np.sqrt(below * rise) * sqrt(width)
        root = np.sqrt(above * fall) * sqrt(width)
        near = self.mode + (below * width - rise) / (1.0 + root / (fall or 1.0))
        right = np.where(below < above, near, self.high - root)
        return np.where(below * width < rise, left, right)

    def from_normal(self, z: Array) -> Array:
        from scipy.special import ndtr

        z = as_array(z)
        tail = ndtr(-np.abs(z))
        rest, left = 1.0 - tail, z < 0.0
        return self._at(np.where(left, tail, rest), np.where(left, rest, tail))

    def integrated_cdf(self, x: Array) -> Array:
        """Cubic on either side of the mode, in terms that are never negative.

        Left: s³/(3·width·rise), s = x-low. Right of the mode, s = x-mode, add
        F(mode)·s + s²/width·(1 - s/(3·fall)); beyond high, a slope of 1.
        """
        x, width = as_array(x), self.high - self.low
        rise, fall = self.mode - self.low, self.high - self.mode
        left = np.clip(x - self.low, 0.0, rise)
        right = np.clip(x - self.mode, 0.0, fall)
        total = left * (left / width) * (left / (3.0 * rise or 1.0))
        total += right * (rise / width)
        total += right * (right / width) * (1.0 - right / (3.0 * fall or 1.0))
        return total + np.maximum(x - self.high, 0.0)

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.TRIANGULAR), (self.low, self.mode, self.high)
