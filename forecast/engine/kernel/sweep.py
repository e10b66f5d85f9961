"""The journey, period by period: counts of leads that arrive, convert, wait and are won or lost."""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import fill_steps
from forecast.engine.kernel.samplers import binomial, binomial_given, gamma, poisson
from forecast.engine.kernel.shapes import Bits, Counts, Floats, Futures, Keys, Plan, Tables
from forecast.engine.kernel.sizes import size_sum
from forecast.engine.kernel.spread import spread

VISIT_SHIFT = 12  # a step is period | visit << 12: at most 4,095 periods
SCRATCH_ITEMS = 1024


class State(NamedTuple):
    """What one run carries from period to period."""

    due: Counts  # (g, e, t) items that arrive by a way in a period
    waiting: Counts  # (j + 2,) items that are to enter a stage, or were won or lost
    open: Counts  # (j,) items inside each stage
    uniforms: Floats  # (g, e, 2 t) two for each way and period, for the first visit
    bits: Bits
    floats: Floats


class At(NamedTuple):
    """Where the sweep stands."""

    row: int
    run: int
    period: int
    channel: int
    segment: int
    group: int


@jit(merge=True)
def row_of(rows: int, row: int) -> int:
    """The row of a table for a run: tables of what is certain have one row only."""
    return row if rows > 1 else 0


@jit(entry=True)
def sweep(
    plan: Plan, keys: Keys, tables: Tables, state: State, first_run: int, futures: Futures
) -> None:
    """Simulate the runs first_run, first_run + 1, ... into the rows of ``futures`` (zeroed)."""
    for row in range(len(futures.leads)):
        one_run(plan, keys, tables, state, futures, row, first_run + row)


def new_state(plan: Plan, keys: Keys) -> State:
    """Allocate a state; ways may reach a horizon's length beyond the horizon."""
    periods = len(plan.quarter_of)
    groups, ways = keys.conversion.shape
    stages = len(plan.first_way) - 1
    return State(
        np.zeros((groups, ways, 2 * periods + 1), np.int64),
        np.zeros(stages + 2, np.int64),
        np.zeros(stages, np.int64),
        np.empty((groups, ways, 2 * periods), np.float64),
        np.empty(SCRATCH_ITEMS, np.uint64),
        np.empty(2 * (periods + 1) + SCRATCH_ITEMS, np.float64),
    )


@jit(merge=True)
def one_run(
    plan: Plan, keys: Keys, tables: Tables, state: State, futures: Futures, row: int, run: int
) -> None:
    """Simulate one run into one row."""
    channels, segments = keys.segment.shape
    periods = len(plan.quarter_of)
    begin_run(keys, state, run, periods)
    for t in range(periods):
        quarter = plan.quarter_of[t]
        for c in range(channels):
            left = leads_of(plan, keys, tables, At(row, run, t, c, 0, 0))
            cost = tables.lead_cost[row_of(len(tables.lead_cost), row), c, t] * left
            fixed = tables.fixed_cost[row_of(len(tables.fixed_cost), row), c, t]
            futures.spend[row, quarter, c] += fixed + cost
            for s in range(segments):
                share = tables.share[row_of(len(tables.share), row), plan.phase_of[t], s]
                n = binomial(left, share, keys.segment[c, s], run, t, 0)
                left -= n
                futures.leads[row, quarter, c, s] += n
                at = At(row, run, t, c, s, c * segments + s)
                step_group(plan, keys, tables, state, futures, at, n)
        if t == periods - 1 or plan.quarter_of[t + 1] != quarter:
            for j in range(len(state.open)):
                futures.open[row, quarter, j] = state.open[j]


@jit(merge=True)
def begin_run(keys: Keys, state: State, run: int, periods: int) -> None:
    """Empty the state and draw the uniforms of all first visits, which vectorises."""
    groups, ways = keys.conversion.shape
    state.due[:] = 0
    state.open[:] = 0
    for g in range(groups):
        for e in range(ways):
            fill_steps(keys.conversion[g, e], run, 0, periods, 0, state.uniforms[g, e])


@jit(merge=True)
def leads_of(plan: Plan, keys: Keys, tables: Tables, at: At) -> int:
    """Draw a channel's leads of a period: exact ones, and Poisson or negative binomial ones."""
    c, t = at.channel, at.period
    market = tables.market[row_of(len(tables.market), at.row)]
    mean = market * tables.mean[row_of(len(tables.mean), at.row), c, t]
    shape = tables.shape[row_of(len(tables.shape), at.row), c, t]
    if shape > 0.0:
        mean *= gamma(shape, keys.dispersion[c], at.run, t, 0) / shape
    return plan.fixed[c, t] + poisson(mean, keys.arrivals[c], at.run, t, 0)


@jit(merge=True)
def step_group(
    plan: Plan, keys: Keys, tables: Tables, state: State, futures: Futures, at: At, new: int
) -> None:
    """Move one group through one period: arrivals enter their stages until nothing moves."""
    g, t = at.group, at.period
    stages = len(state.open)
    state.waiting[:] = 0
    state.waiting[plan.entry[at.channel]] = new
    moving = new
    for e in range(len(plan.target)):
        n = state.due[g, e, t]
        if n > 0:
            state.due[g, e, t] = 0
            state.waiting[plan.target[e]] += n
            state.open[plan.source[e]] -= n
            moving += n
    if moving == 0:
        return
    visit = 0
    moved = True
    while moved:
        moved = False
        for j in range(stages):
            if state.waiting[j] > 0:
                enter(plan, keys, tables, state, futures, at, j, visit)
                moved = True
        visit += 1
    finish(plan, keys, tables, state, futures, at)


@jit(merge=True)
def enter(
    plan: Plan,
    keys: Keys,
    tables: Tables,
    state: State,
    futures: Futures,
    at: At,
    j: int,
    visit: int,
) -> None:
    """Let the items that wait for stage j enter it, and choose the way and time of each."""
    n = state.waiting[j]
    state.waiting[j] = 0
    futures.entered[at.row, plan.quarter_of[at.period], at.channel, at.segment, j] += n
    phase = plan.phase_of[at.period]
    take = tables.take[row_of(len(tables.take), at.row), phase, at.group]
    left = n
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        if take[e] > 0.0 and left > 0:
            m = convert(left, take[e], keys, state, at, e, visit)
            left -= m
            if m > 0:
                at_once = send(plan, keys, tables, state, at, e, m, visit)
                state.waiting[plan.target[e]] += at_once
                state.open[j] += m - at_once
    state.waiting[len(state.open) + 1] += left


@jit(merge=True)
def convert(left: int, chance: float, keys: Keys, state: State, at: At, e: int, visit: int) -> int:
    """Draw how many of those left take way e."""
    key = keys.conversion[at.group, e]
    if visit > 0:
        return binomial(left, chance, key, at.run, at.period | visit << VISIT_SHIFT, 0)
    u = state.uniforms[at.group, e, 2 * at.period]
    v = state.uniforms[at.group, e, 2 * at.period + 1]
    return binomial_given(u, v, left, chance, key, at.run, at.period, 0)


@jit(merge=True)
def send(
    plan: Plan, keys: Keys, tables: Tables, state: State, at: At, e: int, m: int, visit: int
) -> int:
    """Put m items on way e, each with its lag; gives how many arrive in this very period."""
    g, t = at.group, at.period
    lag = plan.lag_of[plan.phase_of[t], g, e]
    row = tables.lag_first[lag] + tables.lag_step[lag] * at.row
    address = (keys.lag[g, e], at.run, t | visit << VISIT_SHIFT)
    coming = state.due[g, e, t:]
    spread(m, tables, row, address, (state.bits, state.floats), coming)
    at_once = coming[0]
    coming[0] = 0
    return at_once


@jit(merge=True)
def finish(plan: Plan, keys: Keys, tables: Tables, state: State, futures: Futures, at: At) -> None:
    """Count what a group won and lost in a period, and draw what was bought and for how much."""
    g, quarter = at.group, plan.quarter_of[at.period]
    stages = len(state.open)
    entered = futures.entered[at.row, quarter, at.channel, at.segment]
    left = state.waiting[stages]
    entered[stages] += left
    entered[stages + 1] += state.waiting[stages + 1]
    mix = tables.mix[row_of(len(tables.mix), at.row), plan.phase_of[at.period], g]
    scale = tables.scale[row_of(len(tables.scale), at.row), g]
    for v in range(len(plan.product_of)):
        n = binomial(left, mix[v], keys.product[g, v], at.run, at.period, 0)
        if n > 0:
            left -= n
            product = plan.product_of[v]
            futures.deals[at.row, quarter, at.channel, at.segment, product] += n
            futures.bookings[at.row, quarter, at.channel, at.segment, product] += scale[
                v
            ] * sizes_of(plan, keys, state, at, v, n)


@jit(merge=True)
def sizes_of(plan: Plan, keys: Keys, state: State, at: At, v: int, n: int) -> float:
    """Sum the sizes of n deals of one variant."""
    g = at.group
    first, end = plan.size_first[g, v], plan.size_first[g, v] + plan.size_count[g, v]
    return size_sum(
        n,
        plan.size_code[g, v],
        plan.size_parameters[g, v],
        plan.size_values[first:end],
        plan.size_threshold[first:end],
        plan.size_other[first:end],
        keys.size[g, v],
        at.run,
        at.period,
        0,
        state.bits,
    )
