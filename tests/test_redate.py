"""A scenario that begins later: lists go on, growth has grown, changes have changed."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from helpers import expected, per_period, scenario

from forecast.analysis.levers import document_of
from forecast.history.done import done_by_quarter, done_in
from forecast.operate.redate import redate
from forecast.operate.tonight import end_of_quarters
from forecast.scenario.reader import build_scenario

PLAN = """
name: Plan
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 100, per: month}, seasonality: {jul: 0.5}}
  fair: {leads: {mean: [0, 0, 200, 10], per: month, then: repeat}}
  list: {leads: {fixed: [30, 50], per: quarter, then: zero}}
journey:
  lead: {won: {conversion: 20%}}
changes:
  - {from: 2027-04-01, set: {channels.web.leads.mean: 120}}
  - {from: 2027-08-01, set: {journey.lead.won.conversion: 25%}}
"""


def later(text: str, start: dt.date):
    plan = scenario(text)
    document = redate(document_of(plan), plan, start, dt.date(2028, 1, 1))
    return plan, build_scenario(document)


@pytest.mark.parametrize("month", [1, 2, 4, 6, 8, 9])
def test_leads_and_deals_of_new_items_are_those_of_the_whole_plan(month: int):
    plan, cut = later(PLAN, dt.date(2027, month, 1))
    for name in ("leads", "deals"):
        whole = expected(per_period(plan), name)
        left = expected(per_period(cut), name)
        # One of the items of a list may come on the other side of a month's end.
        near = {"rtol": 1e-9, "atol": 1.0}
        np.testing.assert_allclose(left, whole[month - 1 :], err_msg=name, **near)
        assert left.sum() == pytest.approx(whole[month - 1 :].sum())


def test_growth_goes_on():
    grows = PLAN.replace("seasonality: {jul: 0.5}", "growth: 12% per year")
    grows = grows[: grows.index("changes:")]
    plan, cut = later(grows, dt.date(2027, 7, 1))
    whole = expected(per_period(plan), "leads")[6:]
    # Growth steps by periods, which are not of one length in days.
    np.testing.assert_allclose(expected(per_period(cut), "leads"), whole, rtol=2e-3)


def test_a_plan_that_has_not_begun_keeps_its_start():
    plan, cut = later(PLAN, dt.date(2026, 11, 20))
    assert cut.calendar.start == plan.calendar.start


def test_the_end_of_quarters():
    assert end_of_quarters(dt.date(2026, 11, 20), 4, 1) == dt.date(2028, 1, 1)
    assert end_of_quarters(dt.date(2026, 10, 1), 0, 10) == dt.date(2027, 1, 1)
    assert end_of_quarters(dt.date(2026, 1, 31), 1, 2) == dt.date(2026, 5, 1)


def test_what_is_done_is_counted_by_fiscal_quarter():
    import pandas as pd

    from forecast.history.records import OPEN, build_records

    day = dt.date(2026, 3, 31).toordinal()
    items = pd.DataFrame({"id": ["a", "b", "c"], "amount": [10.0, 5.0, np.nan]})
    stays = pd.DataFrame(
        {
            "item": [0, 1, 2],
            "stage": "opportunity",
            "entered": [day - 9, day - 3, day],
            "left": [day, day + 1, OPEN],
            "to": ["won", "won", ""],
        }
    )
    records = build_records(items, stays, ("opportunity",), dt.date(2026, 4, 20))
    done = done_by_quarter(records)
    assert done["deals"] == {"2026Q1": 1, "2026Q2": 1}
    assert done["bookings"] == {"2026Q1": 10.0, "2026Q2": 5.0}
    assert done_in(done, "leads", "2026Q1") == 3
    assert done_in(done, "bookings", "2026") == 15.0
    assert done_by_quarter(records, 4)["deals"] == {"2026Q4": 1, "2027Q1": 1}
