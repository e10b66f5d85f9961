"""By when: what arrives and counts in each period, the last that helps, and the coverage."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SCENARIOS, closed_form, scenario

import forecast
import forecast.engine.expected
from forecast.analysis.goal_when import Timing, period_labels
from forecast.analysis.select import goals_named
from forecast.engine.request import RequestError

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


@pytest.mark.parametrize("name", ["saas-funnel", "long-cycle-enterprise", "reference-r1"])
def test_what_counts_adds_up_to_the_expected_deals(name: str) -> None:
    sets = {"goals": "[{metric: deals, every: quarter, target: 9, confidence: 80%}]"}
    given = forecast.read_scenario(SCENARIOS / f"{name}.yaml", sets)
    timing = Timing(given)
    means = forecast.engine.expected.flow_at(timing.blueprint, timing.values, 1)
    right = means.deals[0].sum(axis=(1, 2, 3))
    for span in goals_named(given):
        found = timing.arriving("channels.*.leads", span)
        assert found.counting.sum() == pytest.approx(right[span[2][0]], rel=1e-9)
        apart = [timing.arriving(f"channels.{c}.leads", span).counting for c in given.channels]
        np.testing.assert_allclose(sum(apart), found.counting, rtol=1e-9)
        assert found.shares[-1] == pytest.approx(1.0)
    last = given.calendar.periods - np.bincount(given.calendar.quarter_of)[-1]
    assert found.latest in period_labels(given.calendar)[last:]


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
    assert timing.coverage(span).opportunities == pytest.approx(43)


def test_weeks_are_named_by_their_first_day() -> None:
    given = scenario(TWO, period="week", horizon="26 weeks")
    assert period_labels(given.calendar)[:2] == ("2027-01-01", "2027-01-08")


# --- coverage


def test_coverage_of_fixed_opportunities() -> None:
    given = forecast.read_scenario(LEAN, {"channels.list.leads.fixed": "[40]"})
    found = Timing(given).coverage(goals_named(given)[0])
    assert found.coverage == pytest.approx(4.0)
    assert found.usual == pytest.approx(1 / 0.3)
    assert (found.opportunities, found.value) == pytest.approx((40, 40 * 75_000))


def test_coverage_counts_what_is_decided_in_time() -> None:
    given = scenario(TWO)
    found = Timing(given).coverage(goals_named(given)[0])
    # opportunities of January to April: 8; 5 of web; 10; 15 and 5 of list; halves by their lag
    due = 0.5 * 8 + 5 + 10 + 0.5 * (15 + 5)
    assert found.opportunities == pytest.approx(due)
    assert found.win_rate == pytest.approx(0.45)
    assert found.coverage == pytest.approx(due / 10)


def test_coverage_times_win_rate_is_what_is_expected() -> None:
    given = forecast.read_scenario(SCENARIOS / "long-cycle-enterprise.yaml")
    for span in goals_named(given):
        timing = Timing(given)
        means = forecast.engine.expected.flow_at(timing.blueprint, timing.values, 1)
        found = timing.coverage(span)
        array = means.deals if span[0].metric == "deals" else means.bookings
        right = array[0, list(span[2])].sum()
        wins = found.opportunities * (found.win_rate or 0.0)
        if span[0].metric == "deals":
            assert wins == pytest.approx(right, rel=1e-9)
        assert (found.coverage or 0) * (found.win_rate or 0) == pytest.approx(
            right / span[0].target, rel=1e-6
        )


def test_coverage_is_of_deals_and_money() -> None:
    given = scenario(TWO, goals="[{metric: leads, quarter: 2027Q2, target: 9, confidence: 80%}]")
    with pytest.raises(RequestError, match="--coverage: got leads; must be a goal on deals"):
        Timing(given).coverage(goals_named(given)[0])


def test_coverage_of_open_deals_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.analysis.goal_when.uses", lambda _: frozenset({"pipeline"}))
    given = scenario(TWO)
    with pytest.raises(RequestError, match="must be a scenario without open deals"):
        Timing(given).coverage(goals_named(given)[0])


def test_the_closed_form_of_leads_is_the_engines() -> None:
    given = scenario(TWO)
    leads = Timing(given).leads.sum(axis=1)
    quarters = np.bincount(given.calendar.quarter_of, leads)
    assert quarters == pytest.approx(closed_form(given).means.leads[0].sum(axis=(1, 2)))
