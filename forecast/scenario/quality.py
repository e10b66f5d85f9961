"""Quality against quantity: what a threshold on the quality of leads does to their win rate.

A lead's quality is a rank, uniform on (0, 1), with the normal score Z. It is won if W > z_{1-w}, w
being the win rate of all leads and W a standard normal with correlation rho to Z (a Gaussian
copula); so of the leads whose rank is above q there are won

    P(W > z_{1-w}, Z > z_q) / (1 - q),

the tables of Taylor and Russell (1939), doi:10.1037/h0057079.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.scenario.model import Number, Transition

Floats = NDArray[np.float64]
BEST = 0.9  # the rank above which the best tenth is
CLOSEST = 0.9999  # a correlation beyond which nothing is gained
STEPS = 60  # of a search that halves at least where Newton's step leaves its bracket
SETTLED = 1e-13


def win_rate_above(base: Any, threshold: Any, correlation: Any) -> Floats:
    """Win rate of those whose rank is above a threshold, of a win rate of all: broadcast.

    >>> round(float(win_rate_above(0.5, 0.9, 0.5)), 2)
    0.84
    """
    from scipy.special import ndtri

    w, q, rho = np.broadcast_arrays(
        *(np.asarray(x, np.float64) for x in (base, threshold, correlation))
    )
    inside = (w > 0.0) & (w < 1.0) & (q > 0.0)
    safe, cut = np.where(inside, w, 0.5), np.where(inside, q, 0.5)
    both = both_below(ndtri(safe), -ndtri(cut), rho)
    return np.asarray(np.where(inside, np.clip(both / (1.0 - cut), 0.0, 1.0), w))


def correlation_of(base: Any, best_tenth: Any) -> Floats:
    """The correlation at which the best tenth has a win rate, of a win rate of all: broadcast.

    Within ``CLOSEST`` of 0, and below 0 where the best tenth does worse than all. By Newton's
    method, as d Phi2 / d rho is the bivariate density (Plackett 1954), kept inside a bracket.
    A row's result depends on no other row.
    """
    from scipy.special import ndtri

    w, wanted = np.broadcast_arrays(
        np.asarray(base, np.float64), np.asarray(best_tenth, np.float64)
    )
    w = np.clip(w, 1e-12, 1.0 - 1e-12)
    h, k = ndtri(w), np.full_like(w, -ndtri(BEST))
    low, high = np.full_like(w, -CLOSEST), np.full_like(w, CLOSEST)
    rho, done = np.full_like(w, 0.5), np.zeros(w.shape, dtype=bool)
    for _ in range(STEPS):
        miss = both_below(h, k, rho) / (1.0 - BEST) - wanted
        low = np.where(miss < 0.0, rho, low)
        high = np.where(miss < 0.0, high, rho)
        new = rho - miss * (1.0 - BEST) / np.maximum(density(h, k, rho), 1e-300)
        new = np.where((new > low) & (new < high), new, 0.5 * (low + high))
        new = np.where(done, rho, new)
        done |= np.abs(new - rho) <= SETTLED
        rho = new
        if done.all():
            break
    return np.asarray(rho)


def both_below(h: Floats, k: Floats, rho: Floats) -> Floats:
    """P(X < h, Y < k) of a standard bivariate normal, by Owen's T: Owen (1956), equation 2.1.

    Absolute error about 1e-15; |rho| < 1.
    """
    from scipy.special import ndtr, owens_t

    tiny = 1e-300
    h, k = np.where(h == 0.0, tiny, h), np.where(k == 0.0, tiny, k)
    root = np.sqrt((1.0 - rho) * (1.0 + rho))
    with np.errstate(over="ignore"):
        towards_k, towards_h = (k / h - rho) / root, (h / k - rho) / root
    apart = 0.5 * ((h < 0.0) != (k < 0.0))
    found = 0.5 * (ndtr(h) + ndtr(k)) - owens_t(h, towards_k) - owens_t(k, towards_h) - apart
    return np.asarray(np.maximum(found, 0.0))


def density(h: Floats, k: Floats, rho: Floats) -> Floats:
    """The density of a standard bivariate normal."""
    rest = (1.0 - rho) * (1.0 + rho)
    return np.asarray(
        np.exp(-0.5 * (h * h - 2.0 * rho * h * k + k * k) / rest) / (2.0 * np.pi * np.sqrt(rest))
    )


def is_judged(way: Transition) -> bool:
    """Tell whether quality has a part in how many take a way."""
    return way.selection is not None or way.threshold != 0.0


def judged(conversion: Any, way: Transition, at: Callable[[Number], Any]) -> Any:
    """What share takes a way, of its eventual conversion without thresholds.

    A threshold of the stage it leads to turns some away; that of the stage it leads out of leaves
    better ones.
    """
    of = way.selection
    if of is not None:
        assert of.win_rate is not None
        rho = correlation_of(at(of.win_rate), at(of.best_tenth))
        conversion = win_rate_above(np.minimum(conversion, 1.0), at(of.threshold), rho)
    return conversion * (1.0 - at(way.threshold))
