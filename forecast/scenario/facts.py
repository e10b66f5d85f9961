"""Facts about a scenario's parts, number by number, that checks and descriptions share.

Plans work out eventual conversions for whole columns of draws: see ``engine.tables``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from forecast.scenario.model import (
    LOST,
    WON,
    Journey,
    Lag,
    Number,
    Stage,
    Transition,
    Uncertain,
    Variable,
)
from forecast.scenario.nodes import Node, Table
from forecast.scenario.quality import is_judged, judged

RARE = 1e-6  # a sum of uncertain shares may exceed 1 with at most this chance


def find(document: Table, path: str) -> Node:
    """The node at a path, or the nearest one above it that is there."""
    node: Node = document
    for part in path.split("."):
        if isinstance(node, Table) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            break
    return node


def high(number: Number, chance: float) -> float:
    """A number that an assumption exceeds with ``chance`` only."""
    if isinstance(number, Uncertain):
        return float(number.family.ppf(np.array([1.0 - chance]))[0])
    return number


def low(number: Number, chance: float) -> float:
    """A number that an assumption stays below with ``chance`` only."""
    if isinstance(number, Uncertain):
        return float(number.family.ppf(np.array([chance]))[0])
    return number


def reachable(ways: Mapping[str, Iterable[str]], start: Iterable[str]) -> set[str]:
    """All that the ways lead to from a start, which is itself reached.

    >>> sorted(reachable({"a": ["b"], "b": ["a", "c"], "d": ["a"]}, ["b"]))
    ['a', 'b', 'c']
    """
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(ways.get(name, ()))
    return seen


def eventual(stage: Stage, at: Callable[[Number], float]) -> dict[str, float]:
    """The eventual conversions of a stage, each number taken by ``at``."""
    shares: dict[str, float] = {}
    left = 1.0
    for target, beta in stage.dirichlet.items():
        shares[target] = left * at(beta)
        left -= shares[target]
    for target, way in stage.transitions.items():
        if way.conversion is not None:
            # A chance of 0 is refused elsewhere; here it must only not divide.
            share = at(way.conversion) / max(chance_within(way.lag, way.within), 1e-300)
            shares[target] = float(judged(share, way, at)) if is_judged(way) else share
    rest = max(0.0, 1.0 - sum(shares.values()))
    for target, way in stage.transitions.items():
        if way.share_of_rest is not None:
            shares[target] = rest * at(way.share_of_rest) * (1.0 - at(way.threshold))
    return shares


def win_rate(journey: Journey, start: str, at: Callable[[Number], float]) -> float:
    """Chance that an item of a stage is won in the end, each number taken by ``at``.

    With p the shares between stages, w = p w + p_won: loops are followed to their end.
    """
    stages = list(journey)
    system, won = np.eye(len(stages)), np.zeros(len(stages))
    for i, body in enumerate(journey.values()):
        timed = {target: _timed(way, at) for target, way in body.transitions.items()}
        shares = eventual(dataclasses.replace(body, transitions=timed), at)
        total = max(1.0, sum(shares.values()))  # in a rare case above 1, and then scaled
        for target, share in shares.items():
            if target == WON:
                won[i] = share / total
            elif target != LOST:
                system[i, stages.index(target)] -= share / total
    return float(np.linalg.solve(system, won)[stages.index(start)])


def _timed(way: Transition, at: Callable[[Number], float]) -> Transition:
    """A transition whose time limit is counted in its own mean lags, which are then certain."""
    lag = way.lag
    if way.within is None or not isinstance(lag, Variable) or lag.about is None:
        return way
    factor = max(at(lag.about) / lag.about.family.mean, 1e-300)
    return dataclasses.replace(way, lag=Variable(lag.family), within=way.within / factor)


def chance_within(lag: Lag, days: float | None) -> float:
    """P(lag <= days); 1 where no time is given."""
    if days is None:
        return 1.0
    if not isinstance(lag, Variable):
        return float("nan")  # whole periods are no time: it cannot be told
    if lag.about is None:
        return float(lag.family.cdf(np.array([days]))[0])
    slow = high(lag.about, 1e-3) / lag.about.family.mean
    return float(lag.family.cdf(np.array([days / slow]))[0])


def table_at(document: Table, *keys: str) -> Table:
    """The table behind some keys, once it is known to be there."""
    node: Node = document
    for key in keys:
        assert isinstance(node, Table)
        node = node[key]
    assert isinstance(node, Table)
    return node


def nearest_table(document: Table, group: tuple[str, str], *keys: str) -> Table:
    """The nearest place where a group's figures are written: its segment, its channel, the file."""
    channel, segment = group
    for override in (("segments", segment), ("channels", channel)):
        node: Node | None = document
        for key in (*override, *keys):
            node = node.get(key) if isinstance(node, Table) else None
        if isinstance(node, Table):
            return node
    return table_at(document, *keys)


def stage_node(document: Table, group: tuple[str, str], stage: str) -> Table:
    """The nearest place where a group's stage is written."""
    return nearest_table(document, group, "journey", stage)
