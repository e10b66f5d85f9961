"""Open deals of which both the chance and the time are their own: their odds are those of any run.

Where only deals and money are asked for, all that has to be drawn of such a deal is the quarter in
which it is won, or none: for a block of runs at once, by a whole number below 2**31 from the deal's
stream against what the quarters' ends are sure of. A chance is met to 2**-32.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import HALF, ONE, STREAM, WORD, Word, philox
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.samplers import Bits, Counts, Floats

Words = NDArray[np.int32]

WORDS = 4  # of a block of the stream, one a run
TOGETHER = 4  # quarters that are looked at together


class Odds(NamedTuple):
    """Deals side by side that are of one channel, segment and product."""

    upto: Words  # (deal, q) won by a quarter's end if the number drawn is not above it; -1: never;
    # beyond the last quarter, up to a multiple of TOGETHER, no number is above it
    amount: Floats  # (deal,)
    first: Counts  # (place + 1,) first deal
    place: Counts  # (place, 3) channel, segment, product


class Tally(NamedTuple):
    """Working space: what is won in each quarter, and after the last one or never."""

    words: Words  # (lane + WORDS,)
    cell: Words  # (lane,) where a deal is counted
    won: Counts  # (cell,) of (q + 1, lane)
    worth: Floats  # (cell,)


def new_tally(quarters: int) -> Tally:
    """Allocate working space."""
    cells = (quarters + 1) * LANES
    words, cell = np.zeros(LANES + WORDS, np.int32), np.zeros(LANES, np.int32)
    return Tally(words, cell, np.zeros(cells, np.int64), np.zeros(cells))


@jit(entry=True)
def draw_odds(
    odds: Odds, keys: Bits, first_run: int, space: Tally, deals: Counts, bookings: Floats
) -> None:
    """Add the deals won in the runs first_run, first_run + 1, ... to rows (r, q, c, s, p)."""
    rows = len(deals)
    for row in range(0, rows, LANES):
        lanes, run = min(LANES, rows - row), first_run + row
        for n in range(len(odds.place)):
            space.won[:] = 0
            space.worth[:] = 0.0
            for d in range(odds.first[n], odds.first[n + 1]):
                fill_words(keys[d], run, space.words)
                count(odds, d, run % WORDS, space)
            c, s, p = odds.place[n]
            for q in range(deals.shape[1]):
                for i in range(lanes):
                    deals[row + i, q, c, s, p] += space.won[q * LANES + i]
                    bookings[row + i, q, c, s, p] += space.worth[q * LANES + i]


@jit()
def fill_words(key: Word, run: int, out: Words) -> None:
    """Fill whole numbers below 2**31 of the runs from the last multiple of WORDS on."""
    k = np.uint64(key)
    block = np.uint64(run) // np.uint64(WORDS)
    for i in range(len(out) // WORDS):
        at = block + np.uint64(i)
        w0, w1, w2, w3 = philox(at, 0, 0, STREAM, k & WORD, k >> HALF)
        out[WORDS * i] = np.int32(w0 >> ONE)
        out[WORDS * i + 1] = np.int32(w1 >> ONE)
        out[WORDS * i + 2] = np.int32(w2 >> ONE)
        out[WORDS * i + 3] = np.int32(w3 >> ONE)


@jit()
def count(odds: Odds, d: int, skip: int, space: Tally) -> None:
    """Count deal d in the quarter that its number chooses, in every lane."""
    words, cell = space.words[skip : skip + LANES], space.cell
    for i in range(LANES):
        cell[i] = i
    for q in range(0, odds.upto.shape[1], TOGETHER):
        first, second = odds.upto[d, q], odds.upto[d, q + 1]
        third, fourth = odds.upto[d, q + 2], odds.upto[d, q + 3]
        for i in range(LANES):
            w = words[i]
            later = LANES if w > first else 0
            later += LANES if w > second else 0
            later += LANES if w > third else 0
            later += LANES if w > fourth else 0
            cell[i] += later
    amount = odds.amount[d]
    for i in range(LANES):
        at = np.uint64(cell[i])
        space.won[at] += 1
        space.worth[at] += amount
