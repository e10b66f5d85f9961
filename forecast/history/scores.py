"""Score forecasts against what came: how far off, how often covered, and whether that is chance."""

from __future__ import annotations

import numpy as np
import scoringrules
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

MIDDLE = tuple(round(0.05 * i, 2) for i in range(1, 20))
QUANTILES = (0.01, 0.025, *MIDDLE, 0.975, 0.99)  # the 23 of Bracher et al. (2021)
LEVELS = (0.5, 0.8, 0.95)  # of the central intervals whose coverage is counted
ENOUGH_OUTCOMES = 155  # below it nobody can judge coverage: see ``can_judge_coverage``
EXACT_BLOCKS = 14  # up to so many blocks every pattern of signs is tried
PATTERNS = 20_000  # so many are drawn where there are more blocks
TIE = 1e-9  # of two differences that are equal but for rounding


def crps(runs: Floats, outcome: ArrayLike) -> Floats:
    """Give the continuous ranked probability score of runs (..., run) for outcomes (...).

    CRPS = E|X - y| - E|X - X'| / 2 in the unit of the outcome, less is better; for one figure
    it is the absolute error. The fair estimator (Ferro 2014, doi:10.1002/qj.2270), which does not
    reward many runs, in the form of probability-weighted moments: the two are equal, but this
    takes time in proportion to the runs. Needs two runs or more.

    >>> float(crps(np.array([1.0, 3.0]), 2.0))
    0.0
    """
    score = scoringrules.crps_ensemble(outcome, runs, estimator="pwm", backend="numpy")
    return np.asarray(score, dtype=np.float64)


def wis(quantiles: Floats, outcome: ArrayLike, levels: ArrayLike = QUANTILES) -> Floats:
    """Give the weighted interval score of quantiles (..., quantile) for outcomes (...).

    It is the mean of twice the pinball losses 2 (1{y <= q} - level) (q - y) at `levels`, which
    lie symmetrically about the median (Bracher et al. 2021, doi:10.1371/journal.pcbi.1008618,
    eq. 1); in the unit of the outcome, less is better.

    >>> float(wis(np.array([1.0, 2.0, 5.0]), 3.0, (0.25, 0.5, 0.75)))
    1.0
    """
    y = np.asarray(outcome, dtype=np.float64)[..., None]
    loss = scoringrules.quantile_score(y, quantiles, np.asarray(levels), backend="numpy")
    return np.asarray(2.0 * loss.mean(axis=-1))


def expected_wis(quantiles: Floats, runs: Floats) -> Floats:
    """Give the weighted interval score to expect of quantiles if one of runs (..., run) comes."""
    y = np.sort(runs, axis=-1)[..., None, :]
    q, level = quantiles[..., None], np.array(QUANTILES)[:, None]
    loss = np.where(y < q, (1.0 - level) * (q - y), level * (y - q))
    return np.asarray(2.0 * loss.mean(axis=(-1, -2)))


def is_covered(quantiles: Floats, outcome: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Tell whether outcomes (...) lie in the central interval, ends included.

    `quantiles` (..., quantile) are those of ``QUANTILES``.
    """
    low, high = (_quantile(quantiles, 0.5 + side * level / 2) for side in (-1, 1))
    y = np.asarray(outcome)
    return np.asarray((low <= y) & (y <= high))


def _quantile(quantiles: Floats, level: float) -> Floats:
    place = int(np.argmin(np.abs(np.array(QUANTILES) - level)))
    if abs(QUANTILES[place] - level) > TIE:
        raise ValueError(f"{level} is not among the quantiles")
    return np.asarray(quantiles[..., place])


def binomial_band(hits: int, cases: int, level: float = 0.95) -> tuple[float, float]:
    """Give the exact interval of a share (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404).

    >>> tuple(round(end, 3) for end in binomial_band(8, 10))
    (0.444, 0.975)
    """
    interval = stats.binomtest(hits, cases).proportion_ci(level, "exact")
    return float(interval.low), float(interval.high)


def can_judge_coverage(outcomes: int) -> bool:
    """Tell whether so many independent outcomes can show that intervals are right.

    With n outcomes the 95% band about a coverage of p is p +- 1.96 sqrt(p (1 - p) / n); n = 155
    makes it 80% +- 6.3 points. From there on the exact two-sided binomial test at 5% notices an
    80% interval that covers only 70% in four of five cases or more (normal approximation:
    n = ((1.96 sqrt(0.8 0.2) + 0.84 sqrt(0.7 0.3)) / 0.1)^2 = 137, exactly some more).
    """
    return outcomes >= ENOUGH_OUTCOMES


def pit_ends(runs: Floats, outcome: ArrayLike) -> tuple[Floats, Floats]:
    """Give where the distribution of runs (..., run) steps at outcomes (...): (below, up to)."""
    y = np.asarray(outcome, dtype=np.float64)[..., None]
    return (runs < y).mean(axis=-1), (runs <= y).mean(axis=-1)


def pit_histogram(below: ArrayLike, up_to: ArrayLike, bins: int = 10) -> Floats:
    """Give the mean share of the cases in each bin of the probability integral transform.

    Non-randomised, for counts (Czado, Gneiting & Held 2009, eq. 2,
    doi:10.1111/j.1541-0420.2009.01191.x): a case is spread evenly over the step from P(X < y) to
    P(X <= y). Flat is right; high at both ends is too sure, high in the middle not sure enough.

    >>> pit_histogram([0.0, 0.5], [0.5, 1.0], 2)
    array([0.5, 0.5])
    """
    low, high = (np.asarray(a, dtype=np.float64).ravel()[:, None] for a in (below, up_to))
    edges = np.linspace(0.0, 1.0, bins + 1)
    width = high - low
    inside = np.clip((edges - low) / np.where(width > 0.0, width, 1.0), 0.0, 1.0)
    # A step of no height (an outcome between the runs) is a point; 0 belongs to the first bin.
    point = (edges >= low) & (edges > 0.0)
    below_edge = np.where(width > 0.0, inside, point)
    return np.asarray(np.diff(below_edge, axis=1).mean(axis=0))


def bias(means: ArrayLike, outcomes: ArrayLike) -> float | None:
    """Give by what share forecasts' means are too high in all: (sum of means - y) / sum of y.

    None where nothing came.
    """
    came = float(np.sum(outcomes))
    return None if came == 0.0 else float(np.sum(means)) / came - 1.0


def block_p_value(differences: ArrayLike, block: int, seed: int = 0) -> float:
    """Give how often chance alone would make score differences as large as these.

    `differences` (origin,) of two forecasts' scores, in the order of time; origins that are near
    each other look at the same periods, so `block` of them in a row change their signs together.
    If the two were as good as each other either sign would be as likely: the share of the
    patterns of signs whose sum is at least as far from 0, either way, as the one that came
    (Good 2005, Permutation, Parametric and Bootstrap Tests). All patterns are counted up to 14
    blocks, else 20,000 at random and the one that came. With b blocks it is 2^(1 - b) at least.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.size == 0:
        return 1.0
    sums = np.add.reduceat(d, np.arange(0, d.size, max(block, 1)))
    came = abs(sums.sum())
    if len(sums) <= EXACT_BLOCKS:
        # By symmetry the first block's sign may stay as it is.
        patterns = np.arange(2 ** (len(sums) - 1))[:, None] >> np.arange(len(sums)) & 1
    else:
        patterns = np.random.default_rng(seed).integers(0, 2, (PATTERNS + 1, len(sums)))
        patterns[0] = 0
    totals = np.abs((1 - 2 * patterns) @ sums)
    return float((totals >= came - TIE * np.abs(sums).sum()).mean())
