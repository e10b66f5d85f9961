"""Customers bring leads: those won in a period bring Poisson leads in later ones, never at once.

So the leads of a period depend on earlier periods only, and no loop is without time.
"""

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Plan, Tables


def new_customers(plan: Plan) -> Floats:
    """Allocate customers by class and period; none where they bring no leads."""
    has = plan.referral.channel >= 0
    classes = int(plan.referral.class_of.max()) + 1
    return np.zeros((classes if has else 0, len(plan.quarter_of), LANES))


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
def add_customers(plan: Plan, at: tuple[int, int, int], won: Counts, customers: Floats) -> None:
    """Count what was won as customers; at: (period, group, variant)."""
    t, g, v = at
    if plan.referral.channel >= 0:
        mine = customers[plan.referral.class_of[plan.phase_of[t], g, v], t]
        for i in range(len(won)):
            mine[i] += won[i]


@jit(merge=True)
def begin_customers(won: Counts, at: tuple[int, int], customers: Floats) -> None:
    """Begin with the customers won of open deals, (run, class, t), if any; at: (row, lanes)."""
    first, lanes = at
    customers[:] = 0.0
    if len(won) > 0:
        for a in range(won.shape[1]):
            for t in range(won.shape[2]):
                for i in range(lanes):
                    customers[a, t, i] = won[first + i, a, t]
