"""Quantiles of the gamma and the beta as a function of a normal draw, fast, by table.

Inverting an incomplete gamma or beta function costs microseconds a value. As a function of the
normal draw z, ln X (gamma) and logit X (beta) are smooth over the whole line, and their first
two derivatives are known: with t(z) the quantile and f the density of t,

    t' = φ(z) / f(t),      t'' = t'·(-z - t'·(ln f)'(t)).

Quintic Hermite pieces through value and both derivatives, 64 a unit of z, are within 1e-10 of
t. Beyond the table's ends values are computed one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import lgamma, log

import numpy as np

from forecast.scenario.families.base import Array, as_array, normal_density
from forecast.scenario.families.density import beta_density, gamma_density

EDGE = 8.5
# Below this a quantile is its own leading term, to every digit, and may soon underflow.
_TINY = 1e-250


@dataclass(frozen=True, slots=True, eq=False)
class QuantileTable:
    """Piecewise quintic t(z) on [-EDGE, EDGE], and what to call outside.

    Cell i begins at z = i / per_unit - EDGE; there t is a quintic of z's place in it, 0 to 1.
    """

    per_unit: int
    pieces: Array
    """(cell, 6) from the constant term up: what one cell needs lies together."""
    exact: Callable[[Array], Array]

    def __call__(self, z: Array) -> Array:
        """t(z), element by element."""
        z = as_array(z)
        inside = np.abs(z) <= EDGE
        whole = bool(inside.all())
        place = (z if whole else np.where(inside, z, 0.0)) + EDGE
        place *= self.per_unit
        cell = place.astype(np.intp)
        place -= cell
        pieces = self.pieces[cell]
        t: Array = pieces[:, -1].copy()
        for power in range(pieces.shape[1] - 2, -1, -1):
            t *= place
            t += pieces[:, power]
        if not whole:
            t[~inside] = self.exact(z[~inside])
        return t


@lru_cache(maxsize=128)
def gamma_table(shape: float) -> QuantileTable:
    """ln X for a gamma of scale 1."""
    from scipy.special import ndtr

    def slopes(z: Array, t: Array) -> tuple[Array, Array]:
        x = np.exp(t)
        # Where X is tiny its distribution function is c·Xᵃ, and f = a·Φ(z).
        density = np.where(x < _TINY, shape * ndtr(z), gamma_density(shape, x))
        first = normal_density(z) / density
        return first, first * (-z - first * (shape - x))

    return _tabulate(lambda z: gamma_log_quantile(shape, z), slopes, per_unit=64)


@lru_cache(maxsize=128)
def beta_table(alpha: float, beta: float) -> QuantileTable:
    """logit X for a beta on [0, 1]."""
    from scipy.special import ndtr

    def slopes(z: Array, t: Array) -> tuple[Array, Array]:
        x, y = logistic(t), logistic(-t)
        density = np.where(x < _TINY, alpha * ndtr(z), beta_density(alpha, beta, x, y))
        density = np.where(y < _TINY, beta * ndtr(-z), density)
        first = normal_density(z) / density
        return first, first * (-z - first * (alpha * y - beta * x))

    # With little weight on both ends the quantile leaps from one to the other: finer cells.
    sharp = max(alpha, beta) < 0.5
    per_unit = 192 if sharp else 64
    return _tabulate(lambda z: beta_logit_quantile(alpha, beta, z), slopes, per_unit)


def logistic(t: Array) -> Array:
    """1 / (1 + e⁻ᵗ)."""
    from scipy.special import expit

    share: Array = expit(t)
    return share


def _tabulate(
    exact: Callable[[Array], Array],
    slopes: Callable[[Array, Array], tuple[Array, Array]],
    per_unit: int,
) -> QuantileTable:
    """Quintic pieces through t, t', t'' at equally spaced nodes.

    One cell more than [-EDGE, EDGE] needs, so that z = EDGE has a cell of its own.
    """
    z = np.arange(round(2 * EDGE * per_unit) + 2) / per_unit - EDGE
    t = exact(z)
    first, second = slopes(z, t)
    d, e = first / per_unit, second / per_unit**2
    rise = np.diff(t)
    d0, d1, e0, e1 = d[:-1], d[1:], e[:-1], e[1:]
    pieces = (
        t[:-1],
        d0,
        0.5 * e0,
        10.0 * rise - 6.0 * d0 - 4.0 * d1 - 1.5 * e0 + 0.5 * e1,
        -15.0 * rise + 8.0 * d0 + 7.0 * d1 + 1.5 * e0 - e1,
        6.0 * rise - 3.0 * (d0 + d1) - 0.5 * (e0 - e1),
    )
    return QuantileTable(per_unit, np.stack(pieces, axis=1), exact)


def gamma_log_quantile(shape: float, z: Array) -> Array:
    """ln of the gamma quantile at Φ(z), from whichever tail is the shorter."""
    from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv, log_ndtr, ndtr

    z = as_array(z)
    tail, left = ndtr(-np.abs(z)), z < 0.0
    x = np.empty_like(z)
    x[left] = gammaincinv(shape, tail[left])
    x[~left] = gammainccinv(shape, tail[~left])
    with np.errstate(divide="ignore"):
        t = np.log(x)
    # One Newton step in t takes off what the library's inversion left over.
    sound = (x > _TINY) & (tail > 0.0) & np.isfinite(x)
    x, low, high = x[sound], sound & left, sound & ~left
    miss = np.empty_like(z)
    miss[low] = gammainc(shape, np.exp(t[low])) - tail[low]
    miss[high] = tail[high] - gammaincc(shape, np.exp(t[high]))
    t[sound] -= miss[sound] / gamma_density(shape, x)
    tiny = np.exp(t) <= _TINY
    t[tiny] = (log_ndtr(z[tiny]) + lgamma(1.0 + shape)) / shape
    return t


def beta_logit_quantile(alpha: float, beta: float, z: Array) -> Array:
    """logit of the beta quantile at Φ(z), from whichever tail is the shorter."""
    z = as_array(z)
    t = np.empty_like(z)
    left = z < 0.0
    t[left] = _beta_left(alpha, beta, z[left])
    t[~left] = -_beta_left(beta, alpha, -z[~left])
    return t


def _beta_left(alpha: float, beta: float, z: Array) -> Array:
    """logit of the beta quantile at Φ(z), z <= 0."""
    from scipy.special import betainccinv, betaincinv, betaln, log_ndtr, ndtr

    tail = ndtr(z)
    x = betaincinv(alpha, beta, tail)
    y = 1.0 - x
    # 1 - x has few digits where x is nearly 1: there y is found as the quantile it is.
    steep = x > 0.5
    y[steep] = betainccinv(beta, alpha, tail[steep])
    x[steep] = 1.0 - y[steep]
    with np.errstate(divide="ignore"):
        t = np.log(x) - np.log(y)
    sound = (x > _TINY) & (y > _TINY) & (tail > 0.0)
    t[sound] = _polished(alpha, beta, z[sound], t[sound])
    tiny = x <= _TINY
    t[tiny] = (log_ndtr(z[tiny]) + log(alpha) + betaln(alpha, beta)) / alpha
    # At the far end the other tail is the long one, 1 - Φ(z) >= ½, and so still relative.
    tiny = y <= _TINY
    t[tiny] = -(log_ndtr(-z[tiny]) + log(beta) + betaln(alpha, beta)) / beta
    return t


def _polished(alpha: float, beta: float, z: Array, t: Array) -> Array:
    """Newton's steps towards F(t) = Φ(z), z <= 0, from the library's inversion.

    That is good to a few digits only for some shapes, and now and then far off. Taken on the
    normal scale, where Φ⁻¹(F(t)) is all but a straight line, the steps get there from afar.
    """
    from scipy.special import betainc, betaincc, ndtri

    t = t.copy()
    todo = np.arange(t.size)
    for _ in range(12):
        x, y = logistic(t[todo]), logistic(-t[todo])
        chance = np.where(x > 0.5, betaincc(beta, alpha, y), betainc(alpha, beta, x))
        score = ndtri(np.clip(chance, 1e-300, 1.0 - 1e-16))
        density = np.maximum(beta_density(alpha, beta, x, y), 1e-305)
        step = (z[todo] - score) * normal_density(score) / density
        t[todo] += step
        todo = todo[np.abs(step) > 1e-9 * (1.0 + np.abs(t[todo]))]
        if todo.size == 0:
            break
    return t
