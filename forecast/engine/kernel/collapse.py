"""Deals and money only: the journey collapsed to the counts of its end.

Given a run's assumptions leads are independent of each other. So of Poisson leads (negative
binomial ones, once their gamma is drawn) those that are won in different spans, of different
segments, with different products, are independent Poisson counts, whose means are convolutions:
the thinning of a Poisson process (Kingman 1993, "Poisson processes", section 5.1). Leads that come
for certain are multinomial over the same cells. What a lead costs ties spend to deals: where leads
cost, cells are also split by the span of arrival. The law of deals, bookings and spend is that of
the sweep, jointly; the stages before are not drawn.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.flow import Flow, Rows, follow, new_flow, random_leads, share_of
from forecast.engine.kernel.lanes import LANES, Work, binomials, new_work, poissons
from forecast.engine.kernel.rows import pick, row_of
from forecast.engine.kernel.samplers import Counts, Floats, gamma
from forecast.engine.kernel.shapes import Keys, Plan, Tables

ALL_SPANS = 0  # the index of a cell that is not split by arrival; else 1 + the span of arrival


class Outcomes(NamedTuple):
    """What comes out, one row a run; axes in the order of the dataset."""

    deals: Counts  # (r, q, c, s, p)
    bookings: Floats  # (r, q, c, s, p)
    spend: Floats  # (r, q, c)


class Terms(NamedTuple):
    """A group's expected deals as a polynomial in its chances: see ``forecast.engine.terms``."""

    first: (
        Counts  # (g + 1,) terms of group g are first[g] .. first[g + 1] - 1; none: see ``follow``
    )
    parent: Counts  # (term,) the term it extends, -1 for the first of a group
    way: Counts  # (term,) by this way
    weight: Floats  # (term, span) deals, all chances being 1
    product: Floats  # (term, lane) working space: products of chances, of one group


class Collapse(NamedTuple):
    """Working space for a block of runs."""

    mean: Floats  # (t, lane) random leads to expect of a channel
    cells: Counts  # (g, v, span, lane) deals
    leads: Counts  # (span, lane) leads of a channel that arrive
    rest: Floats  # (lane,) leads to expect that are not won inside the horizon
    chance: Floats  # (lane,)
    space: Floats  # (lane,)
    left: Counts  # (lane,)
    counts: Counts  # (lane,)
    many: Counts  # (lane,)
    won: Counts  # (lane,)
    flow: Flow
    terms: Terms
    work: Work


def new_collapse(plan: Plan, keys: Keys, terms: Terms) -> Collapse:
    """Allocate working space."""
    spans = len(plan.spans.start) - 1
    rest, chance, space = np.zeros((3, LANES))
    left, counts, many, won = np.zeros((4, LANES), np.int64)
    return Collapse(
        np.zeros((len(plan.quarter_of), LANES)),
        np.zeros((*keys.size.shape, spans, LANES), np.int64),
        np.zeros((spans, LANES), np.int64),
        rest,
        chance,
        space,
        left,
        counts,
        many,
        won,
        new_flow(plan, False),
        terms._replace(product=np.empty_like(terms.product)),
        new_work(),
    )


class Block(NamedTuple):
    """A block of runs: its first row and run, how many, and the channel at hand."""

    row: int
    run: int
    lanes: int
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

    Deals go to ``cells`` (g, v, span, r), whose value and place among the products come later.
    """
    rows = len(out.deals)
    for row in range(0, rows, LANES):
        lanes = min(LANES, rows - row)
        state.cells[:] = 0
        for c in range(len(plan.entry)):
            here = Block(row, first_run + row, lanes, c)
            state.leads[:] = 0
            draw_random(plan, keys, tables, state, here)
            draw_fixed(plan, keys, tables, state, here)
            spend(plan, tables, state, here, out)
        for g in range(len(state.cells)):
            for v in range(len(plan.product_of)):
                for b in range(len(plan.spans.start) - 1):
                    for i in range(lanes):
                        cells[g, v, b, row + i] = state.cells[g, v, b, i]


@jit()
def has_lead_costs(tables: Tables, c: int) -> bool:
    """Tell whether the leads of a channel cost anything."""
    for row in range(len(tables.lead_cost)):
        for t in range(tables.lead_cost.shape[2]):
            if tables.lead_cost[row, c, t] != 0.0:
                return True
    return False


@jit()
def draw_random(plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block) -> None:
    """Draw what comes of a channel's random leads."""
    c = at.channel
    segments = keys.segment.shape[1]
    split = has_lead_costs(tables, c)
    followed = split
    for g in range(c * segments, (c + 1) * segments):
        followed |= state.terms.first[g + 1] == state.terms.first[g]
    if followed and not expect_random(plan, keys, tables, state, at):
        return
    if not split:
        draw_cells(plan, keys, tables, state, at, 0, len(plan.quarter_of), ALL_SPANS)
        return
    for b in range(len(plan.spans.start) - 1):
        first, end = plan.spans.start[b], plan.spans.start[b + 1]
        rest = state.rest[: at.lanes]
        for i in range(at.lanes):
            rest[i] = 0.0
            for t in range(first, end):
                rest[i] += state.mean[t, i]
        draw_cells(plan, keys, tables, state, at, first, end, 1 + b)
        poissons(rest, (keys.arrivals[c], at.run, first, 1), state.work, state.counts[: at.lanes])
        for i in range(at.lanes):
            state.leads[b, i] += state.counts[i]


@jit()
def expect_random(plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block) -> bool:
    """Fill a channel's random leads to expect, given their gammas; tells whether there are any."""
    c, some = at.channel, False
    for t in range(len(plan.quarter_of)):
        mean = state.mean[t, : at.lanes]
        random_leads(tables, (at.row, at.lanes, c, t), state.space, mean)
        pick(tables.shape[:, c, t], at.row, at.lanes, state.space)
        for i in range(at.lanes):
            shape = state.space[i]
            if shape > 0.0:
                mean[i] *= gamma(shape, keys.dispersion[c], at.run + i, t, 0) / shape
            some |= mean[i] > 0.0
    return some


@jit()
def draw_cells(
    plan: Plan,
    keys: Keys,
    tables: Tables,
    state: Collapse,
    at: Block,
    first: int,
    end: int,
    index: int,
) -> None:
    """Draw the deals that come of the random leads of periods first .. end - 1, span by span.

    Takes them off ``rest`` and, where cells are split by arrival, counts their leads.
    """
    flow, lanes, c = state.flow, at.lanes, at.channel
    segments = keys.segment.shape[1]
    stages = len(flow.waiting)
    for s in range(segments):
        g = c * segments + s
        if index == ALL_SPANS and state.terms.first[g + 1] > state.terms.first[g]:
            add_terms(plan, tables, state, at, s)
        else:
            for t in range(first, len(plan.quarter_of)):
                leads = flow.arrivals[t]
                for i in range(lanes):
                    leads[i] = state.mean[t, i] if t < end else 0.0
                if t < end:
                    share_of(tables, plan.phase_of[t], s, at.row, lanes, state.space, leads)
            follow(plan, tables, Rows(at.row, lanes, g), plan.entry[c], first, flow)
        for b in range(plan.spans.of[first], len(flow.entered)):
            begin = plan.spans.start[b]
            left, chance = flow.entered[b, stages], state.chance[:lanes]
            for i in range(lanes):
                state.rest[i] -= left[i]
            for v in range(len(plan.product_of)):
                pick(tables.mix[:, plan.phase_of[begin], g, v], at.row, lanes, state.space)
                for i in range(lanes):
                    chance[i] = left[i] * state.space[i]
                    left[i] -= chance[i]
                counts = state.counts[:lanes]
                poissons(chance, (keys.outcome[g, v], at.run, begin, index), state.work, counts)
                for i in range(lanes):
                    state.cells[g, v, b, i] += counts[i]
                    if index != ALL_SPANS:
                        state.leads[index - 1, i] += counts[i]


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
    root = terms.product[0]
    pick(tables.market, at.row, lanes, root)
    share_of(tables, 0, s, at.row, lanes, state.space, root)
    flow.entered[:] = 0.0
    for n in range(first + 1, end):
        before, product = terms.product[terms.parent[n] - first], terms.product[n - first]
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
def draw_fixed(plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block) -> None:
    """Draw what comes of the leads of a channel that come for certain: multinomial counts."""
    lanes, c = at.lanes, at.channel
    for t in range(len(plan.quarter_of)):
        if plan.fixed[c, t] > 0:
            for i in range(lanes):
                state.leads[plan.spans.of[t], i] += plan.fixed[c, t]
                state.left[i] = plan.fixed[c, t]
            for s in range(keys.segment.shape[1]):
                pick(tables.share[:, plan.phase_of[t], s], at.row, lanes, state.chance)
                address = keys.segment[c, s], at.run, t, 0
                left, counts = state.left[:lanes], state.counts[:lanes]
                binomials(left, state.chance[:lanes], address, state.work, counts)
                for i in range(lanes):
                    left[i] -= counts[i]
                spread_fixed(plan, keys, tables, state, at, s, t)


@jit()
def spread_fixed(
    plan: Plan, keys: Keys, tables: Tables, state: Collapse, at: Block, s: int, t: int
) -> None:
    """Share the ``counts`` leads of a segment and period out over spans and products."""
    flow, lanes, c = state.flow, at.lanes, at.channel
    g = c * keys.segment.shape[1] + s
    flow.arrivals[t:] = 0.0
    flow.arrivals[t] = 1.0
    follow(plan, tables, Rows(at.row, lanes, g), plan.entry[c], t, flow)
    rest, chance, many, won = state.rest, state.chance, state.many[:lanes], state.won[:lanes]
    for i in range(lanes):
        rest[i] = 1.0
        many[i] = state.counts[i]
    for b in range(plan.spans.of[t], len(flow.entered)):
        hit = flow.entered[b, len(flow.waiting)]
        for i in range(lanes):
            chance[i] = min(hit[i] / rest[i], 1.0) if rest[i] > 0.0 else 0.0
            rest[i] -= hit[i]
        address = keys.ending[g], at.run, t, b
        binomials(many, chance[:lanes], address, state.work, won)
        for i in range(lanes):
            many[i] -= won[i]
        for v in range(len(plan.product_of)):
            pick(tables.mix[:, plan.phase_of[plan.spans.start[b]], g, v], at.row, lanes, chance)
            counts = state.counts[:lanes]
            address = keys.product[g, v], at.run, t, 1 + b
            binomials(won, chance[:lanes], address, state.work, counts)
            for i in range(lanes):
                won[i] -= counts[i]
                state.cells[g, v, b, i] += counts[i]


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
