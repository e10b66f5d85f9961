"""What the age of an open deal makes of the ways out of its stage, and of the time that is left.

A deal that is open at age a goes way e with a chance in proportion to c_e P(lag_e > a), c_e being
the way's share in the end, and what is lost without a lag to its whole share: a mixture cure model
(Boag 1949, "Maximum likelihood estimates of the proportion of patients cured by cancer therapy";
with a lag of ``lost``, competing risks). The lag that is left is the lag given that it is longer.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import log
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.rows import pick, row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Guides, Plan, Tables

SMOOTH, STEPS, PERIODS = range(3)  # of a law: by pieces, by values in days, by values in periods
MODEL, SHARE, CLOSE, BOTH = range(4)  # what is known of a deal itself: Batches.kind
PIECES = 1_024  # of a smooth law, at equal steps of the logarithm
DEGREE_AND_ONE = 6
NEVER = 1e-9  # so rare a lag counts as none
ON_EDGE_DAYS = 1e-9  # what rounding may take from a day
LOOKUPS = 128


class Laws(NamedTuple):
    """Distributions of lags, each as P(lag > x)."""

    code: Counts  # (law,)
    first: Counts  # (law + 1,) its first value
    low: Floats  # (law,) log of where the pieces begin
    per_unit: Floats  # (law,) pieces to a unit of the logarithm
    sure: Counts  # (law,) 1 where nothing of it is uncertain
    value: Floats  # SMOOTH: P(lag > x), a polynomial a piece; else what the lag can be
    beyond: Floats  # P(lag > value) of what it can be


class Movers(NamedTuple):
    """Classes of deals alike: of one group, one stage, one age; and how time is counted."""

    laws: Laws
    law_of: Counts  # (g, e) at the start
    at_once: Counts  # (g, e) 1 where what is lost is lost without a lag
    uneven: Counts  # (g, e) 1 where time runs by the clock of closing
    steady: bool  # whether that clock is the same in all runs
    group: Counts  # (class,)
    stage: Counts  # (class,)
    age_days: Floats  # (class,) -1 where it is not known: as if it had just entered
    age_periods: Counts  # (class,)
    periods: int
    offset: float  # part of the first period that is over at the start
    period_days: float


class OpenTables(NamedTuple):
    """What the assumptions say of open deals, one row a run, or one where all is certain."""

    factor: Floats  # (r, law) on time
    hope: Floats  # (r, f, g, j + 2) chance to be won in the end, or empty
    take: Floats  # (r, f, g, e) of what the ways before left, of items that are won; or empty
    ahead: Floats  # (r, t) days that the clock of closing has run by a period's end


class Ways(NamedTuple):
    """The ways out of a class's stage, for a block of rows; and when they are gone."""

    weight: Floats  # (way, lane) chance of a way or one before it
    space: Floats  # (lane,)
    left: Floats  # (lane,)
    total: Floats  # (lane,)
    begin: Floats  # (way, lane) P(lag > age)
    done: Floats  # (way, t) chance to be gone by the end of a period; of laws that are sure
    lookup: Guides  # (way, LOOKUPS) where to look in it


def new_ways(plan: Plan) -> Ways:
    """Allocate working space."""
    ways, periods = int(np.diff(plan.first_way).max()), len(plan.quarter_of)
    return Ways(
        np.zeros((ways, LANES)),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros((ways, LANES)),
        np.zeros((ways, periods)),
        np.zeros((ways, LOOKUPS), np.int16),
    )


@jit()
def beyond(laws: Laws, law: int, x: float) -> float:
    """P(lag > x): by values, or by polynomials between nodes."""
    first, end = laws.first[law], laws.first[law + 1]
    if laws.code[law] != SMOOTH:
        low, high = first, end
        while low < high:
            middle = (low + high) // 2
            if laws.value[middle] <= x:
                low = middle + 1
            else:
                high = middle
        return laws.beyond[low - 1] if low > first else 1.0
    place = (log(x) - laws.low[law]) * laws.per_unit[law] if x > 1e-300 else -1.0
    if place <= 0.0:
        return 1.0
    if place >= PIECES:
        return 0.0
    i = int(place)
    f, at = place - i, np.uint64(first + DEGREE_AND_ONE * i)
    c = laws.value[at : at + np.uint64(DEGREE_AND_ONE)]
    high = c[3] + f * (c[4] + f * c[5])
    return min(max(c[0] + f * (c[1] + f * (c[2] + f * high)), 0.0), 1.0)


@jit(inline=True)
def edge(movers: Movers, k: int, law: int, t: int) -> float:
    """The lag up to which a deal of class k moves by the end of period t; by its age if t < 0."""
    if movers.laws.code[law] == PERIODS:
        return float(max(movers.age_periods[k], 0) + t) + 0.5
    if t < 0:
        return float(movers.age_days[k])
    ahead = (t + 1.0 - movers.offset) * movers.period_days
    return float(max(movers.age_days[k], 0.0) + ahead - ON_EDGE_DAYS)


@jit()
def gone_by(
    movers: Movers, ahead: Floats, at: tuple[int, int, int], factor: float, begin: float, t: int
) -> float:
    """Chance that a deal, at = (class, way, row), is gone by the end of period t if it goes so.

    One that is older than its lag allows is gone at once.
    """
    k, e, row = at
    g = movers.group[k]
    law = movers.law_of[g, e]
    if movers.at_once[g, e] or begin < NEVER:
        return 1.0
    if movers.uneven[g, e]:
        passed = max(ahead[row_of(len(ahead), row), t] - ON_EDGE_DAYS, 0.0)
        until = max(movers.age_days[k], 0.0) + passed
    else:
        until = edge(movers, k, law, t)
    return 1.0 - beyond(movers.laws, law, until / factor) / begin


@jit()
def weigh(
    plan: Plan,
    tables: Tables,
    given: OpenTables,
    movers: Movers,
    at: tuple[int, int, int, int],
    ways: Ways,
) -> None:
    """ways.weight[n] = the chance that a deal goes way n of its stage or one before it.

    at: (class, kind, first row, lanes). What is left to 1 is lost at once. Of a deal that is
    known to be won (SHARE) each way counts by the hope behind it (Doob's h-transform). An open deal
    is followed up: that is not to be decided any more.
    """
    k, kind, first, lanes = at
    g, j = movers.group[k], movers.stage[k]
    left, total = ways.left[:lanes], ways.total[:lanes]
    left[:] = 1.0
    total[:] = 0.0
    begin, end = plan.first_way[j], plan.first_way[j + 1]
    for e in range(begin, end):
        weight, open_so_far = ways.weight[e - begin], ways.begin[e - begin]
        if e < begin + plan.desk.unworked[j]:  # it is followed up already
            weight[:lanes] = 0.0
            open_so_far[:lanes] = 1.0
            continue
        pick(tables.take[:, plan.phase_of[0], g, e], first, lanes, ways.space)
        for i in range(lanes):
            weight[i] = left[i] * ways.space[i]
            left[i] -= weight[i]
        outlast(movers, given, (k, e, first, lanes), ways.space, open_so_far)
        if kind == SHARE:
            pick(given.hope[:, plan.phase_of[0], g, plan.target[e]], first, lanes, ways.space)
            for i in range(lanes):
                weight[i] *= max(open_so_far[i], NEVER) * ways.space[i]
        else:
            for i in range(lanes):
                weight[i] *= open_so_far[i] if open_so_far[i] >= NEVER else 0.0
        for i in range(lanes):
            total[i] += weight[i]
            weight[i] = total[i]
    for i in range(lanes):
        total[i] += left[i] if kind != SHARE else 0.0
    for n in range(end - begin):
        weight = ways.weight[n]
        for i in range(lanes):
            weight[i] = weight[i] / total[i] if total[i] > 0.0 else 0.0


@jit()
def outlast(
    movers: Movers, given: OpenTables, at: tuple[int, int, int, int], space: Floats, out: Floats
) -> None:
    """out[i] = the chance that a way's lag is longer than a deal's age.

    at: (class, way, first row, lanes).
    """
    k, e, first, lanes = at
    g = movers.group[k]
    law = movers.law_of[g, e]
    age = edge(movers, k, law, -1)
    if movers.at_once[g, e]:
        out[:lanes] = 1.0
    elif movers.laws.sure[law]:
        out[:lanes] = beyond(movers.laws, law, age)
    else:
        pick(given.factor[:, law], first, lanes, space)
        for i in range(lanes):
            out[i] = beyond(movers.laws, law, age / space[i])


@jit(inline=True)
def is_sure(movers: Movers, k: int, e: int) -> bool:
    """Tell whether the time of a way is the same in all runs."""
    g = movers.group[k]
    runs_evenly = movers.steady or not movers.uneven[g, e]
    return bool(movers.at_once[g, e] or (movers.laws.sure[movers.law_of[g, e]] and runs_evenly))


@jit()
def prepare(plan: Plan, movers: Movers, ahead: Floats, k: int, ways: Ways) -> None:
    """Fill when the deals of a class are gone by each way whose time is the same in all runs."""
    j = movers.stage[k]
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        if is_sure(movers, k, e):
            n, law = e - plan.first_way[j], movers.law_of[movers.group[k], e]
            begin = beyond(movers.laws, law, edge(movers, k, law, -1))
            done, before = ways.done[n], 0.0
            for t in range(len(done)):
                if before < 1.0:
                    before = max(gone_by(movers, ahead, (k, e, 0), 1.0, begin, t), before)
                done[t] = before
            fill_lookup(done, ways.lookup[n])


@jit()
def fill_lookup(done: Floats, lookup: Guides) -> None:
    """lookup[b] = the first period by whose end more than a share b / LOOKUPS is done."""
    t = 0
    for b in range(LOOKUPS):
        while t < len(done) and done[t] <= b / LOOKUPS:
            t += 1
        lookup[b] = t


@jit(inline=True)
def period_of(done: Floats, lookup: Guides, share: float) -> int:
    """The period by whose end more than a share is done; as many as there are if none."""
    t = int(lookup[np.uint64(np.int64(share * LOOKUPS))])
    while t < len(done) and done[np.uint64(t)] <= share:
        t += 1
    return t


@jit()
def search(
    movers: Movers,
    ahead: Floats,
    at: tuple[int, int, int],
    factor: float,
    begin: float,
    share: float,
) -> int:
    """The same for a class, way and row, where the time differs from run to run."""
    low, high = 0, int(movers.periods)
    while low < high:
        middle = (low + high) // 2
        if gone_by(movers, ahead, at, factor, begin, middle) > share:
            high = middle
        else:
            low = middle + 1
    return low
