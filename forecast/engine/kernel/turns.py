"""Open deals in the stages ahead of them: how each waits its turn, is worked, and goes on.

Open deals are older than all new leads and are served before them. They take their slots one after
the other, each the first one left from the period on in which it comes: so many deals fill the
same slots in any order, since each takes one.
"""

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word, bit_pair, to_unit
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.kernel.wins import Results, cell_of


@jit(inline=True)
def step_on(
    plan: Plan,
    tables: Tables,
    take: Floats,
    at: tuple[int, int, int, int, int],
    address: tuple[Word, int, int],
) -> tuple[int, int]:
    """The way that an item takes out of a stage, or -1 if it is lost at once; and the period.

    at: (row, group, stage, period, first way that it may take).
    """
    row, g, j, t, begin = at
    key, run, hop = address
    phase = plan.phase_of[t]
    first, second = bit_pair(key, run, hop, 0)
    unit, left = to_unit(first), 1.0
    for e in range(begin, plan.first_way[j + 1]):
        share = left * take[row_of(len(take), row), phase, g, e]
        left -= share
        if unit < share or (left <= 0.0 and share > 0.0):
            return e, t + cell_of(tables, plan.lag_of[plan.lag_phase_of[t], g, e], row, second)
        unit -= share
    return -1, t


@jit()
def take_turn(
    plan: Plan,
    tables: Tables,
    take: tuple[Floats, bool],
    at: tuple[int, int, int, int],
    address: tuple[Word, int, int],
    out: Results,
) -> tuple[int, int]:
    """The same where it is counted what is worked; at: (row, group, stage, period).

    ``take`` tells also whether the deal is patient: always followed up, and never giving up.
    """
    row, g, j, t = at
    take_of, is_patient = take
    begin, k = plan.first_way[j], plan.desk.place[j]
    after = begin + plan.desk.unworked[j]
    if k < 0:
        e, later = step_on(plan, tables, take_of, (row, g, j, t, begin), address)
        if begin <= e < after:
            count(plan, (row, t, j), out.unworked)
        else:
            work(plan, tables, at, out)
        return e, later
    first, second = bit_pair(address[0], address[1], address[2], 1)
    if after > begin and not is_patient:
        chance = take_of[row_of(len(take_of), row), plan.phase_of[t], g, begin]
        if to_unit(first) < chance:
            count(plan, (row, t, j), out.unworked)
            return -1, t
    u, gives_up = queue_up(plan, tables, (row, k, t), 0.0 if is_patient else to_unit(second), out)
    if u > t:
        q = plan.quarter_of[t]
        out.held[row, q, j] += 1
        if u < len(plan.quarter_of):
            out.held[row, plan.quarter_of[u], j] -= 1
    if gives_up or u == len(plan.quarter_of):
        if gives_up:
            count(plan, (row, u, j), out.given_up)
        return -1, u
    if len(out.waited) > 0:
        out.waited[row, plan.quarter_of[u], j] += u - t
    work(plan, tables, (row, g, j, u), out)
    return step_on(plan, tables, take_of, (row, g, j, u, after), address)


@jit()
def queue_up(
    plan: Plan, tables: Tables, at: tuple[int, int, int], unit: float, out: Results
) -> tuple[int, bool]:
    """Wait for a slot, and take it: the period, and whether the deal has given up in it instead.

    at: (row, limited stage, period); it stays as long as the chance to do so is above ``unit``.
    """
    row, k, t = at
    slots, used = tables.slots[row_of(len(tables.slots), row), k], out.used[row, k]
    staying = 1.0
    while t < len(plan.quarter_of):
        if used[t] < slots[t]:
            used[t] += 1
            return t, False
        staying *= 1.0 - tables.give_up[row_of(len(tables.give_up), row), plan.phase_of[t], k]
        if staying <= unit:
            return t, True
        t += 1
    return t, False


@jit(inline=True)
def count(plan: Plan, at: tuple[int, int, int], out: Counts) -> None:
    """Count one deal, where that is asked for; at: (row, period, stage)."""
    row, t, j = at
    if len(out) > 0:
        out[row, plan.quarter_of[t], j] += 1


@jit()
def work(plan: Plan, tables: Tables, at: tuple[int, int, int, int], out: Results) -> None:
    """Count a deal that is worked, and what that costs; at: (row, group, stage, period)."""
    row, g, j, t = at
    count(plan, (row, t, j), out.worked)
    if tables.worked_cost.shape[3] > 0:
        c = g // tables.share.shape[2]
        cost = tables.worked_cost[row_of(len(tables.worked_cost), row), plan.phase_of[t], c, j]
        out.spend[row, plan.quarter_of[t], c] += cost
