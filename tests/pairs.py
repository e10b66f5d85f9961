"""Two samples of runs in pairs: bounds on the chance that equal laws differ so much.

The reasons are given in test_outcome_law.py.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

LEAST = 60  # runs of both samples that a class of the chi-square test has at least


def z_scores(difference: np.ndarray) -> np.ndarray:
    """Sums of differences of pairs, in their own standard errors; 0 where nothing differs."""
    size = np.sqrt((difference**2).sum(axis=0))
    return np.abs(difference.sum(axis=0)) / np.where(size > 0.0, size, np.inf)


def log_of_z(z: float) -> float:
    """Bound the logarithm of the chance of a z-score at least as far out."""
    return math.log(2.0) - z * z / 2.0


def moments(
    one: np.ndarray, other: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """z-scores of the means and of all covariances of the columns about their centre."""
    scale = np.sqrt(((one - centre) ** 2 + (other - centre) ** 2).mean(axis=0))
    scale = np.where(scale > 1e-9 * np.abs(centre).max(axis=0), scale, np.inf)
    a, b = ((part - centre) / scale for part in (one, other))
    sums = a.T @ a - b.T @ b
    # the sum of (a_i a_j - b_i b_j)**2 over the pairs
    squares = (a * a).T @ (a * a) + (b * b).T @ (b * b) - 2.0 * (a * b).T @ (a * b)
    return z_scores(a - b), np.abs(sums) / np.sqrt(np.where(squares > 1e-9, squares, np.inf))


def log_of_counts(one: np.ndarray, other: np.ndarray) -> float:
    """The logarithm of the chi-square test's p-value; 0 where all but one count is rare."""
    most = int(max(one.max(), other.max())) + 1
    table = np.array([np.bincount(part.astype(int), minlength=most) for part in (one, other)])
    classes: list[np.ndarray] = [np.zeros(2)]
    for column in table.T:
        if classes[-1].sum() >= LEAST:
            classes.append(np.zeros(2))
        classes[-1] = classes[-1] + column
    if len(classes) > 1 and classes[-1].sum() < LEAST:
        classes[-2:] = [classes[-2] + classes[-1]]
    if len(classes) == 1:
        return 0.0
    square = sum((a - b) ** 2 / (a + b) for a, b in classes)
    return float(stats.chi2.logsf(square, len(classes) - 1))


def log_of_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Bound by Kolmogorov and Smirnov's distance; what is equal but for rounding stays together."""
    cuts = np.unique(np.concatenate([one, other]))
    cuts = cuts + 1e-9 * np.abs(cuts) + 1e-9
    below = [np.searchsorted(np.sort(part), cuts, side="right") for part in (one, other)]
    distance = np.abs(below[0] - below[1]).max() / len(one)
    return math.log(2.0) - len(one) * distance**2
