"""A scenario that begins later has of each later month what the whole one has of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from helpers import expected, per_period, scenario
from nights import make_firm

from forecast.analysis.levers import document_of
from forecast.engine.assumptions import Draws
from forecast.engine.desks import capacity_by_period
from forecast.engine.layout import lay_out
from forecast.operate.archive import Archive
from forecast.operate.config import read_config
from forecast.operate.nightly import run_nightly
from forecast.operate.redate import redate
from forecast.scenario.calendar import days_in_month
from forecast.scenario.errors import ScenarioError
from forecast.scenario.reader import build_scenario

HEAD = """
name: Plan
start: 2027-01-01
horizon: 4 quarters
journey: {o: {won: {conversion: 20%}}}
"""
WEB = "channels: {web: {leads: {mean: 100, per: month}%s}}\n"
END = dt.date(2028, 1, 1)


def later(text: str, start: dt.date, won: float = 0, end: dt.date = END):
    plan = scenario(text)
    return plan, build_scenario(redate(document_of(plan), plan, start, end, won))


def check(text: str, start: dt.date, name: str = "leads", exact: bool = True) -> None:
    """Each later month is as it was; of the one of the start there is what is left of its days."""
    plan, cut = later(text, start)
    whole, left = (expected(per_period(each), name) for each in (plan, cut))
    month = start.month - 1
    part = 1.0 - (start.day - 1) / days_in_month(2027, start.month)
    near = {"rtol": 1e-9} if exact else {"rtol": 1e-9, "atol": 1.0}
    np.testing.assert_allclose(left[1:], whole[month + 1 :], **near)
    np.testing.assert_allclose(left[0], part * whole[month], **near)


DAYS = [dt.date(2027, 1, 20), dt.date(2027, 4, 1), dt.date(2027, 5, 11), dt.date(2027, 11, 30)]


@pytest.mark.parametrize("start", DAYS)
@pytest.mark.parametrize(
    "leads",
    [
        "leads: {mean: [10, 20, 60], per: month, then: repeat}",
        "leads: {mean: [10, 20, 60], per: quarter, then: last}, growth: 30% per year",
        "leads: {mean: 50, per: month}, growth: 2% per month, seasonality: {jul: 0.5}",
        "leads: {mean: 50, per: week}, growth: {amount: 2%, per: quarter}",
    ],
)
def test_leads_go_on(leads: str, start: dt.date):
    check(f"{HEAD}channels: {{web: {{{leads}}}}}\n", start)


@pytest.mark.parametrize("start", DAYS)
@pytest.mark.parametrize(
    "leads",
    [
        "fixed: 90, per: quarter",
        "fixed: [90, 40], per: quarter, then: repeat",
        "fixed: [31, 28, 12], per: month, then: repeat",
        "fixed: 365, per: year",
    ],
)
def test_exact_counts_go_on(leads: str, start: dt.date):
    text = f"{HEAD}channels: {{web: {{leads: {{{leads}}}}}}}\n"
    check(text, start, exact=False)
    plan, cut = later(text, start)
    if start.day == 1:
        ahead = expected(per_period(plan), "leads")[start.month - 1 :].sum()
        assert expected(cut, "leads").sum() == pytest.approx(ahead, abs=1e-6)
    again = build_scenario(redate(document_of(cut), cut, start + dt.timedelta(12), END))
    straight = later(text, start + dt.timedelta(12))[1]
    assert expected(again, "leads") == pytest.approx(expected(straight, "leads"), abs=1.0)


def test_what_began_later_may_begin_later_still_and_end_later():
    for leads in ("fixed: 90, per: quarter", "fixed: [9, 4], per: month, then: repeat"):
        text = f"{HEAD}channels: {{web: {{leads: {{{leads}}}}}}}\n"
        _, cut = later(text, dt.date(2027, 2, 20))
        end = dt.date(2028, 7, 1)
        again = build_scenario(redate(document_of(cut), cut, dt.date(2027, 8, 1), end))
        straight = later(text, dt.date(2027, 8, 1), end=end)[1]
        assert expected(again, "leads") == pytest.approx(expected(straight, "leads"), abs=1.0)


def test_a_list_that_ends_before_the_horizon_is_refused_on_any_day():
    text = f"{HEAD}channels: {{web: {{leads: {{fixed: [90, 40, 30, 20], per: quarter}}}}}}\n"
    for start in (dt.date(2027, 4, 1), dt.date(2027, 5, 20)):
        with pytest.raises(ScenarioError, match="without then; must be 4 figures"):
            later(text, start, end=dt.date(2028, 4, 1))


@pytest.mark.parametrize("start", DAYS)
def test_changes_to_come_count_from_the_same_start(start: dt.date):
    text = f"""{HEAD}
channels:
  web: {{leads: {{mean: 50, per: month}}, growth: 3% per month, cost: {{fixed: 5k per month}}}}
changes:
  - {{from: 2027-02-10, set: {{channels.web.growth: 1% per month}}}}
  - {{from: 2027-07-01, set: {{channels.web.leads.mean: 60}}}}
  - from: 2027-09-01
    set:
      channels.web.leads: {{mean: [1, 2, 3, 4, 5, 6, 7, 8, 90, 100, 110, 120], per: month}}
      channels.web.cost.fixed: {{amount: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], per: month}}
"""
    check(text, start)
    check(text, start, "spend")


@pytest.mark.parametrize("start", DAYS)
@pytest.mark.parametrize(
    "more",
    [
        "fixed: {amount: [0, 9k, 1k, 3k, 0, 8k], per: month, then: repeat}",
        "fixed: 5k per month",
    ],
)
@pytest.mark.parametrize("before", ["", ", before: 20k per month", ", before: 0 per month"])
def test_money_that_was_spent_still_works(start: dt.date, more: str, before: str):
    hill = "hill: {max: 300, half: 4k, shape: 1.5}"
    leads = f"leads: {{response: {{{hill}, carry_over: 60% per month{before}}}, per: month}}"
    check(f"{HEAD}channels: {{ads: {{{leads}, growth: 1% per month, cost: {{{more}}}}}}}\n", start)


def test_money_works_on_after_a_change_of_the_spend():
    text = f"""{HEAD}
channels:
  ads:
    leads: {{response: {{hill: {{max: 300, half: 4k}}, carry_over: 70% per month}}, per: month}}
    cost: {{fixed: 1k per month}}
changes:
  - {{from: 2027-04-01, set: {{channels.ads.cost.fixed: 20k per month}}}}
"""
    for start in DAYS:
        check(text, start)


LIMITS = [
    "per_period: 40",
    "per_period: [10, 20, 30], then: repeat",
    "per_period: [10, 20, 30], then: last",
    "reps: {each: 12 per month, now: 3, hires: [{from: 2027-04-01, count: 2}, "
    "{from: 2027-09-15, count: -1}], ramp: [0%, 25%, 50%, 100%]}",
]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("start", DAYS)
def test_slots_and_ramps_go_on(start: dt.date, limit: str):
    plan, cut = later(f"{HEAD}{WEB % ''}capacity: {{o: {{{limit}}}}}\n", start)
    whole, left = (
        capacity_by_period(lay_out(each), "o", Draws(each, 0).means())[0] for each in (plan, cut)
    )
    month = start.month - 1
    part = 1.0 - (start.day - 1) / days_in_month(2027, start.month)
    assert left[1:] == pytest.approx(whole[month + 1 :])
    if "reps" not in limit:
        assert left[0] == pytest.approx(part * whole[month])


def test_weeks_that_are_partly_over_are_shared_out():
    weeks = f"{HEAD}period: week\n"
    text = f"{weeks}channels: {{web: {{leads: {{mean: [70, 0, 7], per: week, then: repeat}}}}}}\n"
    _, cut = later(text, dt.date(2027, 1, 11))  # three days of the second week are over
    left = expected(per_period(cut), "leads")
    assert left[:3] == pytest.approx([3.0, 4 + 30.0, 40.0])
    exact = text.replace("mean", "fixed")
    left = expected(per_period(later(exact, dt.date(2027, 1, 11))[1]), "leads")
    assert left[:3] == pytest.approx([3.0, 4 + 30.0, 40.0])
    slots = (
        f"{HEAD}period: week\n{WEB % ''}capacity: {{o: {{per_period: [70, 0, 7], then: repeat}}}}\n"
    )
    cut = later(slots, dt.date(2027, 1, 11))[1]
    found = capacity_by_period(lay_out(cut), "o", Draws(cut, 0).means())[0]
    assert found[:3] == pytest.approx([3.0, 34.0, 40.0])


def test_uncertain_growth_has_grown_by_its_mean():
    text = f"{HEAD}{WEB % ', growth: {amount: {uniform: {low: 0%, high: 100%}}, per: year}'}"
    _, cut = later(text, dt.date(2027, 7, 1))
    # The mean of (1 + g) ** 0.5 for g uniform on 0 to 1.
    assert expected(per_period(cut), "leads")[0] == pytest.approx(
        100 * (2**1.5 - 1) / 1.5, rel=1e-6
    )


def test_a_plan_of_long_ago_is_refused():
    text = f"{HEAD}period: day\n{WEB % ''}".replace("2027", "2010").replace("4 quarters", "9 days")
    with pytest.raises(ScenarioError, match="start: got 2010-01-01; must be nearer to 2027-07-01"):
        later(text, dt.date(2027, 7, 1))


def test_who_was_won_brings_leads():
    text = f"{HEAD}{WEB % ''}referral: {{leads: 0.1 per month, existing: 20}}\n"
    plan, cut = later(text, dt.date(2027, 7, 1), won=123)
    assert cut.versions[0].referral is not None
    assert cut.versions[0].referral.existing == 143
    # What the whole plan expects to win until then lets the later months be as in the plan.
    customers = expected(per_period(plan), "deals")[:6].sum()
    document = redate(document_of(plan), plan, dt.date(2027, 7, 1), END, float(customers))
    left = expected(per_period(build_scenario(document)), "leads")
    np.testing.assert_allclose(left, expected(per_period(plan), "leads")[6:], rtol=1e-9)


def test_customers_who_end_within_the_horizon_are_refused():
    text = f"{HEAD}{WEB % ''}referral: {{leads: 0.1 per month, during: 12 months}}\n"
    with pytest.raises(ScenarioError, match="got 12 months; must be at least the 456 days from"):
        later(text, dt.date(2027, 7, 1), end=dt.date(2028, 4, 1))
    assert later(text, dt.date(2027, 7, 1), end=dt.date(2027, 12, 1))


def test_a_night_counts_who_was_won_and_refuses_revenue_that_recurs(tmp_path: Path):
    config = make_firm(tmp_path, fitted=False)
    plan = tmp_path / "plan.yaml"
    text = plan.read_text()
    plan.write_text(f"{text}referral: {{leads: 0.01 per month, existing: 5}}\n")
    document = run_nightly(read_config(config), as_of=dt.date(2026, 4, 10))
    rows = (tmp_path / "deals.csv").read_text().splitlines()[1:]
    won = [r for r in rows if ",Won," in r and "2026-01-01" <= r.split(",")[2] <= "2026-04-10"]
    archive = Archive(tmp_path / "kept")
    kept = archive.scenario(archive.find(document["key"]))
    assert kept.versions[0].referral is not None
    assert kept.versions[0].referral.existing == 5 + len(won)

    recurring = "recurring: {every: month, churn: 2% per month}"
    plan.write_text(text.replace("standard: {size", f"standard: {{{recurring}, size"))
    config.write_text(config.read_text().replace("metric: bookings", "metric: revenue"))
    with pytest.raises(ScenarioError, match="a goal on revenue that recurs"):
        run_nightly(read_config(config), as_of=dt.date(2026, 4, 10))
