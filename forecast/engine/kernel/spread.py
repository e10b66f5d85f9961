"""Spread the items of a cohort over the cells of a lag: a multinomial, the cheaper way.

Many items are counted cell by cell, by conditional binomials, all lanes together; as soon as few
are left in a lane, each of them takes a cell by inversion through a guide table (Chen & Asau 1974,
"On generating random variates from an empirical distribution", doi:10.1080/05695557408974949).
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import HALF, WORD, Word, bit_pair, item_bits
from forecast.engine.kernel.lanes import LANES, Work, binomials, new_work
from forecast.engine.kernel.samplers import Bits, Counts, Floats
from forecast.engine.kernel.shapes import Guides, Tables

GUIDE_BITS = 10
GUIDE_CELLS = 1 << GUIDE_BITS
PICK_BITS = 16  # of a pick: the upper ones look into the guide, and mostly settle the cell
PICKS = 4  # from 64 bits
PICK_SHIFT = np.uint64(PICK_BITS - GUIDE_BITS)
PICK_MASK = np.uint64((1 << PICK_BITS) - 1)
FIRST, STEP = np.uint64(48), np.uint64(16)  # of 64 bits: those below the first pick, those of each
Lane = tuple[Word, int, int]  # key, run of the first lane, step
TIE_BREAKS = 1 << 31  # the item of a bit stream from which the lower bits of the first pick stand
FULL = np.uint64(0xFFFFFFFFFFFFFFFF)

WORDS = 16  # of 64 bits, made at a time for every lane

# Cells with less mass hardly ever get an item, so they do not count for the choice of a method.
CELL_MASS = 1e-3
# Measured: a step costs 16 ns a lane; an item 2 ns, once steps have been counted 4 ns and more.
ITEMS_PER_STEP, LATE_ITEMS_PER_STEP = 8, 1


@jit(entry=True)
def build_rows(
    chances: Floats, cells: Counts, beyond: Floats, last: Counts, cumulative: Bits, guides: Guides
) -> None:
    """Fill what the spread of items looks up, for rows that use cells[i] cells."""
    for i in range(len(chances)):
        n = cells[i]
        build_guide(chances[i, :n], cumulative[i, :n], guides[i])
        total = 0.0
        last[i] = 0
        for k in range(n - 1, -1, -1):
            total += chances[i, k]
            beyond[i, k] = total
            if chances[i, k] > CELL_MASS:
                last[i] = max(last[i], k)


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


class To(NamedTuple):
    """Where the items of a period go: the steps that periods belong to."""

    start: Counts  # (step + 1,) first periods of the steps, and the end
    of: Counts  # (t,)
    period: int


class Spread(NamedTuple):
    """Working space of ``spread``."""

    left: Counts  # (lane,) items that have no cell yet
    counts: Counts  # (lane,)
    row: Counts  # (lane,) of the lag tables
    few: Counts  # (lane,) lanes whose items go one by one
    chance: Floats  # (lane,)
    bits: Bits  # (WORDS * LANES,)
    work: Work


def new_spread() -> Spread:
    """Allocate working space."""
    left, counts, row, few = np.empty((4, LANES), np.int64)
    bits = np.empty(WORDS * LANES, np.uint64)
    return Spread(left, counts, row, few, np.empty(LANES), bits, new_work())


@jit(inline=True)
def fill_words(n: int, words: int, block: int, address: Lane, at: Spread) -> None:
    """Words 2 * block .. of the bit streams of the n lanes listed; all lanes together."""
    key, first_run, step = address
    for b in range((words + 1) // 2):
        even = at.bits[2 * b * LANES : (2 * b + 1) * LANES]
        odd = at.bits[(2 * b + 1) * LANES : (2 * b + 2) * LANES]
        for j in range(n):
            even[j], odd[j] = bit_pair(key, first_run + at.few[j], step, block + b)


@jit()
def spread_few(n: int, tables: Tables, address: Lane, at: Spread, to: To, coming: Counts) -> None:
    """Let every item of the n lanes listed take its cell, by a pick of 16 bits.

    These settle nearly all; for the rest 48 more are drawn.
    """
    key, first_run, step = address
    most = most_items(n, at)
    for first in range(0, most, PICKS * WORDS):
        words = min(WORDS, (most - first + PICKS - 1) // PICKS)
        fill_words(n, words, first // (2 * PICKS), address, at)
        for j in range(n):
            i = at.few[j]
            row = at.row[i]
            guide = tables.lag_guide[row]
            mine = coming[:, i]
            for item in range(min(PICKS * WORDS, at.left[i] - first)):
                shift = np.uint64(FIRST - STEP * np.uint64(item & 3))
                pick = (at.bits[np.uint64((item >> 2) * LANES + j)] >> shift) & PICK_MASK
                cell = int(guide[pick >> PICK_SHIFT])
                if cell < 0:
                    cumulative = tables.lag_cumulative[row, : tables.lag_cells[row]]
                    one = key, first_run + i, step, first + item
                    cell = settle(pick, cumulative, -1 - cell, one)
                add_item(cell, to, mine)


@jit()
def spread_late(
    n: int, first_cell: int, tables: Tables, address: Lane, at: Spread, to: To, coming: Counts
) -> None:
    """Let every item of the n lanes listed take its cell, the first or later, by 64 bits."""
    most = most_items(n, at)
    for first in range(0, most, WORDS):
        fill_words(n, min(WORDS, most - first), first // 2, address, at)
        for j in range(n):
            i = at.few[j]
            row = at.row[i]
            cumulative = tables.lag_cumulative[row, : tables.lag_cells[row]]
            before = cumulative[first_cell - 1]
            mine = coming[:, i]
            for item in range(min(WORDS, at.left[i] - first)):
                bits = at.bits[np.uint64(item * LANES + j)]
                place = before + high_product(bits, FULL - before)
                cell = first_cell
                while cell < len(cumulative) - 1 and place >= cumulative[cell]:
                    cell += 1
                add_item(cell, to, mine)


@jit(inline=True)
def most_items(n: int, at: Spread) -> int:
    """The most items that one of the n lanes listed has."""
    most = 0
    for j in range(n):
        most = max(most, at.left[at.few[j]])
    return most


@jit(inline=True)
def add_item(cell: int, to: To, mine: Counts) -> None:
    """Count an item at the step that holds the period ``cell`` periods on; later ones are lost."""
    if cell < len(to.of) - to.period:
        mine[np.uint64(to.of[np.uint64(to.period + cell)] - to.of[to.period])] += 1


@jit(inline=True)
def high_product(x: Word, y: Word) -> Word:
    """The upper 64 bits of x * y, but for a carry that is lost: 2**-64 of y at most."""
    a, b = x >> HALF, x & WORD
    c, d = y >> HALF, y & WORD
    return a * c + ((a * d) >> HALF) + ((b * c) >> HALF)


@jit()
def spread(
    tables: Tables, lag: int, first_row: int, address: Lane, at: Spread, to: To, coming: Counts
) -> None:
    """Add at.left[i] items of every lane i to coming[b, i], b steps later; others are dropped.

    Lane i takes row first_row + i of a lag that is uncertain.
    """
    key, first_run, step = address
    steps, lanes = coming.shape
    left, counts, chance = at.left[:lanes], at.counts[:lanes], at.chance[:lanes]
    for i in range(lanes):
        at.row[i] = tables.lag_first[lag] + tables.lag_step[lag] * (first_row + i)
    is_uncertain = tables.lag_step[lag] > 0
    here = to.of[to.period]
    begin = 0
    for b in range(steps):
        end = to.start[here + b + 1] - to.period
        few, many = 0, 0
        crossover, share = crossover_and_share(tables, at.row[0], b, (begin, end), to)
        if not is_uncertain:
            for i in range(lanes):
                chance[i] = share
                many += 1 if left[i] >= crossover else 0
        if many < lanes:
            many = 0
            for i in range(lanes):
                if is_uncertain:
                    crossover, share = crossover_and_share(tables, at.row[i], b, (begin, end), to)
                chance[i] = share
                if left[i] >= crossover:
                    many += 1
                elif left[i] > 0:
                    at.few[np.uint64(few)] = i
                    few += 1
        if few > 0:
            if b == 0:
                spread_few(few, tables, address, at, to, coming)
            else:
                spread_late(few, begin, tables, address, at, to, coming)
            for j in range(few):
                left[at.few[j]] = 0
        if many == 0:
            return
        binomials(left, chance, (key, first_run, step, b), at.work, counts)
        for i in range(lanes):
            coming[b, i] += counts[i]
            left[i] -= counts[i]
        begin = end


@jit(inline=True)
def crossover_and_share(
    tables: Tables, row: int, b: int, between: tuple[int, int], to: To
) -> tuple[int, float]:
    """From how many items on step b is counted; its share of what the steps before it left.

    Step b is the cells from the first of ``between`` up to the second. Fewer items go one by one.
    """
    begin, end = between
    cells = tables.lag_cells[row]
    last = min(to.period + (tables.lag_last[row] if b == 0 else cells - 1), len(to.of) - 1)
    steps = to.of[np.uint64(last)] - to.of[np.uint64(to.period)] - b + 1
    crossover = max(steps, 1) * (ITEMS_PER_STEP if b == 0 else LATE_ITEMS_PER_STEP)
    beyond = tables.lag_beyond[row]
    whole = beyond[np.uint64(min(begin, cells))]
    if whole <= 0.0:
        return crossover, 1.0
    return crossover, 1.0 - beyond[np.uint64(min(end, cells))] / whole
