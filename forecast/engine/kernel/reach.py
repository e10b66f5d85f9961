"""The chance that a lead of a period reaches a target in each quarter.

For an item that enters stage j in period t, with ways e of chance p_e and lags of k periods of
chance l_e(k), the expected hits (entries of the wanted target) in quarter q are

    hits(j, t, q) = sum_e p_e sum_k l_e(k) ([e leads to the target and t + k is in q]
                                            + hits(e's end, t + k, q)):

a chance where an item can enter the target once at most. Periods of the last phase all have the
same response, so it is found once for them, by periods since entry; those before go by backward
recursion.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Plan, Tables

SETTLED = 1e-15  # a loop without lag is followed until so little of what came is left in it


class Work(NamedTuple):
    """Working space of ``reach``."""

    known: Floats  # (g, j, t, q) hits of each distinct journey
    hits: Floats  # (j, t, q) those of the journey at hand
    base: Floats  # (j, q)
    before: Floats  # (q,)
    response: Floats  # (j, k) hits exactly k periods after entry; in the end their running sum
    ahead: Floats  # (j, k) what of the response is known from earlier k
    edges: Counts  # (q + 1,) first period of every quarter, and the end


def new_work(plan: Plan, stages: int, quarters: int) -> Work:
    """Allocate working space."""
    groups, periods = len(plan.twin), len(plan.quarter_of)
    return Work(
        np.zeros((groups, stages, periods, quarters)),
        np.zeros((stages, periods, quarters)),
        np.zeros((stages, quarters)),
        np.zeros(quarters),
        np.zeros((stages, periods)),
        np.zeros((stages, periods)),
        np.searchsorted(plan.quarter_of, np.arange(quarters + 1)).astype(np.int64),
    )


@jit(entry=True)
def reach(plan: Plan, tables: Tables, wanted: int, work: Work, out: Floats) -> None:
    """Fill out[r, c, t, q]: the expected hits of a new lead, averaged over segments.

    ``wanted`` numbers a stage or won.
    """
    rows, channels, periods, _ = out.shape
    segments = tables.share.shape[2]
    steady = periods - 1
    while steady > 0 and is_like(plan, steady - 1, periods - 1):
        steady -= 1
    for row in range(rows):
        out[row] = 0.0
        for c in range(channels):
            for s in range(segments):
                g = c * segments + s
                if plan.twin[g] == g:
                    respond(plan, tables, wanted, (row, g), steady, work)
                    gather(steady, work)
                    backward(plan, tables, wanted, (row, g), steady, work)
                    keep(work, g)
                hits = work.known[plan.twin[g]]
                add_segment(plan, tables, wanted, (row, c, s), hits, out)


@jit(merge=True)
def is_like(plan: Plan, t: int, other: int) -> bool:
    """Tell whether two periods have the same ways and lags."""
    same = plan.lag_phase_of[t] == plan.lag_phase_of[other]
    return same and plan.phase_of[t] == plan.phase_of[other]


@jit(merge=True)
def keep(work: Work, g: int) -> None:
    """Keep the hits of a journey for the other groups that have the same."""
    stages, periods, quarters = work.hits.shape
    for j in range(stages):
        for t in range(periods):
            for q in range(quarters):
                work.known[g, j, t, q] = work.hits[j, t, q]


@jit(merge=True)
def way_line(plan: Plan, tables: Tables, row: int, t: int, g: int, e: int) -> int:
    """The row of the lag tables that a way has in a period."""
    lag = plan.lag_of[plan.lag_phase_of[t], g, e]
    return tables.lag_first[lag] + tables.lag_step[lag] * row


@jit(merge=True)
def respond(
    plan: Plan, tables: Tables, wanted: int, at: tuple[int, int], steady: int, work: Work
) -> None:
    """Fill the response of the last phase, which holds from period ``steady`` on."""
    row, g = at
    stages, periods = work.response.shape
    length = periods - steady
    end = periods - 1
    take = tables.take[row_of(len(tables.take), row), plan.phase_of[end], g]
    work.ahead[:] = 0.0
    for j in range(stages):
        left = 1.0
        for e in range(plan.first_way[j], plan.first_way[j + 1]):
            m = left * take[e]
            left -= m
            if plan.target[e] == wanted and m > 0.0:
                line = way_line(plan, tables, row, end, g, e)
                for k in range(min(tables.lag_cells[line], length)):
                    work.ahead[j, k] += m * tables.lag_chance[line, k]
    again = has_way_back(plan, tables, row, end, g)
    for k in range(length):
        for j in range(stages):
            work.response[j, k] = work.ahead[j, k]
        change = 1.0
        while change > SETTLED:
            change = 0.0
            for j in range(stages - 1, -1, -1):
                change += settle_response(plan, tables, (row, g, end), j, k, work)
            if not again:
                break
        for j in range(stages):
            send_ahead(plan, tables, (row, g, end), j, k, length, work)


@jit(merge=True)
def settle_response(
    plan: Plan, tables: Tables, at: tuple[int, int, int], j: int, k: int, work: Work
) -> float:
    """Set response[j, k] with what stages entered at once give; gives the change."""
    row, g, end = at
    take = tables.take[row_of(len(tables.take), row), plan.phase_of[end], g]
    total = work.ahead[j, k]
    left = 1.0
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        m = left * take[e]
        left -= m
        if m > 0.0 and plan.target[e] < len(work.response):
            line = way_line(plan, tables, row, end, g, e)
            total += m * tables.lag_chance[line, 0] * work.response[plan.target[e], k]
    change = abs(total - work.response[j, k])
    work.response[j, k] = total
    return change


@jit(merge=True)
def send_ahead(
    plan: Plan,
    tables: Tables,
    at: tuple[int, int, int],
    j: int,
    k: int,
    length: int,
    work: Work,
) -> None:
    """Add to later responses of stage j what its ways lead to k periods after arrival."""
    row, g, end = at
    take = tables.take[row_of(len(tables.take), row), plan.phase_of[end], g]
    left = 1.0
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        m = left * take[e]
        left -= m
        if m > 0.0 and plan.target[e] < len(work.response):
            hits = m * work.response[plan.target[e], k]
            if hits > 0.0:
                line = way_line(plan, tables, row, end, g, e)
                for lag in range(1, min(tables.lag_cells[line], length - k)):
                    work.ahead[j, k + lag] += hits * tables.lag_chance[line, lag]


@jit(merge=True)
def gather(steady: int, work: Work) -> None:
    """Turn the response into hits (j, t, q) for the periods from ``steady`` on.

    The response is summed up to every k first; a quarter then takes one difference.
    """
    stages, periods, quarters = work.hits.shape
    for j in range(stages):
        for t in range(steady):
            for q in range(quarters):
                work.hits[j, t, q] = 0.0
        total = 0.0
        for k in range(periods - steady):
            total += work.response[j, k]
            work.response[j, k] = total
        for t in range(steady, periods):
            before = 0.0
            for q in range(quarters):
                last = work.edges[q + 1] - 1 - t
                until = work.response[j, last] if last >= 0 else 0.0
                work.hits[j, t, q] = until - before
                before = until


@jit(merge=True)
def has_way_back(plan: Plan, tables: Tables, row: int, t: int, g: int) -> bool:
    """Tell whether a way without lag leads back to its own stage or one before it."""
    for e in range(len(plan.target)):
        back = plan.target[e] <= plan.source[e]
        if back and tables.lag_chance[way_line(plan, tables, row, t, g, e), 0] > 0.0:
            return True
    return False


@jit(merge=True)
def backward(
    plan: Plan, tables: Tables, wanted: int, at: tuple[int, int], steady: int, work: Work
) -> None:
    """Fill hits (j, t, q) of the periods before ``steady``, from the last to the first."""
    row, g = at
    stages, _, _ = work.hits.shape
    for t in range(steady - 1, -1, -1):
        work.base[:] = 0.0
        for j in range(stages):
            look_ahead(plan, tables, wanted, (row, g, t, j), work)
        again = has_way_back(plan, tables, row, t, g)
        change = 1.0
        while change > SETTLED:
            change = 0.0
            for j in range(stages - 1, -1, -1):
                change += settle(plan, tables, (row, g, t, j), work)
            if not again:
                break


@jit(merge=True)
def look_ahead(
    plan: Plan, tables: Tables, wanted: int, at: tuple[int, int, int, int], work: Work
) -> None:
    """Add to base[j] the hits by the ways out of stage j, without stages entered at once."""
    row, g, t, j = at
    stages, periods, quarters = work.hits.shape
    take = tables.take[row_of(len(tables.take), row), plan.phase_of[t], g]
    left = 1.0
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        m = left * take[e]
        left -= m
        target = plan.target[e]
        if m <= 0.0 or (target != wanted and target >= stages):
            continue
        line = way_line(plan, tables, row, t, g, e)
        for k in range(min(tables.lag_cells[line], periods - t)):
            p = m * tables.lag_chance[line, k]
            if target == wanted:
                work.base[j, plan.quarter_of[t + k]] += p
            if target < stages and k > 0 and p > 0.0:
                for q in range(plan.quarter_of[t + k], quarters):
                    work.base[j, q] += p * work.hits[target, t + k, q]


@jit(merge=True)
def settle(plan: Plan, tables: Tables, at: tuple[int, int, int, int], work: Work) -> float:
    """Set hits[j, t] to base[j] and the hits of stages entered at once; gives the change."""
    row, g, t, j = at
    stages, _, quarters = work.hits.shape
    take = tables.take[row_of(len(tables.take), row), plan.phase_of[t], g]
    for q in range(quarters):
        work.before[q] = work.hits[j, t, q]
        work.hits[j, t, q] = work.base[j, q]
    left = 1.0
    for e in range(plan.first_way[j], plan.first_way[j + 1]):
        m = left * take[e]
        left -= m
        if m > 0.0 and plan.target[e] < stages:
            p = m * tables.lag_chance[way_line(plan, tables, row, t, g, e), 0]
            if p > 0.0:
                own = plan.target[e] == j
                for q in range(quarters):
                    hits = work.before[q] if own else work.hits[plan.target[e], t, q]
                    work.hits[j, t, q] += p * hits
    change = 0.0
    for q in range(quarters):
        change += abs(work.hits[j, t, q] - work.before[q])
    return change


@jit(merge=True)
def add_segment(
    plan: Plan,
    tables: Tables,
    wanted: int,
    at: tuple[int, int, int],
    hits: Floats,
    out: Floats,
) -> None:
    """Add one segment's hits, weighted by its share of the channel's leads."""
    row, c, s = at
    entry = plan.entry[c]
    for t in range(out.shape[2]):
        shares = tables.share[row_of(len(tables.share), row), plan.phase_of[t]]
        weight = shares[s]
        for i in range(s):
            weight *= 1.0 - shares[i]
        for q in range(out.shape[3]):
            out[row, c, t, q] += weight * hits[entry, t, q]
        if entry == wanted:
            out[row, c, t, plan.quarter_of[t]] += weight
