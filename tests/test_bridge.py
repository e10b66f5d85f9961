"""The bridge between scenarios: effects with known answers, sums, signs, joined causes."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from helpers import SCENARIOS, bound, scenario
from scipy import stats

import forecast
from forecast.analysis.bridge import MOST_EXACT, Bridge, make_bridge
from forecast.analysis.changed import changed_paths, groups_of, mixture
from forecast.analysis.compare import Comparison, compare_document
from forecast.analysis.levers import document_of
from forecast.analysis.measures import Futures, Measure, futures_of, shared_measures
from forecast.scenario.model import Scenario

RUNS = 2_000
PLAN = """
name: Plan
start: 2027-01-01
horizon: 1 quarter
channels:
  web: {leads: {mean: 300, per: quarter}, cost: {per_lead: 10}}
  fair: {leads: {mean: 100, per: quarter}}
journey: {opportunity: {won: {conversion: 30%}}}
products:
  small: {mix: 70%, size: 10k}
  large: {mix: 30%, size: 50k}
goals: [{metric: deals, quarter: 2027Q1, target: 130, confidence: 80%}]
"""
NOW = {"web": 300.0, "fair": 100.0, "won": 0.30, "mix": 0.3, "small": 10e3, "cost": 10.0}
THEN = {"web": 360.0, "fair": 80.0, "won": 0.36, "mix": 0.4, "small": 12e3, "cost": 9.0}
CHANGES = {
    "channels.web.leads.mean": "360",
    "channels.fair.leads.mean": "80",
    "journey.opportunity.won.conversion": "36%",
    "products.small.mix": "60%",
    "products.large.mix": "40%",
    "products.small.size": "12k",
    "channels.web.cost.per_lead": "9",
}
CAUSES = {
    "web": "channels.web.leads.mean",
    "fair": "channels.fair.leads.mean",
    "won": "journey.opportunity.won.conversion",
    "mix": "products.*.mix",
    "small": "products.small.size",
    "cost": "channels.web.cost.per_lead",
}
BOOKINGS, DEALS = Measure("bookings", "2027Q1"), Measure("deals", "2027Q1")
CHANCE = Measure("chance of deals", "2027Q1")


def worth(at: dict[str, float], measure: Measure) -> float:
    """What a measure should be, by hand."""
    deals = (at["web"] + at["fair"]) * at["won"]
    if measure == CHANCE:
        return float(stats.poisson.sf(129, deals))
    if measure == DEALS:
        return deals
    return deals * ((1 - at["mix"]) * at["small"] + at["mix"] * 50e3)


def by_hand(measure: Measure) -> dict[str, float]:
    """The mean effect of each change over all orders, taken one by one."""
    effects = dict.fromkeys(NOW, 0.0)
    orders = list(permutations(NOW))
    for order in orders:
        at = dict(NOW)
        for cause in order:
            before = worth(at, measure)
            at[cause] = THEN[cause]
            effects[cause] += (worth(at, measure) - before) / len(orders)
    return effects


def bridged(one: Scenario, other: Scenario, runs: int = RUNS, **more: bool) -> Bridge:
    """The bridge between two scenarios."""
    pair = simulated(one, other, runs)
    return make_bridge(*pair, shared_measures((one, other)), **more)


def simulated(one: Scenario, other: Scenario, runs: int = RUNS) -> tuple[Futures, Futures]:
    """Both scenarios, simulated."""
    a, b = (futures_of(each, runs=runs, seed=0, rows=50) for each in (one, other))
    return a, b


def effects(found: Bridge, measure: Measure, name: str = "expected") -> dict[str, float]:
    """The effects on one measure by cause."""
    column = getattr(found, name)[:, found.measures.index(measure)]
    return dict(zip(found.causes, column.tolist(), strict=True))


@pytest.fixture(scope="module")
def plan() -> tuple[Scenario, Scenario, Bridge]:
    """The plan, as it is and changed, and the bridge between."""
    one, other = scenario(PLAN), scenario(PLAN.replace("name: Plan", "name: B"), **dotted(CHANGES))
    return one, other, bridged(one, other)


def dotted(changes: dict[str, str]) -> dict[str, str]:
    """Changes as keywords of ``scenario``."""
    return {path.replace(".", "__"): value for path, value in changes.items()}


@pytest.mark.parametrize("measure", [BOOKINGS, DEALS, CHANCE])
def test_volume_mix_price_and_chance_have_the_effects_worked_out_by_hand(
    plan: tuple[Scenario, Scenario, Bridge], measure: Measure
) -> None:
    found, right = plan[2], by_hand(measure)
    assert set(found.causes) == set(CAUSES.values())
    exact, mean = effects(found, measure), effects(found, measure, "effect")
    error = effects(found, measure, "standard_error")
    for cause, path in CAUSES.items():
        assert exact[path] == pytest.approx(right[cause], rel=1e-9, abs=1e-9), path
        # Chances move by whole runs: 2,000 of them give errors that are themselves uncertain.
        assert abs(mean[path] - right[cause]) <= bound(60) * 1.2 * error[path] + 1e-9, path


def test_effects_sum_to_the_difference(plan: tuple[Scenario, Scenario, Bridge]) -> None:
    one, other, found = plan
    a, b = simulated(one, other)
    for k, measure in enumerate(found.measures):
        total = float((b.column(measure) - a.column(measure)).mean())
        assert found.effect[:, k].sum() == pytest.approx(total, rel=1e-11, abs=1e-11)
        known = float((b.known(measure) - a.known(measure)).mean())
        assert found.expected[:, k].sum() == pytest.approx(known, rel=1e-11, abs=1e-11)


def test_what_does_not_matter_has_exactly_no_effect(
    plan: tuple[Scenario, Scenario, Bridge],
) -> None:
    found = plan[2]
    for name in ("effect", "standard_error", "expected"):
        assert effects(found, DEALS, name)[CAUSES["cost"]] == 0.0
        assert effects(found, CHANCE, name)[CAUSES["small"]] == 0.0
        assert effects(found, Measure("spend", "2027Q1"), name)[CAUSES["won"]] == 0.0


def test_the_other_direction_has_exactly_opposite_signs(
    plan: tuple[Scenario, Scenario, Bridge],
) -> None:
    one, other, found = plan
    back = bridged(other, one)
    assert back.causes == found.causes
    assert np.array_equal(back.effect, 0.0 - found.effect)
    assert np.array_equal(back.expected, 0.0 - found.expected, equal_nan=True)
    assert np.array_equal(back.standard_error, found.standard_error)


def test_many_changes_are_sampled_and_still_sum_to_the_difference(
    plan: tuple[Scenario, Scenario, Bridge],
) -> None:
    one, other = plan[0], scenario(PLAN, **dotted({**CHANGES, "products.large.size": "55k"}))
    found = bridged(one, other, runs=200)
    assert len(found.causes) == 7 > MOST_EXACT
    assert found.how == "Shapley values sampled by 10 orders of 7 changes"
    a, b = simulated(one, other, 200)
    at = found.measures.index(BOOKINGS)
    total = float((b.column(BOOKINGS) - a.column(BOOKINGS)).mean())
    assert found.effect[:, at].sum() == pytest.approx(total, rel=1e-11)
    exact, doubt = effects(found, DEALS), effects(found, BOOKINGS, "expected_standard_error")
    # An order and its reverse give the whole truth of a product of two.
    assert exact[CAUSES["web"]] == pytest.approx(by_hand(DEALS)["web"], rel=1e-9)
    assert doubt[CAUSES["web"]] > 0.0
    assert exact[CAUSES["cost"]] == 0.0


def test_changes_that_cannot_be_told_apart_are_one() -> None:
    text = PLAN.replace(
        "won: {conversion: 30%}", "won: {conversion: 30%}, later: {conversion: 60%}"
    )
    text = text.replace("}}}\nproducts", "}}, later: {won: {conversion: 10%}}}\nproducts")
    one = scenario(text)
    changes = {
        "journey.opportunity.won.conversion": "60%",
        "journey.opportunity.later.conversion": "30%",
        "channels.web.leads.mean": "310",
    }
    found = bridged(one, scenario(text, **dotted(changes)), runs=100)
    together = "journey.opportunity.won.conversion + journey.opportunity.later.conversion"
    assert set(found.causes) == {"channels.web.leads.mean", together}
    assert sum(effects(found, DEALS).values()) == pytest.approx(410 * 0.63 - 400 * 0.36)


def test_another_calendar_and_other_channels_and_goals_are_bridged() -> None:
    one = scenario(PLAN)
    text = PLAN.replace("horizon: 1 quarter", "horizon: 2 quarters")
    text = text.replace("quarter: 2027Q1, target", "quarter: 2027Q2, target")
    text = text.replace("  fair: {leads: {mean: 100, per: quarter}}\n", "")
    other = scenario(text)
    found = bridged(one, other, runs=100)
    assert {m.quarter for m in found.measures} == {"2027Q1"}
    assert set(found.causes) == {"channels.fair", "horizon + goals"}  # a goal needs its quarter
    assert effects(found, DEALS)["channels.fair"] == pytest.approx(-30.0)
    assert sum(effects(found, DEALS).values()) == pytest.approx(-30.0)


def test_equal_scenarios_have_no_bridge() -> None:
    other = scenario(PLAN.replace("name: Plan", "name: B"), market="100%")
    found = bridged(scenario(PLAN, market="1"), other, runs=50)
    assert found.causes == ()
    assert found.effect.shape == found.expected.shape == (0, len(found.measures))


def test_paths_that_differ_are_found_and_grouped() -> None:
    one = document_of(scenario(PLAN))
    other = document_of(scenario(PLAN, **dotted({**CHANGES, "start": "2027-01-02"})))
    paths = changed_paths(one, other)
    assert {".".join(path) for path in paths} == {*CHANGES, "start"}
    assert mixture(one, other, paths) == other
    assert mixture(one, other, []) == one
    half = mixture(one, other, paths[:3])
    assert changed_paths(one, half) == paths[:3]  # type: ignore[arg-type]
    assert {group.name for group in groups_of(paths)} == {*CAUSES.values(), "start"}


def test_many_paths_are_grouped_by_kind() -> None:
    base = forecast.read_scenario(SCENARIOS / "saas-funnel.yaml")
    changes = {
        "channels.web.leads.mean": "1",
        "channels.web.growth": "2% per year",
        "channels.events.dispersion": "0.3",
        "channels.partners.cost.per_lead": "1",
        "channels.web.cost.per_lead": "1",
        "journey.lead.opportunity.conversion": "20%",
        "journey.nurture.opportunity.conversion": "9%",
        "journey.lead.opportunity.lag": "1 month",
        "journey.opportunity.nurture.lag": "2 months",
        "segments.small.products.team.size": "1k",
        "products.team.size": "1k",
    }
    other = forecast.read_scenario(SCENARIOS / "saas-funnel.yaml", changes)
    paths = changed_paths(document_of(base), document_of(other))
    names = [group.name for group in groups_of(paths)]
    assert sorted(names) == [
        "channels.events", "channels.web", "conversions", "costs", "lags", "products",
    ]  # fmt: skip
    assert len(groups_of(paths, by_path=True)) == len(changes)


def test_a_journey_in_another_order_has_changed_as_a_whole() -> None:
    stages = ["a: {b: {conversion: 50%}}", "b: {won: {conversion: 50%}, a: {conversion: 9%}}"]
    texts = [
        PLAN.replace("opportunity: {won: {conversion: 30%}}", ", ".join(order))
        for order in (stages, stages[::-1])
    ]
    one, other = (document_of(scenario(text)) for text in texts)  # leads enter a, or b
    assert changed_paths(one, other) == [("journey",)]


def test_slots_and_open_deals_are_causes_like_others(tmp_path: Path) -> None:
    path = SCENARIOS / "capacity-limited.yaml"
    rows = ["id,stage,entered,channel,amount", "A,opportunity,2026-11-01,web,20000"]
    few, more = tmp_path / "few.csv", tmp_path / "more.csv"
    few.write_text("\n".join(rows), "utf-8")
    more.write_text("\n".join([*rows, "B,opportunity,2026-12-15,partners,90000"]), "utf-8")
    one = forecast.read_scenario(path, {"pipeline": f"{{file: {few}}}"})
    changed = {"pipeline": f"{{file: {more}}}", "capacity.opportunity.reps.now": "8"}
    other = forecast.read_scenario(path, changed)
    document = compare_document({"one": one, "other": other}, Comparison(), runs=100)
    back = compare_document({"other": other, "one": one}, Comparison(), runs=100)
    assert {row["cause"] for row in document["bridge"]} == {
        "capacity.opportunity.reps.now",
        "pipeline.file",
    }
    turned = {(r["metric"], r["quarter"], r["cause"]): r["effect"] for r in back["bridge"]}
    sums: dict[tuple[str, str], float] = {}
    for row in document["bridge"]:
        place = row["metric"], row["quarter"]
        assert row["effect"] == -turned[(*place, row["cause"])]
        sums[place] = sums.get(place, 0.0) + row["effect"]
    for row in document["difference"]:
        assert sums[row["metric"], row["quarter"]] == pytest.approx(row["mean"], abs=1e-9)
    assert sums["deals", "2027"] > 5
