"""What lies behind a goal's chance: luck, not knowing, and the shortfall of the runs that miss.

With A the uncertain assumptions, I = 1 where the goal is reached and p(A) = P(I = 1 | A),

    Var(I) = E[p(A) (1 - p(A))] + Var(p(A)):

luck, that even perfect knowledge of the assumptions leaves, and not knowing them. Where p(A) is not
known, each run is simulated once more with the same assumptions and independent luck; then
Cov(I, I') = Var(p(A)).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.analysis.goal_chance import Conditional
from forecast.analysis.ranks import quantile_rank, rank_interval
from forecast.analysis.summary import Column, plain, total_over
from forecast.engine.outcome import Outcome, reached
from forecast.engine.plan import make_blueprint
from forecast.engine.request import detail_for
from forecast.engine.run import totals_of
from forecast.engine.simulate import Simulator
from forecast.engine.threads import cuts, in_order
from forecast.scenario.model import Goal, Scenario

LUCK = 0x6C75636B  # joins the seed of a second future of every run
Floats = NDArray[np.float64]
Span = tuple[Goal, str, tuple[int, ...]]


class Split(NamedTuple):
    """Shares of a goal's variance; not knowing is 1 - luck. None where the goal is certain."""

    luck: float | None
    standard_error: float | None


class Shortfall(NamedTuple):
    """Target less value, over the runs that miss the goal; None where none does."""

    runs: int
    mean: float | None
    standard_error: float | None
    quantiles: dict[int, float | None]  # by percent
    intervals: dict[int, tuple[float | None, float | None]]  # 95%, of ranks


def split_known(given: Conditional) -> Split:
    """Split the variance of a goal whose conditional chances are known.

    luck = E[p(A) (1 - p(A))] / (p (1 - p)), with the standard error by the delta method where the
    expectation is an average over runs.
    """
    p, chances, weights = given.probability, given.chances, given.weights
    variance = p * (1.0 - p)
    if variance < 1e-14:
        return Split(None, None)
    within = chances * (1.0 - chances)
    luck = float(weights @ within) / variance
    if given.integrated:
        return Split(luck, 0.0)
    pull = within / variance - luck * (1.0 - 2.0 * p) * chances / variance
    return Split(luck, float(np.std(pull)) / sqrt(len(chances)))


def split_pairs(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Split:
    """Split the variance by pairs of futures that share their assumptions, shape (run,) each.

    not knowing = Cov(I, I') / (p (1 - p)), the covariance without bias; its standard error by the
    delta method. It may come out below 0 by chance.
    """
    runs = len(one)
    either = 0.5 * (one.astype(np.float64) + other)
    both = (one & other).astype(np.float64)
    p = float(either.mean())
    variance = p * (1.0 - p)
    if variance == 0.0 or runs < 2:
        return Split(None, None)
    squared = (float(either.sum()) ** 2 - float(either @ either)) / (runs * (runs - 1.0))
    covariance = float(both.mean()) - squared
    share = covariance / variance
    pull = (both - 2.0 * p * either - share * (1.0 - 2.0 * p) * either) / variance
    return Split(1.0 - share, float(np.std(pull)) / sqrt(runs))


def second_futures(
    scenario: Scenario, spans: Sequence[Span], runs: int, seed: int
) -> list[NDArray[np.bool_]]:
    """Simulate every run again: the same assumptions, other luck; tells who reaches each goal."""
    detail = detail_for(goal.metric for goal, _, _ in spans)
    simulator = Simulator(make_blueprint(scenario), seed, detail, luck=seed ^ LUCK)
    return hits(simulator, spans, runs)


def hits(simulator: Simulator, spans: Sequence[Span], runs: int) -> list[NDArray[np.bool_]]:
    """Simulate, and tell of every run whether it reaches each goal; keeps nothing else."""

    def one(first: int, count: int) -> NDArray[np.bool_]:
        rows = simulator.empty(count)
        simulator.into(first, rows)
        totals = totals_of(simulator.blueprint, rows)
        totals.setdefault("revenue", totals["bookings"])
        return np.stack([reached(totals, goal, quarters) for goal, _, quarters in spans])

    return list(np.concatenate([*in_order(one, cuts(runs, simulator.slice_runs()))], axis=1))


def shortfall(outcome: Outcome, goal: Goal, quarters: Sequence[int]) -> Shortfall:
    """Describe by how much the runs that miss a goal fall short of its target."""
    missed: Column = total_over(outcome, goal.metric, quarters)[~outcome.reached(goal, quarters)]
    short = np.sort(goal.target - missed)
    n = len(short)
    if n == 0:
        return Shortfall(0, None, None, {10: None, 90: None}, {10: (None, None), 90: (None, None)})
    error = float(np.std(short, ddof=1)) / sqrt(n) if n > 1 else None

    def at(rank: int | None) -> float | None:
        return None if rank is None else plain(short[rank - 1])

    quantiles = {percent: at(quantile_rank(n, percent)) for percent in (10, 90)}
    bounds = {percent: rank_interval(n, percent) for percent in (10, 90)}
    intervals = {percent: (at(low), at(high)) for percent, (low, high) in bounds.items()}
    return Shortfall(n, float(short.mean()), error, quantiles, intervals)
