"""The sums of the sizes of n deals, for lanes: what one draw costs, or little more, for any n.

By family: FIXED is n times its value; the sum of n GAMMA has n times the shape; that of NORMAL is
normal; the others are looked up in a ladder from ``least`` deals on, and drawn one by one below. A
listed family (DISCRETE) is cut into *parts*, in an order: single values that a large share of what
is left has, whose number is a binomial; and sets of many values, whose sum has a ladder.

Lane i is run first_run + i, and its sum depends on (key, run, step) and n only.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import (
    Word,
    exp,
    fill_bits,
    item_bits,
    log,
    normal_quantile,
    to_unit,
)
from forecast.engine.kernel.ladder import (
    LADDER,
    PART,
    Ladders,
    LadderWork,
    add_ladder,
    new_ladder_work,
)
from forecast.engine.kernel.lanes import LANES, Work, binomials, new_work
from forecast.engine.kernel.samplers import Bits, Counts, Floats, alias_pick, gamma
from forecast.engine.kernel.sizes import (
    BETA,
    GAMMA,
    LOGNORMAL,
    UNIFORM,
    WEIBULL,
    beta,
    triangular,
)

# Index of the binomial of part p, and first item of its sizes that are drawn one by one.
COUNTING = 3 << 30
PART_ITEMS = 1 << 26
CHUNK = 1024

Address: TypeAlias = tuple[Word, int, int]  # key, first run, step


class Alias(NamedTuple):
    """Alias tables, one after another."""

    values: Floats
    threshold: Bits
    other: Counts  # (value, 2)


class Parts(NamedTuple):
    """The parts of listed families, one family after another."""

    share: Floats  # (p,) of what the parts before it left; 1 at a family's last part
    low: Floats  # (p,) the single value, or what its ladder leaves out of each size
    factor: Floats  # (p,) what its ladder's amounts are multiplied by
    ladder: Counts  # (p,) or -1
    first: Counts  # (p,) its first row among the alias tables
    cells: Counts  # (p,) how many values it has; 1 for a single value


class Sizes(NamedTuple):
    """The families of sizes of a plan, by group g and variant v."""

    code: Counts  # (g, v)
    parameters: Floats  # (g, v, 4)
    least: Counts  # (g, v) from how many deals on there is a ladder, or parts are counted
    ladder: Counts  # (g, v) or -1
    low: Floats  # (g, v) what the ladder leaves out of each size
    factor: Floats  # (g, v) what its amounts are multiplied by
    first: Counts  # (g, v) of a listed family: its first row among the alias tables
    cells: Counts  # (g, v) how many values it has
    part_first: Counts  # (g, v)
    part_count: Counts  # (g, v)
    alias: Alias
    parts: Parts
    ladders: Ladders


class Cell(NamedTuple):
    """A group and variant, and the address of its sums: spans have their first periods as steps."""

    g: int
    v: int
    key: Word
    first_run: int
    steps: Counts  # (span,)


class SizeWork(NamedTuple):
    """Working space for as many lanes as a block has."""

    ladder: LadderWork
    left: Counts
    units: Counts
    single: Counts
    total: Floats
    share: Floats
    bits: Bits
    counting: Work


def new_size_work(lanes: int) -> SizeWork:
    """Working space for blocks of up to ``lanes`` lanes; no more than LANES."""
    left, units, single = np.zeros((3, lanes), np.int64)
    total, share = np.zeros((2, lanes))
    bits = np.zeros(CHUNK, np.uint64)
    return SizeWork(new_ladder_work(lanes), left, units, single, total, share, bits, new_work())


@jit(entry=True)
def power_sums(n: Counts, sizes: Sizes, at: Cell, out: Floats) -> None:
    """out[b, r] = the sum of the sizes of n[b, r] deals, for GAMMA and NORMAL; 0 where n <= 0.

    Row r is run at.first_run + r.
    """
    a, b = sizes.parameters[at.g, at.v, 0], sizes.parameters[at.g, at.v, 1]
    is_gamma = sizes.code[at.g, at.v] == GAMMA
    for span in range(len(n)):
        step = at.steps[span]
        for r in range(n.shape[1]):
            many = n[span, r]
            if many <= 0:
                out[span, r] = 0.0
            elif is_gamma:
                out[span, r] = b * gamma(a * many, at.key, at.first_run + r, step, 0)
            else:
                z = normal_quantile(to_unit(item_bits(at.key, at.first_run + r, step, 0)))
                out[span, r] = a * many + b * math.sqrt(many) * z


@jit(entry=True)
def ladder_sums(n: Counts, sizes: Sizes, at: Cell, work: SizeWork, out: Floats) -> None:
    """The same for the families that are drawn one by one or looked up in a ladder."""
    code, which = sizes.code[at.g, at.v], sizes.ladder[at.g, at.v]
    lanes = len(work.left)
    for span in range(len(n)):
        for first in range(0, n.shape[1], lanes):
            some, sums = n[span, first : first + lanes], out[span, first : first + lanes]
            run, step = at.first_run + first, at.steps[span]
            for i in range(len(some)):
                sums[i] = 0.0
                work.single[i] = some[i]
            if which >= 0:
                scale = sizes.least[at.g, at.v], sizes.low[at.g, at.v], sizes.factor[at.g, at.v]
                address = at.key, run, step, LADDER
                add_units(some, sizes.ladders, which, scale, address, work, sums)
            add_singles(code, sizes.parameters[at.g, at.v], (at.key, run, step), work, sums)


@jit(entry=True)
def listed_sums(n: Counts, sizes: Sizes, at: Cell, work: SizeWork, out: Floats) -> None:
    """The same for DISCRETE."""
    lanes = len(work.left)
    for span in range(len(n)):
        for first in range(0, n.shape[1], lanes):
            some, sums = n[span, first : first + lanes], out[span, first : first + lanes]
            for i in range(len(some)):
                sums[i] = 0.0
            address = at.key, at.first_run + first, at.steps[span]
            add_listed(some, sizes, at.g, at.v, address, work, sums)


@jit(entry=True)
def fold(
    cells: Counts, worth: Floats, scale: Floats, quarters: Counts, deals: Counts, bookings: Floats
) -> None:
    """Add the deals (span, row) of a group and variant, and what they are worth, by quarter.

    Some rows at a time: their quarters are near each other, and then still at hand.
    """
    each, rows = int(len(scale) > 1), cells.shape[1]
    for first in range(0, rows, LANES):
        for span in range(len(cells)):
            q = quarters[span]
            for r in range(first, min(first + LANES, rows)):
                deals[r, q] += cells[span, r]
                bookings[r, q] += scale[np.uint64(r * each)] * worth[span, r]


@jit()
def add_units(
    n: Counts,
    ladders: Ladders,
    which: int,
    scale: tuple[int, float, float],
    address: tuple[Word, int, int, int],
    work: SizeWork,
    out: Floats,
) -> None:
    """Add the sum of the whole units among n[i] sizes; work.single gets how many are left over.

    *scale* is (least, low, factor): a size is low + factor times the ladder's amount.
    """
    least, low, factor = scale
    unit = ladders.unit[which]
    some = False
    for i in range(len(n)):
        units = n[i] // unit if n[i] >= least else 0
        work.units[i] = units
        work.single[i] = n[i] - units * unit
        work.total[i] = 0.0
        some |= units > 0
    if some:
        units = work.units[: len(n)]
        add_ladder(units, ladders, which, address, work.ladder, work.total)
        for i in range(len(n)):
            if units[i] > 0:
                out[i] += low * (units[i] * unit) + factor * work.total[i]


@jit()
def add_singles(code: int, params: Floats, address: Address, work: SizeWork, out: Floats) -> None:
    """Add the sizes of items 0 .. work.single[i] - 1, from left to right; no listed family."""
    key, first_run, step = address
    if code == BETA:
        for i in range(len(out)):
            for j in range(work.single[i]):
                out[i] += beta(params, key, first_run + i, step, j)
        return
    lane, x = work.ladder.lane, work.ladder.one
    j = 0
    while True:
        m = 0
        for i in range(len(out)):
            lane[m] = i
            m += work.single[i] > j
        if m == 0:
            return
        for i in range(m):
            x[i] = to_unit(item_bits(key, first_run + lane[i], step, j))
        to_sizes(code, params, m, x)
        for i in range(m):
            out[lane[i]] += x[i]
        j += 1


@jit(inline=True)
def to_sizes(code: int, params: Floats, m: int, x: Floats) -> None:
    """Turn m uniforms into sizes; loops that vectorise."""
    a, b, c = params[0], params[1], params[2]
    if code == LOGNORMAL:
        for i in range(m):
            x[i] = exp(a + b * normal_quantile(x[i]))
    elif code == WEIBULL:
        for i in range(m):
            x[i] = b * exp(log(-log(x[i])) / a)
    elif code == UNIFORM:
        for i in range(m):
            x[i] = a + (b - a) * x[i]
    else:
        for i in range(m):
            x[i] = triangular(a, b, c, x[i])


@jit()
def add_listed(
    n: Counts, sizes: Sizes, g: int, v: int, address: Address, work: SizeWork, out: Floats
) -> None:
    """Add the sums of a listed family: value by value, or part by part from ``least`` deals on."""
    least = sizes.least[g, v] if sizes.part_count[g, v] > 0 else np.int64(0x7FFFFFFFFFFFFFFF)
    some = False
    for i in range(len(n)):
        counted = n[i] >= least
        work.left[i] = n[i] if counted else 0
        work.single[i] = 0 if counted else n[i]
        some |= counted
    add_picks(sizes.alias, sizes.first[g, v], sizes.cells[g, v], 0, address, work, out)
    if not some:
        return
    key, first_run, step = address
    left, taken, share = work.left[: len(n)], work.single[: len(n)], work.share[: len(n)]
    sets = 0
    for k in range(sizes.part_count[g, v]):
        p = sizes.part_first[g, v] + k
        share[:] = sizes.parts.share[p]
        binomials(left, share, (key, first_run, step, COUNTING + k), work.counting, taken)
        some = False
        for i in range(len(n)):
            left[i] -= taken[i]
            some |= left[i] > 0
        add_part(sizes, p, sets, address, work, out)
        sets += sizes.parts.cells[p] > 1
        if not some:
            return


@jit()
def add_part(
    sizes: Sizes, p: int, sets: int, address: Address, work: SizeWork, out: Floats
) -> None:
    """Add work.single[i] sizes of a part; it is the set number ``sets`` of its family."""
    parts = sizes.parts
    if parts.cells[p] == 1:
        for i in range(len(out)):
            out[i] += parts.low[p] * work.single[i]
        return
    if parts.ladder[p] >= 0:
        key, first_run, step = address
        which = parts.ladder[p]
        scale = (sizes.ladders.unit[which], parts.low[p], parts.factor[p])
        n = work.single[: len(out)]
        at = (key, first_run, step, LADDER + PART * sets)
        add_units(n, sizes.ladders, which, scale, at, work, out)
    add_picks(sizes.alias, parts.first[p], parts.cells[p], sets + 1, address, work, out)


@jit()
def add_picks(
    alias: Alias, first: int, count: int, stream: int, address: Address, work: SizeWork, out: Floats
) -> None:
    """Add work.single[i] values picked by an alias table; items begin at PART_ITEMS * stream."""
    key, first_run, step = address
    values = alias.values[first : first + count]
    threshold, other = alias.threshold[first : first + count], alias.other[first : first + count]
    for i in range(len(out)):
        done, n = 0, work.single[i]
        while done < n:
            chunk = min(len(work.bits), n - done)
            begin = PART_ITEMS * stream + done
            fill_bits(key, first_run + i, step, begin, chunk, work.bits)
            for j in range(chunk):
                out[i] += values[alias_pick(work.bits[j], threshold, other)]
            done += chunk
