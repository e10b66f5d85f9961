"""Expected counts: the sweep's float twin, exact given a row of assumptions."""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.shapes import Floats, Plan, Tables
from forecast.engine.kernel.sweep import row_of

SETTLED = 1e-15  # a loop without lag is followed until so little of what came is left in it


class Means(NamedTuple):
    """Expected counts and money, one row for each row of assumptions."""

    leads: Floats  # (r, q, c, s)
    entered: Floats  # (r, q, c, s, j)
    deals: Floats  # (r, q, c, s, p)
    bookings: Floats  # (r, q, c, s, p)
    spend: Floats  # (r, q, c)
    open: Floats  # (r, q, c, j)


class Flow(NamedTuple):
    """What one row carries from period to period."""

    due: Floats  # (g, e, t)
    waiting: Floats  # (j + 2,)
    open: Floats  # (c, j)


def new_flow(plan: Plan, stages: int) -> Flow:
    """Allocate a flow."""
    channels, periods = plan.fixed.shape
    _, groups, ways = plan.lag_of.shape
    return Flow(
        np.zeros((groups, ways, periods)), np.zeros(stages + 2), np.zeros((channels, stages))
    )


@jit(entry=True)
def flow(plan: Plan, tables: Tables, size_mean: Floats, state: Flow, means: Means) -> None:
    """Add the expected counts of every row to ``means`` (zeroed); size_mean is (g, v)."""
    for row in range(len(means.leads)):
        one_row(plan, tables, size_mean, state, means, row)


@jit(merge=True)
def one_row(
    plan: Plan, tables: Tables, size_mean: Floats, state: Flow, means: Means, row: int
) -> None:
    """Follow the expected counts of one row through all periods."""
    channels, periods = plan.fixed.shape
    segments = means.leads.shape[3]
    state.due[:] = 0.0
    state.open[:] = 0.0
    market = tables.market[row_of(len(tables.market), row)]
    for t in range(periods):
        q = plan.quarter_of[t]
        for c in range(channels):
            n = plan.fixed[c, t] + market * tables.mean[row_of(len(tables.mean), row), c, t]
            fixed = tables.fixed_cost[row_of(len(tables.fixed_cost), row), c, t]
            cost = tables.lead_cost[row_of(len(tables.lead_cost), row), c, t]
            means.spend[row, q, c] += fixed + cost * n
            left = n
            for s in range(segments):
                m = left * tables.share[row_of(len(tables.share), row), plan.phase_of[t], s]
                left -= m
                means.leads[row, q, c, s] += m
                step(plan, tables, size_mean, state, means, (row, t, c, s), m)
        if t == periods - 1 or plan.quarter_of[t + 1] != q:
            for c in range(channels):
                for j in range(state.open.shape[1]):
                    means.open[row, q, c, j] = state.open[c, j]


@jit(merge=True)
def step(
    plan: Plan,
    tables: Tables,
    size_mean: Floats,
    state: Flow,
    means: Means,
    at: tuple[int, int, int, int],
    new: float,
) -> None:
    """Move one group through one period."""
    row, t, c, s = at
    g = c * means.leads.shape[3] + s
    stages = state.open.shape[1]
    state.waiting[:] = 0.0
    state.waiting[plan.entry[c]] = new
    total = new
    for e in range(len(plan.target)):
        n = state.due[g, e, t]
        state.waiting[plan.target[e]] += n
        state.open[c, plan.source[e]] -= n
        total += n
    if total <= 0.0:
        return
    entered = means.entered[row, plan.quarter_of[t], c, s]
    left = total
    while left > SETTLED * total:
        left = 0.0
        for j in range(stages):
            n = state.waiting[j]
            state.waiting[j] = 0.0
            entered[j] += n
            state.open[c, j] += enter(plan, tables, state, (row, t, g), j, n)
        for j in range(stages):
            left += state.waiting[j]
    won = state.waiting[stages]
    entered[stages] += won
    entered[stages + 1] += state.waiting[stages + 1]
    sell(plan, tables, size_mean, means, at, float(won))


@jit(merge=True)
def enter(
    plan: Plan, tables: Tables, state: Flow, at: tuple[int, int, int], j: int, n: float
) -> float:
    """Split what enters stage j over its ways and lags; gives what stays in the stage for now."""
    row, t, g = at
    phase = plan.phase_of[t]
    take = tables.take[row_of(len(tables.take), row), phase, g]
    periods = state.due.shape[2]
    left, stay = n, 0.0
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        m = left * take[e]
        if m > 0.0:
            left -= m
            lag = plan.lag_of[phase, g, e]
            line = tables.lag_first[lag] + tables.lag_step[lag] * row
            chance = tables.lag_chance[line]
            at_once = m * chance[0]
            state.waiting[plan.target[e]] += at_once
            stay += m - at_once
            for k in range(1, min(tables.lag_cells[line], periods - t)):
                state.due[g, e, t + k] += m * chance[k]
    state.waiting[len(state.waiting) - 1] += left
    return stay


@jit(merge=True)
def sell(
    plan: Plan,
    tables: Tables,
    size_mean: Floats,
    means: Means,
    at: tuple[int, int, int, int],
    won: float,
) -> None:
    """Split what was won over products, and value it."""
    row, t, c, s = at
    g = c * means.leads.shape[3] + s
    q = plan.quarter_of[t]
    mix = tables.mix[row_of(len(tables.mix), row), plan.phase_of[t], g]
    scale = tables.scale[row_of(len(tables.scale), row), g]
    left = won
    for v in range(len(plan.product_of)):
        n = left * mix[v]
        left -= n
        means.deals[row, q, c, s, plan.product_of[v]] += n
        means.bookings[row, q, c, s, plan.product_of[v]] += n * scale[v] * size_mean[g, v]
