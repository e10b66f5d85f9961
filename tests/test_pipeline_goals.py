"""The exact chance of count goals with open deals, and what a run says of its pipeline."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from helpers import FALSE_ALARM, conditional_chances, p_chance, scenario
from open_deals import with_deals
from test_pipeline_law import CHANCES, DEALS, JOURNEYS, PRODUCTS, opened

from forecast.analysis.pipeline_facts import expect_pipeline
from forecast.analysis.summary import summarize
from forecast.engine.dataset import simulate
from forecast.engine.run import forecast_run
from forecast.scenario.model import Goal

GOALS = (
    Goal("deals", 4, 0.8, (("2027Q1", (0,)), ("2027Q2", (1,)))),
    Goal("deals", 9, 0.8, (("2027", (0, 1, 2, 3)),)),
    Goal("leads", 6, 0.8, (("2027Q1", (0,)),)),
)
ONCE = """journey:
  lead:
    opportunity: {conversion: 40%, lag: {lognormal: {mean: 1 month, cv: 0.8}}}
    slow: {conversion: 30%, lag: {gamma: {mean: 1 month, cv: 0.5}}}
  slow: {opportunity: {conversion: 50%}}
  opportunity:
    won: {conversion: {beta: {won: 12, lost: 28}}, lag: {gamma: {mean: 3 months, cv: 0.5}}}
"""


@pytest.mark.parametrize("journey", JOURNEYS)
def test_exact_chances_are_those_of_the_runs(journey):
    given = dataclasses.replace(opened(journey), goals=GOALS)
    outcome = forecast_run(given, runs=20_000, seed=6)
    for (goal, label), exact in outcome.exact.items():
        quarters = dict(goal.quarters)[label]
        hits = outcome.reached(goal, quarters)
        assert p_chance(hits, exact.probability) > FALSE_ALARM / 12
    assert outcome.check.passed
    assert outcome.check.cells > 30


def test_exact_chances_of_entering_a_stage():
    text = "name: Open\nstart: 2027-01-01\nhorizon: 4 quarters\n"
    text += "channels: {web: {leads: {mean: 3, per: month}},"
    text += " fair: {leads: {fixed: [4], per: month, then: repeat}}}\n"
    spans = tuple((f"2027Q{q + 1}", (q,)) for q in range(4))
    given = with_deals(scenario(text + ONCE), [
        {"stage": "lead", "age_days": 5, "age_periods": 1},
        {"stage": "lead", "probability": 0.5, "age_days": 5, "age_periods": 1},
        {"stage": "slow"}, {"stage": "opportunity", "probability": 0.2, "close_period": 1},
    ])  # fmt: skip
    goals = (Goal("opportunity", 8, 0.8, spans), Goal("deals", 3, 0.8, spans))
    outcome = forecast_run(dataclasses.replace(given, goals=goals), runs=20_000, seed=6)
    for (goal, label), exact in outcome.exact.items():
        hits = outcome.reached(goal, dict(goal.quarters)[label])
        assert p_chance(hits, exact.probability) > FALSE_ALARM / 8


def test_deals_alone_are_a_sum_of_bernoullis():
    text = "name: Open\nstart: 2027-01-01\nhorizon: 4 quarters\n"
    text += "channels: {web: {leads: {mean: 0, per: month}}}\n" + JOURNEYS["certain"] + PRODUCTS
    rows = [{"stage": "lead", "probability": p, "close_period": 1} for p in CHANCES]
    given = with_deals(scenario(text), rows)
    law = np.ones(1)
    for p in CHANCES:
        law = np.convolve(law, [1 - p, p])
    for target in (1, 5, 9):
        goal = Goal("deals", target, 0.8, (("2027Q1", (0,)),))
        found = conditional_chances(dataclasses.replace(given, goals=(goal,)))
        assert found[0, 0] == pytest.approx(law[target:].sum(), rel=1e-12)


OLD = {"stage": "opportunity", "age_days": 2_000.0, "age_periods": 66}


def test_a_run_tells_its_pipeline_apart():
    rows = [*DEALS, {**OLD, "id": "old", "amount": 5}, {**OLD, "id": "known", "probability": 0.5}]
    given = with_deals(dataclasses.replace(opened("certain"), pipeline=None), rows)
    outcome = forecast_run(given, runs=500, seed=6)
    document = summarize(outcome)
    told = document["pipeline"]
    assert told["deals"] == 12
    assert told["amount"] == sum(row.get("amount", 1.0) for row in rows)
    assert told["zombies"]["count"] == 1
    assert told["zombies"]["ids"] == ["old"]
    assert told["zombies"]["chance"] < 1e-3
    for span in (*document["quarters"], *document["years"]):
        for name in ("deals", "bookings", "revenue"):
            parts = [span[name]["from_pipeline"], span[name]["from_new"]]
            for key in ("mean", "expected"):
                assert sum(part[key] for part in parts) == pytest.approx(span[name][key])
            assert all(part["p10"] <= part["p50"] <= part["p90"] for part in parts)
    later = simulate(given, runs=500, seed=6)
    first = document["quarters"][0]["deals"]["from_pipeline"]["mean"]
    assert first == later.pipeline_deals[:, 0].sum() / 500


def test_a_run_without_a_pipeline_says_nothing_of_one():
    given = dataclasses.replace(opened("certain"), pipeline=None)
    document = summarize(forecast_run(given, runs=50, seed=6))
    assert "pipeline" not in document
    assert "from_pipeline" not in document["quarters"][0]["deals"]


def test_value_expected_by_stage():
    """The mixture cure model's chance times the amount, and own chances as they are."""
    rows = [
        {"stage": "opportunity", "age_days": 90, "age_periods": 3, "amount": 100},
        {"stage": "opportunity", "probability": 0.25, "close_period": 0, "amount": 80},
    ]
    text = "name: Open\nstart: 2027-01-01\nhorizon: 4 quarters\n"
    text += "channels: {web: {leads: {mean: 0, per: month}}}\njourney:\n"
    text += "  opportunity: {won: {conversion: 30%, lag: {weibull: {mean: 60 days, cv: 1}}}}\n"
    told = expect_pipeline(with_deals(scenario(text), rows))
    longer = 0.3 * math.exp(-90 / 60)
    assert told["stages"] == [
        {
            "stage": "opportunity",
            "deals": 2,
            "amount": 180.0,
            "expected": pytest.approx(100 * longer / (longer + 0.7) + 20, rel=1e-9),
        }
    ]
