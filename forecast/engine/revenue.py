"""What the deals of recurring products bring: bookings at the win, revenue while customers stay."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forecast.engine.assumptions import Floats
from forecast.engine.kernel.samplers import Counts
from forecast.engine.kernel.shapes import Keys, Plan
from forecast.engine.kernel.stays import recognise, split
from forecast.engine.kernel.sums import Cell
from forecast.engine.stays import CLASS_SHIFT, Kinds, Stays, StayWork, new_stay_work
from forecast.engine.worth import fill_sums


class Amounts(NamedTuple):
    """Deals and what they are worth, to be added to: (run, q, c, s, p) each."""

    deals: Counts
    bookings: Floats
    revenue: Floats


class Deals(NamedTuple):
    """Won deals, the factor on their sizes, and the first of their runs."""

    cells: Counts  # (g, v, period, run)
    scale: Floats  # (run or 1, g, v)
    first_run: int


def add_recurring(
    plan: Plan, keys: Keys, kinds: Kinds, stays: Stays, deals: Deals, out: Amounts
) -> None:
    """Add the deals of all recurring products to ``out``, which has those paid once already.

    These are recognised when they are won: their revenue so far is their bookings.
    """
    out.revenue[:] += out.bookings
    segments, quarters = out.deals.shape[3], out.deals.shape[1]
    work = new_stay_work(kinds, quarters, deals.cells.shape[-1])
    for g, v in np.argwhere(plan.kind >= 0):
        n = deals.cells[g, v]
        if not n.any():
            continue
        booked = np.zeros_like(work.revenue)
        work.revenue[:] = 0.0
        for t in np.flatnonzero(n.any(axis=1)):
            worth = _classes(plan, keys, stays, deals, (int(g), int(v), int(t)), work)
            kind = plan.kind[g, v]
            after = plan.quarter_of[t:]
            recognise(
                worth, stays.paid[:, kind], kinds.terms[kind], after, work.active, work.revenue
            )
            booked[after[0]] += stays.booked[:, kind] * work.active
        scale = deals.scale[:, g, v]
        place = (slice(None), slice(None), g // segments, g % segments, plan.product_of[v])
        np.add.at(out.deals[place].T, plan.quarter_of, n)
        out.bookings[place] += (booked * scale).T
        out.revenue[place] += (work.revenue * scale).T


def _classes(
    plan: Plan, keys: Keys, stays: Stays, deals: Deals, at: tuple[int, int, int], work: StayWork
) -> Floats:
    """Split the deals of group, variant and period by how long they stay; gives (class, run)."""
    g, v, t = at
    kind = int(plan.kind[g, v])
    count = int(work.terms[kind, len(plan.quarter_of) - 1 - t]) + 1
    classes, worth = work.classes[:count], work.worth[:count]
    address = keys.stays[g, v], deals.first_run, t
    split(deals.cells[g, v, t], stays.leaving, kind, address, work.spread, work.numbers, classes)
    steps = t + (work.numbers[:count] << CLASS_SHIFT)
    cell = Cell(g, v, keys.stay_size[g, v], deals.first_run, steps)
    fill_sums(classes, plan.sizes, cell, work.sizes, worth)
    return worth
