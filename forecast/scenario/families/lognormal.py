"""The lognormal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, expm1, inf, sqrt
from typing import ClassVar

import numpy as np

from forecast.scenario.families.base import (
    Array,
    Code,
    Family,
    as_array,
    mills,
    normal_density,
)


@dataclass(frozen=True, slots=True)
class Lognormal(Family):
    """exp of a normal with mean mu and standard deviation sigma."""

    mu: float
    sigma: float

    name: ClassVar[str] = "lognormal"

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return inf

    @property
    def mean(self) -> float:
        return exp(self.mu + 0.5 * self.sigma**2)

    @property
    def sd(self) -> float:
        return self.mean * sqrt(expm1(self.sigma**2))

    def _normal(self, x: Array) -> Array:
        """(ln x - μ)/σ; by a quotient, for ln x - μ would lose digits where it is small."""
        with np.errstate(divide="ignore"):
            d: Array = np.log(np.maximum(x, 0.0) / exp(self.mu)) / self.sigma
        return d

    def cdf(self, x: Array) -> Array:
        from scipy.special import ndtr

        chance: Array = ndtr(self._normal(as_array(x)))
        return chance

    def ppf(self, u: Array) -> Array:
        from scipy.special import ndtri

        return self.from_normal(ndtri(as_array(u)))

    def from_normal(self, z: Array) -> Array:
        x: Array = np.exp(self.mu + self.sigma * as_array(z))
        return x

    def integrated_cdf(self, x: Array) -> Array:
        """x·Φ(d) - E[X]·Φ(d-σ), d = (ln x - μ)/σ: the price of a put (Black & Scholes 1973).

        As x·φ(d) = E[X]·φ(d-σ), it is max(x - E[X], 0) + x·φ(d)·[R(m) - R(m-σ)] with
        R = Φ/φ and m = min(d, σ-d): relative in the left tail, and alike on both sides.
        """
        x = as_array(x)
        d = self._normal(x)
        # φ is zero in double precision beyond 39: what stands beside it need not be exact.
        inner = np.clip(d, -40.0, 40.0 + self.sigma)
        gap = _mills_difference(np.minimum(inner, self.sigma - inner), self.sigma)
        over = np.maximum(d - 0.5 * self.sigma, 0.0) * self.sigma
        above = np.where(over < 0.5, self.mean * np.expm1(np.minimum(over, 0.5)), x - self.mean)
        total: Array = above + np.maximum(x, 0.0) * normal_density(inner) * gap
        return total

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.LOGNORMAL), (self.mu, self.sigma)


def _mills_difference(m: Array, sigma: float) -> Array:
    """R(m) - R(m-σ), R = Φ/φ; for small σ as the integral of R'(s) = 1 + s·R(s)."""
    if sigma > 0.5:
        return np.maximum(mills(m) - mills(m - sigma), 0.0)
    nodes, weights = _unit_nodes()
    total = np.zeros_like(m)
    for node, weight in zip(nodes, weights, strict=True):
        s = m - sigma * node
        total += weight * np.maximum(1.0 + s * mills(s), 0.0)
    return sigma * total


@lru_cache(maxsize=1)
def _unit_nodes() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    from numpy.polynomial.legendre import leggauss

    nodes, weights = leggauss(10)
    return tuple((0.5 * (nodes + 1.0)).tolist()), tuple((0.5 * weights).tolist())
