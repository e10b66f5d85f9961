"""By when, where stages take up only so many: by hand, and against simulating with other leads."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from helpers import scenario

import forecast
from forecast.analysis.goal_when import Arriving, Timing
from forecast.analysis.select import goals_named

DESK = """
name: A desk
start: 2027-01-01
horizon: 3 quarters
channels:
  web: {leads: {fixed: [10, 10, 10, 0, 0, 0, 0, 0, 0], per: month}}
journey: {opportunity: {won: {conversion: 100%}}}
capacity: {opportunity: {per_period: 6}}
goals:
  - {metric: deals, quarter: 2027Q1, target: 10, confidence: 80%}
  - {metric: deals, quarter: 2027Q2, target: 10, confidence: 80%}
"""
BUSY = """
name: Busy
start: 2027-01-01
horizon: 9 months
channels:
  web: {leads: {fixed: [40, 45, 30, 20, 35, 25, 40, 20, 20], per: month}}
  partners:
    leads: {fixed: [6, 6, 6, 6, 6, 6, 6, 6, 6], per: month}
    journey: {opportunity: {won: {conversion: 60%}}}
segments:
  small: {share: 70%}
  large: {share: 30%, journey: {opportunity: {won: {lag: 2 months}}}}
journey:
  lead: {opportunity: {conversion: 50%, lag: {lognormal: {mean: 20 days, cv: 0.7}}}}
  opportunity:
    won: {conversion: {beta: {won: 12, lost: 28}}, lag: {gamma: {mean: 1 month, cv: 0.5}}}
    lead: {conversion: 10%}
capacity:
  opportunity: {per_period: 17, waiting: {give_up: 25% per month}, follow_up: 90%}
goals: [{metric: deals, quarter: 2027Q2, target: 10, confidence: 80%}]
"""
WEB, LOOP = "channels.web.leads", "journey.opportunity.lead.conversion"


def arriving(given, path: str = "channels.*.leads", nth: int = 0, runs: int = 1_000) -> Arriving:
    return Timing(given, runs=runs).arriving(path, goals_named(given)[nth])


def test_a_desk_takes_the_oldest_first() -> None:
    first, second = (arriving(scenario(DESK), nth=nth) for nth in (0, 1))
    assert first.counting == pytest.approx([10, 8, *[0] * 7], abs=1e-4)
    assert second.counting == pytest.approx([0, 2, 10, *[0] * 6], abs=1e-4)
    assert first.latest is None  # one more would only make others wait
    assert second.latest == "2027-06"
    assert first.how == "average of 1,000 simulated runs' waiting times"


def test_some_give_up() -> None:
    capacity = "{opportunity: {per_period: 6, waiting: {give_up: 50% per month}}}"
    given = scenario(DESK, capacity=capacity)
    found = arriving(given, runs=3_000)
    # of January 4 wait, 2 stay; of February 4 are taken, 6 wait, 3 stay; of March 3
    assert found.counting == pytest.approx([8, 7, 3, *[0] * 6], rel=0.03, abs=1e-4)


def test_priority_goes_first_and_takes_the_place_of_others() -> None:
    given = scenario(
        DESK,
        channels="{web: {leads: {fixed: [10, 10, 10, 0, 0, 0, 0, 0, 0], per: month}},"
        " vip: {leads: {fixed: [4, 4, 4, 0, 0, 0, 0, 0, 0], per: month}}}",
        capacity="{opportunity: {per_period: 6, priority: [vip]}}",
    )
    assert arriving(given, "channels.vip.leads").counting[:4] == pytest.approx(
        [4, 4, 4, 0], abs=1e-4
    )
    assert arriving(given, WEB).counting[:4] == pytest.approx([6, 0, 0, 0], abs=1e-4)
    assert arriving(given, "channels.vip.leads").latest is None


def test_one_more_takes_the_place_of_others() -> None:
    """6 of 12 a month: one more in January leaves room for 5 of February, of whom 1/6 are vip."""
    given = scenario(
        DESK,
        channels="{web: {leads: {fixed: 10, per: month},"
        " journey: {opportunity: {won: {conversion: 0%}}}},"
        " vip: {leads: {fixed: 2, per: month}}}",
    )
    timing = Timing(given)
    inside = np.repeat([1.0, 0.0, 0.0], 3)
    worth = timing._both[1].worth("deals", inside)[:, 0, :, 0].mean(axis=0)
    assert worth == pytest.approx([-1 / 6, 5 / 6], abs=1e-6)
    assert timing.arriving(WEB, goals_named(given)[0]).latest is None


def test_a_desk_without_a_limit_that_matters() -> None:
    sets = {"capacity": "{opportunity: {per_period: 1_000}}"}
    loose = arriving(scenario(BUSY, **sets), runs=2_000)
    free = arriving(scenario(BUSY.replace("capacity:", "#").replace("  opportunity: {per", "#")))
    assert free.how == "closed form"
    assert loose.latest == free.latest
    np.testing.assert_allclose(loose.counting, free.counting, rtol=0.05, atol=0.02)


def deals(given, runs: int) -> np.ndarray:
    found = forecast.simulate(given, runs=runs, seed=11).deals
    return found.sel(quarter="2027Q2").sum(["channel", "segment", "product"]).values


def plan(more: dict[int, int], until: int = 9) -> str:
    """The leads of web, with some more, and none after a month."""
    figures = [40, 45, 30, 20, 35, 25, 40, 20, 20]
    kept = [n + more.get(t, 0) if t < until else 0 for t, n in enumerate(figures)]
    return f"{{fixed: {kept}, per: month}}"


def test_the_schedule_is_that_of_plans_cut_short() -> None:
    """As the oldest go first, what comes later changes nothing for what came before."""
    runs, given = 4_000, scenario(BUSY, **{LOOP: "0%"})
    found = arriving(given)
    whole = deals(given, runs)
    for month in (2, 3, 4, 5):
        partners = f"{{fixed: {[6] * month}, per: month, then: zero}}"
        short = {WEB: plan({}, month), "channels.partners.leads": partners}
        lost = whole - deals(scenario(BUSY, **{LOOP: "0%"}, **short), runs)
        error = sqrt(np.var(lost) / runs + np.var(whole) / 1_000)
        assert abs(lost.mean() - found.counting[month:].sum()) < 5 * error
    assert found.counting.sum() == pytest.approx(whole.mean(), abs=5 * whole.std() / sqrt(1_000))


@pytest.mark.parametrize("slots", ["20", "23"])
def test_one_more_lead_brings_what_it_brings_when_simulated(slots: str) -> None:
    """It takes the place of others: of partners' deals, which are more likely won."""
    runs = 10_000
    tight = BUSY.replace("per_period: 17", f"per_period: {slots}")
    given = scenario(tight)
    timing, span = Timing(given), goals_named(given)[0]
    adding = timing._both[1]
    inside = np.isin(timing.blueprint.plan.quarter_of, [1]).astype(float)
    found = adding.lead_worth("deals", inside, adding.worth("deals", inside)).mean(axis=0)
    worth = found[:2].T @ [0.7, 0.3]
    base = deals(given, runs)
    for month in (1, 3):
        gain = deals(scenario(tight, **{WEB: plan({month: 1})}), runs) - base
        assert abs(gain.mean() - worth[month]) < 4 * gain.std() / sqrt(runs) + 0.004
    assert worth[3] > 0.05
    assert timing.arriving(WEB, span).latest in ("2027-05", "2027-06")


MIXED = {
    "none": {},
    "open": {"pipeline": "{deals: [{id: a, stage: opportunity, amount: 7, channel: web,"
    " entered: 2026-12-20, segment: small}, {id: b, stage: lead, amount: 9, channel: partners,"
    " entered: 2026-12-20, segment: large}]}"},
    "referral": {"referral": "{leads: 0.1 per month, channel: partners, existing: 40}"},
}  # fmt: skip


@pytest.mark.parametrize("kind", MIXED)
def test_what_counts_adds_up_where_stages_have_limits(kind: str) -> None:
    """With open deals and customers who bring leads: by leads, and by the stage's entries."""
    goals = "[{metric: deals, quarter: 2027Q2, target: 9, confidence: 80%},"
    goals += " {metric: opportunity, quarter: 2027Q1, target: 9, confidence: 80%}]"
    given = scenario(BUSY, goals=goals, **MIXED[kind])
    timing = Timing(given)
    runs = forecast.simulate(given, runs=1_000, seed=0)
    won = runs.deals.sel(quarter="2027Q2").sum(["channel", "segment", "product"])
    came = runs.entered.sel(quarter="2027Q1", stage="opportunity").sum(["channel", "segment"])
    for span, right in zip(goals_named(given), (won, came), strict=True):
        error = 5 * float(right.std()) / sqrt(1_000)
        found = timing.arriving("channels.*.leads", span)
        assert found.opening + found.counting.sum() == pytest.approx(float(right.mean()), abs=error)
        assert (found.opening > 0) == (kind != "none")
        through = timing.arriving("journey.opportunity.won.conversion", span)
        total = through.opening + through.counting.sum()
        assert total == pytest.approx(float(right.mean()), abs=error)
