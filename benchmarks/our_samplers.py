"""The kernel's samplers over many runs, for ``samplers.py`` to time.

Every function fills ``out`` for the runs from ``first`` on, one variate a run, or for one lane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import draw, exp, fill_bits, normal_quantile, to_unit
from forecast.engine.kernel.lanes import LANES, Work, binomials, poissons
from forecast.engine.kernel.samplers import gamma
from forecast.engine.kernel.shapes import Tables
from forecast.engine.kernel.spread import Spread, To, new_spread, spread

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bits = NDArray[np.uint64]

KEY = np.uint64(0x243F6A8885A308D3)


class Spreading(NamedTuple):
    """What ``spread`` works on beside its tables."""

    at: Spread
    to: To
    coming: Counts  # (cell, lane)


def new_spreading(cells: int) -> Spreading:
    """Allocate it for periods that are each counted by themselves."""
    to = To(np.arange(cells + 1), np.arange(cells), 0)
    return Spreading(new_spread(), to, np.zeros((cells, LANES), np.int64))


def repeated(fill: Any) -> Callable[..., None]:
    """Compile a loop over blocks of runs: (times, runs of a block, what ``fill`` takes ...)."""

    @jit(entry=True)
    def loop(times: int, runs: int, *given: Any) -> None:
        for i in range(times):
            fill(i * runs, *given)

    return loop


@jit()
def bits(first: int, out: Bits) -> None:
    """Words of one bit stream."""
    fill_bits(KEY, first, 0, 0, len(out), out)


@jit()
def draws(first: int, out: Floats) -> None:
    """Uniforms in pairs, each pair with an address of its own."""
    for i in range(len(out) // 2):
        u, v = draw(KEY, first, 0, i, 0)
        out[2 * i] = u
        out[2 * i + 1] = v


@jit()
def normals(first: int, words: Bits, out: Floats) -> None:
    """Standard normals by inversion."""
    fill_bits(KEY, first, 0, 0, len(out), words)
    for i in range(len(out)):
        out[i] = normal_quantile(to_unit(words[i]))


@jit()
def lognormals(first: int, sigma: float, words: Bits, out: Floats) -> None:
    """Lognormals by inversion, as single sizes are drawn."""
    fill_bits(KEY, first, 0, 0, len(out), words)
    for i in range(len(out)):
        out[i] = exp(sigma * normal_quantile(to_unit(words[i])))


@jit()
def gammas(first: int, shape: Floats, out: Floats) -> None:
    """Gammas one by one."""
    for i in range(len(out)):
        out[i] = gamma(shape[i], KEY, first + i, 0, 0)


@jit()
def lane_poissons(first: int, mean: Floats, work: Work, out: Counts) -> None:
    """Poisson counts of a block's lanes at once."""
    for i in range(0, len(out), LANES):
        here = slice(i, i + LANES)
        poissons(mean[here], (KEY, first + i, 0, 0), work, out[here])


@jit()
def lane_binomials(first: int, trials: Counts, chance: Floats, work: Work, out: Counts) -> None:
    """Binomial counts of a block's lanes at once."""
    for i in range(0, len(out), LANES):
        here = slice(i, i + LANES)
        binomials(trials[here], chance[here], (KEY, first + i, 0, 0), work, out[here])


@jit()
def cells(first: int, items: int, tables: Tables, lag: int, given: Spreading) -> None:
    """The cells of a lag for so many items in every lane."""
    for i in range(LANES):
        given.at.left[i] = items
    spread(tables, lag, 0, (KEY, first, 0), given.at, given.to, given.coming)
