"""Lags as they were seen, where cases are many and no family fits them: "values".

The lag has a constant chance per day within each of some bins that hold about as many cases each.
The chances of all bins and conversions are found by Turnbull's self-consistency (1976, J. R. Stat.
Soc. B 38): items not seen to leave are spread over what they may still do, and those missing by
delayed entry are added. A lag is only told this way if it was seen to its end, by the test of
Maller & Zhou (1996, section 4.3): with t* the longest lag seen and t the oldest item still there, N
of n lags must lie in the last t - t* days before t*, so that (1 - N / n)^n <= 5%; and t must be
longer than t* by a sixth, without which many cases pass that test by chance.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from forecast.history.fitting.lag_families import TINY, DayTable, FloatArray
from forecast.history.fitting.tallies import IntArray, Tally

LEAST_CASES = 200
CASES_PER_BIN = 40
MOST_BINS = 30
ROUNDS, SETTLED = 500, 1e-7
STEP_DAYS, MOST_STEPS = 10, 4  # a wide bin is told by several values
TO_THE_END, BEYOND = 0.05, 7.0 / 6.0


class Bins(NamedTuple):
    """Hold bins of days: `edges` (B + 1), the bin of each day, and the chance of each bin."""

    edges: IntArray
    chances: FloatArray


def seen_to_the_end(tally: Tally, k: int) -> bool:
    """Say whether lags of way k were seen to their end."""
    lags = np.flatnonzero(tally.left[k])
    total = float(tally.left[k].sum())
    if total < LEAST_CASES or not tally.there.any():
        return total >= LEAST_CASES
    last = int(lags[-1])
    oldest = int(tally.age[tally.there > 0, k].max()) - 1
    near = float(tally.left[k][max(last - (oldest - last), 0) + 1 :].sum())
    return oldest > BEYOND * last and (1.0 - min(near / total, 1.0)) ** total <= TO_THE_END


def equal_bins(tally: Tally, k: int) -> IntArray:
    """Give edges of bins, in days, that hold about as many of way k's lags each."""
    counts = tally.left[k]
    days = np.flatnonzero(counts)
    bins = int(min(MOST_BINS, counts.sum() // CASES_PER_BIN))
    below = np.cumsum(counts[days])
    wanted = below[-1] * np.arange(1, bins) / bins
    inner = days[np.searchsorted(below, wanted)] + 1
    return np.unique(np.concatenate(([days[0]], inner, [days[-1] + 1])))


def bins_table(bins: Bins, days: int) -> DayTable:
    """Tabulate a lag of bins."""
    at = np.zeros(days + 1)
    at[bins.edges[0] : bins.edges[-1]] = np.repeat(
        bins.chances / np.diff(bins.edges), np.diff(bins.edges)
    )
    by = np.concatenate(([0.0], np.cumsum(at)))
    return DayTable(np.maximum(at, TINY), np.minimum(by, 1.0))


def self_consistent(
    tally: Tally, tables: list[DayTable], edges: dict[int, IntArray], unseen_stays: bool
) -> tuple[FloatArray, dict[int, Bins]]:
    """Find conversions and the chances of the bins of some ways (`edges`), all else as in `tables`.

    `unseen_stays` says that items which left before recording began are in the list as if there.
    """
    owner, parts = _columns(tally, tables, edges)
    now = np.stack([part.by[tally.age[:, k]] for k, part in zip(owner, parts, strict=True)], axis=1)
    then = np.stack(
        [part.by[tally.unseen[:, k]] for k, part in zip(owner, parts, strict=True)], axis=1
    )
    left = np.array([_left(tally, k, edges, owner, j) for j, k in enumerate(owner)])
    undated = tally.undated[owner].T
    seen = now - then if unseen_stays else now
    mass = (left + 1e-3) / (left.sum() + tally.there.sum() + 1e-3 * len(left))
    for _ in range(ROUNDS):
        still = np.maximum(1.0 - seen @ mass, TINY)
        expected = left + mass * ((tally.there / still) @ (1.0 - seen))
        if undated.any():
            share = mass * (now - then)
            total = np.stack([share[:, owner == k].sum(axis=1) for k in owner], axis=1)
            expected += (undated * share / np.maximum(total, TINY)).sum(axis=0)
        missing = then @ mass
        ghosts = (tally.late / np.maximum(1.0 - missing, TINY)) @ then * mass
        expected += ghosts
        new = expected / (tally.entered.sum() + ghosts.sum())
        moved = float(np.abs(new - mass).max())
        mass = new
        if moved < SETTLED:
            break
    conversions = np.bincount(owner, weights=mass, minlength=len(tally.ways))
    found = {
        k: Bins(own, mass[owner == k] / max(float(mass[owner == k].sum()), TINY))
        for k, own in edges.items()
    }
    return np.asarray(conversions, dtype=np.float64), found


def _columns(
    tally: Tally, tables: list[DayTable], edges: dict[int, IntArray]
) -> tuple[IntArray, list[DayTable]]:
    """Each bin as a lag of its own, and each way without bins: with the way it belongs to."""
    owner: list[int] = []
    parts: list[DayTable] = []
    for k in range(len(tally.ways)):
        if k not in edges:
            owner.append(k)
            parts.append(tables[k])
            continue
        for low, high in pairwise(edges[k]):
            owner.append(k)
            one = Bins(np.array([low, high]), np.ones(1))
            parts.append(bins_table(one, tally.longest))
    return np.array(owner), parts


def _left(tally: Tally, k: int, edges: dict[int, IntArray], owner: IntArray, column: int) -> float:
    if k not in edges:
        return float(tally.left[k].sum())
    place = column - int(np.argmax(owner == k))
    return float(tally.left[k][edges[k][place] : edges[k][place + 1]].sum())


def values_of(bins: Bins) -> tuple[tuple[float, float], ...]:
    """Give the days and shares that tell a lag of bins; leaving on the day of entry takes 1/3."""
    found: list[tuple[float, float]] = []
    for low, high, chance in zip(bins.edges[:-1], bins.edges[1:], bins.chances, strict=True):
        steps = int(min(MOST_STEPS, max(1, (high - low) // STEP_DAYS), high - low))
        cuts = np.linspace(low, high, steps + 1)
        for a, b in pairwise(cuts):
            middle = 0.5 * (a + b - 1.0)
            found.append((float(middle) if middle > 0.0 else 1.0 / 3.0, float(chance) / steps))
    return tuple((day, share) for day, share in found if share > 0.0)
