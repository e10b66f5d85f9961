"""Backtests of made histories: nothing of the future, nominal coverage, false sureness found."""

import dataclasses
import datetime as dt
import json

import numpy as np
import pytest
from commands import LEAN
from histories import Truth, simulate_history
from oracle_model import knows_the_truth
from scipy import stats

import forecast
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator
from forecast.history import backtest as bench
from forecast.history.backtest import FORECAST, Request, backtest
from forecast.history.model import Known, period_totals, with_arrivals
from forecast.history.origins import BacktestError, Came, Plan, whole_periods
from forecast.history.verdict import summarize_backtest
from forecast.scenario.calendar import build_calendar, by_period

FEW = Request(runs=400, baselines=("last period", "moving average"))


@pytest.fixture(scope="module")
def records():
    """Two years of the default truth."""
    return simulate_history(Truth(), 1)


@pytest.fixture(scope="module")
def found(records, tmp_path_factory):
    """A backtest by somebody who knows the truth."""
    return backtest(records, knows_the_truth(tmp_path_factory.mktemp("truth")), Plan(horizon=3), FEW)


# --- periods


def test_periods_one_by_one_add_up_to_the_quarters():
    scenario = forecast.read_scenario(LEAN)
    single = dataclasses.replace(scenario, calendar=by_period(scenario.calendar), goals=())
    rows = [Simulator(make_blueprint(s), 5).whole(64).rows for s in (scenario, single)]
    starts = np.flatnonzero(np.diff(scenario.calendar.quarter_of, prepend=-1))
    for name in ("deals", "leads", "entered"):
        quarters, months = (getattr(r, name) for r in rows)
        np.testing.assert_array_equal(np.add.reduceat(months, starts, axis=1), quarters)
    quarters, months = (r.bookings for r in rows)
    np.testing.assert_allclose(
        np.add.reduceat(months, starts, axis=1).mean(axis=0),
        quarters.mean(axis=0),
        rtol=0.5,
    )


def test_periods_are_labelled():
    months = by_period(build_calendar(dt.date(2027, 11, 1), (3.0, "month"), "month"))
    assert months.quarters == ("2027-11", "2027-12", "2028-01")
    weeks = by_period(build_calendar(dt.date(2027, 11, 1), (2.0, "week"), "week"))
    assert weeks.quarters == ("2027-11-01", "2027-11-08")
    assert weeks.quarter_of == (0, 1)


# --- the dataset


def test_the_dataset_holds_every_forecast_and_what_came(records, found):
    assert found.sizes == {"model": 3, "metric": 2, "origin": 20, "horizon": 3, "quantile": 23}
    assert found.origin.values[0] == "2024-04"
    assert found.as_of.values[0] == "2024-03-31"
    assert found["period"].values[-2].tolist() == ["2025-10", "2025-11", "2025-12"]
    came = Came(records, whole_periods(records, "month")).totals["deals"]
    np.testing.assert_array_equal(found["outcome"].values[0, :3, 0], came[3:6])
    # Records end on 2025-12-30: December is not known in full.
    assert np.isnan(found["outcome"].values[:, -1, 1:]).all()
    for name in ("wis", "crps", "pit_below", "pit_up_to"):
        assert (np.isnan(found[name].values) == np.isnan(found["outcome"].values)).all()


def test_nothing_of_the_future_is_used(records, found, tmp_path):
    until = dt.date(2024, 9, 30)
    then = records.known_at(until)
    again = backtest(then, knows_the_truth(tmp_path), Plan(horizon=3), FEW)
    both = found.sel(origin=again.origin)
    assert again.sizes["origin"] == 6
    for name in ("mean", "quantiles"):
        np.testing.assert_array_equal(again[name].values, both[name].values)


def test_the_same_seed_gives_the_same_backtest(records, found, tmp_path):
    again = backtest(records, knows_the_truth(tmp_path), Plan(horizon=3), FEW)
    assert again.identical(found)


def test_known_arrivals_are_exactly_those_that_came(records, tmp_path):
    came = Came(records, whole_periods(records, "month"))
    calendar = came.periods.calendar(12, 4)
    arrivals = came.arrivals(calendar)
    assert len(arrivals) == 4
    entered = records.stays["entered"].to_numpy()
    assert arrivals["web"].tolist() == [
        int(((entered >= a) & (entered < b)).sum())
        for a, b in zip(calendar.edges, calendar.edges[1:], strict=False)
    ]
    known = Known(records.known_at(came.periods.as_of(12)), calendar)
    scenario = with_arrivals(knows_the_truth(tmp_path)(known), arrivals.rename(columns=str))
    single = dataclasses.replace(scenario, calendar=by_period(scenario.calendar))
    leads = Simulator(make_blueprint(single), 0).whole(8).rows.leads.sum(axis=(2, 3))
    assert (leads == arrivals["web"].to_numpy()).all()
    strange = arrivals.rename(columns={"web": "fairs"})
    scenario = with_arrivals(scenario, strange)
    assert scenario.versions[0].channels["web"].leads.figures == tuple(arrivals["web"])


def test_knowing_the_arrivals_makes_forecasts_better(records, found, tmp_path):
    request = dataclasses.replace(FEW, known_arrivals=True)
    told = backtest(records, knows_the_truth(tmp_path), Plan(horizon=3), request)
    wis = [x["wis"].sel(model=FORECAST, metric="deals").mean().item() for x in (told, found)]
    assert wis[0] < wis[1]


def test_a_scenario_of_other_periods_is_refused(records, tmp_path):
    came = Came(records, whole_periods(records, "month"))
    make = knows_the_truth(tmp_path)
    known = Known(records.known_at(came.periods.as_of(12)), came.periods.calendar(12, 3))
    other = Known(known.records, came.periods.calendar(12, 4))
    with pytest.raises(ValueError, match="other periods"):
        period_totals(make(known), other, 10, 0)


# --- what it says


def test_the_document_holds_what_the_contract_says(found):
    document = summarize_backtest(found)
    json.dumps(document, allow_nan=False)
    keys = {"model", "metric", "horizon", "n", "crps", "wis", "relative_wis"}
    keys |= {"coverage_50", "coverage_80", "coverage_95", "bias"}
    assert len(document["scores"]) == 3 * 2 * 3
    assert all(keys <= set(row) for row in document["scores"])
    first = document["scores"][0]
    assert (first["model"], first["metric"], first["horizon"], first["n"]) == (
        FORECAST,
        "deals",
        1,
        20,
    )
    best = document["best_baseline"]
    rows = {row["model"]: row for row in document["overall"] if row["metric"] == "deals"}
    assert rows[best]["relative_wis"] == 1.0
    assert rows[best]["wis"] == min(r["wis"] for name, r in rows.items() if name != FORECAST)
    assert document["relative_wis"] == rows[FORECAST]["wis"] / rows[best]["wis"] < 1.0
    assert document["p_value"] < 0.2
    assert 0.5 < document["perfect_relative_wis"] < 1.0
    assert document["forecasts"][0]["outcome"] == found["outcome"].values[0, 0, 0]


def test_who_knows_the_truth_is_as_good_as_perfect(found):
    document = summarize_backtest(found)
    ratio = document["relative_wis"] / document["perfect_relative_wis"]
    # The scores' own error: the mean of 57 that depend on each other, 19 of them hardly.
    wis = found["wis"].sel(model=FORECAST, metric="deals").values
    error = np.nanstd(wis) / np.nanmean(wis) / 19**0.5
    assert ratio == pytest.approx(1.0, abs=4 * error)


def test_few_outcomes_are_said_to_be_too_few(found):
    document = summarize_backtest(found)
    said = " ".join(document["metrics"][0]["verdict"])
    assert "20 periods are too few to judge that; it takes 155" in said
    assert document["metrics"][0]["can_judge_coverage"] is False


def test_a_baseline_that_wins_is_said_to_win(records, tmp_path):
    make = knows_the_truth(tmp_path, leads=8.0, pipeline=False)
    document = summarize_backtest(backtest(records, make, Plan(horizon=3), FEW))
    assert document["relative_wis"] > 1.5
    said = " ".join(document["metrics"][0]["verdict"])
    assert "A baseline wins" in said
    assert "too high" in said


def test_an_origin_that_cannot_be_forecast_is_told(records, tmp_path):
    make = knows_the_truth(tmp_path)

    def sometimes(known):
        if known.calendar.start < dt.date(2025, 9, 1):
            raise BacktestError("too little\n  to fit")
        return make(known)

    document = summarize_backtest(backtest(records, sometimes, Plan(horizon=3), FEW))
    assert document["skipped"][0] == "2024-04: too little to fit"
    assert document["origins"] == ["2025-08-31", "2025-09-30", "2025-10-31"]

    def never(_known):
        raise BacktestError("too little")

    with pytest.raises(BacktestError, match="None of 20 forecasts could be made: too little"):
        backtest(records, never, Plan(horizon=3), FEW)


# --- is it right?


@pytest.fixture(scope="module")
def long_backtest(tmp_path_factory):
    """Three years and a half, week by week: 170 weeks whose luck is their own.

    Gives what it says, with something done to the runs of every forecast before they are scored.
    """
    records = simulate_history(Truth(days=1_300, arrivals={"web": 1.0}), 11)
    make = knows_the_truth(tmp_path_factory.mktemp("long"), leads=1.0)
    totals = []

    def remembered(*asked):
        totals.append(period_totals(*asked))
        return totals[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "period_totals", remembered)
        request = Request(runs=300, baselines=("last period",))
        found = backtest(records, make, Plan(unit="week", horizon=1), request)

    def judged(change):
        again = found.copy(deep=True)
        for i, runs in enumerate(totals):
            for m, each in enumerate(runs.values()):
                scores = bench._scores(change(each).T, found["outcome"].values[m, i])
                for name, values in scores.items():
                    again[name].values[0, m, i] = values
        return summarize_backtest(again)

    return judged


def spread(factor):
    """Stretch runs about their mean."""
    return lambda runs: runs.mean(axis=0) + factor * (runs - runs.mean(axis=0))


def test_true_forecasts_cover_what_they_should(long_backtest):
    document = long_backtest(lambda runs: runs)
    judged = document["metrics"][0]
    assert judged["can_judge_coverage"]
    (row,) = [r for r in document["scores"] if r["model"] == FORECAST and r["metric"] == "deals"]
    assert row["n"] >= 155
    # Few deals are never cut in just half: ends belong to the interval, so it covers more.
    found = {level: row[f"coverage_{round(100 * level)}_band"] for level in (0.5, 0.8, 0.95)}
    assert all(high > level for level, (_, high) in found.items())
    assert found[0.8][0] < 0.93
    assert abs(row["bias"]) < 0.15
    cases = np.array(judged["pit"]) * row["n"]
    assert stats.chisquare(cases).pvalue > 1e-6
    (money,) = [r for r in document["scores"] if r["model"] == FORECAST and r["metric"] != "deals"]
    low, high = money["coverage_80_band"]
    assert low < 0.8 < high


def test_a_forecast_that_is_too_sure_on_purpose_is_found_out(long_backtest):
    document = long_backtest(spread(0.4))
    for judged in document["metrics"]:
        assert "too sure of itself" in " ".join(judged["verdict"])
        assert judged["pit"][0] + judged["pit"][-1] > 0.3


def test_a_forecast_that_is_not_sure_enough_is_found_out(long_backtest):
    document = long_backtest(spread(3.0))
    assert "not sure enough" in " ".join(document["metrics"][0]["verdict"])
