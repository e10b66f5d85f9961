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
from forecast.engine.kernel.pairs import add_pair
from forecast.engine.kernel.samplers import Bits, Counts, Floats

Words = NDArray[np.int32]

WORDS = 4  # of a block of the stream, one a run
BLOCKS = LANES // WORDS
TOGETHER = 4  # quarters that are looked at together


class Odds(NamedTuple):
    """Deals side by side that are of one channel, segment and product."""

    upto: Words  # (deal, q) won by a quarter's end if the number drawn is not above it; -1: never;
    # beyond the last quarter, up to a multiple of TOGETHER, no number is above it
    amount: Floats  # (deal,)
    first: Counts  # (place + 1,) first deal
    place: Counts  # (place, 3) channel, segment, product


class Tally(NamedTuple):
    """Working space: what is won in each quarter, and after the last one or never.

    Its lanes are as ``run_of`` says.
    """

    words: Words  # (lane,)
    cell: Words  # (lane,) the quarter of a deal
    won: Floats  # (q + 1, lane, 2) deals, and what they are worth; as one row


def new_tally(quarters: int) -> Tally:
    """Allocate working space."""
    words, cell = np.zeros((2, LANES), np.int32)
    return Tally(words, cell, np.zeros((quarters + 1) * LANES * 2))


@jit(entry=True)
def draw_odds(
    odds: Odds, keys: Bits, first_run: int, space: Tally, deals: Counts, bookings: Floats
) -> None:
    """Add the deals won in the runs first_run, first_run + 1, ... to rows (r, q, c, s, p)."""
    rows = len(deals)
    for run in range(first_run - first_run % LANES, first_run + rows, LANES):
        for n in range(len(odds.place)):
            space.won[:] = 0.0
            for d in range(odds.first[n], odds.first[n + 1]):
                fill_words(keys[d], run, space.words)
                count(odds, d, space)
            c, s, p = odds.place[n]
            for lane in range(LANES):
                row = run_of(run, lane) - first_run
                if 0 <= row < rows:
                    for q in range(deals.shape[1]):
                        at = np.uint64((q * LANES + lane) * 2)
                        deals[row, q, c, s, p] += int(space.won[at])
                        bookings[row, q, c, s, p] += space.won[at + ONE]


@jit(inline=True)
def run_of(first: int, lane: int) -> int:
    """The run of a lane, from a multiple of LANES on: every word of the blocks is side by side."""
    return first + lane % BLOCKS * WORDS + lane // BLOCKS


@jit()
def fill_words(key: Word, run: int, out: Words) -> None:
    """Fill whole numbers below 2**31 of the lanes."""
    k = np.uint64(key)
    block = np.uint64(run) // np.uint64(WORDS)
    for i in range(BLOCKS):
        w0, w1, w2, w3 = philox(block + np.uint64(i), 0, 0, STREAM, k & WORD, k >> HALF)
        out[i] = np.int32(w0 >> ONE)
        out[BLOCKS + i] = np.int32(w1 >> ONE)
        out[2 * BLOCKS + i] = np.int32(w2 >> ONE)
        out[3 * BLOCKS + i] = np.int32(w3 >> ONE)


@jit()
def count(odds: Odds, d: int, space: Tally) -> None:
    """Count deal d in the quarter that its number chooses, in every lane."""
    words, cell = space.words, space.cell
    for i in range(LANES):
        cell[i] = 0
    for q in range(0, odds.upto.shape[1], TOGETHER):
        first, second = odds.upto[d, q], odds.upto[d, q + 1]
        third, fourth = odds.upto[d, q + 2], odds.upto[d, q + 3]
        for i in range(LANES):
            w = words[i]
            later = 1 if w > first else 0
            later += 1 if w > second else 0
            later += 1 if w > third else 0
            later += 1 if w > fourth else 0
            cell[i] += later
    amount = odds.amount[d]
    for i in range(LANES):
        add_pair(space.won, np.uint64(cell[i] * (2 * LANES) + 2 * i), 1.0, amount)
