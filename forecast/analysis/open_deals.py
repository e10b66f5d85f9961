"""What the open pipeline of a scenario holds, for people to read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.analysis import Document
from forecast.analysis.pipeline_facts import find_zombies
from forecast.engine.blank_amounts import known_or_usual
from forecast.scenario.model import Scenario
from forecast.scenario.pipeline_model import OpenDeals


def describe_pipeline(scenario: Scenario) -> Document | None:
    """Describe the open deals by their stages; None for a scenario without a pipeline."""
    if scenario.pipeline is None:
        return None
    deals, amounts = scenario.pipeline.deals, known_or_usual(scenario)
    return {
        "deals": len(deals.ids),
        "amount": float(amounts.sum()),
        "unknown_amounts": int(np.isnan(deals.amount).sum()),
        "stages": [
            {"stage": name, **_stage(deals, amounts, index)}
            for index, name in enumerate(scenario.stages)
        ],
        "own_probability": int(np.count_nonzero(~np.isnan(deals.probability))),
        "own_close": int(np.count_nonzero(deals.close_period >= 0)),
        "retired": len(scenario.pipeline.retired),
        "zombies": find_zombies(scenario),
    }


def _stage(deals: OpenDeals, amounts: NDArray[np.float64], stage: int) -> Document:
    """The deals of a stage: how many, what they are worth, and for how long they are in it."""
    here = deals.stage == stage
    days = deals.age_days[here & ~np.isnan(deals.age_days)]
    return {
        "deals": int(here.sum()),
        "amount": float(amounts[here].sum()),
        "median_days": float(np.median(days)) if days.size else None,
        "longest_days": float(days.max()) if days.size else None,
    }
