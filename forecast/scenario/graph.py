"""Checks of a journey's graph: known stages, ways that lead somewhere, loops that drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from forecast.scenario.errors import did_you_mean
from forecast.scenario.facts import RARE, eventual, high, low, stage_node
from forecast.scenario.forms import Door, is_whole
from forecast.scenario.model import LOST, WON, Group, centre
from forecast.scenario.nodes import Table

FULLEST_GAIN = 0.999


def check_journey(
    document: Table, group: Group, journey: Mapping[str, Any], entries: set[str], door: Door
) -> None:
    """Check one group's journey: targets, reachability of stages and of won, draining loops."""
    if not all(hasattr(body, "transitions") for body in journey.values()):
        return
    if not _check_targets(document, group, journey, door):
        return
    reached = _reach({s: list(b.transitions) for s, b in journey.items()}, entries)
    for stage in journey:
        if stage not in reached:
            must = "a stage that some other stage or channel leads to"
            mend = f"Add a transition to {stage}, or remove it."
            place = _journey_table(document).place_of(stage)
            door.fault(place, f"{stage}, which nothing reaches", must, mend)
    if WON not in reached:
        names = ", ".join(sorted(entries)) or "the first stage"
        mend = "Add a transition to won, for example won: {conversion: 30%, lag: 3 months}."
        must = f"won within reach of {names}"
        door.fault(_journey_table(document).place, "no way to won", must, mend)
    if is_whole(journey):
        _check_drains(document, group, journey, door)


def _journey_table(document: Table) -> Table:
    table = document["journey"]
    assert isinstance(table, Table)
    return table


def _check_targets(document: Table, group: Group, journey: Mapping[str, Any], door: Door) -> bool:
    fine = True
    known = (*journey, WON, LOST)
    for stage, body in journey.items():
        node = stage_node(document, group, stage)
        for target in body.transitions:
            if target not in known:
                fine = False
                mend = did_you_mean(target, known) or "Add it as a stage, or remove it."
                must = "one of " + ", ".join(known)
                door.fault(node.place_of(target), f"unknown stage {target}", must, mend)
    return fine


def _reach(ways: Mapping[str, list[str]], start: set[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        stage = waiting.pop()
        if stage not in seen:
            seen.add(stage)
            waiting.extend(ways.get(stage, []))
    return seen


def _check_drains(document: Table, group: Group, journey: Mapping[str, Any], door: Door) -> None:
    """A loop drains when the spectral radius of the conversions between stages is below 1."""
    stages = list(journey)
    for at in (
        centre,
        lambda number: low(number, RARE),
        lambda number: high(number, RARE),
    ):
        matrix = np.zeros((len(stages), len(stages)))
        for i, stage in enumerate(stages):
            shares = eventual(journey[stage], at)
            scale = max(1.0, sum(shares.values()))
            for target, share in shares.items():
                if target in journey:
                    matrix[i, stages.index(target)] += share / scale
        gain = float(np.max(np.abs(np.linalg.eigvals(matrix))))
        if gain > FULLEST_GAIN:
            loop = _worst_loop(matrix, stages)
            place = stage_node(document, group, loop[0]).place
            got = f"a loop through {' and '.join(loop)} that keeps {gain:.4%} of its items"
            must = f"a loop that drains: at most {FULLEST_GAIN:.1%} may come back"
            mend = "Lower a conversion of the loop, so that items leave it as won or lost."
            door.fault(place, got, must, mend)
            return


def _worst_loop(matrix: Any, stages: list[str]) -> list[str]:
    values, vectors = np.linalg.eig(matrix)
    weight = np.abs(vectors[:, int(np.argmax(np.abs(values)))])
    return [s for s, w in zip(stages, weight, strict=True) if w > 1e-9 * weight.max()]
