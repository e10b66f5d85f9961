"""What becomes of the items of stages with a capacity: worked, waiting, given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.analysis import Document
from forecast.analysis.summary import describe_column, total_over
from forecast.engine.capacity import capacity_means, stages_with_capacity, total_name
from forecast.engine.outcome import Outcome
from forecast.scenario.model import Scenario

Column = NDArray[Any]


def describe_capacity(outcome: Outcome, quarters: Sequence[int]) -> dict[str, Document]:
    """Describe each stage with a capacity over some quarters; the backlog is that at their end.

    Of a share or a mean of no items there is none: those runs are left out of it.
    """
    return {
        stage: _stage(outcome, stage, quarters) for stage in stages_with_capacity(outcome.scenario)
    }


def _stage(outcome: Outcome, stage: str, quarters: Sequence[int]) -> Document:
    def column(measure: str, over: Sequence[int] = quarters) -> Column:
        return total_over(outcome, total_name(measure, stage), over)

    def described(measure: str, over: Sequence[int] = quarters) -> Document:
        expected = outcome.expected[total_name(measure, stage)]
        return describe_column(column(measure, over), float(sum(expected[q] for q in over)))

    return {
        "backlog": described("backlog", quarters[-1:]),
        "worked": described("worked"),
        "waiting_periods": _ratio(column("waited"), column("worked")),
        "share_given_up": _ratio(column("given_up"), total_over(outcome, stage, quarters)),
        "unworked": described("unworked"),
    }


def _ratio(part: Column, whole: Column) -> Document:
    some = whole > 0
    if not some.any():
        return {"mean": None}
    return describe_column(part[some] / whole[some], None)


def describe_slots(scenario: Scenario) -> list[Document]:
    """Describe what stages can take up by quarter, beside the items to expect without any limit.

    ``slots`` is None where nothing limits; both at the means of what is uncertain.
    """
    arrivals, slots, followed = capacity_means(scenario)
    return [
        {
            "stage": stage,
            "arrivals": [float(x) for x in arrivals[stage]],
            "followed_up": [float(x) for x in followed[stage]],
            "slots": [float(x) if np.isfinite(x) else None for x in slots[stage]],
        }
        for stage in stages_with_capacity(scenario)
    ]
