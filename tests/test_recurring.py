"""Recurring products: revenue against closed forms and against customers followed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import bound, closed_form, exactly, scenario, z_covariance, z_mean, z_moment
from scenario_maker import recurring_scenario_text
from test_naive import disagreements

import forecast
from forecast.engine.run import forecast_run
from forecast.engine.simulate import Simulator, ready
from forecast.scenario.errors import ScenarioError

COMPARISONS = 200
RUNS = 20_000
EVERYDAY, LONG = 4, 100


def plan(recurring: str, size: str = "100", more: str = "", leads: str = "10") -> str:
    """Ten leads of the first month that are all won at once."""
    return (
        "name: R\nstart: 2027-01-01\nhorizon: 4 quarters\n"
        f"channels: {{a: {{leads: {{fixed: [{leads}], per: month, then: zero}}}}}}\n"
        "journey: {lead: {won: {conversion: 100%}}}\n"
        f"products: {{p: {{size: {size}, recurring: {{{recurring}}}}}}}\n{more}"
    )


def revenue(data) -> np.ndarray:
    return data.revenue.sum(["channel", "segment", "product"]).values


CHURN = "churn: 10% per month, discount: 1% per month"
S = 0.9
FORMS = {
    "months": (
        f"every: month, {CHURN}",
        [sum(S**n for n in range(3 * q, 3 * q + 3)) for q in range(4)],
        1,
    ),
    "quarters are recognised by months": (
        f"every: quarter, {CHURN}",
        [S ** (3 * q) for q in range(4)],
        1,
    ),
    "a term of half a year": (
        f"every: month, {CHURN}, term: 6 months",
        [3.0, 3.0, 3 * S**6, 3 * S**6],
        6,
    ),
    "payments grow": (
        f"every: month, {CHURN}, expansion: 2% per month, discount: 3% per month".replace(
            "discount: 1% per month, ", ""
        ),
        [sum((S * 1.02) ** n for n in range(3 * q, 3 * q + 3)) for q in range(4)],
        1,
    ),
    "payments of a year grow once a year": (
        "every: year, churn: 50% per year, expansion: 20% per year",
        [0.25] * 4,
        1,
    ),
    "churn that differs": (
        "every: quarter, discount: 1% per month, "
        "churn: {shifted_beta_geometric: {alpha: 2, beta: 3, per: quarter}}",
        [1.0, 3 / 5, 3 / 5 * 4 / 6, 3 / 5 * 4 / 6 * 5 / 7],
        1,
    ),
    "churn that differs, between the units": (
        "every: quarter, discount: 1% per month, "
        "churn: {shifted_beta_geometric: {alpha: 1, beta: 1, per: year}}",
        [1 / (1 + q / 4) for q in range(4)],
        1,
    ),
}


@pytest.mark.parametrize(("recurring", "paid", "payments"), FORMS.values(), ids=FORMS)
def test_expected_revenue_is_the_sum_over_those_who_stay(recurring, paid, payments) -> None:
    given = scenario(plan(recurring))
    means = closed_form(given).means
    np.testing.assert_allclose(means.revenue[0, :, 0, 0, 0], 1_000 * np.array(paid), rtol=1e-10)
    assert means.bookings[0].sum() == exactly(1_000.0 * payments)
    data = forecast.simulate(given, runs=RUNS, seed=3)
    for q in range(4):
        assert abs(z_mean(revenue(data)[:, q], 1_000 * paid[q])) < bound(COMPARISONS)
    np.testing.assert_allclose(data.bookings.values[:, 0].sum((1, 2, 3)), 1_000.0 * payments)


def test_revenue_of_quarters_has_its_exact_covariance() -> None:
    # One customer pays X a quarter while it stays: Var = n (E X^2 S - (E X)^2 S^2), and for the
    # later one of two quarters Cov = n (E X^2 S2 - (E X)^2 S1 S2).
    size = "{gamma: {mean: 100, cv: 0.8}}"
    given = scenario(plan("every: quarter, churn: 30% per quarter", size, leads="40"))
    found = revenue(forecast.simulate(given, runs=RUNS, seed=5))
    stay, square = 0.7 ** np.arange(4), 100**2 * (1 + 0.8**2)
    for q in range(4):
        variance = 40 * (square * stay[q] - 100**2 * stay[q] ** 2)
        assert abs(z_moment(found[:, q], 4_000 * stay[q], 2, variance)) < bound(COMPARISONS)
        for later in range(q + 1, 4):
            means = 4_000 * stay[q], 4_000 * stay[later]
            covariance = 40 * (square * stay[later] - 100**2 * stay[q] * stay[later])
            z = z_covariance(found[:, q], found[:, later], means, covariance)
            assert abs(z) < bound(COMPARISONS)


def test_many_customers_are_as_many_as_expected() -> None:
    given = scenario(
        plan(f"every: month, {CHURN}", "{lognormal: {mean: 2, cv: 1}}", leads="1_000k")
    )
    found = revenue(forecast.simulate(given, runs=50, seed=2))
    paid = FORMS["months"][1]
    np.testing.assert_allclose(found, 2e6 * np.tile(paid, (50, 1)), rtol=0.01)


@pytest.mark.parametrize("seed", range(EVERYDAY))
def test_agrees_with_customers_one_by_one(seed: int) -> None:
    assert disagreements(recurring_scenario_text(seed), naive_runs=300) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(EVERYDAY, EVERYDAY + LONG))
def test_agrees_with_customers_one_by_one_at_length(seed: int) -> None:
    assert disagreements(recurring_scenario_text(seed), naive_runs=2_000, runs=2**15) == []


MIXED = """
name: Mixed
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: {gamma: {mean: 60, cv: 0.2}}, per: month}, cost: {per_lead: 10}}
  list: {leads: {fixed: 40, per: quarter}}
journey: {lead: {won: {conversion: {beta: {won: 20, lost: 40}}, lag: 1 month}}}
products:
  plan:
    mix: 60%
    size: {lognormal: {mean: {lognormal: {mean: 100, cv: 0.2}}, cv: 0.7}}
    recurring:
      every: month
      churn: {amount: {beta: {won: 5, lost: 95}}, per: month}
      expansion: {amount: {uniform: {low: -1%, high: 1%}}, per: month}
      discount: 2% per month
  setup: {mix: 40%, size: 300}
goals: [{metric: revenue, quarter: 2027Q4, target: 20k, confidence: 80%}]
"""


@pytest.mark.parametrize("detail", ["journey", "outcome"])
def test_runs_are_the_same_however_they_are_cut(detail: str) -> None:
    simulator: Simulator = ready(scenario(MIXED), 700, 4, 1_000, detail)
    whole = simulator.empty(700)
    simulator.into(0, whole)
    for first, count in ((0, 1), (13, 300), (500, 200)):
        part = simulator.empty(count)
        simulator.into(first, part)
        for name, array in part._asdict().items():
            wanted = getattr(whole, name)[first : first + count]
            np.testing.assert_array_equal(array, wanted, err_msg=name)
    one, two = (simulator.whole(700, threads).rows for threads in (1, 2))
    np.testing.assert_array_equal(one.revenue, two.revenue)
    np.testing.assert_array_equal(one.revenue, whole.revenue)


def test_both_details_have_the_same_law() -> None:
    given = scenario(MIXED)
    means = closed_form(given, runs=RUNS).means.revenue[0].sum(axis=(1, 2, 3))
    for detail in ("journey", "outcome"):
        data = forecast.simulate(given, runs=RUNS, seed=8, detail=detail)
        for q in range(4):
            assert abs(z_mean(revenue(data)[:, q], means[q])) < bound(COMPARISONS)
        once = data.sel(product="setup")
        np.testing.assert_array_equal(once.revenue.values, once.bookings.values)
        assert not np.array_equal(data.revenue.values, data.bookings.values)


def test_uncertain_churn_and_growth_are_integrated() -> None:
    low, high = 0.05, 0.25
    text = f"churn: {{amount: {{values: {{{low}: 50%, {high}: 50%}}}}, per: month}}"
    given = scenario(plan(f"every: month, {text}"))
    found = closed_form(given)
    assert found.how.startswith("closed form")
    paid = [
        500 * sum((1 - c) ** n for n in range(3 * q, 3 * q + 3) for c in (low, high))
        for q in range(4)
    ]
    np.testing.assert_allclose(found.means.revenue[0, :, 0, 0, 0], paid, rtol=1e-9)


def test_a_run_checks_its_revenue_and_knows_its_goals() -> None:
    outcome = forecast_run(scenario(MIXED), runs=4_000, seed=1)
    assert outcome.check.passed
    assert outcome.check.cells == 4 * 6  # deals, bookings, spend, revenue, leads, lead
    goal = outcome.scenario.goals[0]
    hits = outcome.reached(goal, (3,))
    assert 0 < hits.mean() < 1
    np.testing.assert_array_equal(hits, outcome.totals["revenue"][:, 3] >= 20_000 - 2e-5)


def test_a_change_holds_for_customers_won_from_that_day_on() -> None:
    more = "changes: [{from: 2027-04-01, set: {products.p.recurring.churn: 100% per month}}]\n"
    given = scenario(plan("every: month, churn: 0% per month, discount: 1% per month", more=more))
    old = closed_form(given).means.revenue[0].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(old, [3_000.0] * 4)
    late = scenario(
        plan(
            "every: month, churn: 0% per month, discount: 1% per month",
            more=more,
            leads="0, 0, 0, 10",
        )
    )
    new = closed_form(late).means.revenue[0].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(new, [0, 1_000, 0, 0])


def test_a_channel_and_a_segment_may_have_their_own_churn() -> None:
    text = plan("every: month, churn: 0% per month, discount: 1% per month").replace(
        "then: zero}}}", "then: zero}, products: {p: {recurring: {churn: 100% per month}}}}}"
    )
    found = closed_form(scenario(text)).means.revenue[0].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found, [1_000, 0, 0, 0])


def test_scenarios_side_by_side_may_differ_in_it() -> None:
    base = MIXED[: MIXED.index("    recurring:")] + MIXED[MIXED.index("  setup:") :]
    both = {"once": scenario(base), "again": scenario(MIXED)}
    data = forecast.simulate_many(both, runs=300, seed=4)
    for name, one in both.items():
        alone = forecast.simulate(one, runs=300, seed=4)
        for variable in ("deals", "bookings", "revenue"):
            same = data.sel(scenario=name)[variable].values, alone[variable].values
            np.testing.assert_array_equal(*same, err_msg=f"{name} {variable}")


@pytest.mark.parametrize(
    ("recurring", "said"),
    [
        ("every: month, churn: 0% per month", "a lifetime value without end"),
        (
            "every: month, churn: 1% per month, expansion: 2% per month",
            "add a discount above 0.98% per month",
        ),
        (
            "every: month, churn: {shifted_beta_geometric: {alpha: 1, beta: 2, per: month}}",
            "a lifetime value without end",
        ),
        ("every: month, churn: 5%", "Say for how long: 5% per month"),
        ("every: month, churn: 130% per month", "must be a churn from 0 to 1"),
        ("every: week, churn: 5% per month", "must be month, quarter or year"),
        ("every: quarter, churn: 5% per month, term: 1 month", "Write term: 1 quarter."),
        ("every: month, churn: 5% per month, term: 7 weeks", "Write term: 2 months."),
        ("churn: 5% per month", "no every"),
        ("every: month", "no churn"),
        (
            "every: month, churn: {shifted_beta_geometric: {alpha: 0, beta: 2, per: month}}",
            "a number from 0.001 upwards",
        ),
    ],
)
def test_says_what_is_wrong(recurring: str, said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenario(plan(recurring))
    assert said in str(error.value)


def test_a_margin_stands_once() -> None:
    given = plan(f"every: month, {CHURN}, margin: 70%")
    (product,) = scenario(given).versions[0].products["a", "all"].values()
    assert product.margin == 0.7
    with pytest.raises(ScenarioError, match="second margin"):
        scenario(given.replace("size: 100,", "size: 100, margin: 60%,"))
