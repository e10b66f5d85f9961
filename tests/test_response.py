"""Leads that answer to money, against formulas by hand, finer quadrature and the slow simulator."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import closed_form, exactly, expected, per_period, scenario
from scipy.special import roots_legendre
from test_naive import disagreements

import forecast
from forecast.engine.response import adstock, hill
from forecast.scenario.errors import ScenarioError

RAMP = [4_000, 5_000, 6_000, 6_000, 6_000, 6_000]
TEXT = """
name: Money
start: 2027-01-01
horizon: 6 months
period: {period}
channels:
  web:
    leads: {{response: {{hill: {{max: 300, half: 10k, shape: 1.5}}{more}}}, per: month}}
    cost: {{fixed: {fixed}}}
journey: {{lead: {{won: {{conversion: 100%}}}}}}
"""
PLAN = "{amount: [4k, 5k, 6k], per: month, then: last}"


def money(more: str = "", fixed: str = PLAN, period: str = "month") -> str:
    return TEXT.format(more=more, fixed=fixed, period=period)


def curve(x: float) -> float:
    return 300 * x**1.5 / (10_000**1.5 + x**1.5)


def by_hand(kept: float, before: float) -> list[float]:
    """Leads of the six months: the adstock as the sum that the recursion stands for."""
    leads = []
    for t in range(6):
        own = sum((1 - kept) * kept ** (t - i) * RAMP[i] for i in range(t + 1))
        leads.append(curve(own + kept ** (t + 1) * before))
    return leads


@pytest.mark.parametrize(
    ("more", "kept", "before"),
    [
        ("", 0.0, 0.0),
        (", carry_over: 40% per month", 0.4, 4_000.0),
        (", carry_over: 6.4% per quarter", 0.4, 4_000.0),
        (", carry_over: 40% per month, before: 0 per month", 0.4, 0.0),
        (", carry_over: 40% per month, before: 36k per quarter", 0.4, 12_000.0),
    ],
)
def test_means_are_those_by_hand(more: str, kept: float, before: float) -> None:
    found = expected(per_period(scenario(money(more))), "leads")
    assert found == exactly(by_hand(kept, before))


def test_half_of_the_most_comes_of_steady_spend_of_half() -> None:
    given = scenario(money(", carry_over: 70% per month", "10k per month"))
    assert expected(per_period(given), "leads") == exactly([150.0] * 6)


def test_carries_over_by_time_whatever_the_period() -> None:
    given = per_period(
        scenario(money(", carry_over: 40% per month, before: 0 per month", period="week"))
    )
    spend = expected(given, "spend")
    units = np.array([7 / 31] * 4 + [3 / 31 + 4 / 28])  # January's days by weeks, and February's
    kept = 0.4 ** (7 * 12 / 365.25)
    effective = adstock(spend[None, :5] / units, np.full((1, 5), kept), np.zeros(1))[0]
    assert expected(given, "leads")[:5] == exactly(
        [curve(x) * u for x, u in zip(effective, units, strict=True)]
    )


def test_a_plan_of_costs_is_spent() -> None:
    assert expected(per_period(scenario(money())), "spend") == exactly(RAMP)
    zero = scenario(money(fixed=PLAN.replace("last", "zero")))
    assert expected(per_period(zero), "spend") == exactly([4e3, 5e3, 6e3, 0, 0, 0])
    assert expected(per_period(zero), "leads") == exactly(
        [curve(x) for x in (4e3, 5e3, 6e3, 0, 0, 0)]
    )


def test_draws_are_those_of_the_means() -> None:
    """The same bits as leads that are given as the means that the curve yields."""
    answer = scenario(money(", carry_over: 40% per month"))
    means = ", ".join(repr(x) for x in by_hand(0.4, 4_000.0))
    text = money().replace(
        "{response: {hill: {max: 300, half: 10k, shape: 1.5}}", f"{{mean: [{means}]"
    )
    one, other = (forecast.simulate(each, runs=300) for each in (answer, scenario(text)))
    np.testing.assert_array_equal(one.entered, other.entered)


@pytest.mark.parametrize(
    ("key", "low", "high", "value"),
    [("max", 200, 400, "300"), ("half", 6_000, 14_000, "10k"), ("shape", 0.5, 3.0, "1.5")],
)
def test_uncertain_curves_are_integrated(key: str, low: float, high: float, value: str) -> None:
    spread = f"{key}: {{uniform: {{low: {low}, high: {high}}}}}"
    given = per_period(scenario(money().replace(f"{key}: {value}", spread)))
    points, weights = roots_legendre(60)
    points = low + (high - low) * (points + 1) / 2
    at = {"max": 300.0, "half": 10_000.0, "shape": 1.5} | {key: points}
    most, half, shape = (np.asarray(at[name]) for name in ("max", "half", "shape"))
    exact = [
        float((weights * hill(np.full(60, x), most, half, shape)).sum() / 2)
        for x in map(float, RAMP)
    ]
    found = closed_form(given)
    assert found.how.startswith("closed form")
    np.testing.assert_allclose(found.means.leads[0].sum(axis=(1, 2)), exact, rtol=1e-9)


def test_all_of_it_uncertain_agrees_with_the_runs() -> None:
    text = money(
        ", carry_over: {amount: {beta: {won: 4, lost: 6}}, per: month}",
        "{amount: {gamma: {mean: 8k, cv: 0.3}}, per: month}",
    ).replace(
        "max: 300, half: 10k",
        "max: {gamma: {mean: 300, cv: 0.2}}, half: {gamma: {mean: 10k, cv: 0.2}}",
    )
    futures = forecast.simulate(scenario(text), runs=4_000)
    means = closed_form(scenario(text), 4_000).means.leads[0].sum(axis=(1, 2))
    leads = futures.leads.sum(["channel", "segment"]).values
    z = (leads.mean(axis=0) - means) / (leads.std(axis=0) / np.sqrt(len(leads)))
    assert np.abs(z).max() < 5.3


CHANGED = (
    money(", carry_over: {amount: {beta: {won: 4, lost: 6}}, per: month}, before: 30k per month")
    .replace("max: 300", "max: {gamma: {mean: 40, cv: 0.3}}")
    .replace("2027-01-01", "2027-01-12")
    + """
changes:
  - from: 2027-03-10
    set:
      channels.web.leads:
        {response: {hill: {max: 3, half: 700}, carry_over: 20% per week}, per: week}
      channels.web.cost.fixed: 1k per week
  - {from: 2027-05-20, set: {channels.web.leads: {mean: 5, per: month}}}
"""
)


def test_agrees_with_a_naive_simulator_across_changes() -> None:
    assert disagreements(CHANGED, naive_runs=400) == []


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        forecast.engine.response,
        "adstock",
        lambda spend, kept, before: adstock(spend, 0 * kept, before),
    )
    assert disagreements(CHANGED, naive_runs=800) != []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        (f"cost: {{fixed: {PLAN}}}", "dispersion: 0.1", "a response to money, and no fixed costs"),
        ("half: 10k", "half: 0", "hill.half: got a half of 0; must be a half above 0"),
        ("shape: 1.5", "shape: 0", "hill.shape: got a shape of 0"),
        (
            "per: month}\n    cost",
            "per: month, mean: 3}\n    cost",
            "mean and response; must be one of",
        ),
        (", then: last", "", "got a list of 3 without then; must be 6 figures"),
        ("max: 300, ", "", "got no max"),
    ],
)
def test_faults_are_told(right: str, wrong: str, told: str) -> None:
    text = money()
    assert text.count(right) == 1
    with pytest.raises(ScenarioError) as caught:
        scenario(text.replace(right, wrong))
    assert told in str(caught.value)


def test_what_is_carried_over_stays_below_everything() -> None:
    with pytest.raises(ScenarioError, match="carried over from 0 to 0"):
        scenario(money(", carry_over: 100% per month"))
