"""Levers: any assumption moved by one number, by its path."""

from __future__ import annotations

import pytest
from helpers import SCENARIOS, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

import forecast
from forecast.analysis.levers import MOST_FACTOR, apportion, lever
from forecast.scenario.errors import ScenarioError
from forecast.scenario.nodes import Place, Text, parse_value
from forecast.scenario.scaling import NotScalable, mean_of, scaled

SAAS, LEAN = SCENARIOS / "saas-funnel.yaml", SCENARIOS / "lean-consulting.yaml"

PLANS = """
name: Plans
start: 2027-01-01
horizon: 6 months
channels:
  list: {leads: {fixed: [10, 20, 10], per: month, then: repeat}}
  more: {leads: {fixed: 5, per: month}}
  web: {leads: {mean: [100, 50], per: month, then: last}, cost: {fixed: 4_000 per month}}
journey:
  o: {won: {conversion: 30%, lag: 3 months}, nurture: {conversion: 10%, lag: {periods: {1: 1}}}}
  nurture: {o: {conversion: 20%}}
products: {p: {size: {lognormal: {mean: {gamma: {mean: 20k, cv: 0.1}}, cv: 1}}}}
goals: [{metric: deals, quarter: 2027Q1, target: 10, confidence: 80%}]
"""


def node(text: str):
    return parse_value(text, Place("a.yaml", 1, "x"))


@pytest.mark.parametrize(
    "text",
    [
        "30%",
        "25k",
        "3 months",
        "4_000 per month",
        "[10, 20, 30]",
        "{lognormal: {mean: 20, cv: 0.5}}",
        "{lognormal: {median: 20 days, p90: 60 days}}",
        "{lognormal: {p10: 20, p90: 60}}",
        "{lognormal: {mu: 2, sigma: 0.5}}",
        "{lognormal: {mean: 20, sd: 5}}",
        "{gamma: {shape: 3, scale: 2 weeks}}",
        "{gamma: {mean: 1.5M, cv: 80%}}",
        "{gamma: {mean: {lognormal: {median: 3 months, p90: 5 months}}, cv: 0.5}}",
        "{weibull: {shape: 2, scale: 10}}",
        "{normal: {mean: 10, sd: 1}}",
        "{uniform: {low: 10%, high: 30%}}",
        "{triangular: {low: 1, mode: 2, high: 4}}",
        "{pert: {low: 1 month, mode: 2 months, high: 4 months}}",
        "{fixed: 20}",
        "{fixed: {value: 20}}",
        "{values: {10k: 35%, 20k: 65%}}",
        "{empirical: [1, 2, 6]}",
        "{beta: {won: 6, lost: 14}}",
        "{beta: {mean: 30%, n: 20}}",
        "{beta: {p10: 20%, p90: 40%}}",
    ],
)
@pytest.mark.parametrize("factor", [0.25, 1.0, 1.7])
def test_the_mean_is_scaled(text: str, factor: float) -> None:
    assert mean_of(scaled(node(text), factor)) == pytest.approx(factor * mean_of(node(text)))


def test_a_beta_keeps_its_strength() -> None:
    found = node("{beta: {won: 6, lost: 14}}")
    ((_, body),) = scaled(found, 1.5).items()
    assert float(body["alpha"]) == pytest.approx(9.0)
    assert float(body["beta"]) == pytest.approx(11.0)
    with pytest.raises(NotScalable, match="no share"):
        scaled(found, 4.0)


def test_a_rate_and_a_duration_keep_what_they_are() -> None:
    assert scaled(Text("2% per quarter"), 2.0) == "0.04 per quarter"
    assert scaled(Text("10 days"), 1e-9) == "1e-08 days"
    assert mean_of(Text("1e-08 days")) == 1e-8


@pytest.mark.parametrize(
    ("path", "now", "value", "check"),
    [
        ("channels.web.leads.mean", 350.0, 700.0, lambda s: _leads(s, "web") == (200.0, 100.0)),
        ("channels.web.cost.fixed", 4000.0, 5000.0, lambda s: "fixed: 5000 per month" in s.text),
        ("channels.more.leads", 5.0, 7.0, lambda s: _leads(s, "more") == (7.0,)),
        ("channels.list.leads.fixed", 80.0, 40.0, lambda s: sum(_leads(s, "list")) == 40.0),
        ("journey.o.won.conversion", 0.3, 0.5, lambda s: _won(s).conversion == 0.5),
        ("journey.o.won.lag", 91.3125, 10.0, lambda s: _won(s).lag.family.mean == 10.0),
    ],
)
def test_a_value_is_what_the_scenario_says(path: str, now: float, value: float, check) -> None:
    found = lever(scenario(PLANS), path)
    assert found.now == pytest.approx(now)
    assert found.at(found.now) is found.scenario
    assert check(found.at(value))


def _leads(given, channel: str):
    return given.versions[0].channels[channel].leads.figures


def _won(given):
    return given.journey["o"].transitions["won"]


def test_the_leads_of_all_channels_are_scaled_together() -> None:
    found = lever(scenario(PLANS), "channels.*.leads")
    assert not found.whole
    assert found.now == pytest.approx(80 + 6 * 5 + 350)
    twice = found.at(2 * found.now)
    assert _leads(twice, "web") == (200.0, 100.0)
    assert sum(_leads(twice, "list")) + sum(_leads(twice, "more")) == 2 * 85
    lean = lever(forecast.read_scenario(LEAN), "channels.*.leads")
    assert (lean.now, lean.whole) == (34.0, True)


CHANGED = """
changes:
  - {from: 2027-03-01, set: {channels.web.leads.mean: [80, 40], channels.web.leads.then: last}}
  - {from: 2027-04-01, set: {channels.list.leads: {fixed: [4], per: month, then: last}}}
  - {from: 2027-05-01, set: {journey.o.won.conversion: 40%}}
"""


def test_dated_changes_of_leads_are_part_of_a_total() -> None:
    base = scenario(PLANS + CHANGED)
    for path in ("channels.*.leads", "channels.web.leads.mean", "channels.list.leads"):
        found = lever(base, path)
        assert not found.whole
        twice = lever(found.at(2 * found.now), path)
        assert twice.now == pytest.approx(2 * found.now)
    late = lever(base, "channels.*.leads").at(2 * lever(base, "channels.*.leads").now)
    assert late.versions[-1].channels["list"].leads.figures == (8.0,)
    assert late.versions[-1].journeys["web", "all"]["o"].transitions["won"].conversion == 0.4


def test_several_figures_that_are_no_leads_are_moved_by_a_factor() -> None:
    found = lever(forecast.read_scenario(SAAS), "products.*.size")
    assert (found.now, found.kind) == (1.0, "factor")
    sizes = [
        p.size.family.mean for p in found.at(1.5).versions[0].products["web", "small"].values()
    ]
    was = [p.size.family.mean for p in found.at(1.0).versions[0].products["web", "small"].values()]
    assert sizes == pytest.approx([1.5 * size for size in was])


def test_the_range_is_what_the_language_allows() -> None:
    found = lever(scenario(PLANS), "journey.o.won.conversion")
    assert found.lowest == 0.0
    assert found.highest == pytest.approx(0.9, rel=1e-5)  # nurture takes the rest
    leads = lever(scenario(PLANS), "channels.web.leads.mean")
    assert leads.highest == MOST_FACTOR * leads.now


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "chanels.*.leads",
            r"--by:1: chanels.\*.leads: got chanels; must be a key of the scenario",
        ),
        ("channels.wbe.leads", r"got wbe; must be a key of channels. Did you mean web\?"),
        ("journey..won", "must be a dotted path"),
        ("channels.web", r"got several assumptions \(leads, cost\); must be one figure"),
        ("name", "got name; must be an assumption"),
        ("journey.o.nurture.lag", "got a lag of whole periods; must be one figure"),
        ("journey.o.won.within", "got within; must be a key of journey.o.won"),
    ],
)
def test_a_path_that_cannot_be_moved_says_why(path: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        lever(scenario(PLANS), path)


def test_a_mean_that_is_no_share_is_refused() -> None:
    path = SCENARIOS / "lean-consulting-uncertain.yaml"
    found = lever(forecast.read_scenario(path), "journey.opportunity.won.conversion")
    with pytest.raises(ScenarioError, match="must be a distribution of a possible mean"):
        found.at(1.2)
    assert 0.999 < found.highest < 1.0


def test_an_uncertain_assumption_keeps_its_name_and_draws() -> None:
    found = lever(forecast.read_scenario(SAAS), "channels.web.leads.mean")
    more = forecast.simulate(found.at(500.0), runs=100)
    base = forecast.simulate(found.scenario, runs=100)
    ratio = more.assumption.values[:, 0] / base.assumption.values[:, 0]
    assert ratio == pytest.approx(500 / 420)


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), st.integers(0, 400)
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_apportioned_plans_keep_their_total_and_only_grow(figures: list[int], total: int) -> None:
    one, more = apportion(figures, total), apportion(figures, total + 1)
    assert sum(one) == total
    assert all(b >= a for a, b in zip(one, more, strict=True))
    assert apportion(figures, sum(figures)) == figures
    assert all(n == 0 for n, figure in zip(one, figures, strict=True) if figure == 0)
    assert apportion([0, 0], 5) == [3, 2]


# --- what stands for something else


def plans(name: str, **sets: str):
    named = {key.replace("__", "."): value for key, value in sets.items()}
    return forecast.read_scenario(SCENARIOS / f"{name}.yaml", named)


def test_leads_that_answer_to_money_are_scaled_with_the_most_of_them() -> None:
    given = plans("tight-or-loose")
    found = lever(given, "channels.ads.leads")
    assert (found.kind, found.total) == ("leads", True)
    assert found.parts[0].path == "channels.ads.leads.response.hill.max"
    every = lever(given, "channels.*.leads")
    assert every.now > found.now > 1_000
    for each in (found, every):
        assert lever(each.at(1.5 * each.now), each.path).now == pytest.approx(1.5 * each.now)
    alone = lever(given, "channels.ads.leads.response.hill.max")
    assert (alone.now, alone.kind, alone.total) == (520.0, "number", False)


def test_leads_that_answer_to_money_after_a_change_too() -> None:
    changes = "[{from: 2027-07-01, set: {channels.ads.leads.response.hill.max: 600}}]"
    found = lever(plans("tight-or-loose", changes=changes), "channels.ads.leads")
    assert found.dated == ("ads",)
    assert lever(found.at(2 * found.now), found.path).now == pytest.approx(2 * found.now)


def test_a_channel_without_leads_of_its_own_stays_so() -> None:
    found = lever(plans("referral-loop"), "channels.*.leads")
    assert found.now == 3_600
    assert lever(found.at(5_000.0), found.path).now == pytest.approx(5_000.0)


def test_a_plan_of_spend_counts_over_the_horizon() -> None:
    found = lever(plans("tight-or-loose"), "channels.ads.cost.fixed")
    assert found.now == 1_000 * (12 + 12 + 14 + 16 + 18 + 19 * 20)
    assert found.total
    assert lever(found.at(500e3), found.path).now == pytest.approx(500e3)


def test_a_rate_stands_for_its_amount() -> None:
    found = lever(plans("referral-loop"), "referral.leads")
    assert found.parts[0].path == "referral.leads.amount"
    assert found.now == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("capacity.opportunity.reps.now", True),
        ("capacity.opportunity.reps.hires.0.count", True),
        ("capacity.opportunity.reps.hires.2.count", False),  # two or three: 2.5 on average
        ("capacity.opportunity.reps.each", False),
    ],
)
def test_counts_are_whole(path: str, whole: bool) -> None:
    found = lever(plans("capacity-limited"), path)
    assert found.whole == whole
    if whole:
        assert lever(found.at(found.rounded(6.6)), path).now == 7.0


@pytest.mark.parametrize("path", ["goals.0.target", "horizon", "start"])
def test_what_is_no_assumption_is_no_lever(path: str) -> None:
    with pytest.raises(ScenarioError, match=f"--by:1: {path}: got .*; must be an assumption"):
        lever(plans("tight-or-loose"), path)
