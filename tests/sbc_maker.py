"""Simulation-based calibration: parameters from a prior -> history -> fit -> rank of the truth.

Where a fit says truly what is known, the truth is as likely to lie in any part of what it says:
ranks are uniform (Talts and others 2018, arXiv:1804.06788). The prior is wide, so that it matters
little that the fit has another one.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from histories import Truth, Way, gamma_days, simulate_history

from forecast.engine.assumptions import uncertain_numbers
from forecast.history.model import Known, period_totals
from forecast.history.origins import wins_of
from forecast.history.refit import make_scenario
from forecast.history.scores import pit_ends
from forecast.scenario.calendar import build_calendar, by_period

START = dt.date(2024, 1, 1)
AS_OF = dt.date(2025, 6, 30)
HORIZON = 3  # months that are forecast
RUNS = 1_000
CONVERSION, LAG = "conversion", "mean lag"
DEALS, BOOKINGS = "deals of the next quarter", "bookings of the next quarter"


@dataclass(frozen=True)
class Prior:
    """What histories are made of: the ends of uniform laws."""

    conversion: tuple = (0.15, 0.5)
    lag_days: tuple = (25.0, 90.0)
    cv: tuple = (0.5, 1.1)
    leads_a_day: tuple = (1.0, 3.0)
    size_sigma: tuple = (0.3, 1.0)


def ranks_of(seed, prior=Prior(), distort=lambda runs: runs):
    """Give the rank in [0, 1] of each truth in what was fitted to one history, by name."""
    rng = np.random.default_rng([seed, 77])
    drawn = {name: rng.uniform(*ends) for name, ends in vars(prior).items()}
    calendar = by_period(build_calendar(AS_OF + dt.timedelta(1), (HORIZON, "month"), "month"))
    truth = Truth(
        journey={
            "opportunity": (
                Way("won", drawn["conversion"], gamma_days(drawn["lag_days"], drawn["cv"])),
                Way("lost", 1.0 - drawn["conversion"], gamma_days(40.0, 0.9)),
            )
        },
        arrivals={"web": drawn["leads_a_day"]},
        size=lambda rng, n: rng.lognormal(8.0, drawn["size_sigma"], n),
        start=START,
        days=calendar.edges[-1] - START.toordinal(),
    )
    whole = simulate_history(truth, seed)
    known = Known(whole.known_at(AS_OF), calendar)
    scenario = make_scenario(known)
    ranks = {}
    for path, number in uncertain_numbers(scenario).items():
        if path.endswith("opportunity.won.conversion"):
            ranks[CONVERSION] = float(number.family.cdf(np.array([drawn["conversion"]]))[0])
        elif "opportunity.won.lag" in path:
            ranks[LAG] = float(number.family.cdf(np.array([drawn["lag_days"]]))[0])
    wins = wins_of(whole)
    later = wins.day > AS_OF.toordinal()
    came = {DEALS: float(later.sum()), BOOKINGS: float(wins.amount[later].sum())}
    totals = period_totals(scenario, known, RUNS, seed)
    for name, runs in zip((DEALS, BOOKINGS), totals.values(), strict=True):
        below, up_to = pit_ends(distort(runs.sum(axis=1))[None, :], [came[name]])
        # Counts: anywhere on the step is as likely.
        ranks[name] = float(rng.uniform(below[0], up_to[0]))
    return ranks
