"""Deals that close by the calendar, against quadrature, laws of the clock and naive leads."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import closed_form, exact_chance, expected, per_period, scenario
from scipy import stats
from scipy.special import roots_legendre
from test_naive import disagreements

import forecast
from forecast.engine import lags
from forecast.engine.assumptions import Values
from forecast.engine.closing import closing_below
from forecast.engine.lags import lag_chances
from forecast.scenario.errors import ScenarioError
from forecast.scenario.families import build
from forecast.scenario.model import Variable

NOTHING = Values({})
LAGS = {
    "gamma": build("gamma", {"mean": 75.0, "cv": 0.6}),
    "lognormal": build("lognormal", {"median": 20.0, "p90": 60.0}),
    "fixed": build("fixed", {"value": 45.0}),
    "none": build("fixed", {"value": 0.0}),
    "uniform": build("uniform", {"low": 10.0, "high": 200.0}),
    "weibull": build("weibull", {"mean": 90.0, "cv": 1.4}),
}
MONTH = 365.25 / 12


@pytest.mark.parametrize("offset", [0.0, 0.4])
@pytest.mark.parametrize("name", LAGS)
def test_an_even_clock_is_none(name: str, offset: float) -> None:
    lag = Variable(LAGS[name])
    even = closing_below(lag, NOTHING, np.ones((1, 24)), MONTH, offset)
    plain = np.cumsum(lag_chances(lag, NOTHING, 24, MONTH, offset), axis=1)[:, :-1]
    np.testing.assert_allclose(even, plain, atol=1e-12)


@pytest.mark.parametrize("begin", [0, 1, 2])
@pytest.mark.parametrize("offset", [0.0, 0.4])
@pytest.mark.parametrize("name", ["gamma", "lognormal", "uniform"])
def test_chances_are_those_averaged_over_the_entry(name: str, offset: float, begin: int) -> None:
    """P(at most k) as the mean over entry times of F(what the clock runs until then)."""
    speed = np.array([(0.6, 0.0, 2.4)[(begin + k) % 3] for k in range(12)])
    found = closing_below(Variable(LAGS[name]), NOTHING, speed[None], MONTH, offset)[0]
    nodes, weights = roots_legendre(400)
    u = offset + (1.0 - offset) * (nodes + 1.0) / 2.0
    for k in range(12):
        run = speed[0] * (1.0 - u) + speed[1 : k + 1].sum()
        exact = (weights * LAGS[name].cdf(run * MONTH)).sum() / 2.0
        assert found[k] == pytest.approx(exact, abs=2e-6)


def test_nothing_closes_while_the_clock_stands() -> None:
    speed = np.array([[0.0, 1.5, 1.5, 0.0, 1.5, 1.5]])
    found = closing_below(Variable(LAGS["gamma"]), NOTHING, speed, MONTH, 0.0)[0]
    run = np.array([0.0, 1.5, 3.0, 3.0, 4.5, 6.0]) * MONTH
    np.testing.assert_allclose(found, LAGS["gamma"].cdf(run), rtol=1e-12)
    at_once = closing_below(Variable(LAGS["none"]), NOTHING, speed, MONTH, 0.0)[0]
    np.testing.assert_array_equal(at_once, 1.0)


TEXT = """
name: Clock
start: {start}
horizon: {horizon}
period: {period}
fiscal_year_start: {year}
channels:
  web: {{leads: {leads}}}
journey:
  lead: {{talk: {{conversion: 50%, lag: 3 weeks}}}}
  talk:
    won: {{conversion: 40%, lag: {lag}}}
    lost: {{lag: 1 month}}
{closing}
"""
CLOSING = "closing: {month_of_quarter: [0.7, 0.9, 1.4]}"


def text(**over: str) -> str:
    plain = {
        "start": "2027-01-01",
        "horizon": "4 years",
        "period": "month",
        "year": "january",
        "leads": "{mean: [100, 100, 100], per: month, then: zero}",
        "lag": "{gamma: {mean: 75 days, cv: 0.6}}",
        "closing": CLOSING,
    }
    return TEXT.format(**(plain | over))


@pytest.mark.parametrize("period", ["month", "week"])
@pytest.mark.parametrize("factors", ["[0.7, 0.9, 1.4]", "[0, 0, 5]", "[1, 0, 2]"])
def test_no_deal_is_gained_or_lost(factors: str, period: str) -> None:
    uneven = scenario(text(closing=f"closing: {{month_of_quarter: {factors}}}", period=period))
    plain = scenario(text(closing="", period=period))
    one, other = (expected(each, "entered")[:, -2:] for each in (uneven, plain))
    np.testing.assert_allclose(one.sum(axis=0), other.sum(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(one[:, 1], other[:, 1])  # lost ones go by the plain clock
    assert np.abs(one[:, 0] - other[:, 0]).max() > 0.01 * other[:, 0].sum()


@pytest.mark.parametrize(("year", "third"), [("january", 2), ("february", 0)])
def test_months_close_in_proportion_where_the_flow_is_steady(year: str, third: int) -> None:
    """A lag uniform over whole quarters keeps as many deals alive at all times: see the clock."""
    lag = "{uniform: {low: 0 days, high: 9 months}}"
    given = scenario(text(leads="{mean: 100, per: month}", lag=lag, year=year))
    journey = per_period(given)
    deals = (
        closed_form(journey).means.deals[0].sum(axis=(1, 2, 3))[15:45].reshape(-1, 3).sum(axis=0)
    )
    shares = np.roll(np.array([0.7, 0.9, 1.4]) / 3.0, third - 2)
    np.testing.assert_allclose(deals / deals.sum(), shares, rtol=1e-9)


def test_only_the_ratios_of_the_factors_count() -> None:
    one, other = (
        expected(scenario(text(closing=f"closing: {{month_of_quarter: {f}}}")), "deals")
        for f in ("[0.7, 0.9, 1.4]", "[7, 9, 14]")
    )
    np.testing.assert_allclose(one, other, atol=1e-10)


def test_whole_periods_stay_exact() -> None:
    lag = "{periods: {1: 40%, 2: 60%}}"
    one, other = (expected(scenario(text(lag=lag, closing=c)), "deals") for c in (CLOSING, ""))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("detail", ["journey", "outcome"])
@pytest.mark.parametrize(
    "lag",
    [
        "gamma: {mean: 75 days, cv: 0.6}",
        "gamma: {mean: {gamma: {mean: 75 days, cv: 0.2}}, cv: 0.6}",
    ],
)
def test_runs_agree_with_the_closed_form(detail: str, lag: str) -> None:
    """With certain lags the outcome's deals come of polynomials, else of the flow."""
    given = scenario(text(horizon="6 quarters", lag=f"{{{lag}}}"))
    deals = (
        forecast.simulate(given, runs=8_000, detail=detail)
        .deals.sum(["channel", "segment", "product"])
        .values
    )
    means = closed_form(given, 8_000).means.deals[0].sum(axis=(1, 2, 3))
    z = (deals.mean(axis=0) - means) / (deals.std(axis=0) / np.sqrt(len(deals)) + 1e-9)
    assert np.abs(z).max() < 5.3


def test_the_exact_chance_goes_by_the_clock() -> None:
    goal = "goals: [{metric: deals, quarter: 2027Q1, target: 5, confidence: 80%}]"
    given = scenario(
        text(leads="{fixed: [60], per: month, then: zero}", closing=f"{CLOSING}\n{goal}")
    )
    chance = exact_chance(given)
    p = expected(given, "deals")[0] / 60.0
    assert chance == pytest.approx(stats.binom(60, p).sf(4), rel=1e-9)


HARD = {
    "a month that stands still, after a start in mid-month": text(
        start="2027-02-11",
        horizon="10 months",
        leads="{mean: 4, per: month}",
        closing="closing: {month_of_quarter: [1, 0, {gamma: {mean: 2, cv: 0.4}}]}",
        lag="{gamma: {mean: {gamma: {mean: 75 days, cv: 0.3}}, cv: 0.6}}",
        year="february",
    ),
    "weeks, and a lag that changes": text(
        period="week", horizon="26 weeks", leads="{mean: 4, per: month}"
    )
    + "changes: [{from: 2027-03-10, set: {journey.talk.won.lag: 20 days}}]\n",
    "days": text(period="day", horizon="100 days", leads="{mean: 8, per: month}", lag="20 days"),
}


@pytest.mark.parametrize("given", HARD.values(), ids=HARD)
def test_agrees_with_a_naive_simulator(given: str) -> None:
    assert disagreements(given, naive_runs=400) == []


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    right = lags.closing_below

    def slow(*given: object) -> np.ndarray:
        return right(*given[:2], np.ones_like(given[2]), *given[3:])

    monkeypatch.setattr(lags, "closing_below", slow)
    assert disagreements(HARD["a month that stands still, after a start in mid-month"], 2_000) != []


@pytest.mark.parametrize(
    ("closing", "told"),
    [
        ("[1, 2]", "got a list of 2; must be three factors"),
        ("[1, 2, 3, 4]", "closing.month_of_quarter"),
        ("[0, 0, 0]", "got nothing but zeros; must be a factor above 0"),
        ("[1, -1, 2]", "a factor from 0"),
        ("2", "closing.month_of_quarter: got 2; must be a list of factors"),
    ],
)
def test_faults_are_told(closing: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(text(closing=f"closing: {{month_of_quarter: {closing}}}"))
    assert told in str(caught.value)


def test_holds_for_the_whole_scenario() -> None:
    change = "changes: [{from: 2027-03-10, set: {closing.month_of_quarter: [1, 1, 2]}}]"
    with pytest.raises(ScenarioError, match="Take closing out of set"):
        scenario(text(closing=f"{CLOSING}\n{change}"))
