"""Sums of random deal sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_AT_ONCE = 5_000_000  # sizes
EXACT = 2_000  # deals; a sum of more on average is gamma but for the last digits


def random_sums(counts: NDArray[np.int64], sizes: Floats, rng: np.random.Generator) -> Floats:
    """Add up as many sizes, each one of `sizes` at random, as `counts` (...) says.

    Where they are many on average the sums are drawn from a gamma distribution of the same mean
    and variance instead.
    """
    total = float(sizes.sum())
    if not total > 0.0 or not counts.any():
        return np.zeros(counts.shape)
    if counts.mean() > EXACT or counts.sum() > MOST_AT_ONCE:
        mean, variance = sizes.mean(), sizes.var()
        if variance <= 1e-12 * mean**2:
            return np.asarray(counts * mean)
        shape = np.maximum(counts, 1e-9) * mean**2 / variance
        return np.where(counts > 0, rng.gamma(shape, variance / mean), 0.0)
    flat = counts.ravel()
    sums = np.concatenate([[0.0], np.cumsum(rng.choice(sizes, int(flat.sum())))])
    ends = np.cumsum(flat)
    return np.asarray(sums[ends] - sums[ends - flat]).reshape(counts.shape)
