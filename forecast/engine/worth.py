"""What the deals of simulated runs are worth: the sums of their sizes, added up by quarter."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.engine.buffers import empty
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Keys, Plan, Tables
from forecast.engine.kernel.sizes import DISCRETE, FIXED, GAMMA, NORMAL
from forecast.engine.kernel.sums import (
    Cells,
    Sizes,
    SizeWork,
    Totals,
    ladder_sums,
    listed_sums,
    new_size_work,
    power_sums,
)
from forecast.engine.plan import Blueprint

# Steps of the keys of sizes from here on are of open deals; those below are periods.
OPEN_STEP = 1 << 24
_NONE = np.zeros(0, np.int64)
NO_TOTALS = Totals(
    _NONE,
    _NONE,
    _NONE,
    _NONE,
    np.ones((1, 1, 1)),
    np.zeros((0, 0, 0, 0, 0), np.int64),
    np.zeros((0, 0, 0, 0, 0)),
)
POWERS = FIXED, GAMMA, NORMAL  # families whose sums are of the family


def new_cells(plan: Plan, keys: Keys, runs: int) -> Counts:
    """Allocate the deals of every group, variant and span: shape (g, v, span, run)."""
    cells = empty((*keys.size.shape, len(plan.spans.start) - 1, runs), np.int64)
    cells.fill(0)
    return cells


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
    plan, (deals, bookings) = blueprint.plan, out
    steps = plan.spans.start[:-1]
    g, v = np.nonzero(plan.kind < 0)
    at = Cells(g * cells.shape[1] + v, g, v, keys.size[g, v], first_run, steps)
    c, s = np.divmod(g, deals.shape[3])
    quarters, product = plan.quarter_of[steps], plan.product_of[v]
    to = Totals(quarters, c, s, product, tables.scale, deals, bookings)
    worth = np.empty((1, len(steps), LANES))
    by_row, work = cells.reshape(-1, *cells.shape[2:]), new_size_work(LANES)
    _sum_sizes(by_row, blueprint.sizes, at, work, worth, to)


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
    rows.pipeline_deals[:] += blank
    for g, p in np.ndindex(variant.shape[1:]):
        place = (slice(None), slice(None), g // segments, g % segments, p)
        n, v = np.ascontiguousarray(blank[place].T), int(variant[0, g, p])
        if v < 0 or not n.any():
            continue
        worth = sums_of(n, blueprint.sizes, (g, v), (keys.size[g, v], first_run), steps)
        amounts = worth.T * tables.scale[:, g, v][:, None]
        rows.pipeline_bookings[place] += amounts
        if rows.revenue.size:
            rows.revenue[place] += amounts


def sums_of(
    n: Counts,
    sizes: Sizes,
    place: tuple[int, int],
    key: tuple[Any, int],
    steps: Counts,
    lanes: int = LANES,
) -> Floats:
    """Give the sums of the sizes of n (span, run) deals of a group and variant, of the same shape.

    ``key`` is (key, first run); ``lanes`` runs are summed at a time.
    """
    word, first_run = key
    row, g, v = np.array([[0], [place[0]], [place[1]]])
    at = Cells(row, g, v, np.array([word], dtype=np.uint64), first_run, steps)
    worth: Floats = np.empty((1, *n.shape))
    _sum_sizes(n[None], sizes, at, new_size_work(lanes), worth, NO_TOTALS)
    sums: Floats = worth[0]
    return sums


def _sum_sizes(
    n: Counts, sizes: Sizes, at: Cells, work: SizeWork, worth: Floats, to: Totals
) -> None:
    """Sum the sizes of n (row, span, run): see ``power_sums``.

    Each kind of family has a kernel of its own, so that only those in use are compiled.
    """
    code = sizes.code[at.g, at.v]
    power, listed = np.isin(code, POWERS), code == DISCRETE
    kinds = (power_sums, power), (listed_sums, listed), (ladder_sums, ~(power | listed))
    for kernel, mine in kinds:
        if mine.any():
            kernel(np.flatnonzero(mine), n, sizes, at, work, worth, to)
