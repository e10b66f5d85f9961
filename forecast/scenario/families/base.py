"""What every distribution of the scenario language can do, and how it refuses to be built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum
from functools import lru_cache
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

SQRT_HALF = 0.7071067811865476
SQRT_2PI = 2.5066282746310002
SQRT_HALF_PI = 1.2533141373155003


class Code(IntEnum):
    """The number by which the simulation kernel knows a family (`Family.kernel`)."""

    FIXED = 0
    LOGNORMAL = 1
    GAMMA = 2
    WEIBULL = 3
    BETA = 4
    UNIFORM = 5
    TRIANGULAR = 6
    DISCRETE = 7
    NORMAL = 8


class FamilyFault(Exception):
    """A distribution that cannot be built: what was given, what it must be, how to mend it."""

    def __init__(self, parameter: str | None, got: str, must: str, mend: str) -> None:
        place = f"{parameter}: " if parameter else ""
        super().__init__(f"{place}got {got}; must be {must}. {mend}")
        self.parameter = parameter
        self.got = got
        self.must = must
        self.mend = mend


class Family(ABC):
    """A distribution of one number. Immutable, hashable, and equal when its parameters are.

    Every method works element by element: what comes out for one value depends neither on
    how many others there are nor on where it stands among them, to the last bit.
    """

    __slots__ = ()

    name: ClassVar[str]

    @property
    @abstractmethod
    def low(self) -> float:
        """Where the support begins; may be -inf."""

    @property
    @abstractmethod
    def high(self) -> float:
        """Where the support ends; may be inf."""

    @property
    @abstractmethod
    def mean(self) -> float:
        """E[X], always finite."""

    @property
    @abstractmethod
    def sd(self) -> float:
        """The standard deviation, always finite."""

    @abstractmethod
    def cdf(self, x: Array) -> Array:
        """F(x) = P(X <= x)."""

    @abstractmethod
    def ppf(self, u: Array) -> Array:
        """The smallest x with F(x) >= u; nan where u is no probability."""

    @abstractmethod
    def from_normal(self, z: Array) -> Array:
        """F⁻¹(Φ(z)): a standard normal draw turned into one of this family."""

    @abstractmethod
    def integrated_cdf(self, x: Array) -> Array:
        """∫ F(y) dy from -inf to x, that is E[max(x - X, 0)]."""

    @abstractmethod
    def kernel(self) -> tuple[int, tuple[float, ...]]:
        """The family's `Code` and its parameters, as the simulation kernel takes them."""

    def quadrature(self, n: int) -> tuple[Array, Array]:
        """Points and weights with E[g(X)] ≈ Σ weight · g(point).

        Gauss-Hermite nodes of the standard normal, carried over by the exact quantile
        function (Golub & Welsch 1969). Families that are lists give their own points.
        """
        z, weights = normal_nodes(n)
        return self.exact_from_normal(z), weights

    def exact_from_normal(self, z: Array) -> Array:
        """`from_normal` without a table; the same thing where there is none."""
        return self.from_normal(z)


@lru_cache(maxsize=32)
def normal_nodes(n: int) -> tuple[Array, Array]:
    """Nodes and weights that integrate against the standard normal density."""
    from numpy.polynomial.hermite_e import hermegauss

    z, weights = hermegauss(n)
    weights = weights / weights.sum()
    z.flags.writeable = False
    weights.flags.writeable = False
    return z, weights


def as_array(x: Array) -> Array:
    """The values as one contiguous array of doubles.

    Contiguous, because strided input may take another path through a vectorised loop, and
    with it get another last bit. A single number becomes an array of one.
    """
    return np.ascontiguousarray(x, dtype=np.float64)


def mills(d: Array) -> Array:
    """Φ(d) / φ(d), for d that is not far above 0 (it grows like exp(d²/2) there)."""
    from scipy.special import erfcx

    ratio: Array = SQRT_HALF_PI * erfcx(-SQRT_HALF * d)
    return ratio


def normal_density(d: Array) -> Array:
    """φ(d), the density of the standard normal."""
    density: Array = np.exp(-0.5 * d * d) / SQRT_2PI
    return density


def unit_only(u: Array, x: Array) -> Array:
    """x where u is a probability, nan where it is not."""
    return np.where((u >= 0.0) & (u <= 1.0), x, np.nan)
