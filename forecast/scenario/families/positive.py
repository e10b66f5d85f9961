"""The gamma and Weibull distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import expm1, gamma, inf, lgamma, log1p, sqrt
from typing import ClassVar

import numpy as np

from forecast.scenario.families.base import (
    Array,
    Code,
    Family,
    as_array,
    unit_only,
)
from forecast.scenario.families.density import gamma_density
from forecast.scenario.families.table import QuantileTable, gamma_log_quantile, gamma_table


@dataclass(frozen=True, slots=True)
class Gamma(Family):
    """Gamma with density x^(shape-1)·exp(-x/scale), up to a constant."""

    shape: float
    scale: float

    name: ClassVar[str] = "gamma"

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return inf

    @property
    def mean(self) -> float:
        return self.shape * self.scale

    @property
    def sd(self) -> float:
        return sqrt(self.shape) * self.scale

    def cdf(self, x: Array) -> Array:
        from scipy.special import gammainc

        x = np.maximum(as_array(x), 0.0) / self.scale
        chance: Array = np.asarray(gammainc(self.shape, x), dtype=np.float64)
        return chance

    def ppf(self, u: Array) -> Array:
        from scipy.special import gammaincinv

        u = as_array(u)
        x = np.asarray(gammaincinv(self.shape, np.clip(u, 0.0, 1.0)), dtype=np.float64)
        return unit_only(u, self.scale * x)

    def from_normal(self, z: Array) -> Array:
        x: Array = np.exp(self.table()(z))
        x *= self.scale
        return x

    def table(self) -> QuantileTable:
        """ln of the value over the scale, by its normal."""
        return gamma_table(self.shape)

    def exact_from_normal(self, z: Array) -> Array:
        return self.scale * np.exp(gamma_log_quantile(self.shape, z))

    def integrated_cdf(self, x: Array) -> Array:
        """x·P(a, x) - a·P(a+1, x) for scale 1, as (x-a)·P(a, x) + xᵃ·e⁻ˣ/Γ(a).

        Below half the mean those two all but cancel; there the series of P (DLMF 8.7.1) in
        both places leaves xᵃ·e⁻ˣ/Γ(a+1) · Σ m·xᵐ/((a+1)…(a+m)), every term positive.
        """
        from scipy.special import gammainc

        a = self.shape
        x = np.maximum(as_array(x) / self.scale, 0.0)
        density = gamma_density(a, x)
        total = np.maximum((x - a) * gammainc(a, x) + density, 0.0)
        small = x < 0.5 * a
        ratio = x[small]
        term, series = np.full_like(ratio, 1.0 / a), np.zeros_like(ratio)
        for m in range(1, 70):
            term = term * ratio / (a + m)
            series += m * term
        total[small] = density[small] * series
        return self.scale * total

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.GAMMA), (self.shape, self.scale)


@dataclass(frozen=True, slots=True)
class Weibull(Family):
    """Weibull with survival function exp(-(x/scale)^shape)."""

    shape: float
    scale: float

    name: ClassVar[str] = "weibull"

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return inf

    @property
    def mean(self) -> float:
        return self.scale * gamma(1.0 + 1.0 / self.shape)

    @property
    def sd(self) -> float:
        return self.mean * sqrt(expm1(weibull_spread(1.0 / self.shape)))

    def _hazard(self, x: Array) -> Array:
        """(x/scale)^shape, the hazard accumulated by x."""
        with np.errstate(over="ignore"):
            y: Array = np.power(np.maximum(x, 0.0) / self.scale, self.shape)
        return y

    def cdf(self, x: Array) -> Array:
        chance: Array = -np.expm1(-self._hazard(as_array(x)))
        return chance

    def ppf(self, u: Array) -> Array:
        u = as_array(u)
        with np.errstate(divide="ignore"):
            hazard = -np.log1p(-np.clip(u, 0.0, 1.0))
        return unit_only(u, self.scale * np.power(hazard, 1.0 / self.shape))

    def from_normal(self, z: Array) -> Array:
        from scipy.special import log_ndtr

        # -ln(1 - Φ(z)) without forming 1 - Φ(z): all digits in both tails.
        return self.scale * np.power(-log_ndtr(-as_array(z)), 1.0 / self.shape)

    def integrated_cdf(self, x: Array) -> Array:
        """x - E[X]·P(1/k, y), y = (x/scale)^k.

        For y <= 4 as x·e⁻ʸ·Σ yⁿ·[1/n! - 1/((1+1/k)…(n+1/k))], every term positive; above as
        x - E[X] plus the upper incomplete gamma, the first by expm1.
        """
        from scipy.special import gammaincc

        x = np.maximum(as_array(x), 0.0)
        a, y = 1.0 / self.shape, self._hazard(x)
        small, series = np.minimum(y, 4.0), np.zeros_like(y)
        for coefficient in reversed(_weibull_series(a)):
            series = (series + coefficient) * small
        with np.errstate(divide="ignore"):
            apart = lgamma(1.0 + a) - np.log(x / self.scale)
        above = -x * np.expm1(np.minimum(apart, 700.0)) + self.mean * gammaincc(a, y)
        return np.where(y <= 4.0, x * np.exp(-small) * series, above)

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.WEIBULL), (self.shape, self.scale)


def weibull_spread(a: float) -> float:
    """ln(1 + cv²) of a Weibull of shape 1/a: lnΓ(1+2a) - 2·lnΓ(1+a).

    For small a by the series of lnΓ(1+a) (Abramowitz & Stegun 6.1.33), whose first terms
    cancel exactly: Σ ζ(k)·(-a)ᵏ·(2ᵏ-2)/k, k >= 2.
    """
    if a > 0.05:
        return lgamma(1.0 + 2.0 * a) - 2.0 * lgamma(1.0 + a)
    from scipy.special import zeta

    return sum(float(zeta(k)) * (-a) ** k * (2.0**k - 2.0) / k for k in range(2, 20))


@lru_cache(maxsize=64)
def _weibull_series(a: float) -> tuple[float, ...]:
    """1/n! - 1/((1+a)…(n+a)) for n = 1, 2, … ; without cancellation for small a."""
    coefficients, factorial, logs = [], 1.0, 0.0
    for n in range(1, 45):
        factorial *= n
        logs += log1p(a / n)
        coefficients.append(-expm1(-logs) / factorial)
    return tuple(coefficients)
