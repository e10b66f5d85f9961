"""Our own forecast as a backtest makes it: records known then -> fit -> scenario -> futures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.engine.request import OUTCOME
from forecast.engine.simulate import cuts, in_order, ready
from forecast.history.origins import BOOKINGS, DEALS, Floats, wins_of
from forecast.history.records import Records
from forecast.history.sums import random_sums
from forecast.scenario.calendar import Calendar, by_period
from forecast.scenario.model import Arrivals, Assumptions, Rate, Scenario

ENOUGH_SIZES = 5  # of a product, to go by these alone
SEED_BITS = 2**64 - 1


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

    What an open deal is worth was not known then (see ``Records.known_at``): each that is won gets
    the size of one that was won before, of its product where that was bought five times or more.
    Raises ValueError where the scenario is about other periods than those asked for.
    """
    if scenario.calendar.edges != known.calendar.edges:
        raise ValueError("the scenario is about other periods than those to be forecast")
    scenario = replace(scenario, calendar=by_period(scenario.calendar), goals=())
    if known.arrivals is not None:
        scenario = with_arrivals(scenario, known.arrivals)
    products, periods = len(scenario.products), scenario.calendar.periods
    simulator = ready(scenario, runs, seed, 8 * periods * (2 + products), OUTCOME)
    deals, bookings = np.zeros((runs, periods)), np.zeros((runs, periods))
    opened = np.zeros((products, runs, periods), dtype=np.int64)

    def one(first: int, count: int) -> None:
        rows = simulator.empty(count)
        simulator.into(first, rows)
        at = slice(first, first + count)
        deals[at] = rows.deals.sum(axis=(2, 3, 4))
        bookings[at] = (rows.bookings - rows.pipeline_bookings).sum(axis=(2, 3, 4))
        opened[:, at] = np.moveaxis(rows.pipeline_deals.sum(axis=(2, 3)), 2, 0)

    for _ in in_order(one, cuts(runs, simulator.slice_runs())):
        pass
    rng = np.random.default_rng([seed & SEED_BITS, scenario.calendar.edges[0]])
    for product, counts in zip(scenario.products, opened, strict=True):
        bookings += random_sums(counts, _sizes(known.records, product), rng)
    return {DEALS: deals, BOOKINGS: bookings}


def _sizes(records: Records, product: str) -> Floats:
    """The values of the deals won so far: of a product, if they are enough, or of all."""
    wins = wins_of(records)
    amounts = wins.amount
    bought = records.items["product"].astype(str).to_numpy()[wins.item] == product
    if np.isfinite(amounts[bought]).sum() >= ENOUGH_SIZES:
        amounts = amounts[bought]
    return amounts[np.isfinite(amounts)]


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
