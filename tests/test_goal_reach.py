"""What it takes: exact answers are equalities, others hold the truth in their interval."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SCENARIOS, scenario
from scipy import optimize, stats

import forecast
from forecast.analysis import goal_reach
from forecast.analysis.goal_curve import Curves
from forecast.analysis.goal_reach import Answer, answers
from forecast.analysis.levers import lever
from forecast.analysis.select import goals_named
from forecast.scenario.errors import ScenarioError
from forecast.scenario.model import Scenario

LEAN, UNCERTAIN = SCENARIOS / "lean-consulting.yaml", SCENARIOS / "lean-consulting-uncertain.yaml"
FIXED, WON = "channels.list.leads.fixed", "journey.opportunity.won.conversion"
LAG = "journey.opportunity.won.lag"


def takes(
    given: Scenario, path: str, *confidences: float, runs: int = 2_000, seed: int = 0
) -> list[Answer]:
    span = goals_named(given)[0]
    return answers(Curves(lever(given, path), [span], runs, seed), span, confidences)


def values(given: Scenario, path: str, *confidences: float, **more: int) -> list[float | None]:
    found = takes(given, path, *confidences, **more)
    assert all(one.exact for one in found)
    assert all(one.low == one.value == one.high for one in found)
    return [one.value for one in found]


def lean(**sets: str) -> Scenario:
    return forecast.read_scenario(LEAN, {key.replace("__", "."): v for key, v in sets.items()})


# --- equalities


@pytest.mark.parametrize("path", [FIXED, "channels.list.leads", "channels.*.leads"])
def test_fixed_opportunities(path: str) -> None:
    assert values(lean(), path, 0.5, 0.8, 0.9, 0.95) == [32, 40, 45, 49]


@pytest.mark.parametrize("seed", [0, 1, 2027])
def test_fixed_opportunities_at_an_uncertain_rate(seed: int) -> None:
    given = forecast.read_scenario(UNCERTAIN)
    assert values(given, FIXED, 0.5, 0.8, 0.9, 0.95, seed=seed) == [33, 49, 61, 75]


def test_a_goal_on_money_of_one_size() -> None:
    goal = "[{metric: bookings, quarter: 2027Q2, target: 2M, confidence: 80%}]"
    given = lean(goals=goal, journey__opportunity__won__conversion="20%")
    assert values(given, FIXED, 0.49994, 0.5, 0.8, 0.9) == [133, 134, 154, 166]
    (half,) = takes(given, FIXED, 0.49994)
    assert half.chance == pytest.approx(0.49995, abs=5e-6)


def test_a_plan_of_several_figures_counts_by_its_total() -> None:
    given = lean(channels__list__leads="{fixed: [12, 10, 12], per: month, then: zero}")
    assert values(given, FIXED, 0.5, 0.8, 0.9, 0.95) == [32, 40, 45, 49]


def test_what_is_more_than_enough_may_fall() -> None:
    assert values(lean(channels__list__leads__fixed="[400]"), FIXED, 0.8) == [40]


def test_a_conversion_is_that_of_the_binomial() -> None:
    for confidence, found in zip((0.5, 0.9), values(lean(), WON, 0.5, 0.9), strict=True):
        right = optimize.brentq(lambda p, c=confidence: stats.binom.sf(9, 34, p) - c, 0.01, 0.99)
        assert found == pytest.approx(right, rel=1e-8)
        assert stats.binom.sf(9, 34, found) >= confidence


def test_an_uncertain_conversion_is_moved_in_its_mean() -> None:
    given = forecast.read_scenario(UNCERTAIN)
    right = optimize.brentq(
        lambda m: stats.betabinom.sf(9, 34, 20 * m, 20 * (1 - m)) - 0.8, 0.05, 0.95
    )
    assert values(given, WON, 0.8)[0] == pytest.approx(right, rel=1e-7)


def test_random_leads_are_those_of_the_poisson() -> None:
    given = lean(channels__list__leads="{mean: [34, 0, 0, 0], per: quarter}")
    (found,) = values(given, "channels.list.leads.mean", 0.8)
    right = optimize.brentq(lambda m: stats.poisson.sf(9, 0.3 * m) - 0.8, 1.0, 100.0)
    assert found == pytest.approx(right, rel=1e-8)


def test_a_lag_has_to_fall() -> None:
    given = lean(journey__opportunity__won__lag="{gamma: {mean: 6 months, cv: 0.5}}")
    late = lean(journey__opportunity__won__lag="{gamma: {mean: 12 months, cv: 0.5}}")
    (one,), (other,) = (takes(each, LAG, 0.05) for each in (given, late))
    assert one.which == other.which == "largest"
    assert one.value == pytest.approx(other.value, rel=1e-6)
    assert one.value is not None
    reached = lever(given, LAG)
    chances = [
        Curves(reached, goals_named(given), 100, 0).at(goals_named(given)[0], x).probability
        for x in (one.value, one.value * 1.001)
    ]
    assert chances[0] >= 0.05 > chances[1]


@pytest.mark.parametrize("figures", ["0", "[0]", "[0, 0]"])
def test_leads_that_are_not_yet_there(figures: str) -> None:
    given = lean(channels__list__leads=f"{{fixed: {figures}, per: month, then: zero}}")
    assert values(given, FIXED, 0.5, 0.8, 0.9) == [32, 40, 45]


def test_a_conversion_of_nothing_is_raised_from_nothing() -> None:
    given = lean(journey__opportunity__won__conversion="0%")
    assert values(given, WON, 0.8) == pytest.approx(values(lean(), WON, 0.8), rel=1e-9)


# --- what cannot be reached


def test_out_of_reach_with_the_best_that_can_be() -> None:
    few = lean(channels__list__leads__fixed="[11]")
    found = takes(few, WON, 0.8, 0.999999)
    assert found[0].value == pytest.approx(
        optimize.brentq(lambda p: stats.binom.sf(9, 11, p) - 0.8, 0.1, 0.99), rel=1e-8
    )
    (none,) = takes(lean(channels__list__leads__fixed="[9]"), WON, 0.8)
    assert (none.value, none.low, none.exact) == (None, None, True)
    assert none.best == pytest.approx(0.0, abs=1e-12)


def test_the_best_between_two_values_is_found() -> None:
    """Too short a lag wins the deals a quarter too early, too long a one too late."""
    given = lean(journey__opportunity__won__lag="3 months")
    (found,) = takes(given, LAG, 0.99)
    lags = np.linspace(60, 120, 41)
    curves = Curves(lever(given, LAG), goals_named(given), 100, 0)
    best = max(curves.at(goals_named(given)[0], x).probability for x in lags)
    assert found.value is None
    assert found.best == pytest.approx(best, abs=0.01)


def test_now_may_be_the_best() -> None:
    given = lean(
        journey__opportunity__won__lag="{fixed: 3 months}",
        channels__list__leads="{fixed: [34, 0], per: month, then: zero}",
        period="day",
    )
    (found,) = takes(given, LAG, 0.99)
    assert (found.value, found.exact) == (None, True)
    assert found.best == pytest.approx(0.5938816325161258, rel=1e-9)
    (some,) = takes(given, LAG, 0.5)
    assert some.value is not None
    assert some.value < 91.3125


def test_a_lever_without_effect() -> None:
    path = "products.engagement.size"
    (some,), (none,) = takes(lean(), path, 0.5), takes(lean(), path, 0.8)
    assert (some.value, some.which) == (75_000, "no effect")
    assert (none.value, none.which) == (None, "no effect")
    assert none.best == pytest.approx(0.5938816325161258, rel=1e-9)


def test_what_cannot_be_moved_at_all_says_why() -> None:
    given = forecast.read_scenario(SCENARIOS / "saas-funnel.yaml")
    with pytest.raises(ScenarioError, match="shares that sum to"):
        takes(given, "segments.small.share", 0.8)


# --- by simulation

REVENUE = """
name: Revenue of a Poisson number of lognormal deals
start: 2027-01-01
horizon: 3 months
channels: {{a: {{leads: {{mean: 9, per: quarter}}}}}}
journey: {{o: {{won: {{conversion: 100%}}}}}}
products: {{p: {{size: {{lognormal: {{mean: 50_000, cv: 0.8}}}}}}}}
market: {market}
goals: [{{metric: revenue, quarter: 2027Q1, target: {target}, confidence: 80%}}]
"""
MU, SIGMA = 10.57243016349223, 0.7033464593186682
MEAN, CONFIDENCES = "channels.a.leads.mean", (0.5, 0.8, 0.9)
CERTAIN, SHARED = "1", "{lognormal: {mean: 1, cv: 0.2}}"


def sum_chances(target: float, most: int) -> np.ndarray:
    """P(sum of n sizes < target), n = 0 .. most - 1, by convolution on a fine grid."""
    step, cells = target / 20_000, 1 << 15
    edges = np.concatenate([[0.0], (np.arange(cells) + 0.5) * step])
    masses = np.diff(stats.lognorm.cdf(edges, SIGMA, scale=np.exp(MU)))
    transform = np.fft.rfft(masses, 4 * cells)
    total, found = np.ones_like(transform), [1.0]
    for _ in range(most - 1):
        total = np.fft.rfft(np.fft.irfft(total * transform)[:cells], 4 * cells)
        below = np.fft.irfft(total)[:20_001]
        found.append(float(below[:-1].sum() + 0.5 * below[-1]))
    return np.array(found)


def truth(market: str, target: float) -> list[float]:
    """The mean numbers of deals that reach the confidences."""
    below = sum_chances(target, 120)
    scores, weights = np.polynomial.hermite_e.hermegauss(40)
    sigma = np.sqrt(np.log1p(0.04)) if market == SHARED else 0.0
    factors = np.exp(sigma * scores - 0.5 * sigma**2)

    def chance(mean: float) -> float:
        missed = [stats.poisson.pmf(np.arange(120), mean * f) @ below for f in factors]
        return 1.0 - float(weights @ missed / weights.sum())

    return [optimize.brentq(lambda m, c=c: chance(m) - c, 2.0, 30.0) for c in CONFIDENCES]


def held(market: str, target: float, runs: int, seeds: int) -> np.ndarray:
    """How often the interval of each confidence holds the truth."""
    given = scenario(REVENUE.format(market=market, target=target))
    right = truth(market, target)
    moved, count = lever(given, MEAN), np.zeros(len(right), dtype=int)
    span = goals_named(given)[0]
    for seed in range(seeds):
        for i, one in enumerate(answers(Curves(moved, [span], runs, seed), span, CONFIDENCES)):
            assert not one.exact
            assert one.low is not None
            assert one.high is not None
            assert one.value is not None
            assert one.low < one.value < one.high
            assert one.high - one.low < 0.4 * one.value
            count[i] += one.low <= right[i] <= one.high
    return count


@pytest.mark.parametrize("market", [CERTAIN, SHARED])
def test_intervals_hold_the_truth(market: str) -> None:
    assert held(market, 500_000, 1_000, 12).min() >= 10


@pytest.mark.long
@pytest.mark.parametrize("market", [CERTAIN, SHARED])
def test_intervals_hold_the_truth_in_most_of_200_seeds(market: str) -> None:
    assert held(market, 500_000, 4_000, 200).min() >= 188


@pytest.mark.parametrize("runs", [1, 2, 5, 40])
def test_few_runs_give_no_bound_that_they_cannot(runs: int) -> None:
    given = scenario(REVENUE.format(market=CERTAIN, target=500_000))
    (found,) = takes(given, MEAN, 0.8, runs=runs)
    assert found.value is not None
    assert found.low is None or found.low < found.value
    assert found.high is None or found.high > found.value
    assert (found.high is None) == (runs < 20)


def test_every_value_has_the_random_numbers_of_a_forecast() -> None:
    given = scenario(REVENUE.format(market=SHARED, target=500_000))
    moved, span = lever(given, MEAN), goals_named(given)[0]
    curves = Curves(moved, [span], 600, 4)
    for value in (7.0, 9.0, 12.5):
        revenue = forecast.simulate(moved.at(value), runs=600, seed=4, detail="outcome").bookings
        right = float((revenue.sum(["quarter", "channel", "segment", "product"]) >= 5e5).mean())
        assert curves.at(span, value).probability == right


def test_the_interval_is_no_wider_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goal_reach, "DOUBT", 0.1)
    assert held(CERTAIN, 500_000, 1_000, 12).sum() < 12


def test_averages_over_the_runs_come_close_to_the_exact_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = forecast.read_scenario(UNCERTAIN, {FIXED: "[100]", "goals": _goal(30)})
    exact = values(given, FIXED, 0.5, 0.8)
    monkeypatch.setattr("forecast.analysis.goal_chance.AGREED", -1.0)
    for one, right in zip(takes(given, FIXED, 0.5, 0.8, runs=4_000), exact, strict=True):
        assert not one.exact
        assert one.value == int(one.value or 0)
        assert (one.low or 0) - 1 <= (right or 0) <= (one.high or 0)


def _goal(target: int) -> str:
    return f"[{{metric: deals, quarter: 2027Q2, target: {target}, confidence: 80%}}]"


def test_a_chance_that_stops_being_exact_is_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    given = forecast.read_scenario(UNCERTAIN)
    span = goals_named(given)[0]
    curves = Curves(lever(given, FIXED), [span], 1_000, 0)
    assert curves.exact
    monkeypatch.setattr("forecast.analysis.goal_chance.AGREED", -1.0)
    (found,) = answers(curves, span, [0.8])
    assert not found.exact
    assert found.value == pytest.approx(49, abs=2)


def test_simulated_values_of_a_hurting_lever_are_the_largest() -> None:
    given = lean(
        goals="[{metric: bookings, quarter: 2027Q2, target: 300k, confidence: 80%}]",
        products__engagement__size="{gamma: {mean: 75k, cv: 0.5}}",
        journey__opportunity__won__lag="{gamma: {mean: 6 months, cv: 0.3}}",
    )
    (found,) = takes(given, LAG, 0.6, runs=1_000)
    assert found.which == "largest"
    low, value, high = (x or 0.0 for x in (found.low, found.value, found.high))
    assert 91 < low < value < high < 300


def test_capacity_is_a_lever_like_others() -> None:
    given = lean(capacity="{opportunity: {per_period: 6}}")
    half, most = takes(given, "capacity.opportunity.per_period", 0.5, 0.8, runs=4_000)
    assert not half.exact
    assert half.value is not None
    assert 34 / 3 - 2 < half.value < 34 / 3 + 1
    assert most.value is None
    assert most.best == pytest.approx(0.5938816, abs=0.04)  # of all 34, worked at once


def test_the_dataset_of_what_it_takes() -> None:
    from forecast.analysis.goals import goal_reach as reach

    found = reach(lean(), [FIXED, WON], [0.8, 0.95])
    assert dict(found.sizes) == {"goal": 1, "confidence": 2, "assumption": 2}
    assert found.value.sel(assumption=FIXED).values.ravel().tolist() == [40, 49]
    assert found.exact.all()
    assert found.latest_period.values.ravel().tolist() == ["2027-03"] * 4
