"""Cycle lags as chances of whole periods.

A continuous lag L moves an item by floor(U + L / period) periods, U uniform on [s, 1), where s is
the part of the item's period that lies before the start (0 but in a first period that begins
mid-month). With F the distribution of L / period and I(x) the integral of F up to x,

    P(floor(U + L) <= k) = (I(k + 1 - s) - I(k)) / (1 - s),

since P(L < k + 1 - u) is averaged over u in [s, 1). For s = 0 the mean is exactly that of L.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.closing import Clock, closing_below, speeds
from forecast.engine.kernel.spread import GUIDE_CELLS, build_rows
from forecast.scenario.families.periods import Periods
from forecast.scenario.model import Lag, Variable

NO_MASS = 1e-300


def lag_chances(
    lag: Lag, values: Values, periods: int, period_days: float, offset: float
) -> Floats:
    """Chance of 0, 1, ..., periods - 1 whole periods, and of more; shape (row, periods + 1)."""
    if isinstance(lag, Periods):
        return np.asarray(lag.pmf(periods - 1))[None, :]
    return _cells(_below(lag, values, periods, period_days, offset))


def closing_chances(
    lag: Variable, values: Values, clock: Clock, phase: int, period_days: float
) -> Floats:
    """The same as ``lag_chances`` for an item that enters in a lag phase of an uneven clock."""
    assert clock.closing is not None
    speed = speeds(clock.closing, values, clock.ahead(phase))
    below = closing_below(lag, values, speed, period_days, clock.offsets[phase])
    behind = len(clock.of) - below.shape[1]  # the horizon
    return _cells(np.pad(below, ((0, 0), (0, behind)), constant_values=1.0))


def _below(
    lag: Variable, values: Values, periods: int, period_days: float, offset: float
) -> Floats:
    """P(at most 0, 1, ... periods), shape (row, period)."""
    factor = values.factor(lag.about)
    scale = period_days / (np.ones(1) if factor is None else factor)[:, None]
    edges = np.arange(periods + 1.0)
    lower = lag.family.integrated_cdf((edges * scale).ravel()).reshape(len(scale), -1)
    upper = lower[:, 1:]
    if offset > 0.0:
        upper = lag.family.integrated_cdf(((edges[1:] - offset) * scale).ravel())
        upper = upper.reshape(len(scale), -1)
    return np.asarray((upper - lower[:, :-1]) / ((1.0 - offset) * scale))


def _cells(below: Floats) -> Floats:
    """Chance of each number of periods, and of more, from those of at most so many."""
    below = np.maximum.accumulate(np.clip(below, 0.0, 1.0), axis=1)
    below[1.0 - below < 1e-15] = 1.0
    full = np.concatenate([np.zeros((len(below), 1)), below, np.ones((len(below), 1))], axis=1)
    return np.diff(full, axis=1)


def within_chance(lag: Lag, values: Values, days: float | None) -> Floats:
    """P(lag <= days), shape (row,); 1 where no time is given."""
    if days is None or isinstance(lag, Periods):
        return np.ones(1)
    factor = values.factor(lag.about)
    return lag.family.cdf(days / (np.ones(1) if factor is None else factor))


def chance_rows(parts: list[Floats]) -> dict[str, NDArray[Any]]:
    """Lay out lags, each (row, chance of 0, 1, ... periods), as the kernel looks them up."""
    counts = np.array([len(p) for p in parts], dtype=np.int64)
    first = np.cumsum(counts) - counts
    chances = np.concatenate(parts)
    cells = chances.shape[1] - np.argmax(chances[:, ::-1] > NO_MASS, axis=1)
    width = int(cells.max())
    chances = np.ascontiguousarray(chances[:, :width])
    cumulative = np.zeros(chances.shape, dtype=np.uint64)
    guide = np.zeros((len(chances), GUIDE_CELLS), dtype=np.int16)
    beyond = np.zeros((len(chances), width + 1))
    last = np.zeros(len(chances), dtype=np.int64)
    build_rows(chances, cells.astype(np.int64), beyond, last, cumulative, guide)
    return {
        "lag_first": first,
        "lag_step": (counts > 1).astype(np.int64),
        "lag_cells": cells.astype(np.int64),
        "lag_chance": chances,
        "lag_beyond": beyond,
        "lag_last": last,
        "lag_cumulative": cumulative,
        "lag_guide": guide,
    }
