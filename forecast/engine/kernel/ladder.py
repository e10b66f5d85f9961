"""Sums of many sizes from tables of quantiles: a look-up for each non-zero hexadecimal digit.

The sum of n sizes is the sum of independent sums of d * 16**k sizes, one for each digit d of n. For
each d and k there is a row of a table: the sum's quantile at Phi(z) as a function of the standard
normal score z, a cubic in each of CELLS cells. A row that is off by a share of at most e
everywhere leaves the sum, which has only positive terms, off by at most that share.

Where single sizes are too rough for a table (few distinct values), it is built of *units* of many
sizes each, and those that fill no unit are drawn one by one.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word, draw, log, turn
from forecast.engine.kernel.convolve import amount, place_at
from forecast.engine.kernel.samplers import Counts, Floats

BASE = 16
SHIFT = 4  # 2**SHIFT = BASE
DIGITS = BASE - 1
EDGE = 8.25  # a score beyond, which one in 10**16 is, counts as this
PER_SCORE = 16
CELLS = int(2 * EDGE * PER_SCORE)

# Index of the draw of levels 0 and 1, where the draws of single sizes have indices below it; later
# pairs of levels add 1 each, and the ladder of set s of a listed family PART * s.
LADDER = 1 << 31
PART = 64

Address: TypeAlias = tuple[Word, int, int, int]  # key, first run, step, index


class Ladders(NamedTuple):
    """The tables of all ladders, one after another; level k of ladder l begins DIGITS * k rows
    after the first, and has the digits 1, 2, ... up to DIGITS; the last level up to ``digits``."""

    row: Counts  # (l,) the first row
    levels: Counts  # (l,)
    digits: Counts  # (l,) digits of the last level
    unit: Counts  # (l,) sizes in a unit
    table: Floats  # (row, cell, 4) coefficients of 1, u, u**2, u**3, for u = 0..1 in the cell


class LadderWork(NamedTuple):
    """Working space for as many lanes as a block has."""

    lane: Counts  # lanes with units left
    left: Counts  # units of every lane
    even: Floats  # normal scores of an even level, of every lane,
    odd: Floats  # and of the next
    one: Floats  # the same of the lanes listed
    other: Floats


def new_ladder_work(lanes: int) -> LadderWork:
    """Working space for blocks of up to ``lanes`` lanes."""
    lane, left = np.zeros((2, lanes), np.int64)
    return LadderWork(lane, left, *np.zeros((4, lanes)))


@jit(entry=True)
def fill_rows(law: Floats, top: float, rows: Floats) -> None:
    """Fill one row (cell, 4) from a law of ``convolve``: x through value and slope at every edge.

    The slope is by differences over a tenth of a cell, of which the law's own cubic is the source.
    """
    small = 0.01 / PER_SCORE
    for i in range(CELLS):
        z = i / PER_SCORE - EDGE
        x0, x1 = amount(place_at(law, z), top), amount(place_at(law, z + 1.0 / PER_SCORE), top)
        d0 = slope_at(law, z, top, small)
        d1 = slope_at(law, z + 1.0 / PER_SCORE, top, small)
        rise = x1 - x0
        rows[i, 0] = x0
        rows[i, 1] = d0
        rows[i, 2] = 3.0 * rise - 2.0 * d0 - d1
        rows[i, 3] = d0 + d1 - 2.0 * rise


@jit()
def slope_at(law: Floats, z: float, top: float, small: float) -> float:
    """The slope of x a cell, at z."""
    rise = amount(place_at(law, z + small), top) - amount(place_at(law, z - small), top)
    return rise / (2.0 * small * PER_SCORE)


@jit(inline=True)
def look_up(row: Floats, z: float) -> float:
    """The amount of a row at a score."""
    at = min(max((z + EDGE) * PER_SCORE, 0.0), CELLS - 1e-9)
    i = np.int64(at)
    u = at - i
    return row[i, 0] + u * (row[i, 1] + u * (row[i, 2] + u * row[i, 3]))


@jit()
def fill_scores(m: int, address: Address, work: LadderWork) -> None:
    """The normal scores of two levels for the m lanes listed (Box & Muller 1958); vectorised."""
    key, first_run, step, index = address
    for j in range(m):
        u, v = draw(key, first_run + work.lane[j], step, index, 0)
        work.one[j] = u
        work.other[j] = v
    for j in range(m):
        radius = math.sqrt(-2.0 * log(work.one[j]))
        cosine, sine = turn(work.other[j])
        work.one[j] = radius * cosine
        work.other[j] = radius * sine
    for j in range(m):
        i = np.uint64(work.lane[j])
        work.even[i] = work.one[j]
        work.odd[i] = work.other[j]


@jit()
def add_ladder(
    units: Counts, ladders: Ladders, which: int, address: Address, work: LadderWork, out: Floats
) -> None:
    """out[i] += the sum of units[i] units of ladder ``which``, in run first_run + i.

    Levels 2 k and 2 k + 1 are drawn at the address's index + k.
    Units beyond the last level's digits are looked up again and again in its last row, each time
    at an index of their own; the value for what the levels reach does not depend on their number.
    """
    key, first_run, step, index = address
    last, digits = ladders.levels[which] - 1, ladders.digits[which]
    most = 0
    for i in range(len(units)):
        work.left[i] = units[i]
        most = max(most, units[i])
    k = 0
    while most > 0:
        if k & 1 == 0:
            m = 0
            for i in range(len(units)):
                work.lane[np.uint64(m)] = i
                m += work.left[i] > 0
            fill_scores(m, (key, first_run, step, index + (k >> 1)), work)
        score = work.odd if k & 1 else work.even
        level = min(k, last)
        first = ladders.row[which] + DIGITS * level - 1
        for i in range(len(units)):
            left = work.left[i]
            if level == last:
                d = min(left, digits)
                work.left[i] = left - d
            else:
                d = left & DIGITS
                work.left[i] = left >> SHIFT
            if d > 0:
                out[i] += look_up(ladders.table[np.uint64(first + d)], score[i])
        most = most - digits if level == last else most >> SHIFT
        k += 1
