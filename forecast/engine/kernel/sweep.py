"""The journey, period by period: counts of leads that arrive, convert, wait and are won or lost.

Runs are simulated in blocks of up to ``LANES`` in lockstep; lane i of a block is its i-th run.
"""

from forecast.engine.kernel import jit
from forecast.engine.kernel.lanes import LANES, binomials, poissons
from forecast.engine.kernel.leads import disperse, random_leads
from forecast.engine.kernel.queue import Visit, close_desks, open_desks, set_aside, take_turns
from forecast.engine.kernel.referral import add_customers, begin_customers, to_bring
from forecast.engine.kernel.rows import pick, row_of
from forecast.engine.kernel.samplers import Counts
from forecast.engine.kernel.shapes import Futures, Keys, Plan, Tables
from forecast.engine.kernel.spread import To, spread
from forecast.engine.kernel.state import VISIT_SHIFT, At, State


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
    """Simulate the runs first_run, first_run + 1, ... into the rows of ``futures``.

    They are zeroed, or hold what became of open deals, to which all is added.
    Deals go to ``cells`` (g, v, span, r), whose value and place among the products come later.
    """
    rows = len(futures.leads)
    for row in range(0, rows, LANES):
        begin = At(row, first_run + row, min(LANES, rows - row), 0, 0, 0, 0)
        block(plan, keys, tables, state, futures, cells, begin)


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
    limited = len(plan.desk.stages)
    # Groups that share a queue move side by side; otherwise one after the other, which is as fast
    # as it gets, since what each of them needs stays near.
    together = channels * segments if limited > 0 else 1
    state.due[:] = 0
    state.ending[:] = 0
    state.open[:] = 0
    state.queue.held[:] = 0
    state.queue.oldest[:] = 0
    begin_customers(state.earlier.customers, (row, lanes), state.customers)
    for t in range(periods):
        if limited > 0:
            open_desks(tables, state, At(row, run, lanes, t, 0, 0, 0))
        for first in range(0, channels * segments, together):
            moving = 0
            for g in range(first, first + together):
                at = At(row, run, lanes, t, g // segments, g % segments, g)
                if at.segment == 0:
                    arrive(plan, keys, tables, state, at)
                moving += turn_up(plan, keys, tables, state, at)
            if moving > 0 or limited > 0:
                at = At(row, run, lanes, t, 0, 0, first)
                step_groups(plan, keys, tables, state, at, first + together)
        if limited > 0:
            close_desks(plan, keys, tables, state, At(row, run, lanes, t, 0, 0, 0))
        if plan.spans.start[plan.spans.of[t] + 1] == t + 1:
            for g in range(channels * segments):
                at = At(row, run, lanes, t, 0, 0, g)
                finish(plan, keys, tables, state, at, cells)
            quarter = plan.quarter_of[t]
            if t == periods - 1 or plan.quarter_of[t + 1] != quarter:
                write(state, futures, quarter, begin)
                if plan.desk.kept == 1:
                    write_desks(plan, state, futures, t, begin)


@jit(merge=True)
def write(state: State, futures: Futures, quarter: int, begin: At) -> None:
    """Write a quarter's tally into the rows, and begin the next."""
    tally = state.tally
    segments = futures.leads.shape[3]
    for i in range(begin.lanes):
        row = begin.row + i
        for c in range(len(tally.spend)):
            futures.spend[row, quarter, c] += tally.spend[c, i]
        for j in range(len(state.open)):
            futures.open[row, quarter, j] += state.open[j, i]
        for g in range(len(tally.leads)):
            c, s = g // segments, g % segments
            futures.leads[row, quarter, c, s] = tally.leads[g, i]
            for j in range(tally.entered.shape[1]):
                futures.entered[row, quarter, c, s, j] += tally.entered[g, j, i]
    tally.leads[:] = 0
    tally.entered[:] = 0
    tally.spend[:] = 0.0


@jit()
def write_desks(plan: Plan, state: State, futures: Futures, t: int, begin: At) -> None:
    """Write what was worked and what waits into the rows, and begin the next quarter."""
    tally, queue, quarter = state.tally, state.queue, plan.quarter_of[t]
    for i in range(begin.lanes):
        row = begin.row + i
        for j in range(len(tally.worked)):
            futures.worked[row, quarter, j] += tally.worked[j, i]
            futures.waited[row, quarter, j] += tally.waited[j, i]
            futures.given_up[row, quarter, j] += tally.given_up[j, i]
            futures.unworked[row, quarter, j] += tally.unworked[j, i]
    for k in range(len(plan.desk.stages)):
        j = plan.desk.stages[k]
        for a in range(queue.oldest[k], t + 1):
            for g in range(queue.held.shape[2]):
                for i in range(begin.lanes):
                    futures.backlog[begin.row + i, quarter, j] += queue.held[k, a, g, i]
    tally.worked[:] = 0
    tally.waited[:] = 0
    tally.given_up[:] = 0
    tally.unworked[:] = 0


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
    state.waiting[g] = 0
    moving = 0
    for i in range(lanes):
        coming[i] -= new[i]
        state.tally.leads[g, i] += new[i]
        state.waiting[g, entry, i] = new[i]
        moving += new[i]
    for e in range(len(plan.target)):
        source, target = plan.source[e], plan.target[e]
        if target >= len(state.open):
            continue
        due, waiting, inside = state.due[g, e, t], state.waiting[g, target], state.open[source]
        for i in range(lanes):
            waiting[i] += due[i]
            inside[i] -= due[i]
            moving += due[i]
    return moving


@jit(merge=True)
def step_groups(plan: Plan, keys: Keys, tables: Tables, state: State, begin: At, end: int) -> None:
    """Move the groups from that of ``begin`` up to ``end`` through one period, side by side.

    Items enter their stages until nothing moves; a pass over the stages is a visit.
    """
    visit = 0
    moved = True
    while moved:
        moved = False
        for j in range(len(state.open)):
            if plan.desk.place[j] >= 0:
                here = Visit(plan.desk.place[j], j, visit)
                moved |= take_turns(plan, keys, tables, state, begin, here)
            for g in range(begin.group, end):
                if total(state.waiting[g, j, : begin.lanes]) > 0:
                    at = At(begin.row, begin.run, begin.lanes, begin.period, 0, 0, g)
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
    arrived = 1 if plan.desk.place[j] < 0 else 0  # else they are counted when they join the queue
    for i in range(lanes):
        left[i] = state.waiting[g, j, i]
        state.waiting[g, j, i] = 0
        state.tally.entered[g, j, i] += arrived * left[i]
    if arrived == 1 and plan.desk.unworked[j] == 1:
        set_aside(plan, keys, tables, state, at, Visit(-1, j, visit), left)
    work(plan, tables, state, at, j, left)
    for e in range(plan.first_way[j] + plan.desk.unworked[j], plan.first_way[j + 1]):
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
def work(plan: Plan, tables: Tables, state: State, at: At, j: int, items: Counts) -> None:
    """Count the items of a group that are worked at stage j, and what that costs."""
    if plan.desk.kept == 1:
        worked = state.tally.worked[j]
        for i in range(at.lanes):
            worked[i] += items[i]
    if tables.worked_cost.shape[3] > 0:
        c = at.group // tables.share.shape[2]
        pick(tables.worked_cost[:, plan.phase_of[at.period], c, j], at.row, at.lanes, state.chance)
        spend = state.tally.spend[c]
        for i in range(at.lanes):
            spend[i] += state.chance[i] * items[i]


@jit(merge=True)
def send(plan: Plan, keys: Keys, tables: Tables, state: State, at: At, e: int, step: int) -> None:
    """Put the items in state.spread.left on way e, each with its lag.

    The ways to a stage go by periods; those that end the journey by spans, as nothing happens later
    that needs their period.
    """
    g, t, lanes = at.group, at.period, at.lanes
    lag = plan.lag_of[plan.lag_phase_of[t], g, e]
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
    waiting, inside = state.waiting[g, plan.target[e]], state.open[plan.source[e]]
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
