"""The summary of an outcome against hand-made runs, scipy and published formulas."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import date
from math import sqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from forecast.analysis import describe
from forecast.analysis.describe import describe_scenario
from forecast.analysis.journeys import by_place, describe_journey, win_rate_and_days
from forecast.analysis.ranks import quantile_rank, rank_interval
from forecast.analysis.summary import (
    chance_error,
    describe_column,
    plain,
    summarize,
    whole_years,
)
from forecast.engine.outcome import Exact, Outcome, SelfCheck
from forecast.scenario.calendar import build_calendar
from forecast.scenario.model import Scenario
from forecast.scenario.reader import read_scenario

ROOT = Path(__file__).parent.parent
PLAN = """
name: Hand-made
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 120, per: month}}
journey:
  lead: {won: {conversion: 25%, lag: 20 days}}
products:
  standard: {size: 25k}
goals:
  - {metric: deals, quarter: 2027Q2, target: 3, confidence: 50%}
  - {metric: deals, quarter: 2027Q3, target: 3, confidence: 90%}
  - {metric: bookings, year: 2027, target: 100, confidence: 80%}
  - {metric: deals, every: quarter, target: 1000, confidence: 10%}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return read_scenario(path)


def outcome(scenario: Scenario, runs: int = 2_000, **changed: Any) -> Outcome:
    """Hand-made runs: Poisson counts, lognormal money."""
    rng = np.random.default_rng(20_270_101)
    counts = rng.poisson([1.0, 3.0, 5.0, 2.0], (runs, 4))
    totals: dict[str, Any] = {"deals": counts, "leads": 3 * counts, "lead": 4 * counts}
    totals["bookings"] = rng.lognormal(3.0, 1.0, (runs, 4))
    totals["revenue"], totals["spend"] = totals["bookings"], np.zeros((runs, 4))
    expected = {name: np.asarray(t, dtype=float).mean(axis=0) for name, t in totals.items()}
    values: dict[str, Any] = {
        "totals": totals,
        "expected": expected,
        "check": SelfCheck(2.13, "deals 2027Q3", 5.8, 24),
        **changed,
    }
    return Outcome(scenario=scenario, runs=runs, seed=7, **values)


def test_the_document_says_what_was_run_and_is_json_without_nan(scenario: Scenario) -> None:
    document = summarize(outcome(scenario))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["scenario"] == "Hand-made"
    assert (document["runs"], document["seed"], document["currency"]) == (2_000, 7, "USD")
    assert (document["as_of"], document["start"]) == ("2026-12-31", "2027-01-01")
    assert [q["quarter"] for q in document["quarters"]] == ["2027Q1", "2027Q2", "2027Q3", "2027Q4"]
    assert document["check"] == {
        "largest_z": 2.13, "where": "deals 2027Q3", "bound": 5.8, "cells": 24, "passed": True,
    }  # fmt: skip


def test_every_quarter_holds_every_measure_with_the_promised_keys(scenario: Scenario) -> None:
    keys = {"mean", "sd", "p10", "p50", "p90", "standard_error", "expected"}
    for quarter in summarize(outcome(scenario))["quarters"]:
        for measure in ("deals", "bookings", "revenue", "leads", "spend"):
            assert keys <= quarter[measure].keys()
        assert quarter["entered"].keys() == {"lead"}
        assert {"mean", "sd", "expected"} <= quarter["entered"]["lead"].keys()


def test_moments_and_quantiles_are_numpys(scenario: Scenario) -> None:
    hand = outcome(scenario)
    for name in ("deals", "bookings"):
        column = np.asarray(hand.totals[name][:, 2], dtype=float)
        said = summarize(hand)["quarters"][2][name]
        assert said["mean"] == pytest.approx(column.mean(), rel=1e-12)
        assert said["sd"] == pytest.approx(column.std(ddof=1), rel=1e-12)
        assert said["standard_error"] == pytest.approx(column.std(ddof=1) / sqrt(2_000), rel=1e-12)
        for percent in (10, 50, 90):
            wanted = np.quantile(column, percent / 100, method="inverted_cdf")
            assert said[f"p{percent}"] == wanted


def test_quantiles_of_counts_are_whole_numbers_and_happened(scenario: Scenario) -> None:
    said = summarize(outcome(scenario))["quarters"][1]["deals"]
    for key in ("p10", "p50", "p90"):
        assert type(said[key]) is int
    assert type(summarize(outcome(scenario))["quarters"][1]["bookings"]["p50"]) is float


def test_years_and_year_goals_sum_run_by_run(scenario: Scenario) -> None:
    hand = outcome(scenario)
    document = summarize(hand)
    sums = np.asarray(hand.totals["bookings"]).sum(axis=1)
    assert [year["year"] for year in document["years"]] == ["2027"]
    assert document["years"][0]["bookings"]["sd"] == pytest.approx(sums.std(ddof=1), rel=1e-12)
    goal = document["goals"][2]
    assert (goal["metric"], goal["quarter"], goal["target"]) == ("bookings", "2027", 100)
    assert goal["probability"] == float((sums >= 100).mean())


def test_goals_are_judged_by_the_exact_chance_where_there_is_one(scenario: Scenario) -> None:
    first, second = scenario.goals[0], scenario.goals[1]
    exact = {
        (first, "2027Q2"): Exact(0.4999, "closed form"),
        (second, "2027Q3"): Exact(0.9, "closed form"),
    }
    goals = summarize(outcome(scenario, exact=exact))["goals"]
    assert goals[0]["probability"] > 0.5
    assert (goals[0]["exact"], goals[0]["reached"]) == (0.4999, False)
    assert (goals[1]["exact_from"], goals[1]["reached"]) == ("closed form", True)
    assert goals[2]["exact"] is None
    assert goals[2]["exact_from"] is None


def test_a_goal_of_every_quarter_has_an_entry_for_each(scenario: Scenario) -> None:
    goals = [g for g in summarize(outcome(scenario))["goals"] if g["target"] == 1_000]
    assert [g["quarter"] for g in goals] == ["2027Q1", "2027Q2", "2027Q3", "2027Q4"]
    assert all(g["probability"] == 0.0 and g["standard_error"] > 0 for g in goals)
    assert not any(g["reached"] for g in goals)


def test_a_chance_within_two_errors_of_its_confidence_is_too_close_to_say(
    scenario: Scenario,
) -> None:
    hand = outcome(scenario)
    share = float((np.asarray(hand.totals["deals"])[:, 1] >= 3).mean())
    goal = summarize(hand)["goals"][0]
    assert goal["too_close"] == (abs(share - 0.5) < 2 * goal["standard_error"])
    exact = {(scenario.goals[0], "2027Q2"): Exact(share, "closed form")}
    assert not summarize(outcome(scenario, exact=exact))["goals"][0]["too_close"]


@pytest.mark.parametrize("runs", [100, 10_000, 1_000_000])
def test_a_chances_error_is_the_binomial_one_in_the_middle(runs: int) -> None:
    for share in (0.2, 0.5, 0.9):
        wanted = sqrt(share * (1 - share) / runs)
        assert chance_error(int(share * runs), runs) == pytest.approx(wanted, rel=15 / runs)


@pytest.mark.parametrize("runs", [1, 100, 10_000])
def test_a_chances_error_never_vanishes_and_follows_the_rule_of_three(runs: int) -> None:
    for hits in (0, runs):
        error = chance_error(hits, runs)
        assert error > 0
        if runs >= 100:
            assert 2.5 / runs < 2 * error < 3.1 / runs


@pytest.mark.parametrize("chance", [0.0005, 0.01, 0.1, 0.5, 0.97, 0.9995])
def test_two_errors_cover_a_chance_about_as_often_as_they_say(chance: float) -> None:
    """Exact coverage of probability ± 2 errors: the sum of the binomial's mass where it holds."""
    runs = 10_000
    hits = np.arange(runs + 1)
    errors = np.array([chance_error(int(h), runs) for h in hits])
    held = np.abs(hits / runs - chance) <= 2 * errors
    assert stats.binom.pmf(hits, runs, chance)[held].sum() > 0.94


@pytest.mark.parametrize("runs", [1, 2, 3, 10, 99, 1_000, 12_345, 1_000_000, 10**8])
@pytest.mark.parametrize("percent", [10, 50, 90])
def test_rank_intervals_are_scipys_binomial_quantiles(runs: int, percent: int) -> None:
    low, high = rank_interval(runs, percent)
    below, above = (int(x) for x in stats.binom.ppf([0.025, 0.975], runs, percent / 100))
    assert low == (below if below >= 1 else None)
    assert high == (above + 1 if above + 1 <= runs else None)
    rank = quantile_rank(runs, percent)
    assert 1 <= rank <= runs
    assert (low or 1) <= rank <= (high or runs)


def test_rank_intervals_of_ten_thousand_runs() -> None:
    wanted = {10: (942, 1060), 50: (4902, 5099), 90: (8941, 9059), 99: (9880, 9920)}
    assert {percent: rank_interval(10_000, percent) for percent in wanted} == wanted


def test_quantile_intervals_are_the_outcomes_of_their_ranks() -> None:
    column = np.random.default_rng(1).permutation(10_000)  # the outcome of rank r is r - 1
    said = describe_column(column, None)
    assert (said["p10"], said["p50"], said["p90"]) == (999, 4_999, 8_999)
    assert said["p10_interval"] == [941, 1_059]
    assert said["p90_interval"] == [8_940, 9_058]


def test_few_runs_leave_open_what_they_cannot_tell() -> None:
    alone = describe_column(np.array([5]), 5.0)
    assert (alone["mean"], alone["p10"], alone["p90"]) == (5.0, 5, 5)
    assert alone["sd"] is None
    assert alone["standard_error"] is None
    assert alone["p50_interval"] == [None, None]


def test_the_deviation_keeps_its_digits_beside_a_large_mean() -> None:
    column = 1e12 + np.array([1.0, 4.0, 7.0, 8.0])
    assert describe_column(column, None)["sd"] == pytest.approx(sqrt(10.0), rel=1e-12)


def test_summing_does_not_change_the_runs(scenario: Scenario) -> None:
    hand = outcome(scenario)
    before = {name: np.array(total) for name, total in hand.totals.items()}
    summarize(hand)
    assert all(np.array_equal(before[name], hand.totals[name]) for name in before)


def test_numbers_that_are_none_become_none() -> None:
    assert plain(float("inf")) is None
    assert plain(np.float64("nan")) is None
    assert plain(np.int64(2**40)) == 2**40


def test_years_are_whole_only() -> None:
    calendar = build_calendar(date(2026, 10, 1), (6, "quarter"), "month")
    assert whole_years(calendar) == {"2027": (1, 2, 3, 4)}


def test_a_goal_in_money_is_reached_whatever_sums_are_rounded_to(tmp_path: Path) -> None:
    """7 deals of 19.99 are 139.93, but not as a sum of floats."""
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("target: 100,", "target: 139.93,"), encoding="utf-8")
    whole = outcome(read_scenario(path))
    bookings = np.zeros((2_000, 4))
    bookings[:500] = [0.0, 3 * 19.99, 2 * 19.99, 2 * 19.99]
    bookings[500:1_000, 3] = 139.92
    assert bookings[0].sum() < 139.93
    goal = summarize(dataclasses.replace(whole, totals={**whole.totals, "bookings": bookings}))
    assert goal["goals"][2]["probability"] == 0.25


def test_wins_and_their_time_follow_a_loop_to_its_end(tmp_path: Path) -> None:
    """Attempt: 20% won after 14 days, 50% to nurture, back after 42; as a geometric series.

    P(won) = 0.2 / (1 - 0.5) = 0.4 and the mean time 14 + (14 + 42) · 0.5 / 0.5 = 70 days.
    """
    path = tmp_path / "loop.yaml"
    path.write_text(
        PLAN.split("journey:")[0]
        + "journey:\n"
        + "  attempt: {won: {conversion: 20%, lag: 14 days}, "
        + "nurture: {conversion: 50%, lag: 14 days}}\n"
        + "  nurture: {attempt: {conversion: 100%, lag: 42 days}}\n",
        encoding="utf-8",
    )
    scenario = read_scenario(path)
    (journey,) = scenario.versions[0].journeys.values()
    rate, days = win_rate_and_days(journey, "attempt", scenario)
    assert rate == pytest.approx(0.4, rel=1e-12)
    assert days == pytest.approx(70.0, rel=1e-12)
    loops = {
        (stage["stage"], transition["to"])
        for stage in describe_journey(scenario)["stages"]
        for transition in stage["transitions"]
        if transition["loops"]
    }
    assert loops == {("attempt", "nurture"), ("nurture", "attempt")}


def test_a_description_counts_leads_by_the_calendar() -> None:
    document = describe_scenario(read_scenario(ROOT / "scenarios" / "saas-funnel.yaml"))
    events = next(c for c in document["channels"] if c["channel"] == "events")
    assert events["leads"] == pytest.approx([180, 80, 220, 30] * 2)
    assert events["leads_by_year"] == pytest.approx([510, 510])
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_differences_are_told_by_channel_or_segment() -> None:
    document = describe_journey(read_scenario(ROOT / "scenarios" / "saas-funnel.yaml"))
    told = {(d["where"], d["from"], d["to"]) for d in document["differences"]}
    assert told == {
        ("events", "lead", "opportunity"),
        ("outbound", "lead", "nurture"),
        ("partners", "opportunity", "won"),
        ("small", "opportunity", "won"),
        ("enterprise", "opportunity", "won"),
        ("enterprise", "opportunity", "nurture"),
    }
    assert document["changes"][0]["why"] == "new qualification team"


def test_changes_and_the_journey_are_those_of_the_scenario_not_of_its_text() -> None:
    whole = read_scenario(ROOT / "scenarios" / "saas-funnel.yaml")
    without_text = dataclasses.replace(whole, text="")
    assert describe_journey(without_text) == describe_journey(whole)
    (change,) = describe_scenario(without_text)["changes"]
    assert change == {
        "from": "2027-07-01",
        "set": {"journey.lead.opportunity.conversion": "17%"},
        "why": "new qualification team",
    }


def test_what_groups_share_is_described_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = "  web: {leads: {mean: 120, per: month}}\n"
    channels = "".join(web.replace("web", f"c{i}") for i in range(12))
    segments = "segments:\n" + "".join(f"  s{i}: {{share: 10%}}\n" for i in range(10))
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace(web, channels) + segments, encoding="utf-8")
    asked: list[str] = []
    for name in ("_product", "win_rate_and_days"):
        real = getattr(describe, name)

        def once(*args: Any, name: str = name, real: Any = real) -> Any:
            asked.append(name)
            return real(*args)

        monkeypatch.setattr(describe, name, once)
    document = describe_scenario(read_scenario(path))
    assert sorted(asked) == ["_product", "win_rate_and_days"]
    assert len(document["wins"]) == 120
    assert document["products"][0]["differences"] == []


def test_differences_of_many_channels_take_no_square_of_their_number() -> None:
    names = tuple(f"c{i}" for i in range(8_000))
    places: Any = SimpleNamespace(channels=names, segments=("all",))
    values = {(name, "all"): i % 2 for i, name in enumerate(names)}
    began = time.perf_counter()
    told = by_place(values, 0, places)
    assert time.perf_counter() - began < 1.0  # some milliseconds; squared, seconds
    assert told == [(name, 1) for name in names[1::2]]
