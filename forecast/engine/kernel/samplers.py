"""Samplers of single variates: gamma, and categories by alias tables.

Each is a function of its parameters and of the address (key, run, step, index) of the variate.
Sources:

- gamma: Marsaglia & Tsang 2000, "A simple method for generating gamma variables",
  doi:10.1145/358407.358414;
- alias tables: Walker 1977, doi:10.1145/355744.355749; Vose 1991, doi:10.1109/32.92917.
"""

import math

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import HALF, ONE, WORD, Word, draw, exp, log, normal_quantile

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bits = NDArray[np.uint64]

# Attempt numbers of the boost of a gamma, and of a second gamma at the same address.
BOOST = 1 << 30
SECOND = 1 << 29

CERTAIN = np.uint64(1 << 63)
SIGN = np.uint64(63)


@jit()
def gamma(shape: float, key: Word, run: int, step: int, index: int, first: int = 0) -> float:
    """A gamma variate of scale 1, shape > 0 (Marsaglia & Tsang 2000).

    Below shape 1 a variate of shape + 1 is multiplied by U**(1 / shape). ``first`` numbers the
    first attempt: 0, or SECOND for a second, independent variate at the same address.
    """
    boosted = shape < 1.0
    d = (shape + 1.0 if boosted else shape) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = first
    while True:
        u, w = draw(key, run, step, index, attempt)
        attempt += 1
        x = normal_quantile(w)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        square = x * x
        if u < 1.0 - 0.0331 * square * square or log(u) < 0.5 * square + d * (1.0 - v + log(v)):
            break
    if boosted:
        u, _ = draw(key, run, step, index, first + BOOST)
        return d * v * exp(log(u) / shape)
    return d * v


@jit(entry=True)
def alias_build(p: Floats, threshold: Bits, other: Counts) -> None:
    """Fill the alias table of the n weights *p* (finite, >= 0, not all 0), for any n (Vose 1991).

    Cell i keeps the share threshold[i] / 2**63 of its 1/n and gives the rest to cell other[i, 0].
    other[i, 1] is i itself, so that the choice between the two is a look-up; other is n by 2.
    """
    n = len(p)
    scale = n / p.sum()
    # Until a cell is settled, its share is kept as bits in threshold; other[:, 1] holds the cells
    # that wait: those short of 1/n from the left, the others from the right.
    short, long = 0, n
    for i in range(n):
        share = p[i] * scale
        threshold[i] = np.float64(share).view(np.uint64)
        if share < 1.0:
            other[short, 1] = i
            short += 1
        else:
            long -= 1
            other[long, 1] = i
    while short > 0 and long < n:
        poor, rich = other[short - 1, 1], other[long, 1]
        share = np.uint64(threshold[poor]).view(np.float64)
        threshold[poor], other[poor, 0] = np.uint64(share * 2.0**63), rich
        rest = np.uint64(threshold[rich]).view(np.float64) - (1.0 - share)
        threshold[rich] = np.float64(rest).view(np.uint64)
        short -= 1
        if rest < 1.0:
            other[short, 1] = rich
            short += 1
            long += 1
    for k in range(n):  # what still waits has a share of 1, but for rounding
        if k < short or k >= long:
            i = other[k, 1]
            threshold[i], other[i, 0] = CERTAIN, i
    for i in range(n):
        other[i, 1] = i


@jit(inline=True)
def alias_pick(bits: Word, threshold: Bits, other: Counts) -> int:
    """The cell of an alias table that 64 random bits fall in.

    bits * n is a 128-bit number: its high half is the cell, its low half the place inside the cell.
    A cell's probability is off by less than 2**-60. No branch, for nobody could predict it.
    """
    b, n = np.uint64(bits), np.uint64(len(threshold))
    carry = ((b & WORD) * n) >> HALF
    cell = ((b >> HALF) * n + carry) >> HALF
    kept = (((b * n) >> ONE) - threshold[cell]) >> SIGN  # 1 where place < threshold
    return int(other[cell, kept])
