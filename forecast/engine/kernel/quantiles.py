"""The uncertain assumptions of every run.

A value is made in three steps, each a plain loop over the runs so that it is vectorised: the run's
quasi-random point, its normal quantile, and the family's quantile at that normal, most of them by
a table of quintic pieces. Nothing depends on which other runs are made with it.

Source of the points: B. Burley, "Practical hash-based Owen scrambling", JCGT 9(4), 2020.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import HALF, WORD, Word, exp, normal_quantile
from forecast.engine.kernel.samplers import Bits, Counts, Floats

ELSEWHERE, PLAIN, EXP, LOGISTIC = range(4)  # how a value is made of t: Forms.finish
PIECES = 6  # coefficients of a quintic
NO_TABLE = -1
UNDERFLOW = -708.0  # below it e**t is no normal double, and counts as 0


class Ties(NamedTuple):
    """Assumptions that are correlated: k of them."""

    at: Counts  # (k,) their rows among the normals
    root: Floats  # (k, k) lower triangular, its rows of length 1


class Forms(NamedTuple):
    """How assumption a is made of a standard normal z: t of z, then the value of t.

    t is p0 + p1 z, or where there is a table its quintic pieces at z.
    """

    finish: Counts  # (a,) PLAIN: t; EXP: p2 e**t; LOGISTIC: p2 to p3; ELSEWHERE: not made here
    table: Counts  # (a,) the first cell of its table, or NO_TABLE
    cells_per_unit: Floats  # (a,)
    parameters: Floats  # (a, 4)
    pieces: Floats  # (cell, PIECES) of all tables
    edge: float  # tables hold from -edge to edge


@jit(entry=True)
def fill_points(keys: Bits, first: int, points: Floats) -> None:
    """points[i, r] = the point of run ``first`` + r, inside (0, 1), for keys[i]."""
    for i in range(len(keys)):
        _points(keys[i], first, points[i])


@jit(entry=True)
def fill_normals(keys: Bits, first: int, normals: Floats) -> None:
    """normals[i, r] = the standard normal quantile of the point of ``fill_points``."""
    for i in range(len(keys)):
        row = normals[i]
        _points(keys[i], first, row)
        for r in range(len(row)):
            row[r] = normal_quantile(row[r])


@jit(entry=True)
def fill_values(normals: Floats, ties: Ties, forms: Forms, values: Floats) -> int:
    """values[a, r] = assumption a at normals[a, r], once those are correlated, in place.

    Gives how many are left undone because their normal lies outside the tables.
    """
    _correlate(normals, ties)
    outside = 0
    for a in range(len(forms.finish)):
        if forms.finish[a] == ELSEWHERE:
            continue
        z, t, p = normals[a], values[a], forms.parameters[a]
        if forms.table[a] == NO_TABLE:
            for r in range(len(t)):
                t[r] = p[0] + p[1] * z[r]
        else:
            pieces = forms.pieces[forms.table[a] :]
            outside += _look_up(z, pieces, forms.cells_per_unit[a], forms.edge, t)
        if forms.finish[a] == EXP:
            for r in range(len(t)):
                t[r] = p[2] * _exp(t[r])
        elif forms.finish[a] == LOGISTIC:
            width = p[3] - p[2]
            for r in range(len(t)):
                t[r] = min(p[2] + width * _logistic(t[r]), p[3])
    return outside


@jit()
def _points(key: Word, first: int, out: Floats) -> None:
    """The van der Corput sequence, its index shuffled and its digits scrambled by the key."""
    low, high = np.uint32(np.uint64(key) & WORD), np.uint32(np.uint64(key) >> HALF)
    for r in range(len(out)):
        shuffled = _reverse(_hash(_reverse(np.uint32(first + r)), low))
        digits = _hash(shuffled, high)  # the index is the sequence's digits in reverse
        out[r] = (np.float64(_reverse(digits)) + 0.5) * 2.0**-32


@jit(inline=True)
def _hash(x: Word, seed: Word) -> Word:
    """Permute from the lowest bit up: a bit changes with those below it only (Laine, Karras)."""
    x = np.uint32(x ^ np.uint32(x * np.uint32(0x3D20ADEA)))
    x = np.uint32(x + seed)
    x = np.uint32(x * ((seed >> np.uint32(16)) | np.uint32(1)))
    x = np.uint32(x ^ np.uint32(x * np.uint32(0x05526C56)))
    return np.uint32(x ^ np.uint32(x * np.uint32(0x53A22864)))


@jit(inline=True)
def _reverse(x: Word) -> Word:
    """Reverse the order of the 32 bits."""
    x = _swap(x, np.uint32(1), np.uint32(0x55555555))
    x = _swap(x, np.uint32(2), np.uint32(0x33333333))
    x = _swap(x, np.uint32(4), np.uint32(0x0F0F0F0F))
    x = _swap(x, np.uint32(8), np.uint32(0x00FF00FF))
    return np.uint32(np.uint32(x >> np.uint32(16)) | np.uint32(x << np.uint32(16)))


@jit(inline=True)
def _swap(x: Word, shift: Word, mask: Word) -> Word:
    return np.uint32(np.uint32((x >> shift) & mask) | np.uint32((x & mask) << shift))


@jit()
def _correlate(normals: Floats, ties: Ties) -> None:
    """Turn independent normals into correlated ones; from the last up, each needs those before."""
    for i in range(len(ties.at) - 1, -1, -1):
        row = normals[ties.at[i]]
        for r in range(len(row)):
            total = ties.root[i, 0] * normals[ties.at[0], r]
            for j in range(1, i + 1):
                total += ties.root[i, j] * normals[ties.at[j], r]
            row[r] = total


@jit()
def _look_up(z: Floats, pieces: Floats, per_unit: float, edge: float, t: Floats) -> int:
    """t[r] = the quintic piece that z[r] falls into; gives how many fall outside."""
    outside = 0
    for r in range(len(t)):
        inside = abs(z[r]) <= edge
        outside += 0 if inside else 1
        place = ((z[r] if inside else 0.0) + edge) * per_unit
        c = np.int64(place)
        s = place - c
        high = (pieces[c, 5] * s + pieces[c, 4]) * s + pieces[c, 3]
        t[r] = ((high * s + pieces[c, 2]) * s + pieces[c, 1]) * s + pieces[c, 0]
    return outside


@jit(inline=True)
def _exp(t: float) -> float:
    return exp(t) if t >= UNDERFLOW else 0.0


@jit(inline=True)
def _logistic(t: float) -> float:
    """1 / (1 + e**-t)."""
    return 1.0 / (1.0 + exp(-t)) if t >= UNDERFLOW else 0.0
