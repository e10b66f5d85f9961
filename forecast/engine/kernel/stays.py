"""How long customers stay: won deals split into classes, and the revenue that these bring.

A class holds the deals of one period whose customers leave after the same number of whole terms,
or outlast the horizon: all of a class pay in the same periods, so that one sum of sizes says what
they bring in each.
"""

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word, item_bits, to_unit
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Tables
from forecast.engine.kernel.spread import Spread, To, spread

Address = tuple[Word, int, int]  # key, first run, step


@jit(entry=True)
def split(
    n: Counts,
    leaving: Tables,
    kind: int,
    address: Address,
    at: Spread,
    numbers: Counts,
    out: Counts,
) -> None:
    """out[k, r] = how many of n[r] customers leave after k + 1 terms; the last row: all others.

    ``leaving`` has the chances in place of lags, a kind of product a lag; ``numbers`` is 0, 1, ...
    """
    key, first_run, step = address
    last = len(out) - 1
    to = To(numbers[: last + 1], numbers[:last], 0)
    for first in range(0, len(n), LANES):
        lanes = min(LANES, len(n) - first)
        some, classes = n[first : first + lanes], out[:, first : first + lanes]
        most = 0
        for i in range(lanes):
            at.left[i] = some[i]
            classes[last, i] = some[i]
            most = max(most, some[i])
        for k in range(last):
            for i in range(lanes):
                classes[k, i] = 0
        if most > 0 and last > 0:
            spread(leaving, kind, first, (key, first_run + first, step), at, to, classes[:last])
            for k in range(last):
                for i in range(lanes):
                    classes[last, i] -= classes[k, i]


@jit(entry=True)
def recognise(
    worth: Floats,
    paid: Floats,
    terms: Counts,
    quarters: Counts,
    active: Floats,
    out: Floats,
) -> None:
    """Add to out[q, r] what the classes of one period bring in each quarter.

    worth (class, r) is what a class pays each time; paid (r or 1, n) of that is recognised in the
    n-th period after, whose quarter is quarters[n], if the customer is there for term terms[n].
    ``active`` (r,) gets the worth of all classes.
    """
    active[:] = 0.0
    left = len(worth)
    for n in range(len(quarters) - 1, -1, -1):
        while left > terms[n]:
            left -= 1
            more = worth[left]
            for r in range(len(active)):
                active[r] += more[r]
        brought = out[quarters[n]]
        if len(paid) == 1:
            share = paid[0, n]
            for r in range(len(active)):
                brought[r] += share * active[r]
        else:
            for r in range(len(active)):
                brought[r] += paid[r, n] * active[r]


@jit(entry=True)
def fill_uniforms(key: Word, first_run: int, out: Floats) -> None:
    """out[r] = the uniform of run first_run + r, strictly inside (0, 1)."""
    for r in range(len(out)):
        out[r] = to_unit(item_bits(key, first_run + r, 0, np.uint64(0)))
