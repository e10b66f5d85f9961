"""The section ``qualification``: its form, what it does to a journey, and its checks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from forecast.scenario.errors import listed, shown
from forecast.scenario.facts import chance_within, find, high, low
from forecast.scenario.figures import Figure
from forecast.scenario.forms import BROKEN, Door, Key, Named, Record, is_whole, offer, text
from forecast.scenario.model import (
    WON,
    Assumptions,
    Journey,
    Qualification,
    Scenario,
    Stage,
    Transition,
    Variable,
    centre,
)
from forecast.scenario.nodes import Place, Table
from forecast.scenario.quality import BEST, CLOSEST, correlation_of, win_rate_above

HIGHEST = 0.999  # threshold

_QUALIFICATION = Record(
    "a qualification",
    {
        "threshold": Key(
            Figure("a threshold", 0.0, HIGHEST, "30%"),
            "the share of leads, by quality, that is turned away before the stage",
            required=True,
            example="30%",
        ),
        "best_tenth": Key(
            Figure("a win rate", 0.0, 1.0),
            "the win rate of the tenth of leads of the best quality",
            required=True,
            example="45%",
        ),
        "win_rate": Key(
            Figure("a win rate", 0.0, 1.0),
            "the win rate of all leads beside it; the stage's own conversion when left out",
        ),
        "to": Key(
            text("a next stage", "Write the name of the stage that the better ones reach."),
            "the way that the better ones take more often; won when left out",
            WON,
        ),
    },
    Qualification,
)
QUALIFICATION = Named("qualification", "stage", _QUALIFICATION, most=60)


def with_win_rates(found: Any, journey: Any) -> Any:
    """Give each qualification its win rate, where it is left out the stage's own in the file."""
    if not isinstance(found, Mapping):
        return found
    return {stage: _with_win_rate(stage, one, journey) for stage, one in found.items()}


def _with_win_rate(stage: str, one: Any, journey: Any) -> Any:
    if one is BROKEN or one.win_rate is not None or not isinstance(journey, Mapping):
        return one
    body = journey.get(stage)
    way = body.transitions.get(one.to) if isinstance(body, Stage) else None
    if not is_whole(way) or way is None or way.conversion is None:
        return one
    return dataclasses.replace(one, win_rate=mean_win_rate(way))


def mean_win_rate(way: Transition) -> float:
    """The eventual conversion of a way without thresholds, at the means of what is uncertain."""
    assert way.conversion is not None
    lag = Variable(way.lag.family) if isinstance(way.lag, Variable) else way.lag
    return min(centre(way.conversion) / max(chance_within(lag, way.within), 1e-300), 1.0)


def judge_journey(journey: Any, of: Any) -> Any:
    """Lay thresholds over the ways of a journey, both into a stage and out of it."""
    if not isinstance(of, Mapping) or not isinstance(journey, Mapping):
        return journey
    whole = {s: one for s, one in of.items() if is_whole(one) and one.win_rate is not None}
    if not whole or not is_whole(journey):
        return journey
    return {stage: _judge_stage(stage, body, whole) for stage, body in journey.items()}


def _judge_stage(stage: str, body: Stage, of: Mapping[str, Qualification]) -> Stage:
    ways = {}
    for target, way in body.transitions.items():
        own = of.get(stage)
        selects = own is not None and own.to == target and way.conversion is not None
        threshold = of[target].threshold if target in of else 0.0
        ways[target] = dataclasses.replace(
            way, threshold=threshold, selection=own if selects else None
        )
    return dataclasses.replace(body, transitions=ways)


def lift(way: Transition) -> float:
    """How far a way's share can come to lie above its conversion, but for what is rare."""
    of = way.selection
    if of is None or of.win_rate is None or way.conversion is None:
        return 0.0
    base = min(high(way.conversion, 1e-6) / chance_within(way.lag, way.within), 1.0)
    rho = correlation_of(low(of.win_rate, 1e-6), high(of.best_tenth, 1e-6))
    return float(win_rate_above(base, high(of.threshold, 1e-6), rho)) - base


def check_qualification(
    document: Table, version: Assumptions, scenario: Scenario, door: Door
) -> None:
    """Check what qualification says of stages, ways and win rates."""
    node = document.get("qualification")
    if not isinstance(node, Table) or not isinstance(version.qualification, Mapping):
        return
    for stage, one in version.qualification.items():
        if scenario.stages is BROKEN or one is BROKEN:
            continue
        place = node.place_of(stage)
        if stage not in scenario.stages:
            mend = offer(stage, scenario.stages)
            door.fault(place, f"the unknown stage {shown(stage)}", "a stage of the journey", mend)
            continue
        _check_entries(place, stage, version, scenario, door)
        if _has_ways(place, stage, one, version, door) and is_whole(one):
            _check_win_rates(document, stage, one, door)


def _check_entries(
    place: Place, stage: str, version: Assumptions, scenario: Scenario, door: Door
) -> None:
    entering = [
        name
        for name, channel in version.channels.items()
        if channel is not BROKEN and (channel.enters or scenario.entry) == stage
    ]
    if entering:
        got = f"a threshold before {stage}, where the leads of {listed(entering)} enter at once"
        mend = f"Add a stage before {stage} in which they are judged, and let them enter there."
        door.fault(place, got, "a stage that leads come to from another one", mend)


def _has_ways(
    place: Place, stage: str, one: Qualification, version: Assumptions, door: Door
) -> bool:
    """Tell whether all journeys have the ways that a threshold acts on, with conversions."""
    found = next(_wrong_ways(stage, one, version), None)
    if found is not None:
        door.fault(place, *found)
    return found is None


def _wrong_ways(
    stage: str, one: Qualification, version: Assumptions
) -> Iterator[tuple[str, str, str]]:
    journeys: dict[int, Journey] = {id(j): j for j in version.journeys.values() if is_whole(j)}
    for journey in journeys.values():
        for source, body in journey.items():
            if stage in body.dirichlet or (source == stage and one.to in body.dirichlet):
                mend = f"Write the conversions out of {source} one by one, such as conversion: 25%."
                yield (
                    f"dirichlet counts in {source}",
                    "conversions that a threshold can act on",
                    mend,
                )
        ways = journey[stage].transitions
        if one.to not in ways:
            must = f"a way out of {stage} that the better ones take, named by to"
            yield f"no way from {stage} to {one.to}", must, offer(one.to, ways)
        elif ways[one.to].conversion is None:
            got = f"no conversion from {stage} to {one.to}"
            yield got, "a conversion that a threshold can raise", "Write conversion: 25% there."


def _check_win_rates(document: Table, stage: str, one: Qualification, door: Door) -> None:
    if one.win_rate is None:
        return  # left out, and the stage's own is broken
    base, best = centre(one.win_rate), centre(one.best_tenth)
    most = float(win_rate_above(base, BEST, CLOSEST))
    if base <= best < most or best == base:
        return
    place = find(document, f"qualification.{stage}.best_tenth").place
    must = f"from {base * 100:.4g}%, the win rate of all, to below {most * 100:.4g}%"
    mend = f"Write best_tenth: {min(2.0 * base, 0.5 * (base + most)) * 100:.3g}%."
    door.fault(place, f"a win rate of the best tenth of {best * 100:.4g}%", must, mend)
