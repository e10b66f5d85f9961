"""The beta distribution on any interval, and PERT as one way to choose it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from forecast.scenario.families.base import (
    Array,
    Code,
    Family,
    as_array,
    unit_only,
)
from forecast.scenario.families.density import beta_density
from forecast.scenario.families.table import (
    QuantileTable,
    beta_logit_quantile,
    beta_table,
    logistic,
)


@dataclass(frozen=True, slots=True)
class Beta(Family):
    """low + (high - low)·B, B with density b^(alpha-1)·(1-b)^(beta-1), up to a constant."""

    alpha: float
    beta: float
    low: float = 0.0
    high: float = 1.0

    name: ClassVar[str] = "beta"

    @property
    def mean(self) -> float:
        n = self.alpha + self.beta
        return self.low * (self.beta / n) + self.high * (self.alpha / n)

    @property
    def sd(self) -> float:
        n = self.alpha + self.beta
        return (self.high - self.low) * sqrt(self.alpha / n * (self.beta / n) / (n + 1.0))

    def _share(self, x: Array) -> Array:
        """Where x stands between low and high."""
        return np.clip((as_array(x) - self.low) / (self.high - self.low), 0.0, 1.0)

    def cdf(self, x: Array) -> Array:
        from scipy.special import betainc

        chance: Array = betainc(self.alpha, self.beta, self._share(x))
        return chance

    def ppf(self, u: Array) -> Array:
        from scipy.special import ndtri

        # By way of the normal, where the quantile is polished: betaincinv alone can be far off.
        u = as_array(u)
        return unit_only(u, self.exact_from_normal(ndtri(np.clip(u, 0.0, 1.0))))

    def from_normal(self, z: Array) -> Array:
        return self._from_logit(self.table()(z))

    def table(self) -> QuantileTable:
        """The logit of the share between low and high, by its normal."""
        return beta_table(self.alpha, self.beta)

    def exact_from_normal(self, z: Array) -> Array:
        return self._from_logit(beta_logit_quantile(self.alpha, self.beta, z))

    def _from_logit(self, t: Array) -> Array:
        x = logistic(t)
        x *= self.high - self.low
        x += self.low
        # low + (high - low) may round to just above high.
        return np.minimum(x, self.high, out=x)

    def integrated_cdf(self, x: Array) -> Array:
        """x·I(a, b) - m·I(a+1, b) on [0, 1], m = a/(a+b).

        With I(a+1, b) = I(a, b) - xᵃ·yᵇ/(a·B(a, b)) (DLMF 8.17.20) it is
        (x-m)·I(a, b) + xᵃ·yᵇ/((a+b)·B(a, b)); below m/2, where these all but cancel, a series.
        """
        from scipy.special import betainc

        x = as_array(x)
        width, n = self.high - self.low, self.alpha + self.beta
        share = self._share(x)
        rest = np.clip((self.high - x) / width, 0.0, 1.0)
        density = beta_density(self.alpha, self.beta, share, rest)
        middle = self.alpha / n
        # x - m, taken from the end that is nearer, where it has more digits.
        apart = np.where(share < 0.5, share - middle, self.beta / n - rest)
        total = apart * betainc(self.alpha, self.beta, share) + density / n
        small = share < 0.5 * middle
        total[small] = density[small] * self._series(share[small])
        return width * np.maximum(total, 0.0) + np.maximum(x - self.high, 0.0)

    def _series(self, x: Array) -> Array:
        """The integrated distribution function over xᵃ·yᵇ/B(a, b), for x below half the mean.

        The series of I (DLMF 8.17.7 with 8.17.8's factor) in both of its places leaves
        x/a · Σ cₖ·xᵏ·[(a+b) + k·b] / [(a+b)·(a+1+k)], cₖ = (a+b)…(a+b+k-1)/((a+1)…(a+k)):
        every term positive, each less than half the one before in the limit.
        """
        a, b = self.alpha, self.beta
        n = a + b
        term, total = x / a, np.zeros_like(x)
        for k in range(70):
            total += term * ((1.0 + k * (b / n)) / (a + 1.0 + k))
            term = term * x * ((n + k) / (a + 1.0 + k))
        return total

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.BETA), (self.alpha, self.beta, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Pert(Beta):
    """The beta that was given by low, mode and high."""

    name: ClassVar[str] = "pert"


def pert(low: float, mode: float, high: float, weight: float = 4.0) -> Pert:
    """PERT: the mean is (low + weight·mode + high)/(weight + 2) (Malcolm et al. 1959)."""
    width = high - low
    alpha = 1.0 + weight * ((mode - low) / width)
    beta = 1.0 + weight * ((high - mode) / width)
    return Pert(alpha, beta, low, high)
