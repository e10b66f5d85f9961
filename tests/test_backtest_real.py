"""Backtests of real data, whose licences keep it out of the project."""

import datetime as dt

import pytest
from shared_data import real

from forecast.history.backtest import Request, backtest
from forecast.history.mapping import read_mapping
from forecast.history.origins import Plan
from forecast.history.read import read_records
from forecast.history.refit import make_scenario
from forecast.history.verdict import summarize_backtest

pytestmark = pytest.mark.long

OLIST = """
dates: day-month-year
leads:
  file: {folder}/olist_marketing_qualified_leads_dataset.csv
  columns: {{id: mql_id, created: first_contact_date, channel: origin}}
deals:
  file: {folder}/olist_closed_deals_dataset.csv
  columns: {{lead: mql_id, closed: won_date}}
  status: won
"""
MAVEN = """
currency: USD
deals:
  file: {folder}/sales_pipeline.csv
  columns:
    id: opportunity_id
    created: engage_date
    closed: close_date
    status: deal_stage
    amount: close_value
    product: product
  status: {{Won: won, Lost: lost, Engaging: open, Prospecting: set aside}}
aliases: {{product: {{GTXPro: GTX Pro}}}}
as_of: 2017-12-31
"""


def records_of(text, name, folder):
    file = folder / "mapping.yaml"
    file.write_text(text.format(folder=real(name)), encoding="utf-8")
    return read_records(read_mapping(file))[0]


@pytest.fixture(scope="module")
def olist(tmp_path_factory):
    return records_of(OLIST, "olist-funnel", tmp_path_factory.mktemp("olist"))


@pytest.mark.parametrize(
    ("until", "plan", "told"),
    [
        # All wins from 2018-03 on, a month ahead.
        (None, Plan(since=dt.date(2018, 3, 1)), False),
        # Growth: up to three months ahead, known to the end of May.
        (dt.date(2018, 5, 31), Plan(since=dt.date(2018, 3, 1), horizon=3), False),
        # Roll-off: the intake ended on 2018-05-31, which the records show a month later.
        (None, Plan(since=dt.date(2018, 7, 1), horizon=3), False),
        # Both, told which leads arrive: on 2018-05-31 nothing says that none will.
        (None, Plan(since=dt.date(2018, 3, 1), horizon=3), True),
    ],
    ids=["a month ahead", "growth", "roll-off", "whole"],
)
def test_olist_wins_are_foretold_better_than_by_any_baseline(olist, until, plan, told):
    records = olist if until is None else olist.known_at(until)
    request = Request(runs=4_000, known_arrivals=told)
    found = summarize_backtest(backtest(records, make_scenario, plan, request))
    assert not found["skipped"]
    assert found["relative_wis"] < 1.0


def test_maven_revenue_backtest_runs(tmp_path):
    records = records_of(MAVEN, "maven-crm", tmp_path)
    found = summarize_backtest(backtest(records, make_scenario, Plan(horizon=3), Request(runs=1_000)))
    assert not found["skipped"]
    rows = [row for row in found["overall"] if row["metric"] == "bookings"]
    assert len(rows) == 7
    assert all(row["n"] == 18 for row in rows)
