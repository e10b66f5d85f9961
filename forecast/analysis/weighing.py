"""Draw uncertain assumptions as they are known after what came: adaptive importance sampling.

Points are normals about a centre, in the independent normal scores that assumptions are made of.
Each step lets more of the likelihood count, as much as leaves a third of the points' worth, and
centres the next points on what it found. The last ones have all of it, and exact weights

    prior(z) likelihood(z) / proposal(z).

Sources: Cappé, Guillin, Marin and Robert (2004), "Population Monte Carlo"; Neal (2001), "Annealed
importance sampling".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecast.engine.assumptions import Draws, Floats, Values

ROWS_AT_ONCE = 1_024
STEPS = 60
FIRST_ROWS = 4_096  # while the points are moved
WORTH = 1 / 3  # of the points, in each step
ENOUGH = 1 / 10  # of the last ones
WIDER = 1.2  # than what was found, so that weights stay bounded
HALVINGS = 40

LogLikelihood = Callable[[Values, int], Floats]


@dataclass(frozen=True)
class Weighed:
    """Values of the assumptions, shape (run, assumption), and weights (run,) that add up to 1."""

    values: Floats
    weights: Floats

    @property
    def worth(self) -> float:
        """How many independent draws the weighted ones are worth."""
        return worth_of(self.weights)


def weigh(draws: Draws, likelihood: LogLikelihood, rows: int) -> Weighed:
    """Draw assumptions, and weigh them by their likelihood."""
    count = len(draws.drawn)
    power, centre = 0.0, np.zeros(count)
    root: Floats = np.eye(count)
    for step in range(STEPS):
        last = power == 1.0
        points = draws.normals(0, rows if last or not step else FIRST_ROWS)
        scores = centre[:, None] + root @ points
        values, logs = _at(draws, scores, likelihood)
        if not np.isfinite(logs).any():
            break
        prior = 0.5 * ((points**2).sum(axis=0) - (scores**2).sum(axis=0))
        whole = normalised(prior + logs)
        enough = worth_of(whole) >= ENOUGH * len(whole)
        if len(whole) == rows and (enough or (last and step > STEPS // 2)):
            return Weighed(values, whole)
        power = _further(prior, logs, power)
        weights = normalised(prior + power * logs)
        centre = scores @ weights
        apart = scores - centre[:, None]
        spread = WIDER * (apart * weights) @ apart.T
        root = np.asarray(np.linalg.cholesky(spread + 1e-12 * np.eye(count)), dtype=np.float64)
    return Weighed(values, np.where(np.arange(len(logs)) == 0, 1.0, 0.0))


def _further(prior: Floats, logs: Floats, power: float) -> float:
    """The largest power of the likelihood that leaves enough of the points' worth."""
    least = WORTH * len(logs)
    low, high = power, 1.0
    if worth_of(normalised(prior + logs)) >= least:
        return 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        enough = worth_of(normalised(prior + middle * logs)) >= least
        low, high = (middle, high) if enough else (low, middle)
    return max(low, 1e-12)  # never 0: the likelihood of some points may be


def _at(draws: Draws, scores: Floats, likelihood: LogLikelihood) -> tuple[Floats, Floats]:
    """Give the values at scores (drawn, row), and their likelihood's logarithm."""
    count = scores.shape[1]
    values, logs = np.empty((count, len(draws.names))), np.empty(count)
    for first in range(0, count, ROWS_AT_ONCE):
        part = scores[:, first : first + ROWS_AT_ONCE]
        drawn = draws.at_normals(dict(zip(draws.drawn, part, strict=True)))
        rows = slice(first, first + part.shape[1])
        values[rows] = draws.matrix(drawn, part.shape[1])
        with np.errstate(all="ignore"):  # far out a value may have no end
            logs[rows] = likelihood(drawn, part.shape[1])
    never = ~np.isfinite(values).all(axis=1) | np.isnan(logs)
    values[never], logs[never] = 0.0, -np.inf
    return values, logs


def normalised(logs: Floats) -> Floats:
    """Give weights that add up to 1 from their logarithms."""
    weights = np.exp(logs - logs.max())
    found: Floats = weights / weights.sum()
    return found


def worth_of(weights: Floats) -> float:
    """Give the draws that weights are worth: 1 / sum of squares (Kish)."""
    return float(1.0 / (weights**2).sum())
