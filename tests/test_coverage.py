"""Pipeline coverage: by hand, against a plain simulator, and by what must add up."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from helpers import SCENARIOS, scenario
from open_deals import with_deals
from test_goal_when import LEAN, TWO

import forecast
from forecast.analysis.coverage import Coverage, Opportunities
from forecast.analysis.goals import Question, goals_document
from forecast.analysis.select import goals_named
from forecast.engine.assumptions import Draws
from forecast.engine.expected import flow_at
from forecast.engine.plan import make_blueprint
from forecast.engine.request import RequestError

MONTH = 365.25 / 12
OPEN = """
name: Open
start: 2027-01-01
horizon: 3 quarters
channels: {web: {leads: {fixed: [9, 0, 6, 0, 5, 0, 0, 0, 0], per: month}}}
journey:
  lead: {opportunity: {conversion: 50%, lag: {periods: {1: 1}}}}
  opportunity:
    won: {conversion: 40%, lag: {weibull: {mean: 50 days, cv: 1}}}
    nurture: {share_of_rest: 50%, lag: {periods: {1: 50%, 2: 50%}}}
  nurture: {opportunity: {conversion: 50%, lag: {periods: {1: 1}}}}
products: {p: {size: 10k}}
goals:
  - {metric: deals, quarter: 2027Q2, target: 10, confidence: 80%}
  - {metric: bookings, quarter: 2027Q2, target: 100k, confidence: 80%}
"""
DEALS = [
    {"stage": "opportunity", "age_days": 80.0, "age_periods": 3, "amount": 7_000},
    {"stage": "opportunity", "amount": 30_000},
    {"stage": "lead", "age_days": 10.0, "age_periods": 1, "amount": 50_000},
    {"stage": "nurture", "age_days": 5.0, "age_periods": 1, "amount": 9_000},
    {"stage": "opportunity", "probability": 0.2, "close_period": 4, "amount": 4_000},
    {"stage": "lead", "close_period": 5, "amount": 3_000},
    {"stage": "opportunity", "age_days": 20.0, "age_periods": 1, "probability": 0.9, "amount": 900},
]


def covered(given, nth: int = 0) -> Coverage:
    return Opportunities(given).coverage(goals_named(given)[nth])


# --- a plain simulator: every item that is in the stage before won draws when it would be won


def plain(rows: list[dict], runs: int, seed: int) -> np.ndarray:
    """Opportunities due in the second quarter, and what they are worth, in every run: (run, 2)."""
    rng = Random(seed)
    fresh = [(t, 10_000) for t, n in enumerate([9, 0, 6, 0, 5, 0, 0, 0, 0]) for _ in range(n)]
    found = np.zeros((runs, 2))
    for run in range(runs):
        due: list[float] = []
        for t, worth in fresh:
            if rng.random() < 0.5:
                stay(rng, t + 1, worth, due, fresh=True)
        for row in rows:
            follow(rng, row, due)
        found[run] = len(due), sum(due)
    return found


def wins_in(rng: Random, t: int, fresh: bool) -> int:
    """The period in which an opportunity of period t (or the start) would be won."""
    days = rng.expovariate(1 / 50.0)  # at any age: the exponential has no memory
    return t + math.floor((rng.random() if fresh else 0.0) + days / MONTH)


def stay(rng: Random, t: int, worth: float, due: list[float], fresh: bool) -> None:
    if 3 <= wins_in(rng, t, fresh) < 6:
        due.append(worth)
    u = rng.random()
    if 0.4 <= u < 0.7:  # half of those that are not won go to nurture
        nurture(rng, t + rng.choice([1, 2]), worth, due)


def nurture(rng: Random, t: int, worth: float, due: list[float]) -> None:
    if t < 9 and rng.random() < 0.5:
        stay(rng, t + 1, worth, due, fresh=True)


def follow(rng: Random, row: dict, due: list[float]) -> None:
    """An open deal, as the reference says that it continues."""
    worth, age = row["amount"], row.get("age_days", 0.0)
    if "close_period" in row:
        if 3 <= row["close_period"] < 6:
            due.append(worth)
    elif row.get("probability"):
        if 3 <= won_at_last(rng, age) < 6:
            due.append(worth)
    elif row["stage"] in ("lead", "nurture"):  # a lag of one period: it moves in the first one
        if rng.random() < 0.5:
            stay(rng, 0, worth, due, fresh=True)
    else:
        if 3 <= wins_in(rng, 0, fresh=False) < 6:
            due.append(worth)
        u, to_won = rng.random(), 0.4 * math.exp(-age / 50.0)
        periods = row.get("age_periods", 0)
        nurtured = 0.3 * (1.0 if periods <= 1 else 0.5 if periods == 2 else 0.0)
        total = to_won + nurtured + 0.3
        if to_won / total <= u < (to_won + nurtured) / total:
            later = (
                rng.choice([1, 2]) if periods == 0 else rng.choice([0, 1]) if periods == 1 else 0
            )
            nurture(rng, later, worth, due)


def won_at_last(rng: Random, age: float) -> int:
    """The period in which an opportunity that is won in the end is won; of age below 30 days."""
    while True:
        u, to_won = rng.random() * (0.6 + 0.4 * math.exp(-age / 50.0)), 0.4 * math.exp(-age / 50.0)
        if u < to_won:
            return wins_in(rng, 0, fresh=False)
        if u < to_won + 0.3:
            t = rng.choice([0, 1])
            while rng.random() < 0.5:
                t += 1
                v = rng.random()
                if v < 0.4:
                    return wins_in(rng, t, fresh=True)
                if v >= 0.7:
                    break
                t += rng.choice([1, 2])


@pytest.mark.parametrize("nth", range(8))
def test_open_deals_and_leads_are_those_of_a_plain_simulator(nth: int) -> None:
    """All deals, then each kind alone."""
    rows = DEALS if nth == 7 else [DEALS[nth]]
    given = with_deals(scenario(OPEN), rows)
    runs = 20_000 if nth == 7 else 8_000
    found, right = covered(given), plain(rows, runs, nth)
    error = right.std(axis=0) / math.sqrt(runs)
    assert abs(found.opportunities - right[:, 0].mean()) < 5 * error[0]
    assert abs(found.value - right[:, 1].mean()) < 5 * error[1]
    assert found.coverage == pytest.approx(found.opportunities / 10)
    assert covered(given, 1).coverage == pytest.approx(found.value / 100_000)


def test_open_deals_by_hand() -> None:
    """Lags without memory, so that the age does not matter to when a deal would be won."""
    given = with_deals(scenario(OPEN, channels="{web: {leads: {mean: 0, per: month}}}"), DEALS[:1])
    found = covered(given)
    in_time = math.exp(-3 * MONTH / 50) - math.exp(-6 * MONTH / 50)
    assert found.of_open == found.opportunities == pytest.approx(in_time, rel=1e-9)
    assert found.value_of_open == pytest.approx(7_000 * in_time, rel=1e-9)
    longer = 0.4 * math.exp(-80 / 50)
    assert found.win_rate == pytest.approx(longer / (longer + 0.3), rel=1e-9)  # nurture is over


def test_coverage_of_fixed_opportunities() -> None:
    found = covered(forecast.read_scenario(LEAN, {"channels.list.leads.fixed": "[40]"}))
    assert found.coverage == pytest.approx(4.0)
    assert found.usual == pytest.approx(1 / 0.3)
    assert (found.opportunities, found.value) == pytest.approx((40, 40 * 75_000))
    assert (found.of_open, found.value_of_open) == (0.0, 0.0)


def test_coverage_counts_what_is_decided_in_time() -> None:
    found = covered(scenario(TWO))
    # opportunities of January to April: 8; 5 of web; 10; 15 and 5 of list; halves by their lag
    due = 0.5 * 8 + 5 + 10 + 0.5 * (15 + 5)
    assert found.opportunities == pytest.approx(due)
    assert found.win_rate == pytest.approx(0.45)
    assert found.coverage == pytest.approx(due / 10)


@pytest.mark.parametrize(
    "name", ["long-cycle-enterprise", "open-pipeline", "referral-loop", "subscription-ltv"]
)
def test_coverage_times_win_rate_is_what_is_expected(name: str) -> None:
    """In number; and in value too where deals of all groups have one win rate, and none is open."""
    given = forecast.read_scenario(SCENARIOS / f"{name}.yaml")
    means = flow_at(make_blueprint(given), Draws(given, 0).means(), 1)
    for nth, (goal, _, quarters) in enumerate(goals_named(given)):
        found = covered(given, nth)
        right = means.deals[0, list(quarters)].sum()
        assert found.opportunities * (found.win_rate or 0.0) == pytest.approx(right, rel=1e-9)
        if goal.metric != "deals" and name != "open-pipeline":
            right = getattr(means, goal.metric)[0, list(quarters)].sum() / goal.target
            assert (found.coverage or 0) * (found.win_rate or 0) == pytest.approx(right, rel=1e-6)


def test_coverage_is_of_deals_and_money() -> None:
    given = scenario(TWO, goals="[{metric: leads, quarter: 2027Q2, target: 9, confidence: 80%}]")
    with pytest.raises(RequestError, match="--coverage: got leads; must be a goal on deals"):
        covered(given)


def test_coverage_of_what_a_confidence_takes() -> None:
    path = SCENARIOS / "open-pipeline.yaml"
    given = forecast.read_scenario(
        path, {"goals": "[{metric: deals, year: 2027, target: 30, confidence: 80%}]"}
    )
    asked = Question(confidences=(0.5, 0.9), coverage=True)
    document = goals_document(given, asked, runs=500)
    half, most = document["coverage"]
    assert half["open_opportunities"] == pytest.approx(most["open_opportunities"], rel=1e-9)
    assert half["coverage"] < most["coverage"]
    assert half["coverage"] == pytest.approx(half["usual"], rel=0.05)  # a chance of one half
    assert half["open_value"] > 500_000
