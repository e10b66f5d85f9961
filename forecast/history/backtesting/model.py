"""Our own forecast as a backtest makes it: records known then -> fit -> scenario -> futures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.engine.request import OUTCOME
from forecast.engine.simulate import ready
from forecast.engine.threads import cuts, side_by_side
from forecast.history.backtesting.origins import BOOKINGS, DEALS, Floats
from forecast.history.records import Records
from forecast.scenario.calendar import Calendar, by_period
from forecast.scenario.model import Arrivals, Assumptions, Rate, Scenario


@dataclass(frozen=True)
class Known:
    """What a forecast may use: records as they stood, and the periods to be forecast.

    `arrivals` (period x channel) are the items that really came, where that is to be known.
    """

    records: Records
    calendar: Calendar
    arrivals: pd.DataFrame | None = None


MakeScenario = Callable[[Known], Scenario]


def period_totals(scenario: Scenario, known: Known, runs: int, seed: int) -> Mapping[str, Floats]:
    """Simulate a scenario: deals and bookings by run and period, (run, period) each.

    Raises ValueError where the scenario is about other periods than those asked for.
    """
    if scenario.calendar.edges != known.calendar.edges:
        raise ValueError("the scenario is about other periods than those to be forecast")
    scenario = replace(scenario, calendar=by_period(scenario.calendar), goals=())
    if known.arrivals is not None:
        scenario = with_arrivals(scenario, known.arrivals)
    periods = scenario.calendar.periods
    simulator = ready(scenario, runs, seed, 16 * periods, OUTCOME)
    deals, bookings = np.empty((runs, periods)), np.empty((runs, periods))

    def one(first: int, count: int) -> None:
        rows = simulator.empty(count)
        simulator.into(first, rows)
        deals[first : first + count] = rows.deals.sum(axis=(2, 3, 4))
        bookings[first : first + count] = rows.bookings.sum(axis=(2, 3, 4))

    side_by_side(one, cuts(runs, simulator.slice_runs()))
    return {DEALS: deals, BOOKINGS: bookings}


def with_arrivals(scenario: Scenario, arrivals: pd.DataFrame) -> Scenario:
    """Have exactly the items arrive that are given by period and channel.

    Those of a channel that the scenario does not have arrive through the one with the most.
    """
    channels = scenario.channels
    named = {c: c in arrivals.columns for c in channels}
    counts = {c: arrivals[c].to_numpy() if named[c] else np.zeros(len(arrivals)) for c in channels}
    strange = arrivals.drop(columns=[c for c in channels if named[c]])
    most = max(channels, key=lambda c: counts[c].sum())
    counts[most] = counts[most] + strange.sum(axis=1).to_numpy()
    per = scenario.calendar.unit
    plans = {c: Arrivals(tuple(map(float, n)), per, "zero", True) for c, n in counts.items()}

    def fixed(version: Assumptions) -> Assumptions:
        known = {
            name: replace(
                channel,
                leads=plans[name],
                dispersion=0.0,
                seasonality={},
                growth=Rate(0.0, "month"),
            )
            for name, channel in version.channels.items()
        }
        return replace(version, channels=known)

    return replace(scenario, versions=tuple(map(fixed, scenario.versions)))
