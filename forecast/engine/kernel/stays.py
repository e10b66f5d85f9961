"""How long customers stay: won deals split into classes, and the revenue that these bring.

A class holds the deals of one period whose customers leave after the same number of whole terms,
or outlast the horizon: all of a class pay in the same periods, so that one sum of sizes says what
they bring in each.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word, item_bits, to_unit
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Tables
from forecast.engine.kernel.spread import Spread, To, spread


class Classes(NamedTuple):
    """The classes of some periods' deals: period first + b has begin[b] .. begin[b + 1]."""

    first: int
    begin: Counts  # (period + 1,)


@jit(entry=True)
def split(
    n: Counts,
    leaving: Tables,
    kind: int,
    address: tuple[Word, int],
    at: tuple[Spread, Counts],
    classes: Classes,
    out: Counts,
) -> None:
    """Split the n[b, r] customers won in a period into out[class, r].

    The k-th class of a period leaves after k + 1 terms, the last one after all of them or later.
    ``leaving`` has the chances in place of lags, a kind of product a lag; ``address`` is (key,
    first run), and ``at`` working space and 0, 1, ...
    """
    key, first_run = address
    space, numbers = at
    for b in range(len(n)):
        mine = out[classes.begin[b] - classes.begin[0] : classes.begin[b + 1] - classes.begin[0]]
        last = len(mine) - 1
        to = To(numbers[: last + 1], numbers[:last], 0)
        for first in range(0, n.shape[1], LANES):
            lanes = min(LANES, n.shape[1] - first)
            some, parts = n[b, first : first + lanes], mine[:, first : first + lanes]
            most = 0
            for i in range(lanes):
                space.left[i] = some[i]
                parts[last, i] = some[i]
                most = max(most, some[i])
            for k in range(last):
                for i in range(lanes):
                    parts[k, i] = 0
            if most > 0 and last > 0:
                lane = key, first_run + first, classes.first + b
                spread(leaving, kind, first, lane, space, to, parts[:last])
                for k in range(last):
                    for i in range(lanes):
                        parts[last, i] -= parts[k, i]


class Brought(NamedTuple):
    """What deals bring by quarter, and working space."""

    booked: Floats  # (q, r)
    revenue: Floats  # (q, r)
    active: Floats  # (r,)


@jit(entry=True)
def recognise(
    worth: Floats,
    classes: Classes,
    paid: Floats,
    booked: Floats,
    terms: Counts,
    quarters: Counts,
    out: Brought,
) -> None:
    """Add to ``out`` what the classes of some periods bring in each quarter.

    worth (class, r) is what a class pays each time; paid (r or 1, n) of that is recognised in the
    n-th period after the win, if the customer is there for term terms[n]; booked (r or 1,) of it
    is booked when won. ``quarters`` has the quarter of each period.
    """
    active = out.active
    for b in range(len(classes.begin) - 1):
        t = classes.first + b
        first = classes.begin[b] - classes.begin[0]
        left = classes.begin[b + 1] - classes.begin[0]
        active[:] = 0.0
        for n in range(len(quarters) - 1 - t, -1, -1):
            while left > first + terms[n]:
                left -= 1
                more = worth[left]
                for r in range(len(active)):
                    active[r] += more[r]
            add_product(paid[:, n], active, out.revenue[quarters[t + n]])
        add_product(booked, active, out.booked[quarters[t]])


@jit()
def add_product(share: Floats, amount: Floats, out: Floats) -> None:
    """out[r] += share[r] * amount[r]; the share may be the same for all."""
    if len(share) == 1:
        one = share[0]
        for r in range(len(amount)):
            out[r] += one * amount[r]
    else:
        for r in range(len(amount)):
            out[r] += share[r] * amount[r]


@jit(entry=True)
def fill_uniforms(key: Word, first_run: int, out: Floats) -> None:
    """out[r] = the uniform of run first_run + r, strictly inside (0, 1)."""
    for r in range(len(out)):
        out[r] = to_unit(item_bits(key, first_run + r, 0, np.uint64(0)))
