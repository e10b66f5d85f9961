"""Of which figures a closed form is known: not of what comes after a stage with a limit."""

from __future__ import annotations

import numpy as np

from forecast.engine.desks import limited_stages
from forecast.engine.kernel.means import Means
from forecast.scenario.facts import reachable
from forecast.scenario.model import WON, Scenario


def behind_limits(scenario: Scenario) -> set[str]:
    """The stages, and won, that an item can enter after a limited stage.

    Leads that customers bring come after it where won does.
    """
    ways: dict[str, set[str]] = {}
    for version in scenario.versions:
        for journey in version.journeys.values():
            for stage, body in journey.items():
                ways.setdefault(stage, set()).update(body.transitions)
    names = [scenario.stages[j] for j in limited_stages(scenario)]
    behind = reachable(ways, [target for name in names for target in ways[name]])
    if scenario.referred is not None and WON in behind:
        behind |= reachable(ways, [scenario.first_stage(scenario.referred)])
    return behind


def unknown_means(scenario: Scenario) -> set[str]:
    """The metrics without a closed form: those of what comes after a limited stage."""
    behind = behind_limits(scenario)
    found = behind & {*scenario.stages}
    if WON in behind:
        found |= {"deals", "bookings", "revenue", "pipeline_deals", "pipeline_bookings"}
    if WON in behind and scenario.referred is not None:
        found |= {"leads", "spend"}
    late = found | {scenario.stages[j] for j in limited_stages(scenario)}
    channels = [c for v in scenario.versions for c in v.channels.values()]
    if any(stage in late for c in channels for stage in c.cost.worked):
        found.add("spend")
    return found


def known_means(scenario: Scenario, means: Means) -> Means:
    """Put nan in the place of the means that are not known."""
    limited = limited_stages(scenario)
    if not limited:
        return means
    behind = behind_limits(scenario)
    targets = (*scenario.stages, WON)
    later = [j for j, name in enumerate(targets) if name in behind]
    known = Means(*(np.array(array) for array in means))
    known.entered[..., later] = np.nan
    known.entered[..., len(targets)] = np.nan  # lost: some give up
    inside = [j for j in range(len(scenario.stages)) if j in later or j in limited]
    known.open[..., inside] = np.nan
    known.unworked[..., [j for j in later if j < len(scenario.stages)]] = np.nan
    if WON in behind:
        known.deals[:] = np.nan
        known.bookings[:] = np.nan
        known.revenue[:] = np.nan
        known.pipeline_deals[:] = np.nan
        known.pipeline_bookings[:] = np.nan
    unknown = unknown_means(scenario)
    if "leads" in unknown:
        known.leads[:] = np.nan
    if "spend" in unknown:
        known.spend[:] = np.nan
    return known
