"""What a forecast run gives: totals by run and quarter, closed forms beside them, a self-check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.engine.customers import CustomerRuns
from forecast.scenario.model import Goal, Scenario

Totals = Mapping[str, NDArray[np.generic]]
NEAR = 1e-9  # of a target: sums of money are rounded, and 7 deals of 19.99 do reach 139.93


@dataclass(frozen=True)
class SelfCheck:
    """Simulated means against closed forms: the largest z-score over all cells compared."""

    largest_z: float
    where: str  # for example "deals 2027Q3"
    bound: float  # |z| beyond which a run fails; false alarm 1e-6 over all cells together
    cells: int

    @property
    def passed(self) -> bool:
        """Tell whether no cell lies beyond the bound."""
        return not abs(self.largest_z) > self.bound


@dataclass(frozen=True)
class Exact:
    """A goal's chance from a closed form, in words what it is, and its standard error.

    The error is 0 but for an average over runs; there it is that of independent runs, which the
    quasi-random assumptions stay well below.
    """

    probability: float
    how: str  # "closed form", or "average of 10,000 runs' exact conditional chances"
    standard_error: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """One scenario, simulated.

    ``totals`` holds, by name, every run's total in each quarter, shape (run, quarter): "deals",
    "bookings", "revenue", "leads", "spend", and each stage's name for the items that entered it.
    ``expected`` holds the closed-form mean of each, shape (quarter,). ``exact`` has an entry for
    each goal and label of its quarters: a chance, or None where no closed form is known.
    """

    scenario: Scenario
    runs: int
    seed: int
    totals: Totals
    expected: Mapping[str, NDArray[np.float64]]
    check: SelfCheck
    exact: Mapping[tuple[Goal, str], Exact | None] = field(default_factory=dict)
    expected_how: str = "closed form"
    seconds: Mapping[str, float] = field(default_factory=dict)  # by part of the work
    customers: CustomerRuns | None = None

    def reached(self, goal: Goal, quarters: Sequence[int]) -> NDArray[np.bool_]:
        """Tell of every run whether it reaches a goal over some quarters, shape (run,)."""
        return reached(self.totals, goal, quarters)


def reached(totals: Totals, goal: Goal, quarters: Sequence[int]) -> NDArray[np.bool_]:
    """Tell of every run whether its total of a goal's metric reaches the target, shape (run,)."""
    total = totals[goal.metric][:, list(quarters)].sum(axis=1)
    return np.asarray(total >= least(goal))


def least(goal: Goal) -> float:
    """The total from which a goal counts as reached: its target, but for rounding."""
    return goal.target - NEAR * max(1.0, abs(goal.target))
