"""What is expected of open deals: the float twin of ``deals``, exact given the assumptions."""

from typing import NamedTuple

from forecast.engine.kernel import jit
from forecast.engine.kernel.ages import (
    CLOSE,
    MODEL,
    SHARE,
    OpenTables,
    gone_by,
    is_sure,
    prepare,
    weigh,
)
from forecast.engine.kernel.deals import fill_done, hope_of
from forecast.engine.kernel.flow import Flow, Rows, add_share, clear, follow_on
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.means import Means, add_stages, bring_revenue
from forecast.engine.kernel.opened import Open, Space
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Plan, Tables


class Lines(NamedTuple):
    """Deals added up: lines of those of one batch and product; lots of lines that flow together."""

    batch: Counts  # (line,)
    number: Floats  # (line,) deals; of those with a chance of their own (SHARE, BOTH) those won
    amount: Floats  # (line,) what these are worth
    lost: Floats  # (line,) the rest of them
    first: Counts  # (lot + 1,) first line
    product: Counts  # (lot,)


@jit(entry=True)
def expect_deals(
    plan: Plan,
    tables: tuple[Tables, Tables, OpenTables],
    op: Open,
    lines: Lines,
    work: tuple[Space, Flow, Flow],
    means: Means,
) -> None:
    """Add what is expected of open deals to ``means``.

    ``tables``: those of all items, and those of items that are won.
    """
    ordinary, won, given = tables
    for first in range(0, len(means.leads), LANES):
        lanes = min(LANES, len(means.leads) - first)
        for lot in range(len(lines.product)):
            kind = op.batches.kind[lines.batch[lines.first[lot]]]
            if kind in (MODEL, SHARE):
                own = won if kind == SHARE else ordinary
                flow_lot(plan, (ordinary, own, given), op, lines, (lot, first, lanes), work, means)
            else:
                for line in range(lines.first[lot], lines.first[lot + 1]):
                    at = line, lines.product[lot], first, lanes
                    close_line(plan, (ordinary, given), op, lines, at, work[0], means)


@jit()
def flow_lot(
    plan: Plan,
    tables: tuple[Tables, Tables, OpenTables],
    op: Open,
    lines: Lines,
    at: tuple[int, int, int],
    work: tuple[Space, Flow, Flow],
    means: Means,
) -> None:
    """Let a lot's deals flow from where they are, once by number and once by worth."""
    ordinary, own, given = tables
    lot, first, lanes = at
    space, number, amount = work
    stages = len(plan.first_way) - 1
    clear(number)
    clear(amount)
    number.arrivals[:] = 0.0
    amount.arrivals[:] = 0.0
    for line in range(lines.first[lot], lines.first[lot + 1]):
        b = lines.batch[line]
        k = op.batches.mover[b]
        prepare(plan, op.movers, given.ahead, k, space.ways)
        weigh(plan, ordinary, given, op.movers, (k, op.batches.kind[b], first, lanes), space.ways)
        seed(plan, given, op, (line, b, first, lanes), lines, work)
    g = op.batches.group[lines.batch[lines.first[lot]]]
    entry = 0
    follow_on(plan, own, Rows(first, lanes, g), entry, 0, number)
    follow_on(plan, own, Rows(first, lanes, g), entry, 0, amount)
    segments = means.leads.shape[3]
    c, s, p = g // segments, g % segments, lines.product[lot]
    for b in range(len(number.entered)):
        add_stages(plan, ordinary, number, (first, lanes, c, s, b), means)
        for i in range(lanes):
            row = first + i
            won = number.entered[b, stages, i], amount.entered[b, stages, i]
            add_won(plan, ordinary, op, (row, plan.spans.start[b], g, p), won, means)


@jit()
def add_won(
    plan: Plan,
    tables: Tables,
    op: Open,
    at: tuple[int, int, int, int],
    won: tuple[float, float],
    means: Means,
) -> None:
    """Add deals won and what they are worth, as ``won`` says; at: (row, period, group, product).

    With recurring products every period is a span of its own, so that the period is known.
    """
    row, t, g, p = at
    number, amount = won
    segments, q = means.leads.shape[3], plan.quarter_of[t]
    c, s = g // segments, g % segments
    means.deals[row, q, c, s, p] += number
    means.bookings[row, q, c, s, p] += amount
    means.pipeline_deals[row, q, c, s, p] += number
    means.pipeline_bookings[row, q, c, s, p] += amount
    v = op.variant[plan.phase_of[t], g, p]
    kind = plan.kind[g, v] if v >= 0 else -1
    if kind < 0:
        means.revenue[row, q, c, s, p] += amount
    elif amount > 0.0:
        payments = amount / tables.booked[row_of(len(tables.booked), row), kind]
        bring_revenue(plan, tables, (row, t, kind, c, s, p), payments, means)


@jit()
def seed(
    plan: Plan,
    given: OpenTables,
    op: Open,
    at: tuple[int, int, int, int],
    lines: Lines,
    work: tuple[Space, Flow, Flow],
) -> None:
    """Add the first moves of a line's deals to what is due; at: (line, batch, row, lanes)."""
    line, b, first, lanes = at
    space, number, amount = work
    k = op.batches.mover[b]
    j = op.movers.stage[k]
    n_deals, worth, stages = lines.number[line], lines.amount[line], len(plan.first_way) - 1
    lost, left = number.entered[0, stages + 1], space.chance
    left[:] = 1.0
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        n = e - plan.first_way[j]
        taken, weight = number.taken[:lanes], space.ways.weight[n]
        for i in range(lanes):
            taken[i] = weight[i] - (1.0 - left[i])
            left[i] = 1.0 - weight[i]
            number.inside[j, i] += n_deals * taken[i]
        for t in range(len(plan.quarter_of)):
            share = space.unit[:lanes]
            share_of_period(plan, given, op, (k, e, first, t), space, share)
            for i in range(lanes):
                share[i] *= taken[i]
            if plan.target[e] < stages:
                add_share(share, n_deals, number.due[e, t])
                add_share(share, worth, amount.due[e, t])
            else:
                add_share(share, n_deals, number.ending[e, plan.spans.of[t]])
                add_share(share, worth, amount.ending[e, plan.spans.of[t]])
    for i in range(lanes):
        lost[i] += n_deals * left[i] + lines.lost[line]


@jit(merge=True)
def share_of_period(
    plan: Plan,
    given: OpenTables,
    op: Open,
    at: tuple[int, int, int, int],
    space: Space,
    out: Floats,
) -> None:
    """out[i] = the chance to move in a period of those that go a way; at: (class, way, row, t)."""
    k, e, first, t = at
    n = e - plan.first_way[op.movers.stage[k]]
    if is_sure(op.movers, k, e):
        done = space.ways.done[n]
        out[:] = done[t] - (done[t - 1] if t > 0 else 0.0)
        return
    law = op.movers.law_of[op.movers.group[k], e]
    for i in range(len(out)):
        factor = given.factor[row_of(len(given.factor), first + i), law]
        begin = space.ways.begin[n, i]
        at_row, ahead = (k, e, first + i), given.ahead
        before = gone_by(op.movers, ahead, at_row, factor, begin, t - 1) if t > 0 else 0.0
        out[i] = gone_by(op.movers, ahead, at_row, factor, begin, t) - before


@jit()
def close_line(
    plan: Plan,
    tables: tuple[Tables, OpenTables],
    op: Open,
    lines: Lines,
    at: tuple[int, int, int, int],
    space: Space,
    means: Means,
) -> None:
    """Add a line of deals whose close is expected; at: (line, product, row, lanes)."""
    line, p, first, lanes = at
    b = lines.batch[line]
    g, j, stages = op.batches.group[b], op.batches.stage[b], len(plan.first_way) - 1
    segments = means.leads.shape[3]
    c, s = g // segments, g % segments
    space.chance[:] = 1.0
    if op.batches.kind[b] == CLOSE:
        k = op.batches.mover[b]
        weigh(plan, tables[0], tables[1], op.movers, (k, CLOSE, first, lanes), space.ways)
        hope_of(plan, tables[1], op, (k, first, lanes), space)
    fill_done(op, op.batches.close[b], space)
    everyone = lines.number[line] + lines.lost[line]
    before = 0.0
    for t in range(len(plan.quarter_of)):
        q, share = plan.quarter_of[t], space.done[t] - before
        before = space.done[t]
        is_last = t + 1 == len(plan.quarter_of) or plan.quarter_of[t + 1] != q
        for i in range(lanes):
            row, won = first + i, space.chance[i] * lines.number[line] * share
            means.entered[row, q, c, s, stages] += won
            means.entered[row, q, c, s, stages + 1] += everyone * share - won
            means.open[row, q, c, j] += everyone * (1.0 - before) if is_last else 0.0
            worth = space.chance[i] * lines.amount[line] * share
            add_won(plan, tables[0], op, (row, t, g, p), (won, worth), means)


@jit(entry=True)
def first_moves(
    plan: Plan,
    tables: tuple[Tables, OpenTables],
    op: Open,
    batch: int,
    work: tuple[Space, Flow],
    out: Floats,
) -> None:
    """out[r, way, t] = the chance that a deal of a batch leaves its stage so in a period.

    Of deals whose close is expected, out[r, 0, t] is the chance to be won in a period, by the
    model's chance or, where they have their own, if they are won at all.
    """
    space, flow = work
    kind, k = op.batches.kind[batch], op.batches.mover[batch]
    for first in range(0, len(out), LANES):
        lanes = min(LANES, len(out) - first)
        space.chance[:] = 1.0
        if k >= 0:
            prepare(plan, op.movers, tables[1].ahead, k, space.ways)
            weigh(plan, tables[0], tables[1], op.movers, (k, kind, first, lanes), space.ways)
        if kind == CLOSE:
            hope_of(plan, tables[1], op, (k, first, lanes), space)
        if kind != MODEL and kind != SHARE:
            fill_done(op, op.batches.close[batch], space)
            for t in range(out.shape[2]):
                share = space.done[t] - (space.done[t - 1] if t > 0 else 0.0)
                for i in range(lanes):
                    out[first + i, 0, t] = space.chance[i] * share
            continue
        j = op.movers.stage[k]
        for e in range(plan.first_way[j], plan.first_way[j + 1]):
            n = e - plan.first_way[j]
            part = flow.left[:lanes]
            for t in range(out.shape[2]):
                share_of_period(plan, tables[1], op, (k, e, first, t), space, part)
                for i in range(lanes):
                    before = space.ways.weight[n - 1, i] if n > 0 else 0.0
                    out[first + i, n, t] = part[i] * (space.ways.weight[n, i] - before)


@jit(entry=True)
def tell_classes(
    plan: Plan,
    tables: tuple[Tables, OpenTables],
    op: Open,
    space: Space,
    longest: Floats,
    hope: Floats,
) -> None:
    """Of every class: the largest P(lag > age) of its ways with a lag, and the chance to be won.

    By the first row of the tables.
    """
    for k in range(len(longest)):
        weigh(plan, tables[0], tables[1], op.movers, (k, CLOSE, 0, 1), space.ways)
        hope_of(plan, tables[1], op, (k, 0, 1), space)
        hope[k] = space.chance[0]
        g, j = op.movers.group[k], op.movers.stage[k]
        longest[k] = 0.0
        for e in range(plan.first_way[j], plan.first_way[j + 1]):
            if tables[0].take[0, plan.phase_of[0], g, e] > 0.0 and not op.movers.at_once[g, e]:
                longest[k] = max(longest[k], space.ways.begin[e - plan.first_way[j], 0])
