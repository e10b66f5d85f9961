"""Expected counts and money of whole scenarios: what the flows of all groups add up to."""

from typing import NamedTuple

from forecast.engine.kernel import jit
from forecast.engine.kernel.flow import Flow, Rows, follow
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.leads import expect_leads, share_of
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Floats
from forecast.engine.kernel.shapes import Plan, Tables


class Means(NamedTuple):
    """Expected counts and money, one row for each row of assumptions."""

    leads: Floats  # (r, q, c, s)
    entered: Floats  # (r, q, c, s, j)
    deals: Floats  # (r, q, c, s, p)
    bookings: Floats  # (r, q, c, s, p)
    spend: Floats  # (r, q, c)
    open: Floats  # (r, q, c, j)
    unworked: Floats  # (r, q, c, j)
    pipeline_deals: Floats  # (r, q, c, s, p)
    pipeline_bookings: Floats  # (r, q, c, s, p)
    revenue: Floats  # (r, q, c, s, p)


@jit(entry=True)
def expect(plan: Plan, tables: Tables, size_mean: Floats, flow: Flow, means: Means) -> None:
    """Add the expected counts of every row to ``means`` (zeroed); size_mean is (g, v)."""
    rows, _, channels, segments = means.leads.shape
    for first in range(0, rows, LANES):
        lanes = min(LANES, rows - first)
        for c in range(channels):
            add_costs(plan, tables, (first, lanes, c), flow, means)
            for s in range(segments):
                begin = expect_arrivals(plan, tables, flow, (first, lanes, c, s), means)
                if begin < len(plan.quarter_of):
                    here = Rows(first, lanes, c * segments + s)
                    follow(plan, tables, here, plan.entry[c], begin, flow)
                    add_group(plan, tables, size_mean, flow, (first, lanes, c, s), means)


@jit(merge=True)
def expect_arrivals(
    plan: Plan, tables: Tables, flow: Flow, at: tuple[int, int, int, int], means: Means
) -> int:
    """Fill a group's arrivals and count them; gives the first period with any.

    at: (row, lanes, c, s).
    """
    first, lanes, c, s = at
    begin = len(plan.quarter_of)
    for t in range(len(plan.quarter_of)):
        leads = flow.arrivals[t]
        expect_leads(plan, tables, (first, lanes, c, t), flow.taken, leads)
        share_of(tables, plan.phase_of[t], s, first, lanes, flow.taken, leads)
        for i in range(lanes):
            means.leads[first + i, plan.quarter_of[t], c, s] += leads[i]
            begin = min(begin, t) if leads[i] > 0.0 else begin
    return begin


@jit(merge=True)
def add_costs(
    plan: Plan, tables: Tables, at: tuple[int, int, int], flow: Flow, means: Means
) -> None:
    """Add what a channel is expected to cost; at: (row, lanes, c)."""
    first, lanes, c = at
    for t in range(len(plan.quarter_of)):
        expect_leads(plan, tables, (first, lanes, c, t), flow.taken, flow.left)
        for i in range(lanes):
            row = first + i
            fixed = tables.fixed_cost[row_of(len(tables.fixed_cost), row), c, t]
            each = tables.lead_cost[row_of(len(tables.lead_cost), row), c, t]
            means.spend[row, plan.quarter_of[t], c] += fixed + each * flow.left[i]


@jit()
def add_worked(
    plan: Plan, tables: Tables, flow: Flow, at: tuple[int, int, int, int], means: Means
) -> None:
    """Add the items of a group that are not followed up in a span, and what the others cost.

    at: (row, lane, c, b).
    """
    row, i, c, b = at
    q, phase = plan.quarter_of[plan.spans.start[b]], plan.phase_of[plan.spans.start[b]]
    for j in range(len(flow.waiting)):
        items = flow.entered[b, j, i]
        if plan.desk.unworked[j] == 1:
            aside = flow.ending[plan.first_way[j], b, i]
            means.unworked[row, q, c, j] += aside
            items -= aside
        if tables.worked_cost.shape[3] > 0:
            each = tables.worked_cost[row_of(len(tables.worked_cost), row), phase, c, j]
            means.spend[row, q, c] += each * items


@jit(merge=True)
def add_stages(
    plan: Plan, tables: Tables, flow: Flow, at: tuple[int, int, int, int, int], means: Means
) -> None:
    """Add what entered the stages in a span, what is inside at a quarter's end, and its costs.

    at: (row, lanes, c, s, b).
    """
    first, lanes, c, s, b = at
    stages = len(flow.waiting)
    q = plan.quarter_of[plan.spans.start[b]]
    is_last = b + 1 == len(flow.entered) or plan.quarter_of[plan.spans.start[b + 1]] != q
    for i in range(lanes):
        row = first + i
        for j in range(stages + 2):
            means.entered[row, q, c, s, j] += flow.entered[b, j, i]
        if is_last:
            for j in range(stages):
                means.open[row, q, c, j] += flow.open[b, j, i]
        add_worked(plan, tables, flow, (row, i, c, b), means)


@jit(merge=True)
def add_group(
    plan: Plan,
    tables: Tables,
    size_mean: Floats,
    flow: Flow,
    at: tuple[int, int, int, int],
    means: Means,
) -> None:
    """Add what came of a group, and what was bought and for how much."""
    first, lanes, c, s = at
    g = c * means.leads.shape[3] + s
    stages = len(flow.waiting)
    for b in range(len(flow.entered)):
        t = plan.spans.start[b]
        q = plan.quarter_of[t]
        add_stages(plan, tables, flow, (first, lanes, c, s, b), means)
        for i in range(lanes):
            row = first + i
            left = flow.entered[b, stages, i]
            for v in range(len(plan.product_of)):
                n = left * tables.mix[row_of(len(tables.mix), row), plan.phase_of[t], g, v]
                left -= n
                p = plan.product_of[v]
                scale = tables.scale[row_of(len(tables.scale), row), g, v]
                worth = n * scale * size_mean[g, v]
                means.deals[row, q, c, s, p] += n
                if plan.kind[g, v] < 0:
                    means.bookings[row, q, c, s, p] += worth
                    means.revenue[row, q, c, s, p] += worth
                elif worth > 0.0:
                    kind = plan.kind[g, v]
                    booked = tables.booked[row_of(len(tables.booked), row), kind]
                    means.bookings[row, q, c, s, p] += worth * booked
                    bring_revenue(plan, tables, (row, t, kind, c, s, p), worth, means)


@jit()
def bring_revenue(
    plan: Plan,
    tables: Tables,
    at: tuple[int, int, int, int, int, int],
    worth: float,
    means: Means,
) -> None:
    """Add what payments of so much bring; at: (row, period, kind, channel, segment, product)."""
    row, t, kind, c, s, p = at
    kept = tables.kept[row_of(len(tables.kept), row), kind]
    for n in range(len(plan.quarter_of) - t):
        means.revenue[row, plan.quarter_of[t + n], c, s, p] += worth * kept[n]
