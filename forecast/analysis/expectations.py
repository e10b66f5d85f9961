"""What a scenario expects of the quarters that are over: means by quarter, in whatever detail."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Draws
from forecast.engine.expected import expectation
from forecast.engine.kernel.means import Means
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator
from forecast.scenario.calendar import by_period
from forecast.scenario.model import Scenario

Floats = NDArray[np.float64]
MEAN_RUNS = 4_000  # simulated for the means that have no closed form


@dataclass(frozen=True)
class Expected:
    """Means by quarter (q): leads and won (q, c), entered (q, j), deals and money (q, p)."""

    leads: Floats
    won: Floats
    entered: Floats
    deals: Floats
    bookings: Floats
    revenue: Floats
    stages: tuple[str, ...]

    def by_quarter(self, metric: str) -> Floats:
        """Give a metric's means, shape (q,)."""
        if metric in self.stages:
            column: Floats = self.entered[:, self.stages.index(metric)]
            return column
        total: Floats = getattr(self, metric).sum(axis=1)
        return total


def expect(scenario: Scenario, seed: int = 0) -> Expected:
    """Find the means of a scenario: exact where a closed form is known, else simulated."""
    blueprint = make_blueprint(scenario)
    means = expectation(blueprint, Draws(scenario, seed), MEAN_RUNS).means
    if np.isnan(means.deals).any() or np.isnan(means.entered).any():
        return _expected(_simulated(scenario, seed), scenario)
    return _expected(means, scenario)


def _simulated(scenario: Scenario, seed: int) -> Means:
    """Average runs; the same random numbers whatever the scenario."""
    simulator = Simulator(make_blueprint(scenario), seed)
    rows = simulator.whole(MEAN_RUNS).rows
    arrays = {
        name: np.asarray(getattr(rows, name), dtype=np.float64).mean(axis=0, keepdims=True)
        for name in ("leads", "entered", "deals", "bookings", "revenue")
    }
    nothing = np.zeros(0)
    return Means(**{name: arrays.get(name, nothing) for name in Means._fields})


def _expected(means: Means, scenario: Scenario) -> Expected:
    revenue = means.revenue if means.revenue.size else means.bookings
    return Expected(
        means.leads[0].sum(axis=2),
        means.deals[0].sum(axis=(2, 3)),
        means.entered[0, ..., : len(scenario.stages)].sum(axis=(1, 2)),
        means.deals[0].sum(axis=(1, 2)),
        means.bookings[0].sum(axis=(1, 2)),
        revenue[0].sum(axis=(1, 2)),
        scenario.stages,
    )


def leads_by_period(scenario: Scenario) -> Floats:
    """Give the leads to expect in each period of each channel, shape (t, c)."""
    return expect(replace(scenario, calendar=by_period(scenario.calendar))).leads
