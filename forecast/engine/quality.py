"""The share that takes a way on which quality has a part, for the draws of many runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.engine.assumptions import Floats, Values
from forecast.engine.lags import within_chance
from forecast.scenario.families import build
from forecast.scenario.model import Transition, Variable
from forecast.scenario.quality import judged

AT_ONCE = Variable(build("fixed", {"value": 0.0}))


@dataclass(frozen=True)
class Judged:
    """What takes a way, thresholds before and after it counted in."""

    way: Transition

    def of(self, values: Values) -> Floats:
        """Give the share of those in the stage, or of the rest of them, shape (row,)."""
        way = self.way
        share = values(way.share)
        if way.within is not None:
            share = np.minimum(share / within_chance(way.lag, values, way.within), 1.0)
        return np.asarray(judged(share, way, values))
