"""How the level of a count moves: a filter for gamma levels, over a grid of what drives them.

Counts y of a bin of exposure E are negative binomial with mean λE and dispersion κ. The level λ
moves from bin to bin by a random walk of its logarithm (variance q), grows by a drift g, and now
and then jumps; and a bin may be an outlier. Given the counts so far the level is gamma(a, b):

    ahead     mean · e^g, 1/a + q                     (Harvey and Fernandes 1989 have 1/(δa))
    counted   a + w y, b + w E,  w = 1 / (1 + κ λ E)  (weights of quasi-likelihood)

A jump forgets all but the order of the level, an outlier tells nothing; what is left is a mixture,
collapsed to the gamma of its mean and variance (Harrison and Stevens 1976).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]

WALKS = np.array([0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.30])  # sd of log level a week
WALKS_PRIOR = np.array([2.0, 1.5, 1.0, 0.5, 0.2, 0.05, 0.02])
DISPERSIONS = np.array([0.0, 0.01, 0.03, 0.1, 0.3, 1.0])  # of a week's count
DRIFTS = np.array([-0.12, -0.06, -0.03, -0.015, 0.0, 0.015, 0.03, 0.06, 0.12])  # log, a month
WEEKS_A_MONTH = 365.25 / 12 / 7
JUMP = 1 / 200  # chance of a jump of the level in a week
OUTLIER = 1 / 300  # chance that a week tells nothing
JUMPS_PRIOR, WEEKS_PRIOR = 0.05, 50.0  # jumps and weeks that count as seen beforehand
WIDE = 0.5  # shape of the gamma that a jump leaves: a factor of 5 up or down is nothing rare
HALF_LIFE_WEEKS = 52.0  # of what the past says about how the level moves
PRIOR_CASES = 1.0  # series' worth of the prior among them all
PRIOR_SHARE = 0.5  # and so many more for each: series of one company do not move by themselves
ROUNDS = 30  # of empirical Bayes over the grid


@dataclass(frozen=True)
class Levels:
    """Hold the filtered levels at the end: arrays (series, grid), and the grid's axes (grid,)."""

    mean: Floats  # per unit of exposure
    shape: Floats  # 1 / squared cv
    weight: Floats  # (series, grid), sums to 1 over the grid
    walk: Floats  # variance of log level a week
    dispersion: Floats  # of a week
    drift: Floats  # of log level a week
    jumps: Floats  # (series, grid), jumps of the level a week


def filter_levels(counts: Floats, exposure: Floats) -> Levels:
    """Follow the levels of several series of weekly counts, shapes (series, week).

    The weights of the grid are empirical Bayes: what all series say together about how levels move
    is the prior of each (the nonparametric maximum likelihood of Laird 1978, with the weak prior of
    one more series).
    """
    walk, dispersion, drift = (
        x.ravel() for x in np.meshgrid(WALKS**2, DISPERSIONS, DRIFTS / WEEKS_A_MONTH, indexing="ij")
    )
    n_series, n_weeks = counts.shape
    total = np.maximum(counts.sum(axis=1), 1.0) / np.maximum(exposure.sum(axis=1), 1e-9)
    typical = total[:, None]  # only the order of the level before anything is seen
    shape = np.full((n_series, len(walk)), WIDE)
    mean = np.repeat(typical, len(walk), axis=1)
    log_likelihood, jumps = np.zeros_like(mean), np.zeros_like(mean)
    forget = 0.5 ** (1.0 / HALF_LIFE_WEEKS)
    for week in range(n_weeks):
        mean = mean * np.exp(drift)
        shape = shape / (1.0 + walk * shape)
        ahead = _Ahead(counts[:, week, None], exposure[:, week, None], dispersion)
        mean, shape, step, jumped = ahead.see(mean, shape, typical)
        log_likelihood = forget * log_likelihood + step
        jumps += jumped
    weight = _weights(log_likelihood, _prior(walk, dispersion, drift))
    jumps = (jumps + JUMPS_PRIOR) / (n_weeks + WEEKS_PRIOR)
    return Levels(mean, shape, weight, walk, dispersion, drift, jumps)


@dataclass(frozen=True)
class _Ahead:
    """One week's counts, and what they say."""

    count: Floats
    exposure: Floats
    dispersion: Floats

    def see(self, mean: Floats, shape: Floats, typical: Floats) -> tuple[Floats, ...]:
        """Give mean, shape, log-likelihood and the chance of a jump; jumps, outliers weighed."""
        anew = np.maximum(mean, 0.1 * typical)
        wide = np.full_like(mean, WIDE)
        usual = self._log_chance(mean, shape) + np.log(1.0 - JUMP - OUTLIER)
        strange = self._log_chance(anew, wide)
        jumped, odd = strange + np.log(JUMP), strange + np.log(OUTLIER)
        top = np.maximum(usual, odd)
        parts = [np.exp(x - top) for x in (usual, jumped, odd)]
        whole = parts[0] + parts[1] + parts[2]
        stayed, gone = self._counted(mean, shape), self._counted(anew, wide)
        states = [stayed, gone, (mean, shape)]
        shares = [part / whole for part in parts]
        first = sum(s * m for s, (m, _) in zip(shares, states, strict=True))
        second = sum(s * m * m * (1.0 + 1.0 / a) for s, (m, a) in zip(shares, states, strict=True))
        variance = np.maximum(second / first**2 - 1.0, 1e-12)
        return np.asarray(first), 1.0 / variance, top + np.log(whole), shares[1]

    def _counted(self, mean: Floats, shape: Floats) -> tuple[Floats, Floats]:
        weight = 1.0 / (1.0 + self.dispersion * mean * self.exposure)
        a = shape + weight * self.count
        b = shape / mean + weight * self.exposure
        return a / b, a

    def _log_chance(self, mean: Floats, shape: Floats) -> Floats:
        """The log-chance of the count: negative binomial, its cv that of level and week."""
        size = 1.0 / (self.dispersion + 1.0 / shape)
        expected = np.maximum(mean * self.exposure, 1e-300)
        y = self.count
        return np.asarray(
            gammaln(y + size)
            - gammaln(size)
            - gammaln(y + 1.0)
            - size * np.log1p(expected / size)
            - y * np.log1p(size / expected)
        )


def _prior(walk: Floats, dispersion: Floats, drift: Floats) -> Floats:
    """What is likely before anything is seen: levels that hardly move, and no drift."""
    month = drift * WEEKS_A_MONTH
    prior = np.where(month == 0.0, 4.0, np.exp(-0.5 * (month / 0.05) ** 2))
    prior = prior * np.interp(np.sqrt(walk), WALKS, WALKS_PRIOR)
    prior = prior * np.where(dispersion > 0.5, 0.5, 1.0)
    return np.asarray(prior / prior.sum())


def _weights(log_likelihood: Floats, prior: Floats) -> Floats:
    """The weights of the grid in each series, by expectation and maximisation."""
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    cases = PRIOR_CASES + PRIOR_SHARE * len(likelihood)
    common = prior
    weight = likelihood * common
    for _ in range(ROUNDS):
        weight = likelihood * common
        weight = weight / weight.sum(axis=1, keepdims=True)
        common = (weight.sum(axis=0) + cases * prior) / (len(weight) + cases)
    return np.asarray(weight)
