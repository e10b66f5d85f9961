"""What a careful numba user would write: the reference workload, run by run, with numba's samplers.

The same exact chain as ``numpy_peer.py`` and the same outputs, no approximation. Binomials, betas
and normals come from a ``Generator`` (SFC64) that is passed in; its binomials search for few items
and reject for many, where those of numba's ``np.random`` always search. Arrivals come from numba's
``np.random.poisson``, as numba's ``Generator.poisson`` is wrong from a mean of 10 on. Tuned:
conditional chances ready-made, a spread that stops as soon as a cohort is used up, one run's
counts in a few kilobytes, sizes summed as they are drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy_peer import (
    CASES,
    LAGS,
    LEADS,
    MARKET_SIGMA,
    RATES,
    RETURN_LAG,
    RETURNS,
    SEASON,
    SIZE_SIGMA,
    SIZES,
    Counts,
    Floats,
    Workload,
)
from open_peer import add_open_deals


class Job(NamedTuple):
    """The arrays of a workload; conditional chances are of what the months before left."""

    means: Floats  # (channel, month) leads to expect
    alpha: Floats  # (channel, step)
    beta: Floats  # (channel, step)
    lags: Floats  # (step, months later) conditional
    returns: Floats  # (months later,) conditional


def simulate(workload: Workload, runs: int, seed: int) -> Floats:
    """Simulate runs one after the other: (run, quarter, channel, output)."""
    months = np.arange(workload.months)
    job = Job(
        workload.scale * np.outer(LEADS, SEASON[months % 12]),
        RATES * CASES,
        (1.0 - RATES) * CASES,
        np.stack([_conditional(lag) for lag in LAGS]),
        _conditional(RETURN_LAG),
    )
    out = np.zeros((runs, workload.months // 3, len(LEADS), 5))
    _seed(seed)
    _all_runs(job, np.random.Generator(np.random.SFC64(seed)), out)
    if workload.open_deals:  # NumPy serves as well: all are drawn at once
        add_open_deals(np.random.Generator(np.random.SFC64(seed + 1)), out)
    return out


def _conditional(chances: Floats) -> Floats:
    """Give each month's share of what the months before it left; 1 closes the last."""
    left = np.cumsum(chances[::-1])[::-1]
    shares = chances / left
    shares[-1] = 1.0
    return shares


@numba.njit()
def _seed(seed: int) -> None:
    """Seed numba's own ``np.random``, which only compiled code can reach."""
    np.random.seed(seed)


@numba.njit(error_model="numpy", fastmath=True)
def _all_runs(job: Job, rng: np.random.Generator, out: Floats) -> None:
    channels, months = job.means.shape
    counts = np.zeros((4, months), np.int64)
    for run in range(len(out)):
        market = np.exp(MARKET_SIGMA * rng.standard_normal())
        for channel in range(channels):
            counts[:] = 0
            _one_channel(job, rng, channel, market, counts)
            _by_quarter(rng, counts, SIZES[channel], out[run, :, channel])


@numba.njit(error_model="numpy", fastmath=True)
def _one_channel(
    job: Job, rng: np.random.Generator, channel: int, market: float, counts: Counts
) -> None:
    """Fill the leads, MQLs, SQLs and deals of one channel in one run, by month."""
    alpha, beta = job.alpha[channel], job.beta[channel]
    rates = rng.beta(alpha[0], beta[0]), rng.beta(alpha[1], beta[1]), rng.beta(alpha[2], beta[2])
    leads, mqls, sqls, deals = counts[0], counts[1], counts[2], counts[3]
    for month in range(len(leads)):
        leads[month] += np.random.poisson(market * job.means[channel, month])
        if leads[month] > 0:
            advance = rng.binomial(leads[month], rates[0])
            _spread(rng, advance, job.lags[0], mqls[month:])
            if leads[month] > advance:
                back = rng.binomial(leads[month] - advance, RETURNS)
                _spread(rng, back, job.returns, leads[month:])
        if mqls[month] > 0:
            _spread(rng, rng.binomial(mqls[month], rates[1]), job.lags[1], sqls[month:])
        if sqls[month] > 0:
            _spread(rng, rng.binomial(sqls[month], rates[2]), job.lags[2], deals[month:])


@numba.njit(error_model="numpy", fastmath=True)
def _spread(rng: np.random.Generator, items: int, conditional: Floats, ahead: Counts) -> None:
    """Add items to the months from this one on; those beyond the horizon are dropped."""
    for k in range(min(len(conditional), len(ahead))):
        if items == 0:
            return
        share = conditional[k]
        if share > 0.0:
            here = items if share >= 1.0 else rng.binomial(items, share)
            ahead[k] += here
            items -= here


@numba.njit(error_model="numpy", fastmath=True)
def _by_quarter(rng: np.random.Generator, counts: Counts, size: float, out: Floats) -> None:
    """Sum months into quarters, and draw and sum the size of every deal."""
    centre = np.exp(-0.5 * SIZE_SIGMA**2)
    for quarter in range(len(out)):
        first = 3 * quarter
        for stage in range(4):
            three = counts[stage, first] + counts[stage, first + 1] + counts[stage, first + 2]
            out[quarter, stage] = three
        total = 0.0
        for _ in range(int(out[quarter, 3])):
            total += np.exp(SIZE_SIGMA * rng.standard_normal())
        out[quarter, 4] = total * size * centre
