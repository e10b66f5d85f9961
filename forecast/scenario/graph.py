"""Checks of a journey's graph: known stages, ways that lead somewhere, loops that drain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from forecast.scenario.errors import listed, shown
from forecast.scenario.facts import RARE, eventual, high, low, reachable, stage_node, table_at
from forecast.scenario.forms import Door, is_whole, offer
from forecast.scenario.model import LOST, WON, Assumptions, Group, Journey, Number, centre
from forecast.scenario.nodes import Table

FULLEST_GAIN = 0.999
Matrix = NDArray[np.float64]


def check_graph(
    document: Table, version: Assumptions, entries: Mapping[str, str], door: Door
) -> None:
    """Check the journeys of a version; ``entries`` gives the first stage of each channel.

    Groups that share a journey are checked once: most of them do.
    """
    seen: set[tuple[int, str]] = set()
    drained: set[int] = set()
    reached: set[str] = set(entries.values())
    whole = len(entries) == len(table_at(document, "channels")) if version.channels else False
    for group, journey in version.journeys.items():
        key = (id(journey), entries[group[0]]) if group[0] in entries else None
        if key is None or key in seen or not _is_readable(journey):
            whole = whole and key in seen
            continue
        seen.add(key)
        if not _check_targets(document, group, journey, door):
            whole = False
            continue
        ways = {stage: body.transitions for stage, body in journey.items()}
        found = reachable(ways, [key[1]])
        reached |= found
        if WON not in found:
            _no_way_to_won(document, group, key[1], door)
        if id(journey) not in drained and is_whole(journey):
            _check_drains(document, group, journey, door)
        drained.add(id(journey))
    if whole:
        _check_reached(document, reached, door)


def _is_readable(journey: Journey) -> bool:
    return isinstance(journey, Mapping) and all(
        hasattr(body, "transitions") for body in journey.values()
    )


def _check_targets(document: Table, group: Group, journey: Journey, door: Door) -> bool:
    fine = True
    known = (*journey, WON, LOST)
    for stage, body in journey.items():
        for target in body.transitions:
            if target not in known:
                fine = False
                node = stage_node(document, group, stage)
                must = "a stage of the journey, won or lost"
                mend = offer(target, known)
                door.fault(node.place_of(target), f"the unknown stage {shown(target)}", must, mend)
    return fine


def _no_way_to_won(document: Table, group: Group, start: str, door: Door) -> None:
    must = f"a journey that leads to won from {start}, where the leads of {group[0]} enter"
    mend = "Add a way to it, for example won: {conversion: 30%, lag: 3 months}."
    door.fault(table_at(document, "journey").place, "no way to won", must, mend)


def _check_reached(document: Table, reached: set[str], door: Door) -> None:
    journey = table_at(document, "journey")
    for stage in journey:
        if stage not in reached:
            must = "a stage that some other stage or a channel leads to"
            mend = f"Add a way to {stage} from another stage, or remove it."
            door.fault(journey.place_of(stage), f"{stage}, which nothing leads to", must, mend)


def _check_drains(document: Table, group: Group, journey: Journey, door: Door) -> None:
    """A loop drains when the spectral radius of the conversions between its stages is below 1.

    It must drain with the figures as expected, and when all of them are very low or very high.
    """
    stages = list(journey)
    for matrix in _gains(journey):
        for loop in _loops(matrix, stages):
            within = [stages.index(stage) for stage in loop]
            gain = _radius(matrix[np.ix_(within, within)])
            if gain > FULLEST_GAIN:
                place = stage_node(document, group, loop[0]).place
                got = f"a loop through {listed(loop)} that keeps {gain * 100:.6g}% at every step"
                must = f"a loop that drains, keeping {FULLEST_GAIN * 100:g}% at most"
                mend = "Lower a conversion of the loop, so that more items end as won or lost."
                door.fault(place, got, must, mend)
                return


def _gains(journey: Journey) -> Iterator[Matrix]:
    """The conversions between stages, with uncertain ones at their mean and at both ends."""

    def least(number: Number) -> float:
        return low(number, RARE)

    def most(number: Number) -> float:
        return high(number, RARE)

    stages = {stage: i for i, stage in enumerate(journey)}
    for at in (centre, least, most):
        matrix = np.zeros((len(stages), len(stages)))
        for stage, i in stages.items():
            shares = eventual(journey[stage], at)
            # What is impossible together is refused elsewhere; here it counts as all of them.
            scale = max(1.0, sum(shares.values()))
            for target in shares.keys() & stages.keys():
                matrix[i, stages[target]] = shares[target] / scale
        yield np.nan_to_num(matrix)


def _loops(matrix: Matrix, stages: list[str]) -> Iterator[list[str]]:
    """Sets of stages that all lead to one another."""
    ways = {
        a: [b for b, x in zip(stages, matrix[i], strict=True) if x > 0]
        for i, a in enumerate(stages)
    }
    after = {stage: reachable(ways, ways[stage]) for stage in stages}
    seen: set[str] = set()
    for stage in stages:
        if stage in after[stage] and stage not in seen:
            loop = [each for each in stages if each in after[stage] and stage in after[each]]
            seen.update(loop)
            yield loop


def _radius(matrix: Matrix) -> float:
    return float(np.max(np.abs(np.linalg.eigvals(matrix))))
