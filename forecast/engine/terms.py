"""The deals to expect as a polynomial in the chances of the ways, where nothing else varies.

Where all lags and arrivals of a group are certain, and its assumptions are the same in all periods
(only the lags into won may go by the calendar),
the deals won in a span are a sum over the paths through the journey,

    sum over paths of (product of the chances of the path's ways) * weight[path, span],

whose weights are convolutions that do not depend on the run. Paths that use the same ways as often
and end in the same stage are one term. So a run takes some multiplications instead of convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from forecast.engine.assumptions import Draws, Floats
from forecast.engine.kernel.collapse import Terms
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.lags import NO_MASS
from forecast.engine.layout import Layout
from forecast.engine.tables import TableMaker

KEPT = 16  # answers; plans that differ in their chances only have the same
MOST_TERMS = 512  # of a group; with more its journey is followed by periods

Key = tuple[int, tuple[int, ...]]  # the stage reached, and how often each way was taken
Wins = dict[bytes, Floats]  # (period, span) by the lags into won


@dataclass(frozen=True)
class _Asked:
    """What terms depend on; known by its name alone."""

    name: bytes
    layout: Layout = field(compare=False)
    plan: Plan = field(compare=False)
    tables: Tables = field(compare=False)


def make_terms(layout: Layout, maker: TableMaker, plan: Plan, draws: Draws) -> Terms:
    """Find the terms of every group; none where they would not serve."""
    tables = maker.tables(draws.draw(0, 2))  # two rows show what is uncertain
    return _found(_Asked(_name_of(layout, plan, tables), layout, plan, tables))


def _name_of(layout: Layout, plan: Plan, tables: Tables) -> bytes:
    """Hash what terms depend on: chances are not among it, which are what is mostly asked about."""
    ways = [(way.target, *map(str, way.versions)) for way in layout.ways]
    name = blake2b(repr((ways, layout.scenario.groups, layout.won, len(layout.weights))).encode())
    arrays = (
        *(plan.spans.start, plan.spans.of, plan.entry, plan.first_way),
        *(plan.lag_of, plan.lag_phase_of, tables.mean, tables.shape),
        *(tables.lag_first, tables.lag_step, tables.lag_chance, tables.lag_beyond),
    )
    for array in arrays:
        name.update(repr((array.shape, array.dtype)).encode())
        name.update(array.tobytes())
    return name.digest()


@lru_cache(KEPT)
def _found(asked: _Asked) -> Terms:
    layout, plan, tables = asked.layout, asked.plan, asked.tables
    spans = len(plan.spans.start) - 1
    first, parents, ways, weights = [0], [], [], [np.zeros((0, spans))]
    wins: Wins = {}
    for g in range(len(layout.scenario.groups)):
        found = _of_group(layout, plan, tables, g, wins)
        parents += [parent if parent < 0 else parent + first[-1] for parent, _, _ in found]
        ways += [way for _, way, _ in found]
        weights += [weight[None] for _, _, weight in found]
        first.append(len(parents))
    return Terms(
        np.array(first, dtype=np.int64),
        np.array(parents, dtype=np.int64),
        np.array(ways, dtype=np.int64),
        np.concatenate(weights),
    )


def _of_group(
    layout: Layout, plan: Plan, tables: Tables, g: int, wins: Wins
) -> list[tuple[int, int, Floats]]:
    """The terms of a group: parent, way taken last, and the deals of each span by it (or 0)."""
    segments = len(layout.scenario.segments)
    c, group = g // segments, layout.scenario.groups[g]
    if not _serves(layout, plan, tables, g, c):
        return []
    spans = len(plan.spans.start) - 1
    nothing = np.zeros(spans)
    terms = [(-1, -1, nothing)]
    root: Key = (int(plan.entry[c]), (0,) * len(layout.ways))
    level: dict[Key, tuple[int, Floats]] = {root: (0, tables.mean[0, c])}
    while level:
        reached: dict[Key, tuple[int, Floats]] = {}
        for (stage, used), (index, shape) in level.items():
            for e in range(plan.first_way[stage], plan.first_way[stage + 1]):
                if group not in layout.ways[e].versions:
                    continue
                rows = tables.lag_first[plan.lag_of[plan.lag_phase_of, g, e]]  # (period,)
                target = layout.ways[e].target
                if target == layout.won:
                    name = rows.tobytes()
                    if name not in wins:
                        wins[name] = _by_span(plan, tables.lag_beyond[rows])
                    # no @: its last bits depend on the number of threads
                    terms.append((index, e, (shape[:, None] * wins[name]).sum(axis=0)))
                elif target < layout.won:
                    ahead = np.convolve(shape, tables.lag_chance[rows[0]])[: len(shape)]
                    key = target, (*used[:e], used[e] + 1, *used[e + 1 :])
                    if key in reached:
                        reached[key] = reached[key][0], reached[key][1] + ahead
                    elif ahead.max() > NO_MASS:
                        reached[key] = len(terms), ahead
                        terms.append((index, e, nothing))
        level = reached
        if len(terms) > MOST_TERMS:
            return []
    return terms


def _serves(layout: Layout, plan: Plan, tables: Tables, g: int, c: int) -> bool:
    """Tell whether nothing but the chances of the ways varies by run."""
    lags = plan.lag_of[:, g]
    return (
        len(layout.weights) == 1
        and len(tables.mean) == 1
        and not tables.shape[:, c].any()
        and not tables.lag_step[lags].any()
        and bool(tables.mean[0, c].any())
    )


def _by_span(plan: Plan, beyond: Floats) -> Floats:
    """Of an item of every period the chance to be won in each span; beyond is (period, cell)."""
    last = beyond.shape[1] - 1
    periods = np.arange(len(beyond))[:, None]
    starts = plan.spans.start[None, :] - periods
    before = 1.0 - beyond[periods, np.clip(starts, 0, last)]
    return np.asarray(np.diff(before, axis=1))
