"""The distribution of sums of sizes by other ways than the engine's, slow and fine.

``chance_of_sum`` convolves on a grid of its own for every x: P(S <= x) needs the sizes up to x
only, so the grid always suits the quantile that is asked for, however heavy the tails.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial

import numpy as np

from forecast.engine.kernel.ladder import CELLS, EDGE, PER_SCORE
from forecast.engine.sizes import SizeMaker
from forecast.scenario.families import (
    Beta,
    Empirical,
    Lognormal,
    Pert,
    Triangular,
    Uniform,
    Values,
    Weibull,
)

RANDOM = np.random.default_rng(20)
NARROW = [Lognormal(1.0, 0.001), Weibull(50.0, 1.0), Beta(500.0, 3_000.0), Uniform(999.0, 1_000.0)]
PLAIN = [
    Lognormal(9.0, 0.9445),
    Weibull(1.4, 5.0),
    Uniform(0.0, 7.0),
    Triangular(0.0, 2.0, 8.0),
    Triangular(3.0, 3.0, 8.0),
    Pert(1.8, 4.2, 2.0, 9.0),
]
EXTREME = [
    Lognormal(0.0, 2.695),  # p90 a thousand times p10
    Lognormal(0.0, 3.7169),
    Weibull(0.3, 1.0),
    Weibull(0.14, 1.0),
    Triangular(0.0, 1.0, 1.0),
    Triangular(0.0, 0.01, 1.0),
    Beta(0.3, 5.0),
    Beta(5.0, 0.3),
    Beta(1.0, 0.95),
    Beta(0.5, 0.5),
    Beta(0.05, 0.05),
    Beta(0.1, 2.0),
]
LISTS = {
    "lattice": Values.of(1000.0 * np.arange(1, 101), np.full(100, 0.01)),
    "from zero": Values.of(1.0 * np.arange(65), np.full(65, 1 / 65)),
    "data": Empirical.of(np.ceil(RANDOM.lognormal(5.0, 1.5, 2_000))),
    "heavy data": Empirical.of(np.ceil(RANDOM.lognormal(3.0, 2.2, 3_000))),
    "an outlier": Empirical.of([*np.ceil(RANDOM.uniform(1, 500, 999)), 1e6]),
    "three": Values.of([1_000.0, 2_000.0, 50_000.0], [0.2, 0.5, 0.3]),
    "an atom": Values.of([10.0, 5_000.0, 7_000.0, 1e6], [0.997, 0.001, 0.0015, 0.0005]),
    "decay": Values.of(np.arange(1.0, 301.0), 0.97 ** np.arange(300) * 0.03 / (1 - 0.97**300)),
}


PROBABILITIES = np.array([0.001, 0.003, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.997, 0.999])


def chance_of_sum(family, n, x, grid=1 << 17):
    """P(S <= x) for each x, S the sum of n independent sizes.

    Sizes are rounded to a grid up to 2 x, keeping their mean; the density is tilted so that what
    wraps around counts e**-20 of itself.
    """
    return np.array([_chance(family, n, one, grid) for one in np.atleast_1d(x)])


def _chance(family, n, x, grid):
    low = max(family.low, float(family.from_normal(np.array([-9.0]))[0]))
    x = x - n * low
    step = 2.0 * x / grid
    edges = family.integrated_cdf(low + step * np.arange(-1.0, grid + 1.0))
    pmf = np.diff(edges, 2) / step
    tilt = np.exp(-20.0 / grid * np.arange(grid))
    power = np.fft.irfft(np.fft.rfft(pmf * tilt) ** n, grid) / tilt
    half = grid // 2  # x is point ``half`` of the grid: its own chance counts by half
    return power[:half].sum() + 0.5 * power[half]


def uniform_sum(n, x):
    """P(S <= x) for n uniforms on [0, 1], without rounding (Irwin 1927; Hall 1927)."""
    exact = Fraction(float(x))
    total = sum((-1) ** k * comb(n, k) * (exact - k) ** n for k in range(int(exact) + 1))
    return float(total / factorial(n))


def row_quantiles(row, z):
    """The amounts a row of a ladder gives at scores z: the polynomial of the cell they fall in."""
    at = np.clip((np.asarray(z) + EDGE) * PER_SCORE, 0.0, CELLS - 1e-9)
    cell = at.astype(int)
    return np.polynomial.polynomial.polyval(at - cell, row[cell].T, tensor=False)


def relative_error(chance, x, nudge=1e-4):
    """By what share the quantiles at PROBABILITIES are off x, from P(S <= .) near x."""
    below, at, above = (chance(x * (1.0 + k * nudge)) for k in (-1.0, 0.0, 1.0))
    return np.abs((at - PROBABILITIES) / ((above - below) / (2.0 * nudge)))


def lattice_quantiles(values, chances, n):
    """The quantiles of the sum of n whole numbers at PROBABILITIES, exact."""
    whole = np.rint(values).astype(np.int64)
    low = whole.min()
    pmf = np.zeros(1 << int(np.ceil(np.log2(n * (whole.max() - low) + 2))))
    np.add.at(pmf, whole - low, chances)
    below = np.cumsum(np.fft.irfft(np.fft.rfft(pmf) ** n, len(pmf)))
    return np.searchsorted(below, PROBABILITIES) + n * low


def sizes_of(*families, most=20_000):
    maker = SizeMaker((1, len(families)))
    for v, family in enumerate(families):
        maker.add(family, most, (np.array([0]), np.array([v])))
    return maker.sizes()
