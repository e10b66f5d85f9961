"""What the quasi-random points of the uncertain assumptions gain over independent draws.

The same forecasts with both, over many seeds: by what factor the variance of each estimate falls,
which is by how much fewer runs give the same error.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from tables import Table, figure
from workloads import SCENARIOS

from forecast import read_scenario
from forecast.engine import assumptions
from forecast.engine.chance import ExactChances
from forecast.engine.plan import Blueprint, make_blueprint
from forecast.engine.request import JOURNEY
from forecast.engine.run import totals_of
from forecast.engine.simulate import Simulator
from forecast.engine.variables import zeroed_rows

Floats = NDArray[np.float64]
Estimates = dict[str, Floats]  # by kind: (seed, cell)

NAMES = ("lean-consulting-uncertain", "saas-funnel", "reference-r1")
SEEDS = 60
RUNS = 1_000
KINDS = {
    "exact": "chance, averaged exact ones",
    "chance": "chance, simulated",
    "deals": "mean deals of a quarter",
    "bookings": "mean bookings of a quarter",
}


def tables(rounds: int) -> Iterator[Table]:  # noqa: ARG001 (the seeds are the repeats here)
    """Give the ratio of variances for each scenario and kind of estimate."""
    yield Table(("scenario", *KINDS.values()), [_row(name) for name in NAMES])


def _row(name: str) -> tuple[str, ...]:
    blueprint = make_blueprint(read_scenario(SCENARIOS / f"{name}.yaml"))
    quasi = estimates(blueprint)
    with patch.object(assumptions, "quasi_normals", independent_normals):
        plain = estimates(blueprint)
    return (name, *(_gain(plain[kind], quasi[kind]) for kind in KINDS))


def independent_normals(keys: NDArray[np.uint64], first: int, runs: int) -> Floats:
    """Standard normal scores of independent points, shape (key, run)."""
    return np.stack([ndtri(independent_uniforms(int(key), first, runs)) for key in keys])


def independent_uniforms(key: int, first: int, runs: int) -> Floats:
    """Independent points in (0, 1) of runs ``first`` on, for one key (SplitMix64)."""
    step = np.arange(first + 1, first + runs + 1, dtype=np.uint64)
    z = np.uint64(key) + step * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(12)).astype(np.float64) * 2.0**-52 + 2.0**-53


def estimates(blueprint: Blueprint) -> Estimates:
    """Give every seed's estimates, by kind."""
    rows = [_estimates_of(blueprint, seed) for seed in range(SEEDS)]
    return {kind: np.stack([row[kind] for row in rows]) for kind in KINDS}


def _estimates_of(blueprint: Blueprint, seed: int) -> Estimates:
    futures = zeroed_rows(blueprint.scenario, RUNS, JOURNEY)
    _, tables = Simulator(blueprint, seed).into(0, futures)
    exact = ExactChances(blueprint, True, RUNS).of_slice(tables, 0, RUNS)
    totals = totals_of(blueprint, futures)
    reached = [
        totals[goal.metric][:, list(quarters)].sum(axis=1) >= goal.target
        for goal in blueprint.scenario.goals
        for _, quarters in goal.quarters
    ]
    return {
        "exact": np.empty(0) if exact is None else exact.total / exact.rows,
        "chance": np.mean(reached, axis=1),
        "deals": totals["deals"].mean(axis=0),
        "bookings": totals["bookings"].mean(axis=0),
    }


def _gain(plain: Floats, quasi: Floats) -> str:
    """Write the geometric mean, over the cells that vary, of the ratios of variances."""
    before, after = plain.var(axis=0, ddof=1), quasi.var(axis=0, ddof=1)
    varies = (before > 0.0) & (after > 0.0)
    ratios = before[varies] / after[varies]
    if not len(ratios):
        return "-"
    text = f"**{figure(float(np.exp(np.log(ratios).mean())))}**"
    span = f" ({figure(ratios.min())} to {figure(ratios.max())})"
    return text + span if len(ratios) > 1 else text
