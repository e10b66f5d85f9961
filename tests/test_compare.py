"""Scenarios compared run by run: differences, their paired errors, who is better; the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import LEAN, document, invoke
from helpers import bound, scenario

import forecast
from forecast.analysis.compare import Comparison, bridge, compare, compare_document
from forecast.analysis.summary import summarize
from forecast.engine.request import RequestError
from forecast.engine.run import forecast_run

WIN = "journey.opportunity.won.conversion"
FUNNEL = """
name: Funnel
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: {gamma: {mean: 100, cv: 0.2}}, per: month}, cost: {per_lead: 20}}
  fair: {leads: {mean: 90, per: quarter}}
journey:
  lead: {opportunity: {conversion: 40%, lag: {gamma: {mean: 30 days, cv: 0.5}}}}
  opportunity: {won: {conversion: 30%, lag: {gamma: {mean: 60 days, cv: 0.5}}}}
products:
  one: {size: {lognormal: {mean: 20k, cv: 1}}}
goals:
  - {metric: deals, year: 2027, target: 130, confidence: 80%}
  - {metric: bookings, quarter: 2027Q4, target: 900k, confidence: 80%}
"""
RUNS = 2_000


@pytest.fixture(scope="module")
def plans() -> dict[str, forecast.scenario.model.Scenario]:
    """A funnel, and the same with 5% more of its opportunities won."""
    return {
        "now": scenario(FUNNEL),
        "better": scenario(FUNNEL, journey__opportunity__won__conversion="31.5%"),
    }


@pytest.fixture(scope="module")
def found(plans):
    """Their comparison, without a bridge."""
    return compare_document(plans, Comparison(bridge=False), runs=RUNS)


def row(found, metric: str, quarter: str, scenario: str | None = None):
    """The one row of a metric and quarter."""
    (one,) = [
        r
        for r in found["difference"]
        if (r["metric"], r["quarter"]) == (metric, quarter)
        and r["scenario"] == (scenario or r["scenario"])
    ]
    return one


def test_a_difference_is_that_of_the_runs_of_both(plans, found) -> None:
    both = [forecast.simulate(plan, runs=RUNS) for plan in plans.values()]
    for metric in ("deals", "bookings"):
        totals = [data[metric].sum(["channel", "segment", "product"]) for data in both]
        gain = (totals[1] - totals[0]).sel(quarter="2027Q4").values
        one = row(found, metric, "2027Q4")
        assert one["mean"] == pytest.approx(gain.mean(), rel=1e-12)
        assert one["standard_error"] == pytest.approx(gain.std(ddof=1) / RUNS**0.5, rel=1e-12)
        better = np.mean(gain > 0) + 0.5 * np.mean(gain == 0)
        assert one["probability_better"] == pytest.approx(better, abs=1e-12)
        year = (totals[1] - totals[0]).sum("quarter").values
        assert row(found, metric, "2027")["mean"] == pytest.approx(year.mean(), rel=1e-12)


def test_differences_agree_with_closed_forms(found) -> None:
    for one in found["difference"]:
        if one["expected"] is None:
            assert one["metric"] == "chance of bookings"
            continue
        error = np.hypot(one["standard_error"], one["expected_standard_error"])
        assert abs(one["mean"] - one["expected"]) <= bound(40) * 1.2 * error + 1e-9, one


def test_the_paired_error_is_at_most_a_quarter_of_the_unpaired_one(plans, found) -> None:
    alone = [summarize(forecast_run(plan, runs=RUNS, seed=0)) for plan in plans.values()]
    for q, quarter in enumerate(("2027Q1", "2027Q2", "2027Q3", "2027Q4")):
        for metric in ("deals", "bookings"):
            errors = [each["quarters"][q][metric]["standard_error"] for each in alone]
            one = row(found, metric, quarter)
            assert 0.0 < one["standard_error"] <= 0.25 * np.hypot(*errors)


def test_the_chance_of_a_goal_is_paired(plans, found) -> None:
    hits = []
    for plan in plans.values():
        outcome = forecast_run(plan, runs=RUNS, seed=0)
        hits.append(outcome.reached(plan.goals[0], range(4)).astype(float))
    one = row(found, "chance of deals", "2027")
    assert one["mean"] == pytest.approx(np.mean(hits[1] - hits[0]))
    assert one["target"] == one["target_against"] == 130
    assert one["expected_standard_error"] < one["standard_error"]


def test_the_other_way_round_every_sign_turns(plans, found) -> None:
    turned = compare_document(dict(reversed(plans.items())), Comparison(bridge=False), runs=RUNS)
    for one, other in zip(found["difference"], turned["difference"], strict=True):
        assert other["mean"] == -one["mean"]
        assert other["standard_error"] == one["standard_error"]
        assert other["probability_better"] == pytest.approx(1.0 - one["probability_better"])


def test_spending_less_is_better() -> None:
    plans = {"a": scenario(FUNNEL), "b": scenario(FUNNEL, channels__web__cost__per_lead="19")}
    one = row(compare_document(plans, Comparison(metrics=("spend",)), runs=100), "spend", "2027Q1")
    assert one["mean"] < 0.0
    assert one["probability_better"] == 1.0


def test_equal_scenarios_tie(plans) -> None:
    same = compare_document({"a": plans["now"], "b": plans["now"]}, runs=50)
    assert same["bridge"] == []
    for one in same["difference"]:
        assert (one["mean"], one["standard_error"], one["probability_better"]) == (0.0, 0.0, 0.5)


def test_scenarios_of_other_channels_and_quarters_are_compared_where_they_meet(plans) -> None:
    text = FUNNEL.replace("start: 2027-01-01", "start: 2027-07-01").replace("  fair:", "  shop:")
    text = text.replace("year: 2027", "year: 2028").replace("quarter: 2027Q4", "quarter: 2028Q1")
    both = {"now": plans["now"], "late": scenario(text)}
    found = compare_document(both, Comparison(bridge=False), runs=100)
    assert {r["quarter"] for r in found["difference"]} == {"2027Q3", "2027Q4"}
    assert not any(r["metric"].startswith("chance") for r in found["difference"])
    late = (
        forecast.simulate(both["late"], runs=100)
        .leads.sel(quarter="2027Q3")
        .sum(["channel", "segment"])
    )
    now = (
        forecast.simulate(both["now"], runs=100)
        .leads.sel(quarter="2027Q3")
        .sum(["channel", "segment"])
    )
    assert row(found, "leads", "2027Q3")["mean"] == pytest.approx(float((late - now).mean()))


def test_the_first_is_the_base_or_each_is_against_each(plans) -> None:
    three = {**plans, "best": scenario(FUNNEL, journey__opportunity__won__conversion="33%")}
    asked = {"metrics": ("deals",), "quarters": ("2027",), "bridge": False}
    one = compare_document(three, Comparison(**asked), runs=100)
    pairs = {(r["scenario"], r["against"]) for r in one["difference"]}
    assert pairs == {("better", "now"), ("best", "now")}
    each = compare_document(three, Comparison(each=True, **asked), runs=100)
    by = {
        (r["scenario"], r["against"]): r["mean"]
        for r in each["difference"]
        if r["metric"] == "deals"
    }
    assert by["best", "now"] == pytest.approx(by["best", "better"] + by["better", "now"])


def test_datasets_hold_the_same(plans, found) -> None:
    data = compare(plans, runs=RUNS)
    assert dict(data.sizes) == {"scenario": 1, "against": 1, "metric": 7, "quarter": 5}
    at = data.sel(scenario="better", against="now", metric="deals", quarter="2027Q4")
    assert float(at["mean"]) == row(found, "deals", "2027Q4")["mean"]
    assert np.isnan(data["mean"].sel(metric="chance of deals", quarter="2027Q4").item())
    causes = bridge(plans, runs=100)
    assert list(causes.assumption.values) == [WIN]
    assert causes.sizes["metric"] == 7


def test_what_cannot_be_compared_is_refused(plans) -> None:
    with pytest.raises(RequestError, match="compare: got 1 scenario; must be two or more"):
        compare({"now": plans["now"]})
    euros = {**plans, "euros": scenario(FUNNEL, currency="EUR")}
    with pytest.raises(RequestError, match="euros: currency: got EUR; must be USD"):
        compare(euros)
    with pytest.raises(RequestError, match=r"--metric: got deal; must be one of .*deals"):
        compare(plans, Comparison(metrics=("deal",)))
    with pytest.raises(RequestError, match="--quarter: got 2028Q1; must be one that all"):
        compare(plans, Comparison(quarters=("2028Q1",)))
    far = {**plans, "far": scenario(FUNNEL.partition("goals:")[0].replace("2027-01", "2037-01"))}
    with pytest.raises(RequestError, match="quarters: got 2027Q1 to 2027Q4 and 2037Q1"):
        compare(far)


# --- the command


def test_the_command_compares_a_file_with_itself_changed() -> None:
    found = document("compare", LEAN, "--with", f"{WIN}=35%", "--runs", "200")
    assert found["scenarios"] == ["Lean consulting", f"with {WIN}=35%"]
    one = row(found, "deals", "2027Q2")
    assert set(one) >= {
        "scenario",
        "against",
        "metric",
        "quarter",
        "mean",
        "standard_error",
        "probability_better",
    }
    assert one["expected"] == pytest.approx(1.7)
    (effect,) = [r for r in found["bridge"] if (r["metric"], r["quarter"]) == ("deals", "2027Q2")]
    assert effect["cause"] == WIN
    assert effect["effect"] == pytest.approx(one["mean"])


def test_the_command_compares_files_of_one_name(tmp_path: Path) -> None:
    text = Path(LEAN).read_text("utf-8")
    for name, rate in (("a", "30%"), ("b", "40%")):
        (tmp_path / f"{name}.yaml").write_text(text.replace("30%", rate), "utf-8")
    files = [str(tmp_path / f"{name}.yaml") for name in "ab"]
    found = document("compare", *files, "--runs", "50", "--no-bridge", "--quarter", "2027")
    assert found["scenarios"] == ["a", "b"]
    assert found["bridge"] == []


def test_the_command_prints_what_differs_and_why() -> None:
    result = invoke("compare", LEAN, "--with", f"{WIN}=35%", "--runs", "200")
    assert result.exit_code == 0
    for part in (
        f"with {WIN}=35%, against Lean consulting",
        "+1.70",
        "80.45%",
        "what makes it: 2027",
    ):
        assert part in result.output
    same = invoke("compare", LEAN, LEAN, "--runs", "50")
    assert "No assumption differs." in same.output


def test_the_command_refuses_what_it_cannot_compare() -> None:
    alone = invoke("compare", LEAN)
    assert alone.exit_code == 2
    assert "Name two scenarios or more, or say what to change --with" in alone.output
    wrong = invoke("compare", LEAN, "--with", "journey.x=1")
    assert wrong.exit_code == 2
    assert "journey" in wrong.output
    quiet = invoke("compare", LEAN, LEAN, "--runs", "50", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert json.loads(invoke("compare", LEAN, LEAN, "--runs", "1", "--json").stdout)["runs"] == 1


def test_a_fault_of_with_says_so() -> None:
    wrong = invoke("compare", LEAN, "--with", "nothing.here=3")
    assert wrong.exit_code == 2
    assert wrong.output.startswith("--with:1: nothing.here: got nothing")
