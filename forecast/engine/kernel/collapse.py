"""Deals and money only: the journey collapsed to the counts of its end.

Given a run's assumptions leads are independent of each other. So of Poisson leads (negative
binomial ones, once their gamma is drawn) those that are won in different spans, of different
segments, with different products, are independent Poisson counts, whose means are convolutions:
the thinning of a Poisson process (Kingman 1993, "Poisson processes", section 5.1). Leads that come
for certain are multinomial over the same cells. What a lead costs ties spend to deals: leads that
may cost something are counted by the span of arrival first, then shared out like certain ones. The
law of deals, bookings and spend is that of the sweep, jointly; the stages before are not drawn.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.flow import Flow, Rows, follow, new_flow
from forecast.engine.kernel.lanes import LANES, Work, binomials, new_work, poissons
from forecast.engine.kernel.leads import disperse, random_leads, share_of
from forecast.engine.kernel.rows import pick, row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Keys, Plan, Tables


class Outcomes(NamedTuple):
    """What comes out, one row a run; see ``Futures``."""

    deals: Counts  # (r, q, c, s, p)
    bookings: Floats  # (r, q, c, s, p)
    spend: Floats  # (r, q, c)
    revenue: Floats  # (r, q, c, s, p)
    pipeline_deals: Counts  # (r, q, c, s, p)
    pipeline_bookings: Floats  # (r, q, c, s, p)


class Terms(NamedTuple):
    """A group's expected deals as a polynomial in its chances: see ``forecast.engine.terms``."""

    first: Counts  # (g + 1,) terms of group g are first[g] .. first[g + 1] - 1, or none
    parent: Counts  # (term,) the term it extends, -1 for the first of a group
    way: Counts  # (term,) by this way
    weight: Floats  # (term, span) deals, all chances being 1


class Collapse(NamedTuple):
    """Which channels' leads may cost something, and working space for a block of runs."""

    costed: Counts  # (c,) 1 where a lead costs something in some run
    terms: Terms
    product: Floats  # (term, lane) products of chances, of one group's terms
    mean: Floats  # (t, lane) random leads to expect of a channel
    leads: Counts  # (span, lane) leads of a channel that arrive
    rest: Floats  # (lane,) leads to expect, or the chance not to have been won so far
    chance: Floats  # (lane,)
    space: Floats  # (lane,)
    left: Counts  # (lane,)
    counts: Counts  # (lane,)
    many: Counts  # (lane,)
    won: Counts  # (lane,)
    flow: Flow
    work: Work


def new_collapse(plan: Plan, terms: Terms, costed: Counts) -> Collapse:
    """Allocate working space."""
    spans = len(plan.spans.start) - 1
    rest, chance, space = np.zeros((3, LANES))
    left, counts, many, won = np.zeros((4, LANES), np.int64)
    return Collapse(
        costed,
        terms,
        np.empty((int(np.diff(terms.first).max()), LANES)),
        np.zeros((len(plan.quarter_of), LANES)),
        np.zeros((spans, LANES), np.int64),
        rest,
        chance,
        space,
        left,
        counts,
        many,
        won,
        new_flow(plan, False),
        new_work(),
    )


class Block(NamedTuple):
    """A block of runs: its first row and run, how many, its deals, and the channel at hand."""

    row: int
    run: int
    lanes: int
    cells: Counts  # (g, v, span, lane)
    channel: int


@jit(entry=True)
def collapse(
    plan: Plan,
    keys: Keys,
    tables: Tables,
    state: Collapse,
    first_run: int,
    out: Outcomes,
    cells: Counts,
) -> None:
    """Draw the runs first_run, first_run + 1, ... into the rows of ``out`` (zeroed).

    Deals go to ``cells`` (g, v, span, r; zeroed); their value and products' places come later.
    """
    rows = len(out.deals)
    for row in range(0, rows, LANES):
        lanes = min(LANES, rows - row)
        here = cells[:, :, :, row : row + lanes]
        for c in range(len(plan.entry)):
            at = Block(row, first_run + row, lanes, here, c)
            state.leads[:] = 0
            draw_random(plan, keys, tables, state, at)
            draw_fixed(plan, keys, tables, state, at)
            spend(plan, tables, state, at, out)


@jit()
def draw_random(plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block) -> None:
    """Draw what comes of a channel's random leads."""
    c = at.channel
    segments = keys.segment.shape[1]
    split = state.costed[c] == 1
    followed = split
    for g in range(c * segments, (c + 1) * segments):
        followed |= state.terms.first[g + 1] == state.terms.first[g]
    if followed and not expect_random(plan, keys, tables, state, at):
        return
    if not split:
        draw_cells(plan, keys, tables, state, at)
        return
    spans = len(plan.spans.start) - 1
    for b in range(spans):
        first, end = plan.spans.start[b], plan.spans.start[b + 1]
        rest, left = state.rest[: at.lanes], state.left[: at.lanes]
        for i in range(at.lanes):
            rest[i] = 0.0
            for t in range(first, end):
                rest[i] += state.mean[t, i]
        poissons(rest, (keys.arrivals[c], at.run, first, 1), state.work, left)
        for i in range(at.lanes):
            state.leads[b, i] += left[i]
        state.flow.arrivals[first:] = 0.0
        for t in range(first, end):
            for i in range(at.lanes):
                state.flow.arrivals[t, i] = state.mean[t, i] / rest[i] if rest[i] > 0.0 else 0.0
        share_out(plan, keys, tables, state, at, first, 1)


@jit()
def expect_random(plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block) -> bool:
    """Fill a channel's random leads to expect, given their gammas; tells whether there are any."""
    c, some = at.channel, False
    for t in range(len(plan.quarter_of)):
        mean = state.mean[t, : at.lanes]
        place = at.row, at.lanes, c, t
        random_leads(tables, place, state.space, mean)
        disperse(tables, place, keys.dispersion[c], at.run, state.space, mean)
        for i in range(at.lanes):
            some |= mean[i] > 0.0
    return some


@jit()
def draw_cells(plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block) -> None:
    """Draw the deals that come of all random leads, span by span."""
    flow, lanes, c = state.flow, at.lanes, at.channel
    segments = keys.segment.shape[1]
    for s in range(segments):
        g = c * segments + s
        if state.terms.first[g + 1] > state.terms.first[g]:
            add_terms(plan, tables, state, at, s)
        else:
            for t in range(len(plan.quarter_of)):
                leads = flow.arrivals[t]
                for i in range(lanes):
                    leads[i] = state.mean[t, i]
                share_of(tables, plan.phase_of[t], s, at.row, lanes, state.space, leads)
            follow(plan, tables, Rows(at.row, lanes, g), plan.entry[c], 0, flow)
        for b in range(len(flow.entered)):
            begin = plan.spans.start[b]
            left, chance = flow.entered[b, len(flow.waiting)], state.chance[:lanes]
            for v in range(len(plan.product_of)):
                pick(tables.mix[:, plan.phase_of[begin], g, v], at.row, lanes, state.space)
                for i in range(lanes):
                    chance[i] = left[i] * state.space[i]
                    left[i] -= chance[i]
                counts, sold = state.counts[:lanes], at.cells[g, v, b]
                poissons(chance, (keys.outcome[g, v], at.run, begin, 0), state.work, counts)
                for i in range(lanes):
                    sold[i] += counts[i]


@jit()
def draw_fixed(plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block) -> None:
    """Draw what comes of the leads of a channel that come for certain."""
    for t in range(len(plan.quarter_of)):
        if plan.fixed[at.channel, t] > 0:
            for i in range(at.lanes):
                state.leads[plan.spans.of[t], i] += plan.fixed[at.channel, t]
                state.left[i] = plan.fixed[at.channel, t]
            state.flow.arrivals[t:] = 0.0
            state.flow.arrivals[t] = 1.0
            share_out(plan, keys, tables, state, at, t, 0)


@jit()
def share_out(
    plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block, t: int, kind: int
) -> None:
    """Share the ``left`` leads of a channel that arrive from period t on, as the arrivals of the
    flow say, out over segments, spans and products: multinomial counts.

    ``kind``: 0 for leads that come for certain, 1 for random ones; they draw by themselves.
    """
    flow, lanes, c = state.flow, at.lanes, at.channel
    spans = len(flow.entered)
    rest, chance = state.rest, state.chance
    left, many, won = state.left[:lanes], state.many[:lanes], state.won[:lanes]
    counts = state.counts[:lanes]
    for s in range(keys.segment.shape[1]):
        g = c * keys.segment.shape[1] + s
        pick(tables.share[:, plan.phase_of[t], s], at.row, lanes, chance)
        binomials(left, chance[:lanes], (keys.segment[c, s], at.run, t, kind), state.work, many)
        for i in range(lanes):
            left[i] -= many[i]
            rest[i] = 1.0
        follow(plan, tables, Rows(at.row, lanes, g), plan.entry[c], t, flow)
        for b in range(plan.spans.of[t], spans):
            hit = flow.entered[b, len(flow.waiting)]
            for i in range(lanes):
                chance[i] = min(hit[i] / rest[i], 1.0) if rest[i] > 0.0 else 0.0
                rest[i] -= hit[i]
            address = keys.ending[g], at.run, t, kind * spans + b
            binomials(many, chance[:lanes], address, state.work, won)
            for i in range(lanes):
                many[i] -= won[i]
            phase = plan.phase_of[plan.spans.start[b]]
            for v in range(len(plan.product_of)):
                pick(tables.mix[:, phase, g, v], at.row, lanes, chance)
                address = keys.product[g, v], at.run, t, 1 + kind * spans + b
                binomials(won, chance[:lanes], address, state.work, counts)
                sold = at.cells[g, v, b]
                for i in range(lanes):
                    won[i] -= counts[i]
                    sold[i] += counts[i]


@jit()
def add_terms(plan: Plan, tables: Tables, state: Collapse, at: Block, s: int) -> None:
    """Fill the deals to expect of a segment by its terms."""
    flow, terms, lanes = state.flow, state.terms, at.lanes
    g = at.channel * tables.share.shape[2] + s
    for j in range(len(flow.waiting)):  # the share of all that takes each way
        left = flow.left
        left[:] = 1.0
        for e in range(plan.first_way[j], plan.first_way[j + 1]):
            take = flow.take[e]
            pick(tables.take[:, 0, g, e], at.row, lanes, take)
            for i in range(lanes):
                take[i] *= left[i]
                left[i] -= take[i]
    first, end = terms.first[g], terms.first[g + 1]
    root = state.product[0]
    pick(tables.market, at.row, lanes, root)
    share_of(tables, 0, s, at.row, lanes, state.space, root)
    flow.entered[:] = 0.0
    for n in range(first + 1, end):
        before, product = state.product[terms.parent[n] - first], state.product[n - first]
        take = flow.take[terms.way[n]]
        for i in range(lanes):
            product[i] = before[i] * take[i]
        for b in range(len(flow.entered)):
            weight = terms.weight[n, b]
            if weight > 0.0:
                won = flow.entered[b, len(flow.waiting)]
                for i in range(lanes):
                    won[i] += weight * product[i]


@jit()
def spend(plan: Plan, tables: Tables, state: Collapse, at: Block, out: Outcomes) -> None:
    """Add up what a channel costs."""
    c = at.channel
    for t in range(len(plan.quarter_of)):
        b, q = plan.spans.of[t], plan.quarter_of[t]
        is_first = plan.spans.start[b] == t
        for i in range(at.lanes):
            row = at.row + i
            cost = tables.fixed_cost[row_of(len(tables.fixed_cost), row), c, t]
            if is_first:
                each = tables.lead_cost[row_of(len(tables.lead_cost), row), c, t]
                cost += each * state.leads[b, i]
            out.spend[row, q, c] += cost
