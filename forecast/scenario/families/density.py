"""Gamma and beta densities that keep their relative accuracy for shapes of any size.

The textbook form exp(a·ln x - x - lnΓ(a)) subtracts numbers near a·ln a and is left with ten
digits at a = 1e5. Loader's saddle-point form (C. Loader, "Fast and accurate computation of
binomial probabilities", 2000) subtracts none: a deviance, which is small where the density is
not, and a correction that depends on the shape alone.
"""

from __future__ import annotations

from math import lgamma, log, pi

import numpy as np

from forecast.scenario.families.base import Array

# lnΓ(s) - [(s-½)·ln s - s + ½·ln 2π] = 1/(12 s) - 1/(360 s³) + … (Abramowitz & Stegun 6.1.41)
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_HALF_LOG_2PI = 0.5 * log(2.0 * pi)


def stirling_error(s: float) -> float:
    """lnΓ(s) less Stirling's approximation of it."""
    if s < 16.0:
        return lgamma(s) - (s - 0.5) * log(s) + s - _HALF_LOG_2PI
    inverse = 1.0 / s
    total = 0.0
    for term in reversed(_STIRLING):
        total = total * inverse * inverse + term
    return total * inverse


def deviance(k: float, m: Array) -> Array:
    """k·ln(k/m) + m - k, without cancellation where m is near k (Loader's bd0)."""
    v = (k - m) / (k + m)
    square = v * v
    series = np.full_like(v, 1.0 / 19.0)
    for odd in range(17, 1, -2):
        series = series * square + 1.0 / odd
    near = (k - m) * v + 2.0 * k * v * square * series
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        far = k * np.log(k / m) + m - k
    return np.where(np.abs(v) < 0.1, near, far)


def gamma_density(shape: float, x: Array) -> Array:
    """x·f(x) = xᵃ·e⁻ˣ / Γ(a) for a gamma of scale 1: the density of ln X."""
    top = 0.5 * log(shape / (2.0 * pi)) - stirling_error(shape)
    density: Array = np.exp(top - deviance(shape, x))
    return density


def beta_density(alpha: float, beta: float, x: Array, y: Array) -> Array:
    """x·y·f(x) = xᵃ·yᵇ / B(a, b), y = 1 - x: the density of logit X."""
    n = alpha + beta
    top = 0.5 * log(alpha * (beta / n) / (2.0 * pi))
    top += stirling_error(n) - stirling_error(alpha) - stirling_error(beta)
    density: Array = np.exp(top - deviance(alpha, n * x) - deviance(beta, n * y))
    return density
