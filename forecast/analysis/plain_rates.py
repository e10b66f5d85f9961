"""Rates as the plan writes them, where one way leads from stage to stage and all go it alike.

Deals ÷ opportunities of some quarters is less than the plan's conversion as long as opportunities
are open. People know the conversion, so it is told where there is just one.
"""

from __future__ import annotations

from math import prod

from forecast.analysis.realised import Realised
from forecast.scenario.model import WON, Scenario, centre


def close_rate(of: Realised) -> tuple[float, float] | None:
    """Give the conversion into `won` as it came and as planned; None where there are several."""
    return _rates(of, [WON], _before(of.plan, WON))


def criteria_rate(of: Realised, last: str) -> tuple[float, float] | None:
    """Give the share of leads that come to a stage, as it came and as planned."""
    plan, way = of.plan, [last]
    while len(way) <= len(plan.stages) and (before := _before(plan, way[0])) not in (
        None,
        plan.entry,
    ):
        way.insert(0, str(before))
    all_at_first = all(plan.first_stage(channel) == plan.entry for channel in plan.channels)
    return _rates(of, way, plan.entry if all_at_first else None)


def _rates(of: Realised, way: list[str], first: str | None) -> tuple[float, float] | None:
    """Multiply the conversions of a way that begins in a stage; None where it is not the only."""
    found = []
    for to in way:
        if first is None or _before(of.plan, to) != first:
            return None
        found.append(_conversion(of.plan, first, to))
        first = to
    known = [share for share in found if share is not None]
    if len(known) < len(way):
        return None
    planned = prod(known)
    return planned * prod(of.factors.get(to, 1.0) for to in way), planned


def _before(plan: Scenario, to: str) -> str | None:
    """The only stage that leads to another one; None where there are several."""
    found = {
        name
        for version in plan.versions
        for journey in version.journeys.values()
        for name, stage in journey.items()
        if to in stage.transitions
    }
    return found.pop() if len(found) == 1 else None


def _conversion(plan: Scenario, stage: str, to: str) -> float | None:
    """The conversion of all groups at all times; None where they differ or something acts."""
    found = set()
    for version in plan.versions:
        for journey in version.journeys.values():
            way = journey[stage].transitions.get(to)
            plain = way is not None and way.conversion is not None and way.within is None
            acted = stage in version.capacity or version.qualification or journey[stage].dirichlet
            if way is None or not plain or acted:
                return None
            found.add(centre(way.share))
    return found.pop() if len(found) == 1 else None
