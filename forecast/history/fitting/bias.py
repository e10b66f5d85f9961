"""By how much the likeliest conversions and lags are off on average, to the second order.

The stays of a stage are counts n of cells (left by way k after d days, or still there) whose means
mu(theta) the parameters give. With J the information of the counts, P that of the prior and
W = (J + P)^-1, the likeliest theta varies by V = W J W and is off on average by

    W [grad log prior - 1/2 sum over cells of (grad mu / mu) tr(V hess mu)]

(Cox & Snell 1968, J. R. Stat. Soc. B 30; of counts that is all that is left of their terms, as for
nonlinear regression: Cook, Tsai & Wei 1986, Biometrika 73). A function g of theta is then off by
grad g . bias + 1/2 tr(V hess g).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forecast.history.fitting.cure import Cure, Mode, conversions_of
from forecast.history.fitting.lag_families import FloatArray

SLOPE_STEP, BEND_STEP = 0.02, 0.1  # of a standard error
FURTHEST = 1.0  # standard errors that are taken off at most
LEAST_MEAN = 1e-9  # of a cell that is looked at


def unbiased(cure: Cure, mode: Mode, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give a mode's conversions (K) and log mean lags (K; NaN without a family), bias taken off.

    `covariance` is W. That some stays are known only because they lasted is left out of account.
    """
    ways, theta = len(mode.shapes), mode.theta
    bias, moves = _offset(cure, mode, covariance)

    def log_chances(at: FloatArray) -> FloatArray:
        c = conversions_of(at[: mode.odds], ways)
        return np.asarray(np.log(np.maximum(np.append(c, 1.0 - c.sum()), 1e-300)))

    c = np.exp(log_chances(theta))
    tilt = np.zeros(ways + 1)
    tilt[: mode.odds] = bias[: mode.odds]
    along = tilt - c @ tilt
    slopes = _slopes(log_chances, theta, moves)
    spread = np.sqrt((slopes**2).sum(axis=0))
    # The mean of exp(x) is off by x's bias and half its variance.
    off = along + 0.5 * _bend(log_chances, theta, moves) + 0.5 * spread**2
    c = c * np.exp(-np.clip(off, -FURTHEST * spread, FURTHEST * spread))
    log_means = np.full(ways, np.nan)
    for k, shape in enumerate(mode.shapes):
        if shape.free:
            place = mode.place(k)
            variance = float((moves[place] ** 2).sum())
            most = FURTHEST * float(np.sqrt(variance))
            off_mean = float(np.clip(bias[place] + 0.5 * variance, -most, most))
            log_means[k] = theta[place] - off_mean
    return c[:ways] / c.sum(), log_means


def _offset(cure: Cure, mode: Mode, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the bias of theta, and columns whose outer products sum up to V."""
    exposure = _exposure(cure)

    def means(at: FloatArray) -> FloatArray:
        return _means(cure, mode, exposure, at)

    root = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    here = means(mode.theta)
    there = here > LEAST_MEAN
    slopes = _slopes(means, mode.theta, root)[:, there]
    scores = slopes / here[there]
    values, vectors = np.linalg.eigh(scores @ slopes.T)
    moves = np.asarray(root @ (vectors * np.sqrt(np.maximum(values, 0.0))), dtype=np.float64)
    bent = _bend(means, mode.theta, moves)[there]
    prior = cure.log_prior(mode.shapes, mode.theta)[1]
    return root @ (root.T @ prior - 0.5 * scores @ bent), moves


def _slopes(
    g: Callable[[FloatArray], FloatArray], theta: FloatArray, moves: FloatArray
) -> FloatArray:
    """Give the slopes of g along each column."""
    parts = [g(theta + SLOPE_STEP * move) - g(theta - SLOPE_STEP * move) for move in moves.T]
    return np.array(parts) / (2.0 * SLOPE_STEP)


def _bend(
    g: Callable[[FloatArray], FloatArray], theta: FloatArray, moves: FloatArray
) -> FloatArray:
    """Give the trace of V hess g."""
    middle = 2.0 * g(theta)
    parts = [g(theta + BEND_STEP * move) + g(theta - BEND_STEP * move) - middle for move in moves.T]
    return np.asarray(np.sum(parts, axis=0) / BEND_STEP**2)


def _exposure(cure: Cure) -> FloatArray:
    """Count the stays that would have been seen to leave after so many days: (K, D + 1)."""
    tally = cure.counts.tally
    size = tally.longest + 2
    found = np.zeros((len(tally.ways), size - 1))
    for k in range(len(tally.ways)):
        begin = np.minimum(tally.unseen[:, k], size - 1)
        end = np.clip(tally.age[:, k], begin, size - 1)
        ends = np.bincount(begin, tally.entered, size) - np.bincount(end, tally.entered, size)
        found[k] = np.cumsum(ends)[: size - 1]
    return found


def _means(cure: Cure, mode: Mode, exposure: FloatArray, theta: FloatArray) -> FloatArray:
    """Give the counts to expect: of each way by day, and of who is still there by day of entry."""
    tables = cure.tables(mode.shapes, theta)
    c = conversions_of(theta[: mode.odds], len(mode.shapes))
    reached = cure.counts.reached(tables)
    seen = reached.now - reached.before
    left = [c[k] * exposure[k] * table.at for k, table in enumerate(tables)]
    there = cure.counts.tally.entered * np.maximum(1.0 - seen @ c, 0.0)
    return np.concatenate([*left, there])
