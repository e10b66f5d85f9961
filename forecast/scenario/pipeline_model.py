"""The open pipeline of a scenario, read and checked: the deals that are open at as_of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class OpenDeals:
    """The deals open at as_of, in the order of the file; arrays of equal length (deal,)."""

    ids: tuple[str, ...]
    stage: NDArray[np.int64]  # index among the scenario's stages
    channel: NDArray[np.int64]  # index among the scenario's channels
    segment: NDArray[np.int64]
    product: NDArray[np.int64]
    amount: NDArray[np.float64]  # value if won, in the scenario's currency; nan: not known
    # From the day it entered its stage to the first simulated day; nan: not given.
    age_days: NDArray[np.float64]
    # Whole periods back from the first simulated one to the period it entered in (>= 1; 0 where
    # start lies inside a period and it entered in that same period); -1: not given.
    age_periods: NDArray[np.int64]
    probability: NDArray[np.float64]  # nan: the model's
    # Period of the expected close; -1: the model's; = number of periods: after the horizon.
    close_period: NDArray[np.int64]
    close_days: NDArray[np.float64]  # days from start to the expected close; nan: none
    # 0: in that very period; else coefficient of variation of a lognormal time from as_of until
    # the close with mean close_days.
    close_cv: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The open pipeline of a scenario."""

    deals: OpenDeals  # without the retired
    retired: tuple[str, ...]  # ids of the deals that stale_after retires
