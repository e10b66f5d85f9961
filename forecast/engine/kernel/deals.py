"""Open deals, one by one: whether and when each goes on from its stage, and to what end.

The first move of a deal is drawn for a block of runs at once: of the 64 bits that its stream has
for a run, the share below which they lie chooses the way, and where they lie within it the time.
What moves on to another stage goes on by itself, like any item.
"""

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.ages import (
    CLOSE,
    MODEL,
    ON_EDGE_DAYS,
    SHARE,
    OpenTables,
    beyond,
    fill_lookup,
    is_sure,
    period_of,
    prepare,
    search,
    weigh,
)
from forecast.engine.kernel.bits import fill_bits, to_unit
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.opened import Marks, Open, Space, Where
from forecast.engine.kernel.rows import pick, row_of
from forecast.engine.kernel.samplers import Counts
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.kernel.turns import step_on, take_turn
from forecast.engine.kernel.wins import Results, Won, bring

MOST_UNIT = 1.0 - 2.0**-53
RUNS_AT_ONCE = 1_024  # for which a class is prepared once


@jit(entry=True)
def run_deals(
    plan: Plan,
    tables: Tables,
    given: OpenTables,
    opened: tuple[Open, Marks],
    first_run: int,
    work: tuple[Space, Results],
) -> None:
    """Add what becomes of open deals in the runs first_run, first_run + 1, ... to zeroed rows."""
    _, out = work
    rows = len(out.deals)
    for begin in range(0, rows, RUNS_AT_ONCE):
        end = min(begin + RUNS_AT_ONCE, rows)
        for b in range(len(opened[0].batches.kind)):
            run_batch(plan, tables, given, opened, (b, begin, end, first_run), work)


@jit(merge=True)
def run_batch(
    plan: Plan,
    tables: Tables,
    given: OpenTables,
    opened: tuple[Open, Marks],
    at: tuple[int, int, int, int],
    work: tuple[Space, Results],
) -> None:
    """Draw the deals of a batch in some runs; at: (batch, first row, end, first run)."""
    b, begin, end, first_run = at
    op, marks = opened
    space, out = work
    kind, k = op.batches.kind[b], op.batches.mover[b]
    moves = kind in (MODEL, SHARE)
    if moves:
        prepare(plan, op.movers, given.ahead, k, space.ways)
    else:
        fill_done(op, op.batches.close[b], space)
    for row in range(begin, end, LANES):
        lanes = min(LANES, end - row)
        if k >= 0:
            weigh(plan, tables, given, op.movers, (k, kind, row, lanes), space.ways)
        if kind == CLOSE:
            hope_of(plan, given, op, (k, row, lanes), space)
        space.lost[:] = 0
        for d in range(op.batches.first[b], op.batches.first[b + 1]):
            where = Where(row, first_run + row, lanes, b, d)
            fill_bits(marks.keys[d], 0, 0, where.run, lanes, space.bits)
            for i in range(lanes):
                space.unit[i] = to_unit(space.bits[i])
            if moves:
                if opened[1].works:
                    move_on_at_work(plan, tables, given, opened, where, work)
                else:
                    move_on(plan, tables, given, opened, where, work)
            else:
                close(plan, tables, opened, where, work)
        if moves:
            add_lost(plan, op, Where(row, 0, lanes, b, 0), space.lost, out)


@jit()
def fill_done(op: Open, c: int, space: Space) -> None:
    """Fill by when deals close that have an expected day."""
    law, movers = op.closes.law[c], op.movers
    for t in range(len(space.done)):
        if law < 0:
            space.done[t] = 1.0 if t >= op.closes.period[c] else 0.0
        else:
            ahead = (t + 1.0 - movers.offset) * movers.period_days - ON_EDGE_DAYS
            space.done[t] = 1.0 - beyond(movers.laws, law, ahead / op.closes.days[c])
    fill_lookup(space.done, space.lookup)


@jit()
def hope_of(
    plan: Plan, given: OpenTables, op: Open, at: tuple[int, int, int], space: Space
) -> None:
    """space.chance = the model's chance that a deal is won in the end; at: (class, row, lanes)."""
    k, row, lanes = at
    movers, ways = op.movers, space.ways
    g, j = movers.group[k], movers.stage[k]
    space.chance[:] = 0.0
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        n = e - plan.first_way[j]
        pick(given.hope[:, plan.phase_of[0], g, plan.target[e]], row, lanes, ways.space)
        for i in range(lanes):
            share = ways.weight[n, i] - (ways.weight[n - 1, i] if n > 0 else 0.0)
            space.chance[i] += share * ways.space[i]


@jit()
def add_lost(plan: Plan, op: Open, at: Where, lost: Counts, out: Results) -> None:
    """Count the deals of a batch that are lost at once."""
    if len(out.entered) > 0:
        segments = out.entered.shape[3]
        g, j = op.batches.group[at.batch], op.batches.stage[at.batch]
        q, end = plan.quarter_of[0], out.entered.shape[4] - 1
        for i in range(at.lanes):
            out.entered[at.row + i, q, g // segments, g % segments, end] += lost[i]
            out.change[at.row + i, q, j] -= lost[i]


@jit()
def close(
    plan: Plan,
    tables: Tables,
    opened: tuple[Open, Marks],
    at: Where,
    work: tuple[Space, Results],
) -> None:
    """Close a deal when it is expected to, won or lost."""
    space, out = work
    op, marks = opened
    b = at.batch
    segments, stages = out.deals.shape[3], len(plan.first_way) - 1
    c, s = op.batches.group[b] // segments, op.batches.group[b] % segments
    p, amount = op.deals.product[at.deal], op.deals.amount[at.deal]
    if op.batches.kind[b] != CLOSE:
        space.chance[:] = op.deals.chance[at.deal]
    for i in range(at.lanes):
        u, chance = space.unit[i], space.chance[i]
        won = u < chance
        share = u / chance if won else (u - chance) / (1.0 - chance)
        t = period_of(space.done, space.lookup, min(share, MOST_UNIT))
        if t < len(space.done):
            row, q = at.row + i, plan.quarter_of[np.uint64(t)]
            if won:
                out.deals[row, q, c, s, p] += 1
                out.bookings[row, q, c, s, p] += amount
                if marks.brings:
                    of = row, at.run + i, t, op.batches.group[b]
                    bring_more(plan, tables, opened, of, at.deal, out)
            if len(out.entered) > 0:
                out.entered[row, q, c, s, stages if won else stages + 1] += 1
                out.change[row, q, op.batches.stage[b]] -= 1


@jit()
def bring_more(
    plan: Plan,
    tables: Tables,
    opened: tuple[Open, Marks],
    at: tuple[int, int, int, int],
    d: int,
    out: Results,
) -> None:
    """Add what deal d brings that is won; at: (row, run, period, group)."""
    op, marks = opened
    row, run, t, g = at
    segments, p = out.deals.shape[3], op.deals.product[d]
    place, variant = (g // segments, g % segments, p), op.variant[plan.phase_of[t], g, p]
    won = Won(row, run, t, g, variant, place, d, op.deals.amount[d])
    bring(plan, tables.booked, marks.stays, won, out)


@jit()
def choose(plan: Plan, op: Open, at: Where, space: Space) -> int:
    """Choose the way of a deal in every lane; how many are not lost at once, which are listed.

    space.unit becomes where the deal lies within its way's share.
    """
    k = op.batches.mover[at.batch]
    j = op.movers.stage[k]
    n = plan.first_way[j + 1] - plan.first_way[j]
    unit, way = space.unit, space.way
    if op.batches.kind[at.batch] == SHARE:
        chance = max(op.deals.chance[at.deal], 1e-300)
        for i in range(at.lanes):
            unit[i] = unit[i] / chance
    for i in range(at.lanes):
        way[i] = 0
    for m in range(n):
        weight = space.ways.weight[m]
        for i in range(at.lanes):
            way[i] += 1 if unit[i] >= weight[i] else 0
    going = 0
    for i in range(at.lanes):
        space.going[np.uint64(going)] = i
        going += 1 if way[i] < n else 0
        space.lost[i] += 1 if way[i] >= n else 0
    return going


@jit(inline=True)
def move_on(
    plan: Plan,
    tables: Tables,
    given: OpenTables,
    opened: tuple[Open, Marks],
    at: Where,
    work: tuple[Space, Results],
) -> None:
    """Let a deal leave its stage: won, lost, or into another stage where it goes on.

    Inline: to pass all these arrays for every deal takes a third of its time.
    """
    move(plan, tables, given, opened, (at, False), work)


@jit()
def move_on_at_work(
    plan: Plan,
    tables: Tables,
    given: OpenTables,
    opened: tuple[Open, Marks],
    at: Where,
    work: tuple[Space, Results],
) -> None:
    """The same where it is counted what is worked."""
    move(plan, tables, given, opened, (at, True), work)


@jit(merge=True)
def move(
    plan: Plan,
    tables: Tables,
    given: OpenTables,
    opened: tuple[Open, Marks],
    where: tuple[Where, bool],
    work: tuple[Space, Results],
) -> None:
    """Let a deal leave its stage; ``where`` tells also whether it is counted what is worked.

    That is a constant in each of the two callers, so that the usual one pays nothing for it.
    """
    at, works = where
    space, out = work
    op, marks = opened
    key, is_won = marks.keys[at.deal], op.batches.kind[at.batch] == SHARE
    movers, ways, k = op.movers, space.ways, op.batches.mover[at.batch]
    g, j = movers.group[k], movers.stage[k]
    segments, stages, first = out.deals.shape[3], len(plan.first_way) - 1, plan.first_way[j]
    c, s, p = g // segments, g % segments, op.deals.product[at.deal]
    counts = len(out.entered) > 0
    take = given.take if is_won else tables.take
    for m in range(choose(plan, op, at, space)):
        i = space.going[m]
        n, row = space.way[i], at.row + i
        before = ways.weight[n - 1, i] if n > 0 else 0.0
        share = min((space.unit[i] - before) / (ways.weight[n, i] - before), MOST_UNIT)
        if is_sure(movers, k, first + n):
            t = period_of(ways.done[n], ways.lookup[n], share)
        else:
            law = movers.law_of[g, first + n]
            factor = given.factor[row_of(len(given.factor), row), law]
            way = k, first + n, row
            t = search(movers, given.ahead, way, factor, ways.begin[n, i], share)
        target = plan.target[first + n]
        if counts and t < len(plan.quarter_of):
            out.change[row, plan.quarter_of[t], j] -= 1
        hop = 1
        while t < len(plan.quarter_of):
            q = plan.quarter_of[np.uint64(t)]
            if counts:
                out.entered[row, q, c, s, target] += 1
            if target >= stages:
                if target == stages:
                    out.deals[row, q, c, s, p] += 1
                    out.bookings[row, q, c, s, p] += op.deals.amount[at.deal]
                    if marks.brings:
                        bring_more(plan, tables, opened, (row, at.run + i, t, g), at.deal, out)
                break
            address = key, at.run + i, hop
            if works:
                own = take, is_won
                e, later = take_turn(plan, tables, own, (row, g, target, t), address, out)
            else:
                begin = plan.first_way[target]
                e, later = step_on(plan, tables, take, (row, g, target, t, begin), address)
            if counts:
                out.change[row, q, target] += 1
                if later < len(plan.quarter_of):
                    out.change[row, plan.quarter_of[later], target] -= 1
            target, t = stages + 1 if e < 0 else plan.target[e], later
            hop += 1
