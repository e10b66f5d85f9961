"""By when: what arrives and counts in each period, the last that helps, and the coverage."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SCENARIOS, closed_form, scenario

import forecast
from forecast.analysis.coverage import Opportunities
from forecast.analysis.goal_when import Timing, period_labels
from forecast.analysis.select import goals_named
from forecast.engine.expected import flow_at
from forecast.engine.plan import make_blueprint

LEAN = SCENARIOS / "lean-consulting.yaml"

TWO = """
name: Two channels
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {fixed: [10, 20, 30, 0, 0, 0], per: month, then: zero}}
  list: {leads: {fixed: [8, 0, 0, 5], per: month, then: zero}, enters: opportunity}
segments:
  small: {share: 75%}
  large: {share: 25%, journey: {opportunity: {won: {conversion: 60%}}}}
journey:
  lead: {opportunity: {conversion: 50%, lag: {periods: {1: 1}}}}
  opportunity: {won: {conversion: 40%, lag: {periods: {2: 50%, 3: 50%}}}}
products: {p: {size: 10k}}
goals: [{metric: deals, quarter: 2027Q2, target: 10, confidence: 80%}]
"""


def rows(given, path: str) -> dict[str, tuple[float, float]]:
    found = Timing(given).arriving(path, goals_named(given)[0])
    every = zip(found.periods, found.items, found.counting, strict=True)
    return {label: (float(n), float(c)) for label, n, c in every if c > 1e-12}


def test_leads_of_a_channel_count_by_the_time_they_take() -> None:
    given = scenario(TWO)
    # web takes 3 months or 4 to win: half of the leads of March are won too late
    rate = 0.5 * (0.75 * 0.4 + 0.25 * 0.6)
    assert rows(given, "channels.web.leads.fixed") == {
        "2027-01": pytest.approx((10, 10 * rate)),
        "2027-02": pytest.approx((20, 20 * rate)),
        "2027-03": pytest.approx((30, 30 * rate * 0.5)),
    }


def test_the_last_period_that_helps() -> None:
    given = scenario(TWO)
    timing, span = Timing(given), goals_named(given)[0]
    assert timing.arriving("channels.web.leads", span).latest == "2027-03"
    assert timing.arriving("channels.list.leads", span).latest == "2027-04"
    assert timing.arriving("channels.*.leads", span).latest == "2027-04"
    assert timing.arriving("journey.opportunity.won.conversion", span).latest == "2027-04"
    assert timing.arriving("journey.lead.opportunity.conversion", span).latest == "2027-03"
    assert timing.arriving("products.p.size", span).what == "leads"


def test_entries_of_a_stage_count_once_each() -> None:
    given = scenario(TWO)
    found = rows(given, "journey.opportunity.won.conversion")
    rate = 0.75 * 0.4 + 0.25 * 0.6
    # in January the list's 8 come: half are won in March, half in April
    assert found["2027-01"] == pytest.approx((8, 8 * rate * 0.5))
    assert found["2027-02"] == pytest.approx((5, 5 * rate))
    assert found["2027-04"] == pytest.approx((15 + 5, (15 + 5) * rate * 0.5))
    large = rows(given, "segments.large.journey.opportunity.won.conversion")
    assert large["2027-02"] == pytest.approx((5 * 0.25, 5 * 0.25 * 0.6))


# Of every kind: loops, open deals, payments, referral, nothing but counts.
KINDS = ("saas-funnel", "open-pipeline", "subscription-ltv", "referral-loop", "marketplace-sellers")


@pytest.mark.parametrize("name", KINDS)
def test_what_counts_adds_up_to_what_is_expected(name: str) -> None:
    plain = forecast.read_scenario(SCENARIOS / f"{name}.yaml")
    stage = plain.stages[-1]
    metrics = (
        "deals",
        "leads",
        stage,
        *(("bookings", "revenue") if name != "marketplace-sellers" else ()),
    )
    goals = [f"{{metric: {m}, every: quarter, target: 9, confidence: 80%}}" for m in metrics]
    given = forecast.read_scenario(SCENARIOS / f"{name}.yaml", {"goals": f"[{', '.join(goals)}]"})
    timing = Timing(given)
    means = flow_at(make_blueprint(given), timing.values, 1)
    for span in goals_named(given):
        goal, _, (quarter,) = span
        found = timing.arriving("channels.*.leads", span)
        named = goal.metric in given.stages
        array = means.entered[..., given.stages.index(goal.metric)] if named else None
        right = (getattr(means, goal.metric) if array is None else array)[0, quarter].sum()
        assert found.opening + found.counting.sum() == pytest.approx(right, rel=1e-9, abs=1e-12)
        apart = [timing.arriving(f"channels.{c}.leads", span).counting for c in given.channels]
        np.testing.assert_allclose(sum(apart), found.counting, rtol=1e-9)
        assert found.how == "closed form"
        if goal.metric in ("deals", "bookings"):  # all are won straight from one stage
            through = timing.arriving(f"journey.{stage}.won.conversion", span)
            assert through.opening == found.opening
            assert through.opening + through.counting.sum() == pytest.approx(right, rel=1e-9)
            last = given.calendar.quarter_of.index(quarter)
            assert found.latest in period_labels(given.calendar)[last:]


def test_leads_count_with_what_their_customers_bring() -> None:
    """10 leads in January, won in February; a customer brings 0.6 leads a month."""
    given = scenario(
        TWO,
        channels="{web: {leads: {fixed: [10], per: month, then: zero}}}",
        segments="{all: {share: 100%}}",
        journey="{opportunity: {won: {conversion: 50%, lag: {periods: {1: 1}}}}}",
        referral="{leads: 0.6 per month, during: 2 months, existing: 5}",
    )
    found = Timing(given).arriving("channels.*.leads", goals_named(given)[0])
    # customers: 5 in February; of their leads of March and April half is won in April and May;
    # the first of these bring some in May and June, half of whom are won in June (July is too late)
    won = 5 * 0.6 * 0.5
    assert found.counting[0] == pytest.approx(2 * won + won * 0.6 * 0.5)
    # leads of January and February of the customers that are there, 3 each, of whom 1.5 are won a
    # month later; theirs of March, and April twice are won in time, of April's customers May's
    first = 5 * 0.6 * 0.5
    second = [first * 0.3, 2 * first * 0.3, first * 0.3]  # won in April, May, June
    third = second[0] * 0.3  # of April's customers: in June
    assert found.opening == pytest.approx(sum(second) + third)
    assert found.items.sum() == 10
    assert found.latest == "2027-05"


def test_entries_count_until_they_come_again() -> None:
    loop = "{opportunity: {won: {conversion: 40%},"
    loop += " nurture: {conversion: 60%, lag: {periods: {1: 1}}}},"
    loop += " nurture: {opportunity: {conversion: 50%}}}"
    given = scenario(
        TWO,
        channels="{web: {leads: {fixed: [0, 0, 0, 10], per: month, then: zero}}}",
        segments="{all: {share: 100%}}",
        journey=loop,
    )
    found = rows(given, "journey.opportunity.won.conversion")
    assert found["2027-04"] == pytest.approx((10, 4))
    assert found["2027-05"] == pytest.approx((3, 1.2))
    assert rows(given, "channels.web.leads")["2027-04"] == pytest.approx((10, 4 + 1.2 + 0.36))


def test_goals_on_leads_and_stages() -> None:
    goals = "[{metric: leads, quarter: 2027Q1, target: 9, confidence: 80%}]"
    given = forecast.read_scenario(LEAN, {"goals": goals})
    found = Timing(given).arriving("channels.list.leads", goals_named(given)[0])
    assert found.counting.sum() == pytest.approx(34)
    assert found.latest == "2027-03"
    given = scenario(
        TWO, goals="[{metric: opportunity, quarter: 2027Q2, target: 9, confidence: 80%}]"
    )
    found = Timing(given).arriving("channels.*.leads", goals_named(given)[0])
    assert found.counting.sum() == pytest.approx(15 + 5)
    assert found.latest == "2027-06"


def test_a_year_adds_up_its_quarters() -> None:
    goals = "[{metric: deals, year: 2027, target: 9, confidence: 80%}]"
    given = scenario(TWO, goals=goals)
    timing, span = Timing(given), goals_named(given)[0]
    assert timing.arriving("channels.*.leads", span).counting.sum() == pytest.approx(43 * 0.45)
    assert Opportunities(given).coverage(span).opportunities == pytest.approx(43)


def test_weeks_are_named_by_their_first_day() -> None:
    given = scenario(TWO, period="week", horizon="26 weeks")
    assert period_labels(given.calendar)[:2] == ("2027-01-01", "2027-01-08")


def test_the_closed_form_of_leads_is_the_engines() -> None:
    given = scenario(TWO)
    leads = Timing(given).arriving("channels.*.leads", goals_named(given)[0]).items
    quarters = np.bincount(given.calendar.quarter_of, leads)
    assert quarters == pytest.approx(closed_form(given).means.leads[0].sum(axis=(1, 2)))
