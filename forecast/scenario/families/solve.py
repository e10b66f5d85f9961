"""One equation in one unknown, and what the families need of it."""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, exp, log, log1p

import numpy as np

from forecast.scenario.families.positive import weibull_spread
from forecast.scenario.families.table import gamma_log_quantile

# Φ⁻¹(0.9)
Z90 = 1.2815515655446004


def root(f: Callable[[float], float], low: float, high: float) -> float | None:
    """A zero of f between low and high, or None if f has the same sign at both.

    Bisection with the Illinois rule of regula falsi (Dowell & Jarratt 1971): no derivative,
    never outside the bracket, a bisection wherever the secant has been slow.
    """
    f_low, f_high = f(low), f(high)
    if f_low == 0.0:
        return low
    if copysign(1.0, f_low) == copysign(1.0, f_high) and f_high != 0.0:
        return None
    for step in range(200):
        middle = 0.5 * (low + high)
        if step % 4 != 3:
            middle = high - f_high * (high - low) / (f_high - f_low)
        if not min(low, high) < middle < max(low, high):
            middle = 0.5 * (low + high)
        f_middle = f(middle)
        if f_middle == 0.0 or abs(high - low) <= 4e-16 * (1.0 + abs(middle)):
            return middle
        if copysign(1.0, f_middle) == copysign(1.0, f_high):
            f_low *= 0.5
        else:
            low, f_low = high, f_high
        high, f_high = middle, f_middle
    return high


def gamma_from_quantiles(z: float, below: float, p90: float) -> tuple[float, float] | None:
    """Shape and scale of the gamma with these quantiles at Φ(z) and 0.9.

    The quantiles' ratio depends on the shape alone, and falls as the shape grows.
    """
    places = np.array([z, Z90])
    wanted = log(p90) - log(below)

    def miss(log_shape: float) -> float:
        t = gamma_log_quantile(exp(log_shape), places)
        return float(t[1] - t[0]) - wanted

    log_shape = root(miss, log(1e-6), log(1e6))
    if log_shape is None:
        return None
    shape = exp(log_shape)
    return shape, exp(log(p90) - float(gamma_log_quantile(shape, places)[1]))


def weibull_shape(cv: float) -> float:
    """The shape of the Weibull with this cv, between 1e-3 and 1e3."""
    wanted = log1p(cv * cv)
    log_a = root(lambda t: log(weibull_spread(exp(t)) / wanted), log(1e-4), log(30.0))
    if log_a is None:
        raise AssertionError(f"cv {cv} was let through")
    return exp(-log_a)


def beta_from_quantiles(
    p10: float, p90: float, least: float, most: float
) -> tuple[float, float] | None:
    """alpha and beta of the beta with these quantiles, alpha + beta between least and most.

    For each sum n there is one mean that puts the p10 in its place, as F(p10) falls with the
    mean; among those F(p90) grows with n.
    """
    log_n = root(lambda t: beta_quantile_miss(exp(t), p10, p90), log(least), log(most))
    return None if log_n is None else _beta_with_p10(exp(log_n), p10)


def beta_quantile_miss(n: float, p10: float, p90: float) -> float:
    """F(p90) - 0.9 for the beta with alpha + beta = n that has this p10."""
    from scipy.special import betaincc

    alpha, beta = _beta_with_p10(n, p10)
    return 0.1 - float(betaincc(alpha, beta, p90))


def _beta_with_p10(n: float, p10: float) -> tuple[float, float]:
    """alpha and beta that sum to n and have F(p10) = 0.1."""
    from scipy.special import betainc

    def parameters(logit_mean: float) -> tuple[float, float]:
        return n / (1.0 + exp(-logit_mean)), n / (1.0 + exp(logit_mean))

    # At means this near to 0 and 1 all is below p10, and all above.
    logit_mean = root(lambda t: float(betainc(*parameters(t), p10)) - 0.1, -60.0, 60.0)
    if logit_mean is None:
        raise AssertionError(f"no beta has the p10 {p10}")
    return parameters(logit_mean)
