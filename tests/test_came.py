"""What came of a plan, counted from records."""

from __future__ import annotations

import datetime as dt

import histories
import numpy as np
import pytest
from commands import invoke
from helpers import scenario

from forecast.history.came import actuals_of
from forecast.scenario.errors import ScenarioError

PLAN = """
name: Plan
start: 2025-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 60, per: month}}
  fair: {leads: {mean: 30, per: month}}
journey:
  opportunity:
    won: {conversion: 30%, lag: {gamma: {mean: 60 days, cv: 0.7}}}
    lost: {lag: {gamma: {mean: 40 days, cv: 0.9}}}
products:
  one: {size: 10k}
"""


def made(days: int = 366 + 181):
    truth = histories.Truth(arrivals={"web": 2.0, "fair": 1.0}, days=days)
    return histories.simulate_history(truth, 3)


def test_quarters_that_are_over_are_counted():
    records = made()
    actuals = actuals_of(records, scenario(PLAN))
    assert list(actuals.quarters) == ["2025Q1", "2025Q2"]
    first, last = dt.date(2025, 4, 1).toordinal(), dt.date(2025, 6, 30).toordinal()
    stays = records.stays
    spring = (stays["entered"] >= first) & (stays["entered"] <= last)
    quarter = actuals.quarters["2025Q2"]
    assert sum(quarter.leads.values()) == spring.sum()
    assert quarter.entered == {"opportunity": spring.sum()}
    won = (stays["to"] == "won") & (stays["left"] >= first) & (stays["left"] <= last)
    assert quarter.deals == won.sum()
    assert quarter.bookings == pytest.approx(records.items["amount"][stays["item"][won]].sum())
    web = (records.items["channel"] == "web").to_numpy()[stays["item"].to_numpy()]
    assert quarter.leads["web"] == (spring.to_numpy() & web).sum()


def test_lags_know_of_the_open_items():
    lags = actuals_of(made(), scenario(PLAN)).lags
    assert lags["opportunity", "won"] == pytest.approx(60.0, rel=0.2)


def test_names_that_the_plan_does_not_have_are_added_up():
    plan = scenario(PLAN.replace("fair:", "trade fair:"))
    leads = actuals_of(made(), plan).quarters["2025Q1"].leads
    assert isinstance(leads, float)


def test_a_quarter_must_be_over():
    with pytest.raises(ScenarioError, match="until the end of 2025Q1"):
        actuals_of(made(days=400), scenario(PLAN))


def test_the_command_takes_a_mapping(tmp_path):
    records = made()
    stays, items = records.stays, records.items
    rows = ["id,created,closed,status,amount,channel"]
    for row in stays.itertuples():
        open_ = row.to == ""
        closed = "" if open_ else dt.date.fromordinal(row.left).isoformat()
        amount = items["amount"][row.item]
        rows.append(
            f"{items['id'][row.item]},{dt.date.fromordinal(row.entered)},{closed},"
            f"{row.to or 'open'},{'' if np.isnan(amount) else amount},{items['channel'][row.item]}"
        )
    (tmp_path / "deals.csv").write_text("\n".join(rows))
    (tmp_path / "crm.yaml").write_text(
        "stages: [opportunity]\nas_of: 2025-06-30\ndeals:\n  file: deals.csv\n"
        "  columns: {id: id, created: created, closed: closed, status: status, amount: amount, "
        "channel: channel}\n  status: {won: won, lost: lost, open: open}\n"
    )
    (tmp_path / "plan.yaml").write_text(PLAN)
    asked = ("evaluate", str(tmp_path / "plan.yaml"), str(tmp_path / "crm.yaml"), "--runs", "500")
    told = invoke(*asked)
    assert told.exit_code == 0, told.output
    assert "cycle time" in told.output
    assert "deals of 2025Q1 and 2025Q2" in told.output
