"""What is told of stages with a capacity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Draws, Floats
from forecast.engine.desks import capacity_by_period, limited_stages
from forecast.engine.expected import flow_at
from forecast.engine.kernel.means import Means
from forecast.engine.kernel.shapes import Futures
from forecast.engine.limits import unknown_means
from forecast.engine.plan import make_blueprint
from forecast.scenario.model import Scenario

QUEUE_MEASURES = ("backlog", "worked", "waited", "given_up", "unworked")


def total_name(measure: str, stage: str) -> str:
    """Name a stage's total; no stage has a name with a dot in it."""
    return f"{stage}.{measure}"


def stages_with_capacity(scenario: Scenario) -> list[str]:
    """Give the stages that have a capacity in some version, in the journey's order."""
    names = {name for version in scenario.versions for name in version.capacity}
    return [stage for stage in scenario.stages if stage in names]


def queue_totals(scenario: Scenario, rows: Futures) -> dict[str, NDArray[np.generic]]:
    """Give what is counted of each stage with a capacity: (run, quarter) by name."""
    return {
        total_name(measure, stage): np.ascontiguousarray(
            getattr(rows, measure)[:, :, scenario.stages.index(stage)]
        )
        for stage in stages_with_capacity(scenario)
        for measure in QUEUE_MEASURES
    }


def queue_means(scenario: Scenario, means: Means) -> dict[str, Floats]:
    """Give the closed-form means of those totals, shape (quarter,); nan where none is known."""
    limited = {scenario.stages[j] for j in limited_stages(scenario)}
    found = {}
    for stage in stages_with_capacity(scenario):
        j = scenario.stages.index(stage)
        entered, unworked = (
            means.entered[0, :, :, :, j].sum((1, 2)),
            means.unworked[0, :, :, j].sum(1),
        )
        nothing = np.zeros_like(entered)
        known = {
            "backlog": nothing,
            "worked": entered - unworked,
            "waited": nothing,
            "given_up": nothing,
            "unworked": unworked,
        }
        for measure, figure in known.items():
            known_here = stage not in limited  # where nothing limits nothing waits
            if measure == "unworked":
                known_here = True  # as far as what enters is known
            unknown = np.full_like(figure, np.nan)
            found[total_name(measure, stage)] = figure if known_here else unknown
    return found


def unknown_totals(scenario: Scenario, means: Mapping[str, Floats]) -> set[str]:
    """The totals without a closed form."""
    behind = unknown_means(scenario)
    late = behind | {scenario.stages[j] for j in limited_stages(scenario)}
    queues = {
        total_name(measure, stage)
        for stage in stages_with_capacity(scenario)
        for measure in QUEUE_MEASURES
        if stage in late
    }
    return behind | {name for name in queues if np.isnan(means[name]).all()}


def capacity_means(scenario: Scenario) -> tuple[dict[str, Floats], ...]:
    """Give, for each stage with a capacity, by quarter and at the means of what is uncertain:

    items that enter it, if nothing limits any stage; what it can take up (inf without a limit);
    those of the items that are followed up.
    """
    blueprint = make_blueprint(scenario)
    values = Draws(scenario, 0).means()
    means = flow_at(blueprint, values, 1)
    quarter_of = np.array(scenario.calendar.quarter_of)
    entered, slots, followed = {}, {}, {}
    for stage in stages_with_capacity(scenario):
        j = scenario.stages.index(stage)
        entered[stage] = means.entered[0, :, :, :, j].sum((1, 2))
        followed[stage] = entered[stage] - means.unworked[0, :, :, j].sum(1)
        by_period = capacity_by_period(blueprint.layout, stage, values)[0]
        count = len(scenario.calendar.quarters)
        slots[stage] = np.asarray(np.bincount(quarter_of, by_period, count), dtype=np.float64)
    return entered, slots, followed
