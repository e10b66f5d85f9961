"""The journey, period by period: counts of leads that arrive, convert, wait and are won or lost.

Runs are simulated in blocks of up to ``LANES`` in lockstep; lane i of a block is its i-th run.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.lanes import LANES, binomials, poissons
from forecast.engine.kernel.leads import disperse, random_leads
from forecast.engine.kernel.referral import add_customers, new_customers, to_bring
from forecast.engine.kernel.rows import pick, row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Futures, Keys, Plan, Tables
from forecast.engine.kernel.spread import Spread, To, new_spread, spread

VISIT_SHIFT = 12  # a step is period | visit << 12: at most 4,095 periods


class Tally(NamedTuple):
    """What a block of runs adds up in a quarter."""

    leads: Counts  # (g, lane)
    entered: Counts  # (g, j + 2, lane)
    spend: Floats  # (c, lane)


class State(NamedTuple):
    """What a block of runs carries from period to period, and working space."""

    due: Counts  # (g, e, t, lane) items that arrive at a stage by a way in a period
    ending: Counts  # (g, e, span, lane) items that are won or lost by a way in a span
    waiting: Counts  # (j, lane) items that are to enter a stage
    open: Counts  # (j, lane) items inside each stage
    mean: Floats  # (lane,)
    chance: Floats  # (lane,)
    coming: Counts  # (lane,) leads of a channel that have no segment yet
    left: Counts  # (lane,) items that have no way yet, or deals that have no product
    taken: Counts  # (lane,)
    spread: Spread
    tally: Tally
    customers: Floats  # (class, t, lane) won in a period; empty where they bring no leads


class At(NamedTuple):
    """Where the sweep stands: the block's first row and run, and what it is at."""

    row: int
    run: int
    lanes: int
    period: int
    channel: int
    segment: int
    group: int


@jit(entry=True)
def sweep(
    plan: Plan,
    keys: Keys,
    tables: Tables,
    state: State,
    first_run: int,
    futures: Futures,
    cells: Counts,
) -> None:
    """Simulate the runs first_run, first_run + 1, ... into the rows of ``futures`` (zeroed).

    Deals go to ``cells`` (g, v, span, r), whose value and place among the products come later.
    """
    rows = len(futures.leads)
    for row in range(0, rows, LANES):
        begin = At(row, first_run + row, min(LANES, rows - row), 0, 0, 0, 0)
        block(plan, keys, tables, state, futures, cells, begin)


def new_state(plan: Plan, keys: Keys) -> State:
    """Allocate a state."""
    periods = len(plan.quarter_of)
    groups, ways = keys.conversion.shape
    stages = len(plan.first_way) - 1
    tally = Tally(
        np.zeros((groups, LANES), np.int64),
        np.zeros((groups, stages + 2, LANES), np.int64),
        np.zeros((len(plan.entry), LANES)),
    )
    coming, left, taken = np.zeros((3, LANES), np.int64)
    return State(
        np.zeros((groups, ways, periods, LANES), np.int64),
        np.zeros((groups, ways, len(plan.spans.start) - 1, LANES), np.int64),
        np.zeros((stages, LANES), np.int64),
        np.zeros((stages, LANES), np.int64),
        np.empty(LANES),
        np.empty(LANES),
        coming,
        left,
        taken,
        new_spread(),
        tally,
        new_customers(plan),
    )


@jit(merge=True)
def block(
    plan: Plan,
    keys: Keys,
    tables: Tables,
    state: State,
    futures: Futures,
    cells: Counts,
    begin: At,
) -> None:
    """Simulate one block of runs into its rows."""
    row, run, lanes = begin.row, begin.run, begin.lanes
    channels, segments = keys.segment.shape
    periods = len(plan.quarter_of)
    state.due[:] = 0
    state.ending[:] = 0
    state.open[:] = 0
    state.customers[:] = 0.0
    for t in range(periods):
        for c in range(channels):
            arrive(plan, keys, tables, state, At(row, run, lanes, t, c, 0, 0))
            for s in range(segments):
                at = At(row, run, lanes, t, c, s, c * segments + s)
                if turn_up(plan, keys, tables, state, at) > 0:
                    step_group(plan, keys, tables, state, at)
        if plan.spans.start[plan.spans.of[t] + 1] == t + 1:
            for g in range(channels * segments):
                at = At(row, run, lanes, t, 0, 0, g)
                finish(plan, keys, tables, state, at, cells)
            quarter = plan.quarter_of[t]
            if t == periods - 1 or plan.quarter_of[t + 1] != quarter:
                write(state, futures, quarter, begin)


@jit(merge=True)
def write(state: State, futures: Futures, quarter: int, begin: At) -> None:
    """Write a quarter's tally into the rows, and begin the next."""
    tally = state.tally
    segments = futures.leads.shape[3]
    for i in range(begin.lanes):
        row = begin.row + i
        for c in range(len(tally.spend)):
            futures.spend[row, quarter, c] = tally.spend[c, i]
        for j in range(len(state.open)):
            futures.open[row, quarter, j] = state.open[j, i]
        for g in range(len(tally.leads)):
            c, s = g // segments, g % segments
            futures.leads[row, quarter, c, s] = tally.leads[g, i]
            for j in range(tally.entered.shape[1]):
                futures.entered[row, quarter, c, s, j] = tally.entered[g, j, i]
    tally.leads[:] = 0
    tally.entered[:] = 0
    tally.spend[:] = 0.0


@jit(merge=True)
def arrive(plan: Plan, keys: Keys, tables: Tables, state: State, at: At) -> None:
    """Draw a channel's leads of a period, exact ones and random ones, and what they cost."""
    c, t = at.channel, at.period
    place = at.row, at.lanes, c, t
    mean = state.mean[: at.lanes]
    coming, leads = state.coming[: at.lanes], state.taken[: at.lanes]
    coming[:] = 0
    for brought in range(2 if c == plan.referral.channel else 1):
        key = keys.arrivals[c]
        if brought == 1:
            key = keys.referral[c]
            to_bring(tables, (at.row, t), state.customers, mean)
        else:
            random_leads(tables, place, state.chance, mean)
            disperse(tables, place, keys.dispersion[c], at.run, state.chance, mean)
        poissons(mean, (key, at.run, t, 0), state.spread.work, leads)
        for i in range(at.lanes):
            coming[i] += leads[i]
    for i in range(at.lanes):
        row = at.row + i
        coming[i] += plan.fixed[c, t]
        cost = tables.lead_cost[row_of(len(tables.lead_cost), row), c, t] * coming[i]
        fixed = tables.fixed_cost[row_of(len(tables.fixed_cost), row), c, t]
        state.tally.spend[c, i] += fixed + cost


@jit(merge=True)
def turn_up(plan: Plan, keys: Keys, tables: Tables, state: State, at: At) -> int:
    """Let a segment's new leads and the items that are due come up; how many there are."""
    g, t, lanes = at.group, at.period, at.lanes
    entry = plan.entry[at.channel]
    coming, new = state.coming[:lanes], state.taken[:lanes]
    pick(tables.share[:, plan.phase_of[t], at.segment], at.row, lanes, state.chance)
    address = keys.segment[at.channel, at.segment], at.run, t, 0
    binomials(coming, state.chance[:lanes], address, state.spread.work, new)
    state.waiting[:] = 0
    moving = 0
    for i in range(lanes):
        coming[i] -= new[i]
        state.tally.leads[g, i] += new[i]
        state.waiting[entry, i] = new[i]
        moving += new[i]
    for e in range(len(plan.target)):
        source, target = plan.source[e], plan.target[e]
        if target >= len(state.open):
            continue
        due, waiting, inside = state.due[g, e, t], state.waiting[target], state.open[source]
        for i in range(lanes):
            waiting[i] += due[i]
            inside[i] -= due[i]
            moving += due[i]
    return moving


@jit(merge=True)
def step_group(plan: Plan, keys: Keys, tables: Tables, state: State, at: At) -> None:
    """Move one group through one period: items enter their stages until nothing moves."""
    visit = 0
    moved = True
    while moved:
        moved = False
        for j in range(len(state.open)):
            if total(state.waiting[j, : at.lanes]) > 0:
                enter(plan, keys, tables, state, at, j, visit)
                moved = True
        visit += 1


@jit(merge=True)
def total(counts: Counts) -> int:
    """The sum of some counts."""
    found = 0
    for i in range(len(counts)):
        found += counts[i]
    return found


@jit(merge=True)
def enter(
    plan: Plan,
    keys: Keys,
    tables: Tables,
    state: State,
    at: At,
    j: int,
    visit: int,
) -> None:
    """Let the items that wait for stage j enter it, and choose the way and time of each."""
    g, t, lanes = at.group, at.period, at.lanes
    phase = plan.phase_of[t]
    left = state.left[:lanes]
    for i in range(lanes):
        left[i] = state.waiting[j, i]
        state.waiting[j, i] = 0
        state.tally.entered[g, j, i] += left[i]
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        pick(tables.take[:, phase, g, e], at.row, lanes, state.chance)
        step = t | visit << VISIT_SHIFT
        address = keys.conversion[g, e], at.run, step, 0
        taken = state.spread.left[:lanes]
        binomials(left, state.chance[:lanes], address, state.spread.work, taken)
        if total(taken) > 0:
            for i in range(lanes):
                left[i] -= taken[i]
                state.open[j, i] += taken[i]
            send(plan, keys, tables, state, at, e, step)
    for i in range(lanes):
        state.tally.entered[g, len(state.open) + 1, i] += left[i]


@jit(merge=True)
def send(plan: Plan, keys: Keys, tables: Tables, state: State, at: At, e: int, step: int) -> None:
    """Put the items in state.spread.left on way e, each with its lag.

    The ways to a stage go by periods; those that end the journey by spans, as nothing happens later
    that needs their period.
    """
    g, t, lanes = at.group, at.period, at.lanes
    lag = plan.lag_of[plan.phase_of[t], g, e]
    address = keys.lag[g, e], at.run, step
    if plan.target[e] >= len(state.open):
        to = To(plan.spans.start, plan.spans.of, t)
        coming = state.ending[g, e, plan.spans.of[t] :, :lanes]
        spread(tables, lag, at.row, address, state.spread, to, coming)
        return
    coming = state.due[g, e, t:, :lanes]
    coming[0] = 0
    to = To(plan.periods.start, plan.periods.of, t)
    spread(tables, lag, at.row, address, state.spread, to, coming)
    waiting, inside = state.waiting[plan.target[e]], state.open[plan.source[e]]
    for i in range(lanes):
        waiting[i] += coming[0, i]
        inside[i] -= coming[0, i]


@jit(merge=True)
def finish(plan: Plan, keys: Keys, tables: Tables, state: State, at: At, cells: Counts) -> None:
    """Count what a group won and lost in a span, and draw what was bought."""
    g, t, lanes = at.group, at.period, at.lanes
    stages = len(state.open)
    left, taken = state.left[:lanes], state.taken[:lanes]
    left[:] = 0
    for e in range(len(plan.target)):
        target = plan.target[e]
        if target >= stages:
            ended, inside = state.ending[g, e, plan.spans.of[t]], state.open[plan.source[e]]
            counted = state.tally.entered[g, target]
            for i in range(lanes):
                inside[i] -= ended[i]
                counted[i] += ended[i]
                left[i] += ended[i] if target == stages else 0
    if total(left) == 0:
        return
    for v in range(len(plan.product_of)):
        pick(tables.mix[:, plan.phase_of[t], g, v], at.row, lanes, state.chance)
        address = keys.product[g, v], at.run, t, 0
        binomials(left, state.chance[:lanes], address, state.spread.work, taken)
        sold = cells[g, v, plan.spans.of[t], at.row : at.row + lanes]
        for i in range(lanes):
            left[i] -= taken[i]
            sold[i] = taken[i]
        add_customers(plan, (t, g, v), taken, state.customers)
