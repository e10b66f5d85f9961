"""Exact chances of goals against scipy's distributions and brute-force convolution."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import (
    SCENARIOS,
    bound,
    conditional_chances,
    exact_chance,
    exactly,
    one_month,
    p_chance,
    scenario,
    with_goal,
    z_mean,
)
from scipy import stats

import forecast
from forecast.engine.assumptions import Draws
from forecast.engine.chance import ExactChances
from forecast.engine.plan import make_blueprint
from forecast.engine.run import forecast_run
from forecast.scenario.model import Scenario

QUARTER = "o: {won: {conversion: 25%}}"
POISSON, CLUMPED, FIXED = (
    "leads: {mean: 40, per: month}",
    "leads: {mean: 40, per: month}, dispersion: 0.3",
    "leads: {fixed: 40, per: month}",
)


def negative_binomial(mean: float, dispersion: float):
    size = 1.0 / dispersion
    return stats.nbinom(size, size / (size + mean))


def chance_of(leads: str, target: float, journey: str = QUARTER, metric: str = "deals") -> float:
    return exact_chance(one_month(leads, journey, with_goal(target, metric)))


# --- one kind of leads ----------------------------------------------------------------------------


@pytest.mark.parametrize("target", [1, 2, 5, 10, 17, 30, 41])
@pytest.mark.parametrize(
    ("leads", "count"),
    [
        (POISSON, stats.poisson(10.0)),
        (CLUMPED, negative_binomial(10.0, 0.3)),
        (FIXED, stats.binom(40, 0.25)),
    ],
)
def test_one_kind_of_leads(leads: str, count, target: int) -> None:
    right = float(count.sf(target - 1))
    # a chance is one less what lies below, so a small one keeps its digits only absolutely
    assert chance_of(leads, target) == pytest.approx(right, rel=1e-9, abs=1e-13)


def test_beta_binomial_by_average() -> None:
    journey = "o: {won: {conversion: {beta: {won: 6, lost: 14}}}}"
    given = one_month("leads: {fixed: 34, per: month}", journey, with_goal(10))
    rates = Draws(given, 0).draw(0, 4_096)
    (conversion,) = rates.of.values()
    found = conditional_chances(given, 4_096)[0]
    assert found == pytest.approx(stats.binom.sf(9, 34, conversion), rel=1e-9, abs=1e-13)
    assert abs(z_mean(found, float(stats.betabinom.sf(9, 34, 6, 14)))) < bound(1)


def test_thinning_over_several_periods_adds_up() -> None:
    """A year of months: clumped months are independent, so their counts are convolved."""
    given = scenario(
        "name: Year\nstart: 2027-01-01\nhorizon: 12 months\n"
        "channels: {a: {leads: {mean: 10, per: month}, dispersion: 0.5}}\n"
        "journey: {o: {won: {conversion: 50%}}}\n"
        "goals: [{metric: deals, year: 2027, target: 60, confidence: 80%}]\n"
    )
    right = stats.nbinom.sf(59, 24, 2.0 / 7.0)  # 12 months of size 2
    assert exact_chance(given) == exactly(float(right))


# --- mixtures -------------------------------------------------------------------------------------


MIXED = """
name: Mixed
start: 2027-01-01
horizon: 2 quarters
channels:
  steady: {leads: {mean: [20, 25, 30, 0, 0, 0], per: month}}
  clumped: {leads: {mean: 15, per: month}, dispersion: 0.4}
  list: {leads: {fixed: [12, 7], per: month, then: zero}}
segments:
  small: {share: 70%}
  large: {share: 30%, journey: {o: {won: {conversion: 10%}}}}
journey:
  lead: {o: {conversion: 60%, lag: {periods: {0: 0.5, 1: 0.3, 4: 0.2}}}}
  o: {won: {conversion: 30%, lag: {periods: {1: 0.5, 2: 0.5}}}}
"""


def hits_by_lead(journeys: list[tuple[float, float, float]], wanted: set[int]) -> np.ndarray:
    """Chance that a lead of each of six months is won in the wanted months."""
    lag = np.convolve([0.5, 0.3, 0.0, 0.0, 0.2], [0.0, 0.5, 0.5])
    out = np.zeros(6)
    for share, first, second in journeys:
        for month in range(6):
            for k, p in enumerate(lag):
                out[month] += share * first * second * p * (month + k in wanted)
    return out


def brute_force(chances: np.ndarray) -> np.ndarray:
    """Probabilities of the number of deals, each cohort's counts convolved."""
    n = np.arange(400)
    steady, total = [20, 25, 30, 0, 0, 0], np.zeros(1)
    total[0] = 1.0
    for month, p in enumerate(chances):
        cohorts = [stats.poisson.pmf(n, steady[month] * p)]
        if p > 0.0:
            cohorts.append(negative_binomial(15.0 * p, 0.4).pmf(n))
        if month < 2:
            cohorts.append(stats.binom.pmf(n, [12, 7][month], p))
        for cohort in cohorts:
            total = np.convolve(total, cohort)[:400]
    return total


@pytest.mark.parametrize(("label", "months"), [("2027Q1", {0, 1, 2}), ("2027Q2", {3, 4, 5})])
@pytest.mark.parametrize("target", [1, 4, 9, 15, 30])
def test_a_mixture_against_brute_force(label: str, months: set[int], target: int) -> None:
    goal = f"goals: [{{metric: deals, quarter: {label}, target: {target}, confidence: 80%}}]\n"
    chances = hits_by_lead([(0.7, 0.6, 0.3), (0.3, 0.6, 0.1)], months)
    right = 1.0 - brute_force(chances)[:target].sum()
    found = exact_chance(scenario(MIXED + goal))
    assert found == pytest.approx(right, rel=1e-9, abs=1e-13)


def test_exact_leads_of_nearly_equal_chances() -> None:
    text = (
        "name: Near\nstart: 2027-01-01\nhorizon: 1 quarter\n"
        "channels: {a: {leads: {fixed: [30, 30], per: month, then: zero}}}\n"
        "journey: {o: {won: {conversion: 20%}}}\n"
        "changes: [{from: 2027-02-01, set: {journey.o.won.conversion: 21%}}]\n"
    )
    counts = [stats.binom.pmf(np.arange(31), 30, p) for p in (0.20, 0.21)]
    right = 1.0 - np.convolve(*counts)[:13].sum()
    assert exact_chance(scenario(text + with_goal(13))) == exactly(float(right))


def test_a_mixture_against_the_runs() -> None:
    goals = "goals: [{metric: deals, every: quarter, target: 8, confidence: 80%}, " + (
        "{metric: o, every: quarter, target: 60, confidence: 80%}, "
        "{metric: leads, every: quarter, target: 130, confidence: 80%}, "
        "{metric: deals, year: 2027, target: 25, confidence: 80%}]\n"
    )
    given = scenario(MIXED + goals)
    outcome = forecast_run(given, runs=100_000, seed=2)
    compared = 0
    for (goal, label), exact in outcome.exact.items():
        assert exact is not None
        quarters = dict(goal.quarters)[label]
        reached = outcome.totals[goal.metric][:, list(quarters)].sum(axis=1) >= goal.target
        assert p_chance(reached, exact.probability) > 1e-7
        assert p_chance(reached, min(exact.probability + 0.02, 1.0)) < 1e-7
        compared += 1
    assert compared == 7


# --- goals of leads, stages and years -------------------------------------------------------------


def test_goals_of_leads_and_stages() -> None:
    steps = "lead: {o: {conversion: 40%}}, o: {won: {conversion: 50%}}"
    for target in (1, 35, 45):
        found = chance_of(POISSON, target, steps, "leads")
        assert found == pytest.approx(float(stats.poisson.sf(target - 1, 40)), rel=1e-9)
        found = chance_of(POISSON, target, steps, "lead")
        assert found == pytest.approx(float(stats.poisson.sf(target - 1, 40)), rel=1e-9)
    assert chance_of(FIXED, 15, steps, "o") == exactly(float(stats.binom.sf(14, 40, 0.4)))
    assert chance_of(FIXED, 40, steps, "leads") == 1.0
    assert chance_of(FIXED, 41, steps, "leads") == 0.0


def test_a_stage_that_two_ways_lead_to() -> None:
    journey = (
        "lead: {o: {conversion: 30%}, nurture: {share_of_rest: 50%}}, "
        "nurture: {o: {conversion: 20%}}, o: {won: {conversion: 50%}}"
    )
    chance = 0.3 + 0.35 * 0.2
    assert chance_of(FIXED, 15, journey, "o") == exactly(float(stats.binom.sf(14, 40, chance)))


def test_a_year_is_one_count() -> None:
    given = forecast.read_scenario(SCENARIOS / "lean-consulting.yaml")
    text = "goals: [{metric: deals, year: 2027, target: 10, confidence: 80%}]"
    with_year = scenario(given.text.split("goals:")[0] + text)
    assert exact_chance(with_year) == exactly(0.5938816325161258)


def test_a_loop_to_a_deal_counts_once() -> None:
    journey = "o: {o: {conversion: 50%}, won: {conversion: 20%}}"
    assert chance_of(FIXED, 16, journey) == exactly(float(stats.binom.sf(15, 40, 0.4)))


# --- where there is none, and targets at the edge -------------------------------------------------


def known(given: Scenario) -> list[bool]:
    return [exact is not None for exact in forecast_run(given, runs=10, seed=0).exact.values()]


def test_none_where_no_closed_form_is_known() -> None:
    loop = "lead: {o: {conversion: 30%}}, o: {won: {conversion: 20%}, lead: {conversion: 10%}}"
    sizes = "products: {p: {size: 10k}}\n"
    goals = "goals: [{metric: %s, quarter: 2027Q1, target: 5, confidence: 80%%}]\n"
    for metric, is_known in (
        ("lead", False),
        ("o", False),
        ("deals", True),
        ("leads", True),
        ("bookings", False),
        ("revenue", False),
    ):
        assert known(one_month(POISSON, loop, sizes + goals % metric)) == [is_known]


def test_every_wanted_goal_has_an_entry_in_order() -> None:
    given = scenario(
        MIXED + "products: {p: {size: 10k}}\ngoals:\n"
        "  - {metric: bookings, every: quarter, target: 1, confidence: 80%}\n"
        "  - {metric: deals, every: quarter, target: 5, confidence: 80%}\n"
    )
    outcome = forecast_run(given, runs=10, seed=0)
    labels = [(goal.metric, label) for goal, label in outcome.exact]
    assert labels == [(m, q) for m in ("bookings", "deals") for q in ("2027Q1", "2027Q2")]
    assert known(given) == [False, False, True, True]


@pytest.mark.parametrize("leads", [POISSON, CLUMPED, FIXED])
def test_targets_at_the_edge(leads: str) -> None:
    assert chance_of(leads, 0) == 1.0
    assert chance_of(leads, 9.5) == chance_of(leads, 10)
    assert chance_of(leads, 0.1) == chance_of(leads, 1)
    assert chance_of(leads, 2_000) == pytest.approx(0.0, abs=1e-12)


def test_nobody_comes() -> None:
    for leads in ("leads: {mean: 0, per: month}", "leads: {fixed: 0, per: month}"):
        assert chance_of(leads, 1) == 0.0
        assert chance_of(leads, 0) == 1.0


@pytest.mark.parametrize("conversion", ["0%", "100%"])
@pytest.mark.parametrize("leads", [POISSON, CLUMPED, FIXED])
def test_conversions_at_the_edge(leads: str, conversion: str) -> None:
    journey = f"lead: {{o: {{conversion: {conversion}}}}}, o: {{won: {{conversion: 100%}}}}"
    if conversion == "0%":
        journey = journey.replace(
            "o: {conversion: 0%}", "o: {conversion: 0%}, won: {conversion: 50%}"
        )
    found = chance_of(leads, 38, journey, "o")
    counts = {
        POISSON: stats.poisson(40),
        CLUMPED: negative_binomial(40.0, 0.3),
        FIXED: stats.binom(40, 1.0),
    }
    right = float(counts[leads].sf(37)) if conversion == "100%" else 0.0
    assert found == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize("target", [2_800, 2_999, 3_000, 3_001, 3_200])
def test_large_counts(target: int) -> None:
    everybody = "o: {won: {conversion: 100%}}"
    for leads, count in (
        ("leads: {mean: 3000, per: month}", stats.poisson(3_000)),
        ("leads: {mean: 3000, per: month}, dispersion: 0.01", negative_binomial(3_000.0, 0.01)),
    ):
        found = chance_of(leads, target, everybody)
        assert found == pytest.approx(float(count.sf(target - 1)), rel=1e-9, abs=1e-12)
    found = chance_of("leads: {fixed: 6000, per: month}", target, "o: {won: {conversion: 50%}}")
    right = float(stats.binom.sf(target - 1, 6_000, 0.5))
    # its terms come from log(6000!) = 46,000, whose last place is 1e-11
    assert found == pytest.approx(right, rel=1e-9, abs=1e-11)


def test_a_million_exact_leads() -> None:
    leads, journey = "leads: {fixed: 1000000, per: month}", "o: {won: {conversion: 1%}}"
    right = float(stats.binom.sf(9_999, 1_000_000, 0.01))
    assert chance_of(leads, 10_000, journey) == exactly(right)


def test_a_goal_that_would_take_too_long_is_left_out() -> None:
    given = one_month("leads: {mean: 1M, per: month}, dispersion: 0.01", more=with_goal(1_000_000))
    blueprint = make_blueprint(given)
    exact = ExactChances(blueprint, False, 1)
    tables = blueprint.maker.tables(Draws(given, 0).means())
    assert exact.of_slice(tables, 0, 1) is None
    assert list(exact.chances([]).values()) == [None]


def test_the_average_is_over_all_runs() -> None:
    given = forecast.read_scenario(SCENARIOS / "lean-consulting-uncertain.yaml")
    for runs in (3_000, 25_000):
        chances = conditional_chances(given, runs)[0]
        (exact,) = forecast_run(given, runs=runs, seed=0).exact.values()
        assert exact is not None
        assert exact.probability == exactly(chances.mean())
        assert exact.standard_error == pytest.approx(chances.std() / runs**0.5, rel=1e-6)
        assert exact.how == f"average of {runs:,} runs' exact conditional chances"


def test_a_closed_form_has_no_error() -> None:
    given = forecast.read_scenario(SCENARIOS / "lean-consulting.yaml")
    (exact,) = forecast_run(given, runs=5_000, seed=0).exact.values()
    assert exact is not None
    assert (exact.how, exact.standard_error) == ("closed form", 0.0)
