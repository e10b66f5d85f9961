"""Cases with exact answers: closed forms to 1e-9, simulations by their own Monte Carlo error.

Most carry the answer of a usual mistake too, to be rejected. Deals and money hold in both details.

Not here: O09 (a queue before a capacity: the language has no capacity yet) and, of O20 and O22,
what is about scores and backtests rather than forecasts (proper scores, coverage bands, power,
Clopper-Pearson limits, which a forecast does not print, and the DKW envelopes of samplers).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import (
    SCENARIOS,
    bound,
    conditional_chances,
    entered,
    exact_chance,
    exactly,
    expected,
    one_month,
    p_chance,
    per_period,
    scenario,
    total,
    with_goal,
    z_covariance,
    z_mean,
    z_moment,
)
from oracles import (
    O01,
    O02,
    O03,
    O04,
    O05,
    O06,
    O07,
    O11,
    O12,
    O14,
    O18,
    O20,
    O22,
    SHARED_FACTOR,
    delayed,
    loop,
    negative_binomial_lag,
    queue,
)
from scipy import stats

import forecast
from forecast.analysis.ranks import quantile_rank, rank_interval
from forecast.analysis.summary import chance_error
from forecast.engine.run import forecast_run
from forecast.scenario.model import Scenario

RUNS = 200_000
COMPARISONS = 600  # more than this file makes
BOUND = bound(COMPARISONS)
RARE = 1e-6 / COMPARISONS
PARTS = ["channel", "segment", "product"]  # of deals, beside run and quarter


def moments_of(right: dict) -> tuple[float, float, float]:
    """The second, third and fourth central moment."""
    sd = right["sd"]
    return sd**2, right["skew"] * sd**3, (right["excess_kurtosis"] + 3.0) * sd**4


@pytest.fixture(params=["journey", "outcome"])
def detail(request) -> str:
    return request.param


def simulated(given: Scenario, detail: str = "journey", runs: int = RUNS):
    return forecast.simulate(given, runs=runs, seed=1, detail=detail)


def check_moments(values: np.ndarray, mean: float, *central: float) -> None:
    """Hold a mean and the central moments from the second on against what is exact."""
    assert abs(z_mean(values, mean)) < BOUND
    for power, moment in enumerate(central, start=2):
        assert abs(z_moment(values, mean, power, moment)) < BOUND


# --- O01, O04: a goal, and a rate that is known or read off few cases ---------------------------


def lean(name: str, leads: int = 34) -> Scenario:
    path = SCENARIOS / f"{name}.yaml"
    return forecast.read_scenario(path, {"channels.list.leads.fixed": f"[{leads}]"})


def test_o01_exact_chance_and_fewest_opportunities() -> None:
    right = O01["expected"]
    assert exact_chance(lean("lean-consulting")) == exactly(right["p_ge_goal"])
    for confidence, n in right["smallest_n"].items():
        at = exact_chance(lean("lean-consulting", n))
        assert at == exactly(right["p_ge_goal_at_smallest_n"][confidence])
        assert exact_chance(lean("lean-consulting", n - 1)) < confidence <= at


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("lean-consulting", O01["expected"], O04["expected"]),
        # a rate drawn anew for every lead
        ("lean-consulting-uncertain", O04["expected"], O01["expected"]),
    ],
)
def test_o01_o04_simulated(name: str, right: dict, wrong: dict, detail: str) -> None:
    deals = total(simulated(lean(name), detail), "deals")
    check_moments(deals, right["mean"], right["var"])
    assert abs(z_moment(deals, right["mean"], 2, wrong["var"])) > BOUND
    assert p_chance(deals >= 10, right["p_ge_goal"]) > RARE
    assert p_chance(deals >= 10, wrong["p_ge_goal"]) < RARE


def test_o04_is_beta_binomial(detail: str) -> None:
    deals = total(simulated(lean("lean-consulting-uncertain"), detail), "deals")
    for count, chance in enumerate(stats.betabinom.pmf(np.arange(35), 34, 6, 14)):
        assert p_chance(deals == count, chance) > RARE


def test_o04_average_of_exact_chances() -> None:
    right = O04["expected"]
    chances = conditional_chances(lean("lean-consulting-uncertain"), 16_384)[0]
    assert abs(z_mean(chances, right["p_ge_goal"])) < BOUND
    assert abs(z_mean(chances, O01["expected"]["p_ge_goal"])) > BOUND
    for confidence, n in right["smallest_n"].items():
        before, at = (
            conditional_chances(lean("lean-consulting-uncertain", size), 16_384)[0].mean()
            for size in (n - 1, n)
        )
        assert before < confidence <= at


def test_the_examples_show_the_published_chances() -> None:
    outcome = forecast_run(lean("lean-consulting"), runs=100, seed=0)
    (exact,) = outcome.exact.values()
    assert exact is not None
    assert (exact.probability, exact.how) == (exactly(O01["expected"]["p_ge_goal"]), "closed form")
    uncertain = lean("lean-consulting-uncertain")
    (exact,) = forecast_run(uncertain, runs=10_000, seed=0).exact.values()
    assert exact is not None
    assert exact.how == "average of 10,000 runs' exact conditional chances"
    # what 10,000 independent runs would be off by is far more than what these are
    error = conditional_chances(uncertain, 10_000)[0].std() / 100.0
    assert abs(exact.probability - O04["expected"]["p_ge_goal"]) < error


# --- O02, O03, O05: counts and their sums ---------------------------------------------------------


STEPS = "lead: {o: {conversion: 30%}}, o: {won: {conversion: 25%}}"


def test_o02_exact() -> None:
    right = O02["expected"]
    at_least = [
        exact_chance(one_month("leads: {mean: 120, per: month}", STEPS, with_goal(k)))
        for k in range(1, 16)
    ]
    assert at_least[9] == exactly(right["p_ge_goal"])
    assert 1.0 - at_least[0] == pytest.approx(right["p_zero"], rel=1e-9)
    for level in (10, 50, 90):
        k = int(right[f"q{level}"])  # the smallest k with P(deals <= k) >= level
        assert 1.0 - at_least[k - 1] < level / 100 <= 1.0 - at_least[k]


def test_o02_simulated(detail: str) -> None:
    right = O02["expected"]
    data = simulated(one_month("leads: {mean: 120, per: month}", STEPS), detail)
    won = data.deals.sum(PARTS).values[:, 0]
    check_moments(won, right["mean"], right["var"])
    assert p_chance(won == 0, right["p_zero"]) > RARE
    assert p_chance(won >= 10, right["p_ge_goal"]) > RARE
    if detail == "outcome":
        return
    lost = entered(data, "lost")[:, 0]
    means = right["mean"], 120.0 - right["mean"]
    assert abs(z_covariance(won, lost, means, right["cov_won_lost"])) < BOUND
    thinned = 120 * 0.075 * 0.925  # a fixed number of leads
    assert z_covariance(won, lost, means, -thinned) > BOUND


def test_o20_coverage_of_a_perfect_interval(detail: str) -> None:
    data = simulated(one_month("leads: {mean: 9, per: month}"), detail)
    won = data.deals.values.ravel()
    low, high = (np.sort(won)[quantile_rank(RUNS, level) - 1] for level in (10, 90))
    right = O20["expected"]["exact_coverage_of_nominal_80_interval_poisson9"]
    assert p_chance((low <= won) & (won <= high), right) > RARE
    assert p_chance((low <= won) & (won <= high), 0.8) < RARE


def test_o03_compound_poisson_lognormal(detail: str) -> None:
    right = O03["expected"]
    sizes = "products: {p: {size: {lognormal: {mean: 50k, cv: 0.8}}}}\n"
    given = one_month("leads: {mean: 9, per: month}", more=sizes)
    assert expected(given, "bookings").sum() == exactly(right["mean"])
    bookings = total(simulated(given, detail), "bookings")
    check_moments(bookings, right["mean"], *moments_of(right))
    assert p_chance(bookings == 0.0, right["p_zero"]) > RARE
    assert z_moment(bookings, right["mean"], 2, 9.0 * 50e3**2) > BOUND  # deals times mean size


def test_o05_negative_binomial(detail: str) -> None:
    right, leads = O05["expected"], "leads: {mean: 120, per: month}, dispersion: 0.25"
    at_least = {
        k: exact_chance(one_month(leads, STEPS, with_goal(k))) for k in (1, 2, 3, 10, 19, 20)
    }
    assert at_least[10] == exactly(right["p_ge_goal"])
    assert 1.0 - at_least[1] == pytest.approx(right["p_zero"], rel=1e-9)
    assert 1.0 - at_least[2] < 0.05 <= 1.0 - at_least[3]
    assert 1.0 - at_least[19] < 0.95 <= 1.0 - at_least[20]
    won = simulated(one_month(leads, STEPS), detail).deals.values.ravel()
    check_moments(won, right["mean"], right["var"])
    for hits, name in ((won == 0, "p_zero"), (won >= 10, "p_ge_goal")):
        assert p_chance(hits, right[name]) > RARE
        assert p_chance(hits, O02["expected"][name]) < RARE  # Poisson leads of the same mean


# --- O06, O07, O12: time ------------------------------------------------------------------------


def test_o06_exact() -> None:
    right, given = O06["expected"], scenario(delayed(negative_binomial_lag()))
    assert given.calendar.quarter_of == tuple(w // 13 for w in range(104))
    deals = expected(given, "deals")
    assert deals[:6] == pytest.approx(right["deals_per_quarter"], rel=1e-9, abs=0.0)
    assert deals.sum() == exactly(right["total"])
    assert deals[:2].sum() / deals.sum() == exactly(right["share_in_first_two_quarters"])
    assert exact_chance(given) == exactly(right["p_ge_10_in_q1"])
    # the second lag always near its mean of 6.5 weeks
    moved = expected(scenario(delayed("6: 0.5, 7: 0.5")), "deals")
    assert abs(moved[0] / right["deals_per_quarter"][0] - 1.0) > 0.01


def test_o06_simulated(detail: str) -> None:
    right = O06["expected"]
    data = simulated(scenario(delayed(negative_binomial_lag())), detail, runs=100_000)
    won = data.deals.sum(PARTS).values
    for q, mean in enumerate(right["deals_per_quarter"][:4]):
        check_moments(won[:, q], mean, mean, mean)  # Poisson
    rare = stats.poisson.sf(0, right["deals_per_quarter"][4])
    assert p_chance(won[:, 4] > 0, float(rare)) > RARE
    assert p_chance(won[:, 1] >= 10, right["p_ge_10_in_q1"]) > RARE
    means = tuple(right["deals_per_quarter"][:2])
    assert abs(z_covariance(won[:, 0], won[:, 1], means, right["cov_q0_q1"])) < BOUND
    at_mean_lag = 0.075 * (10.0 + 10.5)  # all 11 weeks later, the mean 10.8 rounded
    assert z_mean(won[:, 0], at_mean_lag) > BOUND


def test_o07_exact() -> None:
    right, weeks = O07["expected"], np.arange(420)
    chances = expected(per_period(scenario(loop(420))), "entered") / 1000.0
    attempt, won, lost = chances[:, 0], chances[:, 2], chances[:, 3]
    assert won.sum() == exactly(right["p_win"])
    assert lost.sum() == exactly(right["p_lose"])
    assert attempt.sum() == exactly(right["mean_attempts"])
    mean = weeks @ won / won.sum()
    assert mean == exactly(right["mean_weeks_to_win_given_win"])
    spread = (weeks - mean) ** 2 @ won / won.sum()
    assert spread == exactly(right["var_weeks_given_win"])
    for week, chance in right["p_win_by_week"].items():
        assert won[: week + 1].sum() == exactly(chance)
    assert won[:19].sum() == exactly(right["p_win_max_3_attempts"])
    assert 0.97**weeks @ won == exactly(right["pgf_at_0_97"])
    # an 11th attempt begins in week 80
    assert attempt[80] == exactly(right["p_still_open_after_10_attempts"])


def test_o07_simulated(detail: str) -> None:
    right = O07["expected"]
    data = simulated(per_period(scenario(loop(90))), detail, runs=2_000)
    won = data.deals.sum(PARTS).values
    leads = 2_000 * 1_000  # independent of each other
    for week, chance in right["p_win_by_week"].items():
        hits = int(won[:, : week + 1].sum())
        assert stats.binomtest(hits, leads, chance).pvalue > RARE
        assert stats.binomtest(hits, leads, 0.2).pvalue < RARE  # one attempt, no loop
    if detail == "outcome":
        return
    attempts, chance = entered(data, "attempt"), right["p_still_open_after_10_attempts"]
    assert stats.binomtest(int(attempts[:, 80].sum()), leads, chance).pvalue > RARE
    kept = 1.0 - 0.5**12  # 12 attempts at most fit: their mean and variance hardly differ
    mean = 1000 * right["mean_attempts"] * kept
    check_moments(attempts.sum(axis=1), mean, 1000 * right["var_attempts"])


def test_o12_exact() -> None:
    right, weeks = O12["expected"], [int(t) - 1 for t in O12["inputs"]["t_weeks"]]
    given = per_period(scenario(queue()))
    found = expected(given, "open")[:, 0]
    assert found[weeks] == pytest.approx(right["mean_open"], rel=1e-9)
    closed = expected(given, "deals").cumsum()
    assert closed[weeks] == pytest.approx(right["mean_closed"], rel=1e-9, abs=1e-12)
    assert closed[0] == exactly(right["mean_closed"][0])


def test_o12_simulated(detail: str) -> None:
    right = O12["expected"]
    data = simulated(per_period(scenario(queue())), detail, runs=50_000)
    closed = data.deals.sum(PARTS).values.cumsum(axis=1)
    weeks = [int(t) - 1 for t in O12["inputs"]["t_weeks"]]
    for t, done in zip(weeks[1:], right["mean_closed"][1:], strict=True):
        check_moments(closed[:, t], done, done)  # Poisson
    if detail == "outcome":
        return
    still = data.open.sel(stage="o").values
    for t, opened, done in zip(weeks, right["mean_open"], right["mean_closed"], strict=True):
        check_moments(still[:, t], opened, opened)  # Poisson
        if t > 0:
            assert abs(z_covariance(still[:, t], closed[:, t], (opened, done), 0.0)) < BOUND
    assert p_chance(still[:, 12] >= 50, right["p_open_13_ge_50"]) > RARE
    assert abs(z_mean(still[:, 12], right["stationary_open"])) > BOUND  # not yet stationary


# --- O11, O14, O18: sizes and a shared factor ---------------------------------------------------


def ten_deals(size: str) -> Scenario:
    return one_month("leads: {fixed: 10, per: month}", more=f"products: {{p: {{size: {size}}}}}\n")


def test_o11_sum_of_lognormals(detail: str) -> None:
    right, mean = O11["expected"], math.exp(0.75**2 / 2)
    every, shared, own = (math.sqrt(math.expm1(part * 0.75**2)) for part in (1.0, 0.3, 0.7))
    alone = ten_deals(f"{{lognormal: {{mean: {mean!r}, cv: {every!r}}}}}")
    # a common factor is the correlation 0.3 of the logarithms
    factor = f"{{lognormal: {{mean: {mean!r}, cv: {shared!r}}}}}"
    together = ten_deals(f"{{lognormal: {{mean: {factor}, cv: {own!r}}}}}")
    for given, moments, wrong in (
        (alone, moments_of(right), right["var_if_corr"]),
        (together, (right["var_if_corr"],), right["var"]),
    ):
        assert expected(given, "bookings").sum() == exactly(right["mean"])
        bookings = total(simulated(given, detail), "bookings")
        check_moments(bookings, right["mean"], *moments)
        assert abs(z_moment(bookings, right["mean"], 2, wrong)) > BOUND


def test_o14_listed_sizes(detail: str) -> None:
    right, goal = O14["expected"], O14["inputs"]["goal"]
    sizes = ", ".join(f"{value}: {chance}" for value, chance in O14["inputs"]["sizes"].items())
    given = one_month(
        "leads: {mean: 9, per: month}", more=f"products: {{p: {{size: {{values: {{{sizes}}}}}}}}}\n"
    )
    assert expected(given, "bookings").sum() == exactly(right["mean"])
    bookings = total(simulated(given, detail), "bookings")
    check_moments(bookings, right["mean"], *moments_of(right))
    assert p_chance(bookings == 0.0, right["p_zero"]) > RARE
    assert p_chance(bookings >= goal, right["p_ge_goal"]) > RARE
    as_normal = float(stats.norm.sf((goal - right["mean"]) / right["sd"]))
    assert p_chance(bookings >= goal, as_normal) < RARE
    for level, value in right["quantiles"].items():
        at, below = right["cdf_at_and_below_quantile"][level]
        assert p_chance(bookings <= value, at) > RARE
        assert p_chance(bookings < value, below) > RARE
        assert below < level <= at


def test_o18_shared_factor(detail: str) -> None:
    right, wrong = O18["expected"], O18["expected"]["if_factor_redrawn_each_quarter"]
    means = O18["inputs"]["quarter_means"]
    given = scenario(SHARED_FACTOR)
    assert expected(given, "deals") == pytest.approx(means, rel=1e-9)
    won = simulated(given, detail).deals.sum(PARTS).values
    year = won.sum(axis=1)
    for i in range(4):
        for j in range(i):
            covariance = means[i] * means[j] / 16.0
            assert abs(z_covariance(won[:, i], won[:, j], (means[i], means[j]), covariance)) < BOUND
        check_moments(won[:, i], means[i], means[i] + means[i] ** 2 / 16.0)
    assert means[0] * means[3] / 16.0 == right["cov_q1_q4"]
    check_moments(year, 40.0, right["year_var"])
    assert z_moment(year, 40.0, 2, wrong["year_var"]) > BOUND
    assert p_chance(year < 30, right["year_p_lt_30"]) > RARE
    assert p_chance(year < 30, wrong["year_p_lt_30"]) < RARE
    chances = conditional_chances(given, 16_384)[0]
    assert abs(z_mean(1.0 - chances, right["year_p_lt_30"])) < BOUND
    assert abs(z_mean(1.0 - chances, wrong["year_p_lt_30"])) > BOUND
    for level, name in ((0.05, "year_q05"), (0.95, "year_q95")):
        below, at = stats.nbinom.cdf([right[name] - 1, right[name]], 16, 16 / 56)
        assert below < level <= at
        assert p_chance(year <= right[name], float(at)) > RARE


def test_o22_ranks_and_errors() -> None:
    for level, ranks in O22["expected"]["quantile_ranks_95_n10000"].items():
        assert list(rank_interval(10_000, round(100 * level))) == ranks
    # the error of a chance counts two hits and two misses more: 4 of 10,004 runs
    shown = stats.norm.ppf(0.975) * chance_error(5_000, 10_000)
    assert shown == pytest.approx(O22["expected"]["mc_halfwidth_p05_n10000"] / 1.0004**0.5)
