"""What thresholds on quality do, and how deals close by the calendar, as documents."""

from __future__ import annotations

import numpy as np

from forecast.analysis import Document
from forecast.analysis.journeys import describe_number
from forecast.scenario.model import Qualification, Scenario, centre
from forecast.scenario.qualification import mean_win_rate
from forecast.scenario.quality import correlation_of, win_rate_above

THRESHOLDS = np.arange(10) / 10.0


def describe_qualification(scenario: Scenario) -> list[Document]:
    """Describe each threshold and its curve: quality against quantity, at means."""
    found = scenario.versions[0].qualification
    return [_qualification(stage, one, scenario) for stage, one in found.items()]


def _qualification(stage: str, one: Qualification, scenario: Scenario) -> Document:
    assert one.win_rate is not None
    base = mean_win_rate(scenario.journey[stage].transitions[one.to])
    rho = float(correlation_of(centre(one.win_rate), centre(one.best_tenth)))
    now = centre(one.threshold)
    return {
        "stage": stage,
        "to": one.to,
        "threshold": describe_number(one.threshold),
        "best_tenth": describe_number(one.best_tenth),
        "win_rate": describe_number(one.win_rate),
        "correlation": rho,
        "now": _at(now, base, rho),
        "curve": [_at(float(threshold), base, rho) for threshold in THRESHOLDS],
    }


def _at(threshold: float, base: float, rho: float) -> Document:
    """What a threshold lets through; counts are per 100 where nobody is turned away."""
    rate = float(win_rate_above(base, threshold, rho))
    through = 1.0 - threshold
    return {
        "threshold": threshold,
        "let_through": through,
        "win_rate": rate,
        "opportunities_per_100": 100.0 * through,
        "deals_per_100": 100.0 * through * rate / base if base > 0.0 else 0.0,
    }


def describe_closing(scenario: Scenario) -> Document | None:
    """Describe how fast deals close in each month of a quarter, as factors of mean 1."""
    closing = scenario.versions[0].closing
    if closing is None:
        return None
    factors = [centre(number) for number in closing.month_of_quarter]
    total = sum(factors)
    return {"month_of_quarter": [3.0 * factor / total for factor in factors]}
