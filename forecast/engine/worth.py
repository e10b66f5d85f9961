"""What the deals of simulated runs are worth: the sums of their sizes, added up by quarter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Keys, Plan, Tables
from forecast.engine.kernel.sizes import DISCRETE, FIXED, GAMMA, NORMAL
from forecast.engine.kernel.sums import (
    Cell,
    Sizes,
    SizeWork,
    fold,
    ladder_sums,
    listed_sums,
    new_size_work,
    power_sums,
)
from forecast.engine.plan import Blueprint

# Steps of the keys of sizes from here on are of open deals; those below are periods.
OPEN_STEP = 1 << 24


def new_cells(plan: Plan, keys: Keys, runs: int) -> Counts:
    """Allocate the deals of every group, variant and span: shape (g, v, span, run)."""
    return np.zeros((*keys.size.shape, len(plan.spans.start) - 1, runs), np.int64)


def add_worth(
    blueprint: Blueprint,
    keys: Keys,
    tables: Tables,
    cells: Counts,
    first_run: int,
    out: tuple[Counts, Floats],
) -> None:
    """Add deals and their value to ``out``: deals and bookings, (run, q, c, s, p) each.

    Recurring products are left to ``forecast.engine.revenue``.
    """
    plan = blueprint.plan
    deals, bookings = out
    segments = deals.shape[3]
    steps = plan.spans.start[:-1]
    quarters = plan.quarter_of[steps]
    work, worth = new_size_work(LANES), np.empty(cells.shape[2:])
    for g, of_group in enumerate(cells):
        for v, n in enumerate(of_group):
            if plan.kind[g, v] < 0 and n.any():
                at = Cell(g, v, keys.size[g, v], first_run, steps)
                fill_sums(n, blueprint.sizes, at, work, worth)
                place = (slice(None), slice(None), g // segments, g % segments, plan.product_of[v])
                fold(n, worth, tables.scale[:, g, v], quarters, deals[place], bookings[place])


def add_blank_worth(
    blueprint: Blueprint,
    keys: Keys,
    tables: Tables,
    blank: Counts,
    first_run: int,
    rows: Any,
) -> None:
    """Add open deals without an amount (run, q, c, s, p), and sizes of theirs, to the pipeline."""
    assert blueprint.opened is not None
    variant = blueprint.opened.op.variant
    segments = blank.shape[3]
    steps = OPEN_STEP + np.arange(blank.shape[1])
    work, worth = new_size_work(LANES), np.empty(blank.shape[1::-1])
    rows.pipeline_deals[:] += blank
    for g, p in np.ndindex(variant.shape[1:]):
        place = (slice(None), slice(None), g // segments, g % segments, p)
        n, v = np.ascontiguousarray(blank[place].T), int(variant[0, g, p])
        if v < 0 or not n.any():
            continue
        at = Cell(g, v, keys.size[g, v], first_run, steps)
        fill_sums(n, blueprint.sizes, at, work, worth)
        amounts = worth.T * tables.scale[:, g, v][:, None]
        rows.pipeline_bookings[place] += amounts
        if rows.revenue.size:
            rows.revenue[place] += amounts


def fill_sums(n: Counts, sizes: Sizes, at: Cell, work: SizeWork, out: NDArray[np.float64]) -> None:
    """Fill out[b, r] with the sum of the sizes of n[b, r] deals in run at.first_run + r.

    Each kind of family has a kernel of its own, so that only those in use are compiled.
    """
    code = sizes.code[at.g, at.v]
    if code == FIXED:
        np.multiply(np.maximum(n, 0), sizes.parameters[at.g, at.v, 0], out=out)
    elif code in (GAMMA, NORMAL):
        power_sums(n, sizes, at, out)
    elif code == DISCRETE:
        listed_sums(n, sizes, at, work, out)
    else:
        ladder_sums(n, sizes, at, work, out)
