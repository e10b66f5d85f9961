"""What the deals of recurring products bring: bookings at the win, revenue while customers stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from forecast.engine.assumptions import Floats
from forecast.engine.kernel.samplers import Counts
from forecast.engine.kernel.shapes import Keys
from forecast.engine.kernel.stays import Classes, recognise, split
from forecast.engine.plan import Blueprint
from forecast.engine.stays import Stays, StayWork, new_stay_work
from forecast.engine.worth import sums_of


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
    blueprint: Blueprint, keys: Keys, stays: Stays, deals: Deals, out: Amounts
) -> None:
    """Add the deals of all recurring products to ``out``, which has those paid once already.

    These are recognised when they are won: their revenue so far is their bookings.
    """
    plan, kinds = blueprint.plan, blueprint.maker.kinds
    out.revenue[:] += out.bookings
    segments, quarters = out.deals.shape[3], out.deals.shape[1]
    work = new_stay_work(kinds, quarters, deals.cells.shape[-1])
    for g, v in np.argwhere(plan.kind >= 0).tolist():
        n = deals.cells[g, v]
        if not n.any():
            continue
        for array in work.brought:
            array[:] = 0.0
        for first, after in _parts(kinds.begin[plan.kind[g, v]], len(work.classes)):
            _add_part(blueprint, keys, stays, deals, (g, v, first, after), work)
        scale = deals.scale[:, g, v]
        place = (slice(None), slice(None), g // segments, g % segments, plan.product_of[v])
        np.add.at(out.deals[place].T, plan.quarter_of, n)
        out.bookings[place] += (work.brought.booked * scale).T
        out.revenue[place] += (work.brought.revenue * scale).T


def _parts(begin: Counts, rows: int) -> Iterator[tuple[int, int]]:
    """Cut periods into (first, after) of as many as have no more classes than that."""
    first = 0
    while first < len(begin) - 1:
        after = int(np.searchsorted(begin, begin[first] + rows, side="right")) - 1
        yield first, after
        first = after


def _add_part(
    blueprint: Blueprint,
    keys: Keys,
    stays: Stays,
    deals: Deals,
    at: tuple[int, int, int, int],
    work: StayWork,
) -> None:
    """Split the deals of group, variant and some periods by their stay; add what they bring."""
    g, v, first, after = at
    plan, kinds = blueprint.plan, blueprint.maker.kinds
    kind = int(plan.kind[g, v])
    begin = kinds.begin[kind][first : after + 1]
    count = int(begin[-1] - begin[0])
    classes, each = work.classes[:count], Classes(first, begin)
    address, space = (keys.stays[g, v], deals.first_run), (work.spread, work.numbers)
    split(deals.cells[g, v, first:after], stays.leaving, kind, address, space, each, classes)
    steps = kinds.steps[kind][begin[0] : begin[-1]]
    key = keys.stay_size[g, v], deals.first_run
    worth = sums_of(classes, blueprint.sizes, (g, v), key, steps)
    paid, booked = stays.paid[:, kind], stays.booked[:, kind]
    recognise(worth, each, paid, booked, kinds.terms[kind], plan.quarter_of, work.brought)
