"""Lags as the kernel asks how long they last: P(lag > x) at any x."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.ages import DEGREE_AND_ONE, PERIODS, PIECES, SMOOTH, STEPS, Laws
from forecast.scenario.families import Family, Fixed, Listed, Periods
from forecast.scenario.model import Lag

Array = NDArray[np.float64]

# The coefficients of the polynomial through the values at -2, ..., 3 (Lagrange).
THROUGH_SIX = np.linalg.inv(np.vander(np.arange(-2.0, 4.0), increasing=True)).T
FIRST_NODE, LAST_NODE = 1e-12, 1e-10  # mass before the first node, and behind the last
WIDEST = 1e-12  # the first node over the last, at least


def make_laws(lags: Sequence[Lag | Family | None]) -> Laws:
    """Lay out what lags, or families of days, say; None takes a place and says nothing."""
    found = [_law(lag) for lag in lags]
    values = [law[3] for law in found]
    return Laws(
        np.array([law[0] for law in found], dtype=np.int64),
        np.cumsum([0, *(len(v) for v in values)]).astype(np.int64),
        np.array([law[1] for law in found], dtype=np.float64),
        np.array([law[2] for law in found], dtype=np.float64),
        np.array([getattr(lag, "about", None) is None for lag in lags], dtype=np.int64),
        np.concatenate([np.zeros(0), *values]),
        np.concatenate([np.zeros(0), *(law[4] for law in found)]),
    )


def _law(lag: Lag | Family | None) -> tuple[int, float, float, Array, Array]:
    """Code, log of the first node, nodes to a unit of it, values, and P(lag > value)."""
    if lag is None:
        return STEPS, 0.0, 0.0, np.zeros(0), np.zeros(0)
    if isinstance(lag, Periods):
        periods, chances = (np.array(part, dtype=np.float64) for part in zip(*lag.chances, strict=True))
        return _steps(PERIODS, periods, chances)
    family = lag if isinstance(lag, Family) else lag.family
    if isinstance(family, Fixed):
        return _steps(STEPS, np.array([family.value]), np.ones(1))
    if isinstance(family, Listed):
        return _steps(STEPS, np.asarray(family.values), np.asarray(family.chances))
    low, high = family.ppf(np.array([FIRST_NODE, 1.0 - LAST_NODE]))
    low = max(float(low), WIDEST * float(high))
    if not low < high:
        return _steps(STEPS, np.array([family.mean]), np.ones(1))
    step = (log(high) - log(low)) / PIECES
    nodes = 1.0 - family.cdf(np.exp(log(low) + step * np.arange(-2, PIECES + 4)))
    windows = np.lib.stride_tricks.sliding_window_view(nodes, DEGREE_AND_ONE)[:PIECES]
    pieces = np.einsum("pn,nk->pk", windows, THROUGH_SIX)  # no @: its bits depend on threads
    return SMOOTH, log(low), 1.0 / step, pieces.ravel(), np.zeros(pieces.size)


def _steps(code: int, values: Array, chances: Array) -> tuple[int, float, float, Array, Array]:
    order = np.argsort(values, kind="stable")
    tail = np.cumsum(chances[order][::-1])[::-1]
    return code, 0.0, 0.0, values[order], np.append(tail[1:], 0.0)
