"""The sums of the sizes of n deals, for lanes: what one draw costs, or little more, for any n.

By family: FIXED is n times its value; the sum of n GAMMA has n times the shape; that of NORMAL is
normal; the others are looked up in a ladder from ``least`` deals on, and drawn one by one below. A
listed family (DISCRETE) is cut into *parts*, in an order: single values that a large share of what
is left has, whose number is a binomial; and sets of many values, whose sum has a ladder.

Lane i is run first_run + i, and its sum depends on (key, run, step) and n only.
"""

import math
from collections.abc import Callable
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
from forecast.engine.kernel.lanes import Work, binomials, new_work
from forecast.engine.kernel.samplers import Bits, Counts, Floats, alias_pick, gamma
from forecast.engine.kernel.sizes import (
    BETA,
    FIXED,
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


class Cells(NamedTuple):
    """Groups and variants: where their deals are, and the addresses of their sums."""

    row: Counts  # (k,) where each has its deals
    g: Counts  # (k,)
    v: Counts  # (k,)
    key: Bits  # (k,)
    first_run: int
    steps: Counts  # (span,)


class Totals(NamedTuple):
    """What sums are added to, by quarter; none where there are no quarters."""

    quarter: Counts  # (span,)
    channel: Counts  # (k,)
    segment: Counts  # (k,)
    product: Counts  # (k,)
    scale: Floats  # (run or 1, g, v) what the sums are multiplied with
    deals: Counts  # (run, q, c, s, p)
    bookings: Floats  # (run, q, c, s, p)


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
def power_sums(
    which: Counts, n: Counts, sizes: Sizes, at: Cells, work: SizeWork, worth: Floats, to: Totals
) -> None:
    """Sum the sizes of n[row, b, r] deals in run at.first_run + r: of FIXED, GAMMA and NORMAL.

    Of all groups and variants *at*, those of numbers *which*. With totals the sums are added to
    these, a block of runs after another in worth[0]; without, they are left in worth[row, b, r].
    """
    sum_blocks(sum_powers, which, n, sizes, at, work, worth, to)


@jit(entry=True)
def ladder_sums(
    which: Counts, n: Counts, sizes: Sizes, at: Cells, work: SizeWork, worth: Floats, to: Totals
) -> None:
    """The same for the families that are drawn one by one or looked up in a ladder."""
    sum_blocks(sum_sizes, which, n, sizes, at, work, worth, to)


@jit(entry=True)
def listed_sums(
    which: Counts, n: Counts, sizes: Sizes, at: Cells, work: SizeWork, worth: Floats, to: Totals
) -> None:
    """The same for DISCRETE."""
    sum_blocks(sum_listed, which, n, sizes, at, work, worth, to)


@jit(merge=True)
def sum_blocks(
    sum_of: Callable[..., None],
    which: Counts,
    n: Counts,
    sizes: Sizes,
    at: Cells,
    work: SizeWork,
    worth: Floats,
    to: Totals,
) -> None:
    """Do so a block of runs after another; the sums of some lanes are by ``sum_of``."""
    lanes = len(work.left)
    for first in range(0, n.shape[2], lanes):
        for k in which:
            row, begin = place_of(at.row[k], first, to)
            for span in range(n.shape[1]):
                some = n[at.row[k], span, first : first + lanes]
                sums = worth[row, span, begin : begin + len(some)]
                address = at.key[k], at.first_run + first, at.steps[span]
                sum_of(some, sizes, at.g[k], at.v[k], address, work, sums)
            add_block(n[at.row[k]], worth[0], first, lanes, k, at, to)


@jit(inline=True)
def place_of(row: int, first: int, to: Totals) -> tuple[int, int]:
    """The row and the first column of a block's sums: always the same where they are added up."""
    return (0, 0) if len(to.quarter) > 0 else (row, first)


@jit()
def add_block(
    n: Counts, worth: Floats, first: int, lanes: int, k: int, at: Cells, to: Totals
) -> None:
    """Add the deals n (span, run) of a block of runs, and their worth (span, lane), to totals."""
    each, g, v = int(len(to.scale) > 1), at.g[k], at.v[k]
    c, s, p = to.channel[k], to.segment[k], to.product[k]
    for span in range(len(to.quarter)):
        q = to.quarter[span]
        for i in range(min(lanes, n.shape[1] - first)):
            r = first + i
            to.deals[r, q, c, s, p] += n[span, r]
            to.bookings[r, q, c, s, p] += to.scale[r * each, g, v] * worth[span, i]


@jit()
def sum_powers(
    n: Counts, sizes: Sizes, g: int, v: int, address: Address, _: SizeWork, out: Floats
) -> None:
    """out[i] = the sum of n[i] sizes of FIXED, GAMMA or NORMAL."""
    key, first_run, step = address
    code, a, b = sizes.code[g, v], sizes.parameters[g, v, 0], sizes.parameters[g, v, 1]
    for i in range(len(n)):
        if n[i] <= 0:
            out[i] = 0.0
        elif code == FIXED:
            out[i] = a * n[i]
        elif code == GAMMA:
            out[i] = b * gamma(a * n[i], key, first_run + i, step, 0)
        else:
            z = normal_quantile(to_unit(item_bits(key, first_run + i, step, 0)))
            out[i] = a * n[i] + b * math.sqrt(n[i]) * z


@jit()
def sum_sizes(
    n: Counts, sizes: Sizes, g: int, v: int, address: Address, work: SizeWork, out: Floats
) -> None:
    """out[i] = the sum of n[i] sizes: of whole units by a ladder, of those left over one by one."""
    which = sizes.ladder[g, v]
    for i in range(len(n)):
        out[i] = 0.0
        work.single[i] = n[i]
    if which >= 0:
        scale = sizes.least[g, v], sizes.low[g, v], sizes.factor[g, v]
        key, run, step = address
        add_units(n, sizes.ladders, which, scale, (key, run, step, LADDER), work, out)
    add_singles(sizes.code[g, v], sizes.parameters[g, v], address, work, out)


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
def sum_listed(
    n: Counts, sizes: Sizes, g: int, v: int, address: Address, work: SizeWork, out: Floats
) -> None:
    """out[i] = the sum of n[i] listed sizes: one by one, or by parts from ``least`` deals on."""
    out[:] = 0.0
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
