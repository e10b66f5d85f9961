"""Customers bring leads: those won in a period bring Poisson leads in later ones, never at once.

So the leads of a period depend on earlier periods only, and no loop is without time.
"""

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.leads import expect_leads
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Plan, Tables


def new_customers(plan: Plan) -> Floats:
    """Allocate customers by class and period; none where they bring no leads."""
    has = plan.referral.channel >= 0
    classes = int(plan.referral.class_of.max()) + 1
    return np.zeros((classes if has else 0, len(plan.quarter_of), LANES))


@jit(merge=True)
def copy_customers(of: Floats, to: Floats) -> None:
    """Copy customers (class, t, lane)."""
    for a in range(of.shape[0]):
        for t in range(of.shape[1]):
            for i in range(of.shape[2]):
                to[a, t, i] = of[a, t, i]


@jit(merge=True)
def to_bring(tables: Tables, at: tuple[int, int], customers: Floats, out: Floats) -> None:
    """out[i] = leads to expect of the customers won before period t; at: (row, t).

    customers (class, t, lane); lane i has the row ``row`` + i of the tables.
    """
    first, t = at
    classes, reach = tables.brought.shape[1:]
    for i in range(len(out)):
        out[i] = tables.existing[row_of(len(tables.existing), first + i), t]
    for a in range(classes):
        for u in range(max(t - reach, 0), t):
            won = customers[a, u]
            for i in range(len(out)):
                row = row_of(len(tables.brought), first + i)
                out[i] += won[i] * tables.brought[row, a, t - 1 - u]


@jit(merge=True)
def bring(tables: Tables, row: int, customers: Floats, space: Floats, brought: Floats) -> bool:
    """Fill brought (t, lane) with the leads to expect of all customers; tells if it changed."""
    moved = False
    for t in range(len(brought)):
        to_bring(tables, (row, t), customers, space)
        for i in range(len(space)):
            moved |= space[i] - brought[t, i] > 1e-15 * space[i]
            brought[t, i] = space[i]
    return moved


@jit(merge=True)
def all_leads(
    plan: Plan,
    tables: Tables,
    at: tuple[int, int, int, int],
    brought: Floats,
    space: Floats,
    out: Floats,
) -> None:
    """out[i] = leads to expect of a channel in a period, with those that customers bring.

    at: (row, lanes, c, t); brought (t, lane).
    """
    expect_leads(plan, tables, at, space, out)
    _, lanes, c, t = at
    if c == plan.referral.channel:
        for i in range(lanes):
            out[i] += brought[t, i]


@jit(merge=True)
def expect_customers(
    plan: Plan, tables: Tables, at: tuple[int, int], won: Floats, left: Floats, customers: Floats
) -> None:
    """Count what a group is expected to win as customers; won (t, lane), at: (row, group)."""
    first, g = at
    for t in range(len(won) if plan.referral.channel >= 0 else 0):
        phase = plan.phase_of[t]
        for i in range(len(left)):
            left[i] = won[t, i]
        for v in range(len(plan.product_of)):
            mine = customers[plan.referral.class_of[phase, g, v], t]
            for i in range(len(left)):
                n = left[i] * tables.mix[row_of(len(tables.mix), first + i), phase, g, v]
                left[i] -= n
                mine[i] += n


@jit(merge=True)
def add_customers(plan: Plan, at: tuple[int, int, int], won: Counts, customers: Floats) -> None:
    """Count what was won as customers; at: (period, group, variant)."""
    t, g, v = at
    if plan.referral.channel >= 0:
        mine = customers[plan.referral.class_of[plan.phase_of[t], g, v], t]
        for i in range(len(won)):
            mine[i] += won[i]
