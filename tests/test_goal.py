"""How sure a goal is and why not surer: exact chances, luck and not knowing, shortfalls."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SCENARIOS, bound, one_month, scenario, with_goal, z_covariance, z_mean
from scipy import integrate, stats

import forecast
from forecast.analysis.goal_chance import GoalChances, as_deals, one_size
from forecast.analysis.goal_split import (
    Span,
    hits,
    second_futures,
    shortfall,
    split_known,
    split_pairs,
)
from forecast.analysis.goals import Question, goal_chances, goals_document
from forecast.analysis.select import goals_named
from forecast.engine.plan import make_blueprint
from forecast.engine.request import RequestError
from forecast.engine.run import forecast_run
from forecast.engine.simulate import Simulator
from forecast.scenario.model import Scenario

LEAN, UNCERTAIN = SCENARIOS / "lean-consulting.yaml", SCENARIOS / "lean-consulting-uncertain.yaml"
BETA = "o: {won: {conversion: {beta: {won: 6, lost: 14}}}}"
FORTY = "leads: {fixed: 34, per: month}"


def only(given: Scenario) -> Span:
    (span,) = goals_named(given)
    return span


def known(given: Scenario, runs: int = 2_000):
    (found,) = GoalChances(given, 0, runs).known().values()
    return found


def luck_of_beta_binomial(n: int, goal: int, alpha: float, beta: float) -> float:
    def second_moment(rate: float) -> float:
        return stats.binom.sf(goal - 1, n, rate) ** 2 * stats.beta.pdf(rate, alpha, beta)

    p = float(stats.betabinom.sf(goal - 1, n, alpha, beta))
    square = integrate.quad(second_moment, 0.0, 1.0, epsabs=1e-12, epsrel=1e-12)[0]
    return (p - square) / (p * (1.0 - p))


# --- exact chances


@pytest.mark.parametrize("n", [10, 33, 34, 49, 61, 75, 500, 5_000])
def test_beta_binomial_is_integrated(n: int) -> None:
    found = known(one_month(f"leads: {{fixed: {n}, per: month}}", BETA, with_goal(10)))
    assert found.integrated
    assert found.standard_error == 0.0
    assert found.probability == pytest.approx(stats.betabinom.sf(9, n, 6, 14), rel=1e-9)


def test_two_uncertain_assumptions_are_integrated() -> None:
    leads = "leads: {mean: {gamma: {mean: 40, cv: 0.25}}, per: month}"
    found = known(one_month(leads, BETA, with_goal(10)))

    def of_rate(rate: float) -> float:  # gamma mixed Poisson counts are negative binomial
        law = stats.nbinom(16, 16 / (16 + 40 * rate))
        return float(law.sf(9)) * stats.beta.pdf(rate, 6, 14)

    assert found.integrated
    assert found.probability == pytest.approx(integrate.quad(of_rate, 0, 1)[0], rel=1e-8)


def test_correlated_assumptions_are_integrated_together() -> None:
    more = (
        "market: {lognormal: {mean: 1, cv: 0.3}}\n"
        "correlation: [{between: [market, journey.o.won.conversion], rank: 0.6}]\n"
    )
    given = one_month("leads: {mean: 40, per: month}", BETA, with_goal(10) + more)
    found = known(given)
    assert found.integrated
    chances = GoalChances(given, 0, 20_000)._averaged([only(given)[:2]])
    (sample,) = chances.values()
    assert abs(z_mean(sample.chances, found.probability)) < bound(1)
    apart = known(one_month("leads: {mean: 40, per: month}", BETA, with_goal(10) + more[:40]))
    assert abs(apart.probability - found.probability) > 0.002


def test_what_is_correlated_with_something_that_does_not_matter_keeps_its_law() -> None:
    leads = f"{FORTY}, cost: {{per_lead: {{gamma: {{mean: 5, cv: 0.3}}}}}}"
    tied = "[channels.a.cost.per_lead, journey.o.won.conversion]"
    more = f"correlation: [{{between: {tied}, rank: 0.8}}]\n"
    found = known(one_month(leads, BETA, with_goal(10) + more))
    assert found.integrated
    assert found.probability == pytest.approx(stats.betabinom.sf(9, 34, 6, 14), rel=1e-9)


def test_a_list_of_values_is_summed_up() -> None:
    journey = "o: {won: {conversion: {values: {20%: 25%, 40%: 75%}}}}"
    found = known(one_month(FORTY, journey, with_goal(10)))
    right = 0.25 * stats.binom.sf(9, 34, 0.2) + 0.75 * stats.binom.sf(9, 34, 0.4)
    assert found.probability == pytest.approx(right, rel=1e-12)


def test_many_uncertain_assumptions_are_averaged_over_the_runs() -> None:
    found = GoalChances(forecast.read_scenario(SCENARIOS / "saas-funnel.yaml"), 0, 500).known()
    assert len(found) == 8  # the goals on deals
    assert all(not one.integrated and one.standard_error > 0 for one in found.values())


def test_a_goal_on_money_with_one_size_is_a_goal_on_deals() -> None:
    goal = "[{metric: bookings, quarter: 2027Q2, target: 2M, confidence: 80%}]"
    sets = {"goals": goal, "journey.opportunity.won.conversion": "20%"}
    given = forecast.read_scenario(LEAN, {**sets, "channels.list.leads.fixed": "[133]"})
    assert as_deals(given).goals[0].target == 27
    assert known(given).probability == pytest.approx(stats.binom.sf(26, 133, 0.2), rel=1e-12)
    assert known(given).probability == pytest.approx(0.49995, abs=5e-6)
    (entry,) = goals_document(given, runs=200)["goals"]
    assert entry["exact_from"] == "closed form, as 27 deals of one size"
    spread = forecast.read_scenario(
        LEAN, {**sets, "products.engagement.size": "{gamma: {mean: 75k, cv: 0.1}}"}
    )
    assert one_size(spread) is None
    assert GoalChances(spread, 0, 100).known() == {}


def test_a_deal_that_is_needed_in_part_is_needed() -> None:
    given = one_month(FORTY, more="products: {p: {size: 75k}}\n" + with_goal(1.9e6, "bookings"))
    assert as_deals(given).goals[0].target == 26


def test_a_target_that_is_a_whole_number_of_sizes_needs_no_deal_more() -> None:
    size = "products: {p: {size: 19.99}}\n"
    given = one_month(FORTY, more=size + with_goal(139.93, "bookings"))
    assert as_deals(given).goals[0].target == 7


# --- luck and not knowing


@pytest.mark.parametrize(("n", "goal"), [(34, 10), (49, 10), (200, 60), (12, 1)])
def test_luck_is_that_of_the_beta_binomial(n: int, goal: int) -> None:
    given = one_month(f"leads: {{fixed: {n}, per: month}}", BETA, with_goal(goal))
    split = split_known(known(given))
    assert split.luck == pytest.approx(luck_of_beta_binomial(n, goal, 6, 14), rel=1e-8)
    assert split.standard_error == 0.0


def test_averaged_luck_agrees_with_the_integrated() -> None:
    given = one_month(FORTY, BETA, with_goal(10))
    chances = GoalChances(given, 3, 4_000)
    (sample,) = chances._averaged([only(given)[:2]]).values()
    found = split_known(sample)
    assert found.luck is not None
    assert found.standard_error is not None
    right = luck_of_beta_binomial(34, 10, 6, 14)
    assert abs(found.luck - right) < bound(1) * found.standard_error
    assert 0.001 < found.standard_error < 0.02


def test_pairs_agree_with_the_closed_form() -> None:
    given, runs = one_month(FORTY, BETA, with_goal(10)), 40_000
    span = only(given)
    first = hits(Simulator(make_blueprint(given), 5, "outcome"), [span], runs)[0]
    split = split_pairs(first, second_futures(given, [span], runs, 5)[0])
    assert split.luck is not None
    assert split.standard_error is not None
    assert split.standard_error == pytest.approx(0.005, rel=0.3)
    assert abs(split.luck - luck_of_beta_binomial(34, 10, 6, 14)) < bound(1) * split.standard_error


def test_the_error_of_pairs_is_the_spread_over_seeds() -> None:
    given, runs = one_month(FORTY, BETA, with_goal(10)), 1_000
    span = only(given)
    found = []
    for seed in range(60):
        first = hits(Simulator(make_blueprint(given), seed, "outcome"), [span], runs)[0]
        found.append(split_pairs(first, second_futures(given, [span], runs, seed)[0]))
    lucks = np.array([split.luck for split in found])
    claimed = np.mean([split.standard_error for split in found])
    # quasi-random assumptions make it smaller than claimed, never larger
    assert 0.5 < np.std(lucks) / claimed < 1.4
    assert abs(z_mean(lucks, luck_of_beta_binomial(34, 10, 6, 14))) < bound(1)


def test_second_futures_share_assumptions_and_nothing_else() -> None:
    given = one_month("leads: {mean: 40, per: month}", BETA, with_goal(10))
    one, other = Simulator(make_blueprint(given), 7), Simulator(make_blueprint(given), 7, luck=8)
    first, second = one.whole(4_000), other.whole(4_000)
    np.testing.assert_array_equal(first.assumptions, second.assumptions)
    leads = [part.rows.leads.reshape(4_000) for part in (first, second)]
    assert abs(z_covariance(leads[0], leads[1], (40.0, 40.0), 0.0)) < bound(1)
    np.testing.assert_array_equal(
        Simulator(make_blueprint(given), 7, luck=7).keys.lag, one.keys.lag
    )


def test_all_is_luck_where_nothing_is_uncertain() -> None:
    found = goal_chances(forecast.read_scenario(LEAN), runs=500)
    assert found.luck.item() == pytest.approx(1.0, abs=1e-12)
    assert found.not_knowing.item() == pytest.approx(0.0, abs=1e-12)


def test_all_is_luck_where_the_chance_is_not_known_either() -> None:
    sizes = {"products.engagement.size": "{gamma: {mean: 75k, cv: 0.5}}"}
    for target, luck in (("700k", 1.0), ("900M", None)):
        goal = f"[{{metric: bookings, quarter: 2027Q2, target: {target}, confidence: 80%}}]"
        given = forecast.read_scenario(LEAN, {**sizes, "goals": goal})
        assert goals_document(given, runs=200)["goals"][0]["luck"] == luck


def test_a_certain_goal_has_no_split() -> None:
    given = one_month(FORTY, more=with_goal(34))
    assert split_known(known(given)) == (None, None)
    sure = np.ones(10, dtype=bool)
    assert split_pairs(sure, sure) == (None, None)


# --- shortfall


def test_shortfall_is_that_of_the_binomial() -> None:
    given = one_month(FORTY, "o: {won: {conversion: 30%}}", with_goal(10))
    outcome = forecast_run(given, runs=40_000, seed=1)
    goal, _, quarters = only(given)
    short = shortfall(outcome, goal, quarters)
    counts = np.arange(10)
    weights = stats.binom.pmf(counts, 34, 0.3)
    right = float(weights @ (10 - counts) / weights.sum())
    assert short.mean is not None
    assert short.standard_error is not None
    assert abs(short.mean - right) < bound(1) * short.standard_error
    law = np.cumsum(weights[::-1]) / weights.sum()  # of short by 1, 2, ...
    for percent in (10, 90):
        assert short.quantiles[percent] == 1 + int(np.searchsorted(law, percent / 100))
        low, high = short.intervals[percent]
        assert low is not None
        assert high is not None
        assert low <= short.quantiles[percent] <= high


def test_no_run_misses_a_certain_goal() -> None:
    given = one_month(FORTY, more=with_goal(34))
    goal, _, quarters = only(given)
    short = shortfall(forecast_run(given, runs=50, seed=0), goal, quarters)
    assert (short.runs, short.mean, short.quantiles[90]) == (0, None, None)


# --- the face


def test_the_dataset_holds_what_the_document_says() -> None:
    given = forecast.read_scenario(SCENARIOS / "saas-funnel.yaml")
    found = goal_chances(given, runs=300)
    entries = goals_document(given, runs=300)["goals"]
    assert found.sizes == {"goal": 10}
    assert found.metric.values.tolist() == [entry["metric"] for entry in entries]
    np.testing.assert_array_equal(found.luck.values, [entry["luck"] for entry in entries])
    assert np.isnan(found.exact.values[-1])


def test_goals_are_those_of_a_run() -> None:
    from forecast.analysis.summary import summarize

    given = forecast.read_scenario(SCENARIOS / "saas-funnel.yaml")
    mine = goals_document(given, runs=500, seed=2)["goals"]
    for entry, right in zip(
        mine, summarize(forecast_run(given, runs=500, seed=2))["goals"], strict=True
    ):
        for key in ("metric", "quarter", "target", "probability", "standard_error", "reached"):
            assert entry[key] == right[key]
        if right["exact"] is not None:
            assert entry["exact"] == pytest.approx(right["exact"], rel=1e-12)


def test_goals_are_chosen_by_metric_and_quarter() -> None:
    given = forecast.read_scenario(SCENARIOS / "saas-funnel.yaml")
    assert [label for _, label, _ in goals_named(given, ["bookings"])] == ["2027Q4", "2028Q4"]
    assert [g.metric for g, _, _ in goals_named(given, [], ["2027Q4"])] == ["deals", "bookings"]
    with pytest.raises(RequestError, match=r"--metric: got sales; must be one of deals, bookings"):
        goals_named(given, ["sales"])
    with pytest.raises(RequestError, match=r"--quarter: got 2031Q1; must be a quarter from 2027Q1"):
        goals_named(given, [], ["2031Q1"])
    with pytest.raises(RequestError, match=r"got bookings 2027Q1; must be those of a goal"):
        goals_document(given, Question(("bookings",), ("2027Q1",)))
    with pytest.raises(RequestError, match=r"goals: got none"):
        goals_named(scenario("name: A\nstart: 2027-01-01\nhorizon: 1 month\n"
                             "channels: {a: {leads: {mean: 1, per: month}}}\n"
                             "journey: {o: {won: {conversion: 1}}}\n"))  # fmt: skip
