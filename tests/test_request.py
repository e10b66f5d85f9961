"""What is asked is checked before any work; goals are reached in spite of rounding."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import scenario

import forecast
from forecast.engine import request, simulate
from forecast.engine.request import RequestError
from forecast.engine.run import forecast_run

SOLD = """
name: Sold
start: 2027-01-01
horizon: 2 quarters
channels:
  web: {leads: {fixed: 7, per: quarter}}
journey:
  lead: {won: {conversion: 100%}}
products:
  standard: {size: 19.99}
goals:
  - {metric: bookings, every: quarter, target: 139.93, confidence: 80%}
"""
CROWD = SOLD.replace("fixed: 7, per: quarter", "mean: 1e11, per: month").replace(
    "size: 19.99", "size: {lognormal: {mean: 20, cv: 1}}"
)


def test_a_sum_of_prices_reaches_what_it_is_worth() -> None:
    outcome = forecast_run(scenario(SOLD), runs=100, seed=0)
    (goal,) = outcome.scenario.goals
    assert outcome.totals["bookings"].max() < 139.93  # in floating point it falls short
    assert all(outcome.reached(goal, quarters).all() for _, quarters in goal.quarters)


def test_one_deal_less_does_not_reach() -> None:
    outcome = forecast_run(scenario(SOLD.replace("fixed: 7", "fixed: 6")), runs=100, seed=0)
    (goal,) = outcome.scenario.goals
    assert not any(outcome.reached(goal, quarters).any() for _, quarters in goal.quarters)


@pytest.mark.parametrize("size", ["{lognormal: {mean: 20, cv: 1}}", "20"])
def test_deals_are_as_many_as_you_like(size) -> None:
    crowd = scenario(CROWD.replace("{lognormal: {mean: 20, cv: 1}}", size))
    outcome = forecast_run(crowd, runs=200, seed=0)
    assert outcome.check.passed
    assert outcome.totals["bookings"].mean() == pytest.approx(6e12, rel=1e-4)


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_a_seed_is_a_whole_number(seed) -> None:
    with pytest.raises(RequestError, match=r"seed: got .*; must be a whole number\. Give 0\."):
        forecast.simulate(scenario(SOLD), runs=10, seed=seed)


def test_any_whole_number_is_a_seed() -> None:
    given = scenario(SOLD)
    for seed in (-1, 2**80, np.int64(7)):
        assert forecast.simulate(given, runs=2, seed=seed).sizes["run"] == 2


def test_more_runs_than_memory_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(request, "_memory_bytes", lambda: 1e9)
    monkeypatch.setattr(simulate, "usable_threads", lambda: 1)
    with pytest.raises(
        RequestError, match=r"10,000,000 would take 1 GB; must be at most [0-9,]+ on"
    ):
        forecast_run(scenario(SOLD), runs=10_000_000, seed=0)


def test_a_container_limits_memory(monkeypatch, tmp_path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(request, "CONTAINER_LIMIT", limit)
    free = request._memory_bytes()
    limit.write_text("1000000\n")
    assert request._memory_bytes() == 1_000_000
    limit.write_text("max\n")
    assert request._memory_bytes() == free
