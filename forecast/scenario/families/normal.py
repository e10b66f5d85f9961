"""The normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
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
class Normal(Family):
    """Normal with mean mu and standard deviation sigma."""

    mu: float
    sigma: float

    name: ClassVar[str] = "normal"

    @property
    def low(self) -> float:
        return -inf

    @property
    def high(self) -> float:
        return inf

    @property
    def mean(self) -> float:
        return self.mu

    @property
    def sd(self) -> float:
        return self.sigma

    def cdf(self, x: Array) -> Array:
        from scipy.special import ndtr

        chance: Array = ndtr((as_array(x) - self.mu) / self.sigma)
        return chance

    def ppf(self, u: Array) -> Array:
        from scipy.special import ndtri

        return self.from_normal(ndtri(as_array(u)))

    def from_normal(self, z: Array) -> Array:
        return self.mu + self.sigma * as_array(z)

    def integrated_cdf(self, x: Array) -> Array:
        """σ·(d·Φ(d) + φ(d)), d = (x-μ)/σ.

        Written as max(d, 0) + φ(d)·(1 - |d|·Φ(-|d|)/φ(d)): the same on both sides of the
        mean, and in the left tail, where d·Φ(d) and φ(d) all but cancel, still relative.
        """
        d = (as_array(x) - self.mu) / self.sigma
        # φ is zero in double precision beyond 39, and the bracket is only rounding there.
        far = np.minimum(np.abs(d), 40.0)
        loss = normal_density(far) * np.maximum(1.0 - far * mills(-far), 0.0)
        return self.sigma * (np.maximum(d, 0.0) + loss)

    def kernel(self) -> tuple[int, tuple[float, ...]]:
        return int(Code.NORMAL), (self.mu, self.sigma)
