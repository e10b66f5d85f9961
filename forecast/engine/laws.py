"""Lags as the kernel asks how long they last: P(lag > x) at any x."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.ages import DEGREE_AND_ONE, PERIODS, PIECES, SMOOTH, STEPS, Laws
from forecast.scenario.families import Family, Fixed, Listed, Periods
from forecast.scenario.model import Lag

Array = NDArray[np.float64]

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


@lru_cache(256)  # many scenarios have the same lags
def _law(lag: Lag | Family | None) -> tuple[int, float, float, Array, Array]:
    """Code, log of the first node, nodes to a unit of it, values, and P(lag > value)."""
    if lag is None:
        return STEPS, 0.0, 0.0, np.zeros(0), np.zeros(0)
    if isinstance(lag, Periods):
        periods, chances = (
            np.array(part, dtype=np.float64) for part in zip(*lag.chances, strict=True)
        )
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
    nodes = 1.0 - family.cdf(np.exp(log(low) + step * np.arange(PIECES + 1)))
    pieces = _pieces(nodes).ravel()
    return SMOOTH, log(low), 1.0 / step, pieces, np.zeros(pieces.size)


def _pieces(nodes: Array) -> Array:
    """Coefficients of the polynomials through the six nodes about each piece (Lagrange).

    At the ends the six are those inside: families with bounds have a kink there.
    """
    of = np.arange(len(nodes) - 1)
    first = np.clip(of - DEGREE_AND_ONE // 2 + 1, 0, len(nodes) - DEGREE_AND_ONE)
    out = np.empty((len(of), DEGREE_AND_ONE))
    for back in range(DEGREE_AND_ONE):
        mine = np.flatnonzero(of - first == back)
        places = np.arange(DEGREE_AND_ONE) - float(back)
        through = np.linalg.inv(np.vander(places, increasing=True))
        windows = nodes[first[mine, None] + np.arange(DEGREE_AND_ONE)]
        out[mine] = np.einsum("pn,kn->pk", windows, through)  # no @: its bits depend on threads
    return out


def _steps(code: int, values: Array, chances: Array) -> tuple[int, float, float, Array, Array]:
    order = np.argsort(values, kind="stable")
    tail = np.cumsum(chances[order][::-1])[::-1]
    return code, 0.0, 0.0, values[order], np.append(tail[1:], 0.0)
