"""Open deals in the exact chances of goals on counts: each counts or not, by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecast.engine.assumptions import Floats
from forecast.engine.kernel.ages import BOTH, MODEL, SHARE
from forecast.engine.kernel.dealmeans import first_moves
from forecast.engine.kernel.flow import new_flow
from forecast.engine.kernel.opened import new_space
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.pipeline import open_tables

if TYPE_CHECKING:
    from forecast.engine.plan import Blueprint

MOST_DEAL_STEPS = 5e9  # deals times target times rows beyond which a chance is not computed


def can_count_deals(blueprint: Blueprint, target: float, rows: int) -> bool:
    """Tell whether so many deals can be counted in so many rows."""
    if blueprint.opened is None:
        return True
    deals, batches = len(blueprint.opened.order), len(blueprint.opened.op.batches.kind)
    periods = len(blueprint.plan.quarter_of)
    return (deals * max(target, 1.0) + batches * periods * 8) * rows <= MOST_DEAL_STEPS


def deal_chances(
    blueprint: Blueprint, tables: Tables, wanted: int, quarters: Sequence[int], rows: int
) -> tuple[Floats, Floats]:
    """Chances that deals reach a target of ways in some quarters, and how many have each.

    Shapes (row, kind of deal) and (kind of deal,).
    """
    opened, plan = blueprint.opened, blueprint.plan
    none = np.zeros((rows, 0)), np.zeros(0)
    if opened is None:
        return none
    given = open_tables(opened, plan, tables)
    own = tables._replace(take=given.take) if opened.shares else tables
    inside = np.isin(plan.quarter_of, np.array(quarters)).astype(np.float64)
    known: dict[tuple[bool, int], Floats] = {}
    columns, trials = [], []
    batches, deals = opened.op.batches, opened.op.deals
    work = new_space(plan), new_flow(plan, False)
    for b, (kind, g, j) in enumerate(zip(batches.kind, batches.group, batches.stage, strict=True)):
        mine = slice(batches.first[b], batches.first[b + 1])
        first, end = plan.first_way[j], plan.first_way[j + 1]
        moves = np.zeros((rows, max(int(end - first), 1), len(inside)))
        first_moves(plan, (tables, given), opened.op, b, work, moves)
        if kind in (MODEL, SHARE):
            key = bool(kind == SHARE), int(g)
            if key not in known:
                known[key] = _reach(plan, own if key[0] else tables, (int(g), rows), wanted, inside)
            chance = _through(plan, moves, known[key], int(first))
        else:
            chance = (moves[:, 0] * inside).sum(axis=1) * float(wanted == len(plan.first_way) - 1)
        if kind in (SHARE, BOTH):
            shares, counts = np.unique(deals.chance[mine], return_counts=True)
            columns += [chance * share for share in shares]
            trials += counts.tolist()
        else:
            columns.append(chance)
            trials.append(int(batches.first[b + 1] - batches.first[b]))
    if not columns:
        return none
    return np.stack(columns, axis=1), np.array(trials, dtype=np.float64)


def _through(plan: Plan, moves: Floats, reach: Floats, first: int) -> Floats:
    """Add up over the first moves (row, way, t) what may come of each."""
    ways = plan.target[first : first + moves.shape[1]]
    return np.asarray((moves * np.moveaxis(reach[:, :, ways], 1, 2)).sum(axis=(1, 2)))


def _reach(plan: Plan, tables: Tables, at: tuple[int, int], wanted: int, inside: Floats) -> Floats:
    """Chance to reach a target in the wanted periods by entering a stage in a period, or then.

    at: (group, rows). Shape (row, t, j + 2); backwards in time, what takes no time solved together.
    """
    g, rows = at
    periods, stages = len(inside), len(plan.first_way) - 1
    out = np.zeros((rows, periods, stages + 2))
    if wanted >= stages:
        out[:, :, wanted] = inside
    each = np.arange(rows)
    for t in range(periods - 1, -1, -1):
        phase = plan.phase_of[t]
        ahead, at_once = np.zeros((rows, stages)), np.zeros((rows, stages, stages))
        for j in range(stages):
            left = np.ones(rows)
            for e in range(plan.first_way[j], plan.first_way[j + 1]):
                share = left * np.broadcast_to(tables.take[:, phase, g, e], rows)
                left = left - share
                lag = plan.lag_of[plan.lag_phase_of[t], g, e]
                chances = tables.lag_chance[tables.lag_first[lag] + tables.lag_step[lag] * each]
                cells = min(chances.shape[1], periods - t)
                later = chances[:, 1:cells] * out[:, t + 1 : t + cells, plan.target[e]]
                ahead[:, j] += share * later.sum(axis=1)
                if plan.target[e] < stages:
                    at_once[:, j, plan.target[e]] += share * chances[:, 0]
                else:
                    ahead[:, j] += share * chances[:, 0] * out[:, t, plan.target[e]]
        out[:, t, :stages] = _solved(ahead, at_once, wanted, float(inside[t]))
    return out


def _solved(ahead: Floats, at_once: Floats, wanted: int, inside: float) -> Floats:
    """Solve what takes no time; who enters the wanted stage has reached it, or is too early."""
    stages = ahead.shape[1]
    if wanted < stages:
        ahead[:, wanted], at_once[:, wanted] = inside, 0.0
    if not at_once.any():
        return ahead
    solved = np.linalg.solve(np.eye(stages) - at_once, ahead[:, :, None])
    return np.asarray(solved[:, :, 0])
