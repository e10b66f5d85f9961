"""Spread the items of a cohort over the cells of a lag: a multinomial, the cheaper way.

Few items take a cell each, by inversion through a guide table (Chen & Asau 1974, "On generating
random variates from an empirical distribution", doi:10.1080/05695557408974949); many items are
counted cell by cell, by conditional binomials.
"""

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word, fill_bits, fill_draws, item_bits
from forecast.engine.kernel.samplers import binomial_given
from forecast.engine.kernel.shapes import Bits, Counts, Floats, Guides, Tables

GUIDE_BITS = 10
GUIDE_CELLS = 1 << GUIDE_BITS
PICK_BITS = 16  # of a pick: the upper ones look into the guide, and mostly settle the cell
PICKS = 4  # from 64 bits
PICK_SHIFT = np.uint64(PICK_BITS - GUIDE_BITS)
PICK_MASK = np.uint64((1 << PICK_BITS) - 1)
FIRST, STEP = (
    np.uint64(48),
    np.uint64(16),
)  # where the first pick of 64 bits begins, and how far apart
TIE_BREAKS = 1 << 31  # the item of a bit stream from which the lower bits of the first pick stand
FULL = np.uint64(0xFFFFFFFFFFFFFFFF)

# Cells with less mass than this hardly ever get an item, so they do not count for the choice.
CELL_MASS = 1e-3
# Measured: an item costs spread_few 2 ns; a cell costs spread_many 25 to 70 ns, and nothing once
# no item is left.
ITEMS_PER_CELL = 20


@jit(entry=True)
def build_rows(
    chances: Floats, cells: Counts, cumulative: Bits, guides: Guides, crossovers: Counts
) -> None:
    """Fill the cumulative chances, guide and crossover of every row; row i uses cells[i] cells."""
    for i in range(len(chances)):
        n = cells[i]
        build_guide(chances[i, :n], cumulative[i, :n], guides[i])
        full = 0
        for k in range(n):
            if chances[i, k] > CELL_MASS:
                full += 1
        crossovers[i] = ITEMS_PER_CELL * full if full > 1 else 0


@jit()
def build_guide(chances: Floats, cumulative: Bits, guide: Guides) -> None:
    """Fill cumulative[k] = 2**64 P(cell <= k), and the guide: for each 2**-10 of probability its
    cell, or -1 - its first cell where there is more than one."""
    total = 0.0
    last = len(chances) - 1
    for k in range(last):
        total += chances[k]
        cumulative[k] = np.uint64(total * 2.0**64) if total < 1.0 else FULL
    cumulative[last] = FULL
    width = np.uint64(1) << np.uint64(64 - GUIDE_BITS)
    k = 0
    for b in range(len(guide)):
        begin = np.uint64(b) * width
        while k < last and cumulative[k] <= begin:
            k += 1
        whole = k == last or cumulative[k] - begin >= width
        guide[b] = k if whole else -1 - k


@jit()
def settle(pick: Word, cumulative: Bits, first: int, address: tuple[Word, int, int, int]) -> int:
    """The cell, not before ``first``, of a pick whose lower bits decide; they are drawn here."""
    key, run, step, item = address
    u = (pick << FIRST) | (item_bits(key, run, step, TIE_BREAKS + item) >> STEP)
    k = first
    while k < len(cumulative) - 1 and u >= cumulative[k]:
        k += 1
    return k


@jit()
def spread_few(
    m: int,
    cumulative: Bits,
    guide: Guides,
    address: tuple[Word, int, int],
    scratch: Bits,
    counts: Counts,
) -> None:
    """Add m items, each in a cell, to *counts*: a multinomial, item by item.

    *scratch* is working space of any length >= 1; the result does not depend on its length. An
    item's cell is found from 64 bits, of which 16 settle nearly all.
    """
    key, run, step = address
    size = PICKS * len(scratch)
    first = 0
    while first < m:
        n = min(size, m - first)
        fill_bits(key, run, step, first // PICKS, (n + PICKS - 1) // PICKS, scratch)
        for item in range(n):
            shift = np.uint64(FIRST - STEP * np.uint64(item & 3))
            pick = (scratch[item >> 2] >> shift) & PICK_MASK
            cell = int(guide[pick >> PICK_SHIFT])
            if cell < 0:
                cell = settle(pick, cumulative, -1 - cell, (key, run, step, first + item))
            counts[cell] += 1
        first += n


@jit()
def spread_many(
    m: int, conditional: Floats, key: Word, run: int, step: int, scratch: Floats, counts: Counts
) -> None:
    """Add m items to *counts*: a multinomial, one binomial per cell that has mass.

    conditional[i] = p[i] / (p[i] + p[i + 1] + ...) is the share of a cell in what the cells before
    it left, exactly 1 at the last cell with mass. *scratch* is space for two numbers a cell.
    """
    cells = len(conditional)
    fill_draws(key, run, step, 0, cells, scratch)
    left = m
    for i in range(cells):
        if left <= 0:
            return
        if conditional[i] > 0.0:
            u, v = scratch[2 * i], scratch[2 * i + 1]
            k = binomial_given(u, v, left, conditional[i], key, run, step, i)
            counts[i] += k
            left -= k


@jit(merge=True)
def spread(
    m: int,
    tables: Tables,
    row: int,
    address: tuple[Word, int, int],
    scratch: tuple[Bits, Floats],
    counts: Counts,
) -> None:
    """Add m items to counts[k] for a lag of k periods; the last cell is all beyond the horizon."""
    cells = tables.lag_cells[row]
    if m < tables.lag_crossover[row]:
        cumulative = tables.lag_cumulative[row, :cells]
        spread_few(m, cumulative, tables.lag_guide[row], address, scratch[0], counts)
    else:
        key, run, step = address
        spread_many(m, tables.lag_conditional[row, :cells], key, run, step, scratch[1], counts)
