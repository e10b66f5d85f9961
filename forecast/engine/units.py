"""The units a ladder is built of: one deal size but for place and scale, or the sum of many.

A size is low + factor times an *amount*, whose law depends on the family's shape only, so that
families that differ in place and scale share their tables. A law gives g(x(z)) at equally spaced
scores z, as ``kernel.convolve`` takes it.

Where the quantiles of small sums leap (few values, or a beta with all its weight on both ends) the
unit is the sum of the fewest sizes, a power of two, whose quantiles do not. Its law is a Fourier
transform to that power (Bühlmann; Embrechts & Frei 2009, "Panjer recursion versus FFT for compound
distributions", doi:10.1007/s00186-008-0249-2), of sizes rounded to a grid in a way that keeps their
mean (Gerber 1982, "On the numerical evaluation of the distribution of aggregate claims").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.convolve import CELLS, EDGE, fill_slopes
from forecast.scenario.families import Beta, Family, Lognormal, Triangular, Uniform, Weibull

Array = NDArray[np.float64]

UNIT_CELLS = 4 * CELLS  # a single size may have a kink, as the triangular at its mode
# A quantile to be looked up grows by a power 3.4 / (exponent at zero * n) per unit of score at
# 0.001, which a table's cells follow from this value of (exponent * n) on.
LEAST_EXPONENT = 0.9
# A sum of two betas has a kink of power alpha + beta where one is at each end: below SHARP a table
# cannot follow it, nor the ends themselves with a shape below FLAT. Sums of LEAST_SHAPE / shape can
# be followed. A pert has shapes of 1 or more.
SHARP, FLAT, LEAST_SHAPE = 1.9, 0.3, 8.0

GRID = 1 << 16
BELOW, ABOVE = 10.0, 24.0  # the window of a sum on the grid, in its standard deviations
MOST_UNIT = 1 << 17
# A wave in the density is followed by a table's cells up to this many radians a standard deviation.
FOLLOWED, RIPPLE = 12.0, 1.5e-5
SURE = 6.8  # scores up to which a transform in double precision is relied on


@dataclass(frozen=True)
class Unit:
    """The law of a unit of ``size`` sizes, and how a family's sizes follow from its amounts."""

    low: float
    factor: float
    least: int  # the fewest sizes whose sum should be looked up
    size: int
    top: float  # where its amounts end
    law: Array  # (2, points)


def unit_of(family: Family) -> Unit | None:
    """The unit of a family; None for one whose sums need no ladder.

    ``least`` is where a look-up begins to cost less than single sizes, as measured, or where sums
    become smooth enough for a table.
    """
    if isinstance(family, Lognormal):
        sigma = _plain(family.sigma)
        return _single(family, exp(family.mu), inf, lambda z: sigma * z, 2)
    if isinstance(family, Weibull):
        shape = _plain(family.shape)
        least = max(2, ceil(LEAST_EXPONENT / shape))
        return _single(family, family.scale, inf, _weibull_places(shape), least)
    width = family.high - family.low
    if isinstance(family, Uniform):
        return _single(family, width, 1.0, _uniform_places, 4)
    if isinstance(family, Triangular):
        mode = _plain((family.mode - family.low) / width)
        return _single(family, width, 1.0, lambda z: _triangular_places(mode, z), 3)
    if isinstance(family, Beta):
        return _of_beta(family, width)
    return None


def _plain(shape: float) -> float:
    """A shape without its last digits, which differ between families that differ in scale only."""
    return float(f"{shape:.12g}")


def single_law(places: Callable[[Array], Array]) -> Array:
    """The law of one size from g(x(z)); shape (2, points)."""
    law = np.zeros((2, UNIT_CELLS + 1))
    law[0] = places(np.linspace(-EDGE, EDGE, UNIT_CELLS + 1))
    fill_slopes(law)
    return law


def _single(
    family: Family, factor: float, top: float, places: Callable[[Array], Array], least: int
) -> Unit:
    return Unit(family.low, factor, least, 1, top, single_law(places))


def _weibull_places(shape: float) -> Callable[[Array], Array]:
    from scipy.special import log_ndtr

    return lambda z: np.log(-log_ndtr(-z)) / shape


def _uniform_places(z: Array) -> Array:
    from scipy.special import log_ndtr

    places: Array = log_ndtr(z) - log_ndtr(-z)
    return places


def _triangular_places(mode: float, z: Array) -> Array:
    """The logit of the quantile on [0, 1]; what is short of each end from terms of one sign."""
    from scipy.special import ndtr

    below, above = ndtr(z), ndtr(-z)
    left, right = np.sqrt(below * mode), np.sqrt(above * (1.0 - mode))
    x = np.where(above > 1.0 - mode, left, (mode + (1.0 - mode) * below) / (1.0 + right))
    rest = np.where(above > 1.0 - mode, (1.0 - mode + mode * above) / (1.0 + left), right)
    return np.log(x) - np.log(rest)


def _of_beta(family: Beta, width: float) -> Unit:
    from forecast.scenario.families.table import beta_logit_quantile

    a, b = family.alpha, family.beta
    if a + b < SHARP or min(a, b) < FLAT:
        return rough_unit(family, 1.0, LEAST_SHAPE / min(a, b))
    least = max(2, ceil(LEAST_EXPONENT / a))
    return _single(family, width, 1.0, lambda z: beta_logit_quantile(a, b, z), least)


def rough_unit(family: Family, factor: float, least: float) -> Unit:
    """The unit of the fewest sizes, at least ``least``, whose sum has smooth quantiles.

    The family has an end on both sides; its amounts are its sizes over ``factor``.
    """
    low, span, sd = family.low, family.high - family.low, family.sd
    mean = family.mean - low

    def integrated(x: Array) -> Array:
        return family.integrated_cdf(low + x)

    # What one size looks like on a grid four times its width; wider grids blur short steps.
    step = 4.0 * span / GRID
    amplitude = np.abs(np.fft.rfft(_on_grid(integrated, span, step)))
    size = 1 << max(ceil(np.log2(least)), 0)
    while size < MOST_UNIT and not _is_smooth(
        amplitude**size, step, size * family.mean, sd * sqrt(size)
    ):
        size *= 2
    begin = max(size * mean - BELOW * sd * sqrt(size), 0.0)
    end = min(size * mean + ABOVE * sd * sqrt(size), size * span)
    step = (end - begin) / (GRID - 2)
    transform = np.fft.rfft(_on_grid(integrated, span, step))
    shift = round(begin / step)
    amounts = (size * low + (shift + np.arange(GRID) + 0.5) * step) / factor
    law = _law_of_power(transform, size, shift, amounts)
    return Unit(0.0, factor, size, size, inf, law)


def _on_grid(integrated: Callable[[Array], Array], span: float, step: float) -> Array:
    """Chances of 0, step, 2 step, ...; round the grid's end they begin again."""
    cells = ceil(span / step) + 2
    edges = integrated(step * np.arange(-1.0, cells + 1.0))
    chances = np.diff(edges, 2) / step  # not cut off at 0: what is rounding adds up to nothing
    padded = np.zeros(-(-len(chances) // GRID) * GRID)
    padded[: len(chances)] = chances
    folded: Array = padded.reshape(-1, GRID).sum(axis=0)
    folded /= folded.sum()
    return folded


def _is_smooth(amplitude: Array, step: float, mean: float, sd: float) -> bool:
    """Whether no wave in a sum's density that a table cannot follow moves a quantile noticeably.

    A wave of amplitude A and frequency t moves a quantile by about A / t.
    """
    frequency = 2.0 * np.pi * np.arange(len(amplitude)) / (GRID * step)
    fast = frequency * sd > FOLLOWED
    return bool((amplitude[fast] <= RIPPLE * frequency[fast] * mean).all())


def _law_of_power(
    transform: NDArray[np.complex128], size: int, shift: int, amounts: Array
) -> Array:
    """The law of the sum of ``size`` sizes: it is below amounts[i] in shift + i steps or fewer."""
    from scipy.special import ndtri

    turns = (np.arange(len(transform)) * shift % GRID) / GRID
    density = np.fft.irfft(transform**size * np.exp(2j * np.pi * turns), GRID)
    density = np.maximum(density, 0.0)
    density /= density.sum()
    below = np.cumsum(density)
    above = np.append(np.cumsum(density[::-1])[::-1][1:], 0.0)
    with np.errstate(divide="ignore"):
        scores = np.where(below < 0.5, ndtri(below), -ndtri(above))
    known = (np.abs(scores) < SURE) & (amounts > 0.0)
    scores, places = np.maximum.accumulate(scores[known]), np.log(amounts[known])
    law = np.zeros((2, UNIT_CELLS + 1))
    wanted = np.linspace(-EDGE, EDGE, UNIT_CELLS + 1)
    law[0] = _extended(wanted, scores, places)
    fill_slopes(law)
    return law


def _extended(wanted: Array, scores: Array, places: Array) -> Array:
    """Places at the wanted scores; beyond the known ones in a straight line."""
    result = np.interp(wanted, scores, places)
    for outside, end, inner in (
        (wanted < scores[0], scores[0], scores[0] + 0.5),
        (wanted > scores[-1], scores[-1], scores[-1] - 0.5),
    ):
        at_end, at_inner = np.interp([end, inner], scores, places)
        slope = (at_end - at_inner) / (end - inner)
        result[outside] = at_end + slope * (wanted[outside] - end)
    return result
