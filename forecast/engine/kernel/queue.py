"""Stages that take up only so many items in a period: who waits, whose turn it is, who gives up.

Items wait by the period in which they entered a stage. The oldest are taken up first; where not all
of one age can be, channels and segments have their share of the slots by systematic sampling
(Madow 1949, "On the theory of systematic sampling, II", doi:10.1214/aoms/1177729988): with n_g
items of group g, N in all, c slots and U uniform,

    group g has floor((n_1 + ... + n_g) c / N + U) - floor((n_1 + ... + n_(g-1)) c / N + U)

of them: c n_g / N on average, never an item more or less than that, and c in all.
"""

import math
from typing import NamedTuple

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import draw
from forecast.engine.kernel.lanes import binomials
from forecast.engine.kernel.rows import pick, row_of
from forecast.engine.kernel.samplers import Counts
from forecast.engine.kernel.shapes import Keys, Plan, Tables
from forecast.engine.kernel.state import VISIT_SHIFT, At, State


class Visit(NamedTuple):
    """A stage, which of the limited ones it is (or -1), and which pass over the stages it is."""

    limited: int
    stage: int
    visit: int


@jit()
def open_desks(tables: Tables, state: State, at: At) -> None:
    """Read how many items each limited stage can take up in a period, after open deals."""
    for k in range(len(state.queue.slots)):
        for i in range(at.lanes):
            row = row_of(len(tables.slots), at.row + i)
            state.queue.slots[k, i] = tables.slots[row, k, at.period]
        if len(state.earlier.used) > 0:
            for i in range(at.lanes):
                state.queue.slots[k, i] -= state.earlier.used[at.row + i, k, at.period]


@jit()
def set_aside(
    plan: Plan, keys: Keys, tables: Tables, state: State, at: At, here: Visit, items: Counts
) -> None:
    """Take those that are not followed up out of the items of a group that enter a stage."""
    lanes, j, e = at.lanes, here.stage, plan.first_way[here.stage]
    pick(tables.take[:, plan.phase_of[at.period], at.group, e], at.row, lanes, state.chance)
    address = keys.conversion[at.group, e], at.run, at.period | here.visit << VISIT_SHIFT, 0
    taken = state.taken[:lanes]
    binomials(items, state.chance[:lanes], address, state.spread.work, taken)
    unworked, lost = state.tally.unworked[j], state.tally.entered[at.group, len(state.open) + 1]
    for i in range(lanes):
        items[i] -= taken[i]
        unworked[i] += taken[i]
        lost[i] += taken[i]


@jit()
def take_turns(plan: Plan, keys: Keys, tables: Tables, state: State, at: At, here: Visit) -> bool:
    """Let what is to enter a limited stage join its queue, and take up items: they wait no more.

    What was taken up is left where it was found, to be sent on its ways; tells if any entered.
    """
    k, j, lanes = here.limited, here.stage, at.lanes
    came = False
    for g in range(len(state.waiting)):
        items = state.waiting[g, j, :lanes]
        some = 0
        for i in range(lanes):
            some += items[i]
        if some == 0:
            continue
        came = True
        for i in range(lanes):
            state.tally.entered[g, j, i] += items[i]
        if plan.desk.unworked[j] == 1:
            group = At(at.row, at.run, lanes, at.period, 0, 0, g)
            set_aside(plan, keys, tables, state, group, here, items)
        held = state.queue.held[k, at.period, g]
        for i in range(lanes):
            held[i] += items[i]
            state.open[j, i] += items[i]
            items[i] = 0
    if came or here.visit == 0:
        serve(plan, keys, state, at, here)
    return came


@jit()
def serve(plan: Plan, keys: Keys, state: State, at: At, here: Visit) -> None:
    """Take up items by level and age, as far as the slots go."""
    queue, k, lanes = state.queue, here.limited, at.lanes
    levels = 0
    for g in range(plan.desk.level.shape[1]):
        levels = max(levels, plan.desk.level[k, g] + 1)
    for level in range(levels):
        for a in range(queue.oldest[k], at.period + 1):
            left = 0
            for i in range(lanes):
                left += queue.slots[k, i]
                queue.total[i] = 0
            if left == 0:
                return
            for g in range(queue.held.shape[2]):
                if plan.desk.level[k, g] == level:
                    held = queue.held[k, a, g]
                    for i in range(lanes):
                        queue.total[i] += held[i]
            if share_slots(keys, state, at, here) > 0:
                for g in range(queue.held.shape[2]):
                    if plan.desk.level[k, g] == level:
                        take_up(state, at, here, a, g)


@jit()
def share_slots(keys: Keys, state: State, at: At, here: Visit) -> int:
    """See how many items of one level and age are taken up, and where the sampling begins."""
    queue, lanes = state.queue, at.lanes
    slots = queue.slots[here.limited]
    some, part = 0, 0
    for i in range(lanes):
        use = min(slots[i], queue.total[i])
        queue.use[i] = use
        queue.seen[i] = 0
        queue.given[i] = 0
        slots[i] -= use
        some += use
        part += 1 if 0 < use < queue.total[i] else 0
    step = at.period | here.visit << VISIT_SHIFT
    for i in range(lanes):
        if part > 0:
            u, _ = draw(keys.turn[here.limited], at.run + i, step, 0, 0)
            # U as a whole number of N-ths: floors of whole numbers over N, and just as fair.
            queue.turn[i] = math.floor(u * queue.total[i]) + 0.5
        else:
            queue.turn[i] = 0.5
    return some


@jit()
def take_up(state: State, at: At, here: Visit, a: int, g: int) -> None:
    """Take a group's share of the items of age a up.

    Up to 2**51 items x slots the quotients are exact; beyond, bounds keep the sum what it must be.
    """
    queue, j = state.queue, here.stage
    held, taken = queue.held[here.limited, a, g], state.waiting[g, j]
    inside, tally = state.open[j], state.tally
    for i in range(at.lanes):
        n, total, use, given = held[i], queue.total[i], queue.use[i], queue.given[i]
        seen = queue.seen[i] + n
        share = (float(seen) * float(use) + queue.turn[i]) / max(float(total), 1.0)
        least = max(use - given - (total - seen), 0)
        mine = min(max(math.floor(share) - given, least), min(n, use - given))
        queue.seen[i] = seen
        queue.given[i] = given + mine
        held[i] = n - mine
        taken[i] += mine
        inside[i] -= mine
        tally.waited[j, i] += mine * (at.period - a)


@jit()
def close_desks(plan: Plan, keys: Keys, tables: Tables, state: State, at: At) -> None:
    """Let some of those that still wait give up."""
    queue, lanes, t = state.queue, at.lanes, at.period
    chance, lost = state.chance[:lanes], len(state.open) + 1
    for k in range(len(plan.desk.stages)):
        j = plan.desk.stages[k]
        pick(tables.give_up[:, plan.phase_of[t], k], at.row, lanes, chance)
        oldest = t + 1
        for a in range(queue.oldest[k], t + 1):
            for g in range(queue.held.shape[2]):
                held, taken = queue.held[k, a, g, :lanes], state.taken[:lanes]
                some = 0
                for i in range(lanes):
                    some += held[i]
                if some == 0:
                    continue
                oldest = min(oldest, a)
                address = keys.giving_up[g, k], at.run, t, a
                binomials(held, chance, address, state.spread.work, taken)
                for i in range(lanes):
                    held[i] -= taken[i]
                    state.open[j, i] -= taken[i]
                    state.tally.given_up[j, i] += taken[i]
                    state.tally.entered[g, lost, i] += taken[i]
        queue.oldest[k] = oldest
