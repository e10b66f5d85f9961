"""What is to be expected of the open pipeline, by stage, and which deals are too old."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.analysis import Document
from forecast.engine.assumptions import Draws
from forecast.engine.blank_amounts import known_or_usual
from forecast.engine.kernel.ages import CLOSE, MODEL
from forecast.engine.kernel.dealmeans import tell_classes
from forecast.engine.kernel.opened import new_space
from forecast.engine.pipeline import open_tables
from forecast.engine.plan import make_blueprint
from forecast.scenario.model import Scenario
from forecast.scenario.pipeline_model import OpenDeals

Floats = NDArray[np.float64]

HARDLY = 1e-3  # a lag that lasts so long so rarely does not explain why a deal is still open
IDS_SHOWN = 10


def expect_pipeline(scenario: Scenario) -> Document | None:
    """Tell what is to be expected of open deals; None where there is no pipeline.

    Chances are those in the end, at the means of what is uncertain; for ``zombies`` see
    ``find_zombies``.
    """
    pipeline = scenario.pipeline
    if pipeline is None:
        return None
    deals, amounts = pipeline.deals, known_or_usual(scenario)
    chance, too_old = _chances(scenario)
    expected = chance * amounts
    return {
        "deals": len(deals.ids),
        "amount": float(amounts.sum()),
        "retired": len(pipeline.retired),
        "zombies": _zombies(deals, chance, too_old),
        "stages": [
            {
                "stage": stage,
                "deals": int(np.sum(deals.stage == j)),
                "amount": float(amounts[deals.stage == j].sum()),
                "expected": float(expected[deals.stage == j].sum()),
            }
            for j, stage in enumerate(scenario.stages)
            if np.any(deals.stage == j)
        ],
    }


def find_zombies(scenario: Scenario) -> Document:
    """Find the open deals that are older than their lags allow, of those with the model's chance.

    Every lag out of their stage lasts as long as their age with a chance below 0.1%. The scenario
    must have a pipeline.
    """
    assert scenario.pipeline is not None
    return _zombies(scenario.pipeline.deals, *_chances(scenario))


def _zombies(deals: OpenDeals, chance: Floats, too_old: NDArray[np.bool_]) -> Document:
    """How many, the first ones' ids, and the chance that they are won, on average."""
    found = np.flatnonzero(too_old)
    return {
        "count": len(found),
        "ids": [deals.ids[i] for i in found[:IDS_SHOWN]],
        "chance": float(chance[found].mean()) if len(found) else None,
    }


def _chances(scenario: Scenario) -> tuple[Floats, NDArray[np.bool_]]:
    """Each deal's chance to be won in the end, and whether it is too old; by place in the file."""
    blueprint = make_blueprint(scenario)
    assert blueprint.opened is not None
    opened = replace(blueprint.opened, hoped=np.ones_like(blueprint.opened.hoped))
    tables = blueprint.maker.tables(Draws(scenario, 0).means())
    given = open_tables(opened, blueprint.plan, tables)
    op = opened.op
    longest, hope = np.zeros((2, len(op.movers.group)))
    tell_classes(blueprint.plan, (tables, given), op, new_space(blueprint.plan), longest, hope)
    of = np.repeat(np.arange(len(op.batches.kind)), np.diff(op.batches.first))
    mover = op.batches.mover[of]
    by_model = (op.batches.kind[of] == MODEL) | (op.batches.kind[of] == CLOSE)
    chance, too_old = op.deals.chance.copy(), np.zeros(len(of), dtype=bool)
    mine = mover[by_model]
    chance[by_model] = hope[mine]
    too_old[by_model] = (longest[mine] < HARDLY) & (op.movers.age_days[mine] >= 0.0)
    in_file, old_in_file = np.empty_like(chance), np.empty_like(too_old)
    in_file[opened.order], old_in_file[opened.order] = chance, too_old
    return in_file, old_in_file
