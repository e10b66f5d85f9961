"""Fit conversions and lags of a stage together, and say how well both are known.

The likelihood (see likelihood) times a weak prior is maximised, and the posterior found by
weighting draws of a t distribution around the maximum (importance sampling; Geweke 1989,
Econometrica 57). Both work in log odds, log mean and log cv. Where the oldest item is younger than
lags are long, a low conversion with a short lag and a high one with a long lag say the same about
what was seen: the posterior is then wide and correlated, and the prior keeps it from infinity.

The prior counts half a case for each way and for what is never seen to leave (Jeffreys' prior of
counts), puts a lag's mean within a factor of 7 of that of the lags seen (95%), and its cv between
0.46 and 2.2. Where no lag was seen its mean is put within a factor of 2.7 of half the mean age. Of
complete counts the maximum, in log odds, is the mean: 6.5 of 21.5 for 6 of 20 on one of two ways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtri
from scipy.stats import chi2, qmc

from forecast.history.fitting.lag_families import LOG_CV_BOUNDS, DayTable, FloatArray, day_table
from forecast.history.fitting.likelihood import Counts
from forecast.history.fitting.tallies import IntArray

HALF_CASE = 0.5
MEAN_SD, UNSEEN_SD = 1.0, 0.5
CV_CENTRE, CV_SD = 0.0, 0.4
STEP = 1e-5
FREEDOM = 6.0
DRAWS = 512
DIFFERENT_LAGS, LAGS_FOR_UNIT = 5, 20  # fewer may be multiples of a number by chance
ENOUGH = 0.1  # of draws that count: fewer, and the proposal is fitted to them once more


@dataclass(frozen=True)
class Shape:
    """Hold how the lag of one way is told: a family's name, or "values" with their table."""

    family: str
    table: DayTable | None = field(default=None, compare=False)

    @property
    def free(self) -> int:
        """Count the parameters that are fitted."""
        return 0 if self.table is not None else 2


@dataclass(frozen=True)
class Mode:
    """Hold the best parameters: log odds (see ``Cure``), then each lag's log mean and log cv."""

    shapes: tuple[Shape, ...]
    theta: FloatArray
    log_likelihood: float
    log_posterior: float
    odds: int

    @property
    def conversions(self) -> FloatArray:
        """Give the K conversions."""
        return conversions_of(self.theta[: self.odds], len(self.shapes))

    def place(self, k: int) -> int:
        """Give the place of way k's log mean; its log cv is behind it."""
        return self.odds + sum(shape.free for shape in self.shapes[:k])

    def lag(self, k: int) -> tuple[float, float]:
        """Give the log mean and log cv of a way whose lag is told by a family."""
        place = self.place(k)
        return float(self.theta[place]), float(self.theta[place + 1])


@dataclass(frozen=True)
class Posterior:
    """Hold weighted draws of conversions (N, K) and log means of lags (N, K; NaN for values)."""

    weights: FloatArray
    conversions: FloatArray
    log_means: FloatArray
    log_evidence: float
    effective: float


def softmax(odds: FloatArray) -> FloatArray:
    """Give chances from log odds against one that is left out, whose log odds are 0."""
    top = max(0.0, float(odds.max()))
    powers = np.exp(odds - top)
    return np.asarray(powers / (math.exp(-top) + powers.sum()))


def conversions_of(odds: FloatArray, ways: int) -> FloatArray:
    """Give K conversions from K log odds against leaving never, or from K - 1 against the last."""
    chances = softmax(odds)
    return chances if len(odds) == ways else np.append(chances, max(1.0 - chances.sum(), 0.0))


class Cure:
    """Give the log posterior of a stage's parameters, its maximum and its draws.

    Conversions are told by log odds against leaving never; where all leave in the end (`all_leave`)
    by those against the last way.
    """

    def __init__(self, counts: Counts, all_leave: bool = False) -> None:
        """Set the prior's centre by the lags that were seen."""
        self.counts = counts
        self.ways = len(counts.gone)
        self.odds = self.ways - all_leave
        self.centres = np.log(_typical_lags(counts))
        self.spreads = np.where(counts.gone > 0, MEAN_SD, UNSEEN_SD)
        self.units = [
            _unit(lags, left) for lags, left in zip(counts.lags, counts.left, strict=True)
        ]

    def start(self, shapes: tuple[Shape, ...]) -> FloatArray:
        """Guess parameters from those seen to leave."""
        tally = self.counts.tally
        rest = max(float(tally.there.sum()) * 0.5, 0.5)
        if self.odds < self.ways:
            rest = float(tally.seen[-1]) + 0.5
        odds = np.log((tally.seen[: self.odds] + 0.5) / rest)
        lags = [(self.centres[k], CV_CENTRE) for k, shape in enumerate(shapes) if shape.free]
        return np.concatenate([odds, np.ravel(lags)])

    def tables(self, shapes: tuple[Shape, ...], theta: FloatArray) -> list[DayTable]:
        """Tabulate the lags of all ways."""
        found, place, days = [], self.odds, self.counts.tally.longest
        for k, shape in enumerate(shapes):
            lag = theta[place : place + 2]
            found.append(shape.table or _family_table(shape, lag, days, self.units[k]))
            place += shape.free
        return found

    def log_prior(self, shapes: tuple[Shape, ...], theta: FloatArray) -> tuple[float, FloatArray]:
        """Give the logarithm of the prior of theta (up to what lags add to it) and its slope."""
        chances = softmax(theta[: self.odds])
        rest = max(1.0 - float(chances.sum()), 1e-300)
        value = HALF_CASE * float(np.log(np.maximum(chances, 1e-300)).sum() + math.log(rest))
        parts = self.odds + 1
        value += math.lgamma(HALF_CASE * parts) - parts * math.lgamma(HALF_CASE)
        slope = np.empty_like(theta)
        slope[: self.odds] = HALF_CASE * (1.0 - parts * chances)
        place = self.odds
        for k, shape in enumerate(shapes):
            if shape.free:
                off = theta[place : place + 2] - (self.centres[k], CV_CENTRE)
                spread = np.array([self.spreads[k], CV_SD])
                off /= spread
                value -= 0.5 * float(off @ off)
                slope[place : place + 2] = -off / spread
                place += 2
        return value, slope

    def log_likelihood(self, shapes: tuple[Shape, ...], theta: FloatArray) -> float:
        """Give the log-likelihood."""
        tables = self.tables(shapes, theta)
        chances = conversions_of(theta[: self.odds], self.ways)
        value = self.counts.score(chances, self.counts.reached(tables)).value
        return value + sum(self.counts.lag_part(k, table) for k, table in enumerate(tables))

    def slope(self, shapes: tuple[Shape, ...], theta: FloatArray) -> tuple[float, FloatArray]:
        """Give the log posterior and its slope; lags are differentiated numerically, by tables."""
        counts, tables = self.counts, self.tables(shapes, theta)
        chances = conversions_of(theta[: self.odds], self.ways)
        score = counts.score(chances, counts.reached(tables))
        value = score.value + sum(counts.lag_part(k, table) for k, table in enumerate(tables))
        prior, slope = self.log_prior(shapes, theta)
        part = chances * (score.conversions - score.conversions @ chances)
        slope[: self.odds] += part[: self.odds]
        place, tally = self.odds, counts.tally
        for k, shape in enumerate(shapes):
            for i in range(place, place + shape.free):
                sides = []
                for sign in (1.0, -1.0):
                    moved = theta[place : place + 2].copy()
                    moved[i - place] += sign * STEP
                    table = _family_table(shape, moved, tally.longest, self.units[k])
                    now, before = table.by[tally.age[:, k]], table.by[tally.unseen[:, k]]
                    rest = score.now[:, k] @ now + score.before[:, k] @ before
                    sides.append(counts.lag_part(k, table) + float(rest))
                slope[i] += (sides[0] - sides[1]) / (2.0 * STEP)
            place += shape.free
        return value + prior, slope

    def mode(self, shapes: tuple[Shape, ...], start: FloatArray | None = None) -> Mode:
        """Find the most likely parameters."""

        def downhill(theta: FloatArray) -> tuple[float, FloatArray]:
            value, slope = self.slope(shapes, theta)
            return -value, -slope

        bounds = [(-25.0, 25.0)] * self.odds
        for k, shape in enumerate(shapes):
            if shape.free:
                bounds += [(self.centres[k] - 8.0, self.centres[k] + 8.0), LOG_CV_BOUNDS]
        begin = self.start(shapes) if start is None else start
        found = minimize(downhill, begin, jac=True, method="L-BFGS-B", bounds=bounds)
        theta = np.asarray(found.x, dtype=np.float64)
        likelihood = -float(found.fun) - self.log_prior(shapes, theta)[0]
        return Mode(shapes, theta, likelihood, -float(found.fun), self.odds)

    def covariance(self, mode: Mode) -> FloatArray:
        """Give the inverse of the observed information, made positive where it is not."""
        size = len(mode.theta)
        information = np.empty((size, size))
        for i in range(size):
            step = np.zeros(size)
            step[i] = 1e-3
            up = self.slope(mode.shapes, mode.theta + step)[1]
            down = self.slope(mode.shapes, mode.theta - step)[1]
            information[i] = (down - up) / 2e-3
        values, vectors = np.linalg.eigh(0.5 * (information + information.T))
        return np.asarray((vectors / np.maximum(values, 0.05)) @ vectors.T)

    def posterior(self, mode: Mode, covariance: FloatArray) -> Posterior:
        """Draw from the posterior; where few draws count, once more from what was found."""
        centre = mode.theta
        for draws in (DRAWS, 2 * DRAWS):
            theta, log_density = _proposal(centre, covariance, draws)
            log_weights = np.array(
                [
                    self.log_likelihood(mode.shapes, t) + self.log_prior(mode.shapes, t)[0]
                    for t in theta
                ]
            )
            log_weights -= log_density
            weights = np.exp(log_weights - log_weights.max())
            evidence = float(log_weights.max() + math.log(weights.mean()))
            weights /= weights.sum()
            effective = 1.0 / float(weights @ weights)
            if effective > ENOUGH * draws:
                break
            centre = weights @ theta
            off = theta - centre
            covariance = 1.2 * (off.T * weights) @ off + 1e-6 * np.eye(len(centre))
        chances = np.array([conversions_of(t[: self.odds], self.ways) for t in theta])
        means = np.full((len(theta), self.ways), np.nan)
        for k, shape in enumerate(mode.shapes):
            if shape.free:
                means[:, k] = theta[:, mode.place(k)]
        return Posterior(weights, chances, means, evidence, effective)


def _family_table(shape: Shape, lag: FloatArray, days: int, unit: int) -> DayTable:
    log_cv = min(max(float(lag[1]), LOG_CV_BOUNDS[0]), LOG_CV_BOUNDS[1])
    return day_table(shape.family, float(lag[0]), log_cv, days, unit)


def _unit(lags: IntArray, counts: FloatArray) -> int:
    """The unit in which lags are seen: 7 days if all of many different ones are whole weeks."""
    if len(lags) < DIFFERENT_LAGS or counts.sum() < LAGS_FOR_UNIT or lags[0] == 0:
        return 1
    return int(np.gcd.reduce(lags))


def _typical_lags(counts: Counts) -> FloatArray:
    """The mean of the lags seen on each way; of all ways, or half the mean age, where none was."""
    tally = counts.tally
    days = np.arange(tally.longest + 1) + 0.5
    ages = float(tally.entered @ tally.age.mean(axis=1)) / float(tally.entered.sum())
    all_seen = float(tally.left.sum())
    other = float((tally.left @ days).sum()) / all_seen if all_seen else max(0.5 * ages, 1.0)
    seen = tally.left.sum(axis=1)
    return np.where(seen > 0, (tally.left @ days) / np.maximum(seen, 1.0), other)


def _proposal(
    centre: FloatArray, covariance: FloatArray, draws: int
) -> tuple[FloatArray, FloatArray]:
    """Quasi-random draws of a multivariate t (Sobol's points), with their log densities."""
    size = len(centre)
    points = _points(size, draws)
    root = np.linalg.cholesky(covariance)
    z = points[:, :-1] * np.sqrt(FREEDOM / points[:, -1:])
    theta = centre + z @ root.T
    square = (solve_triangular(root, (theta - centre).T, lower=True) ** 2).sum(axis=0)
    log_density = (
        math.lgamma(0.5 * (FREEDOM + size))
        - math.lgamma(0.5 * FREEDOM)
        - 0.5 * size * math.log(FREEDOM * math.pi)
        - float(np.log(np.diag(root)).sum())
        - 0.5 * (FREEDOM + size) * np.log1p(square / FREEDOM)
    )
    return theta, log_density


@cache
def _points(size: int, draws: int) -> FloatArray:
    uniform = qmc.Sobol(size + 1, rng=0).random(draws)
    uniform = np.clip(uniform, 1e-9, 1.0 - 1e-9)
    return np.concatenate([ndtri(uniform[:, :-1]), chi2.ppf(uniform[:, -1:], FREEDOM)], axis=1)
