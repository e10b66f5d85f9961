"""What each detail gives: which variables, what they add up to, files, and that slices agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
from helpers import (
    DATA,
    EXAMPLES,
    NAMES,
    bound,
    one_month,
    open_deals,
    scenario,
    total,
    z_covariance,
    z_mean,
    z_moment,
)
from oracles import O02
from scenario_maker import random_scenario_text, read_text
from test_identity import RICH

import forecast
from forecast.engine import simulate as engine
from forecast.engine.plan import make_blueprint
from forecast.engine.request import DETAILS, detail_for
from forecast.engine.run import simulate_totals
from forecast.engine.simulate import Simulator, bytes_per_run
from forecast.engine.store import open_sink
from forecast.engine.uses import RECURRING, uses
from forecast.engine.variables import variables_of
from forecast.scenario.model import Scenario

KEPT = {
    "journey": set(DATA),
    "outcome": {"deals", "bookings", "revenue", "spend", "assumption"},
}
BOTH = pytest.mark.parametrize("detail", DETAILS)
COMPARISONS = 100  # more than this file makes


# --- the dataset ----------------------------------------------------------------------------------

DIMS = {
    "leads": ("run", "quarter", "channel", "segment"),
    "entered": ("run", "quarter", "channel", "segment", "stage"),
    "deals": ("run", "quarter", "channel", "segment", "product"),
    "bookings": ("run", "quarter", "channel", "segment", "product"),
    "revenue": ("run", "quarter", "channel", "segment", "product"),
    "spend": ("run", "quarter", "channel"),
    "open": ("run", "quarter", "stage"),
    "assumption": ("run", "assumption"),
}


@BOTH
@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_dims_and_units(path, detail: str) -> None:
    given = forecast.read_scenario(path)
    data = forecast.simulate(given, runs=400, seed=3, detail=detail)
    labels = {"run", "quarter", "channel", "segment", "product", "stage", "path"}
    declared = set(variables_of(given, detail))
    assert declared >= KEPT[detail]
    assert set(data.variables) == declared | labels
    for name in KEPT[detail]:
        array = data[name]
        assert array.dims == DIMS[name]
        is_count = name in ("leads", "entered", "deals", "open")
        assert array.dtype == (np.int64 if is_count else np.float64)
        assert array.attrs["units"]
        assert array.attrs["long_name"].endswith(".")
        assert np.all(array.values >= 0)
        assert np.all(np.isfinite(array.values))
    assert list(data.stage.values) == [*given.stages, "won", "lost"]
    if RECURRING not in uses(given):
        np.testing.assert_array_equal(data.revenue.values, data.bookings.values)
    assert np.all((data.bookings.values > 0) <= (data.deals.values > 0))


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_conservation(path) -> None:
    given = forecast.read_scenario(path)
    data = forecast.simulate(given, runs=400, seed=3)
    leads = data.leads.values.sum(axis=(2, 3)).cumsum(axis=1) + open_deals(given).sum()
    ended = data.entered.values[..., -2:].sum(axis=(2, 3, 4)).cumsum(axis=1)
    np.testing.assert_array_equal(leads, ended + data.open.values.sum(axis=2))
    np.testing.assert_array_equal(data.deals.values.sum(axis=4), data.entered.values[..., -2])


@BOTH
def test_dims_without_segments_and_products(detail: str) -> None:
    data = forecast.simulate(
        scenario(
            "name: Bare\nstart: 2027-01-01\nhorizon: 1 month\n"
            "channels: {a: {leads: {mean: 3, per: month}}}\n"
            "journey: {o: {won: {conversion: 50%}}}\n"
        ),
        runs=5,
        detail=detail,
    )
    for name in KEPT[detail]:
        assert data[name].dims == DIMS[name]
    once = dict.fromkeys(("quarter", "channel", "segment", "product"), 1)
    assert dict(data.sizes) == {"run": 5, **once, "stage": 3, "assumption": 0}


@BOTH
def test_attributes(detail: str) -> None:
    attrs = forecast.simulate(scenario(RICH), runs=20, seed=1, detail=detail).attrs
    assert attrs["detail"] == detail
    assert "tables of sums" in attrs["sums_of_sizes"]
    again = forecast.simulate(
        scenario(attrs["scenario"]),
        runs=attrs["runs"],
        seed=int(attrs["seed"]),
        detail=attrs["detail"],
    )
    assert {**again.attrs, "created": ""} == {**attrs, "created": ""}


def test_journey_is_what_is_simulated_unless_it_is_said() -> None:
    given = scenario(RICH)
    xarray.testing.assert_equal(
        forecast.simulate(given, runs=20), forecast.simulate(given, runs=20, detail="journey")
    )
    assert detail_for(["deals", "bookings", "revenue", "spend"]) == "outcome"
    assert detail_for(["deals", "leads"]) == detail_for(["talk"]) == "journey"
    assert bytes_per_run(given, "outcome") < bytes_per_run(given, "journey")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"runs": 0}, "runs: got 0; must be"),
        ({"runs": -5}, "runs: got -5; must be"),
        ({"runs": True}, "runs: got True; must be a whole number"),
        ({"runs": 2.5}, "runs: got 2.5; must be a whole number"),
        ({"runs": 10**9}, "runs: got 1,000,000,000; must be"),
        ({"detail": "leads"}, "detail: got 'leads'; must be one of journey"),
    ],
)
def test_refuses(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forecast.simulate(scenario(RICH), **wrong)


# --- files ----------------------------------------------------------------------------------------


def opened(path: Path) -> xarray.Dataset:
    """Open a result with plain xarray."""
    if path.suffix == ".nc":
        with xarray.open_dataset(path) as data:
            return data.load()
    return xarray.open_zarr(path).load()


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("size", [40, 1_024])
def test_an_outcome_is_written_whole(tmp_path, monkeypatch, suffix: str, size: int) -> None:
    monkeypatch.setitem(engine.RUNS_AT_ONCE, "outcome", size)
    path, told = tmp_path / f"result{suffix}", []
    simulator = Simulator(make_blueprint(scenario(RICH)), 7, "outcome")
    sink = open_sink(path, simulator, 100, 7)
    totals, chances = simulate_totals(simulator, 100, None, sink, lambda *done: told.append(done))
    right, found = (
        forecast.simulate(scenario(RICH), runs=100, seed=7, detail="outcome"),
        opened(path),
    )
    for data in (right, found):
        del data.attrs["created"]
    xarray.testing.assert_identical(found, right)
    assert {name: found[name].dtype for name in KEPT["outcome"]} == {
        name: right[name].dtype for name in KEPT["outcome"]
    }
    assert chances == {}
    assert told[-1] == (100, 100)
    assert set(totals) == {"deals", "bookings", "revenue", "spend"}
    for name, array in totals.items():
        summed = right[name].sum([dim for dim in right[name].dims if dim not in ("run", "quarter")])
        np.testing.assert_allclose(array, summed.values, rtol=1e-12)


# --- the place of a run ---------------------------------------------------------------------------

FREE = """
name: Free
start: 2027-01-01
horizon: 2 quarters
channels: {a: {leads: {mean: 9, per: month}, cost: {per_lead: {values: {0: 50%, 5: 50%}}}}}
journey: {o: {won: {conversion: 50%, lag: 1 month}}}
"""
# a loop that takes no time in some runs, as its lag is the same for all items of a run
LOOPING = """
name: Looping
start: 2027-01-16
horizon: 3 quarters
channels: {a: {leads: {mean: 30, per: month}, dispersion: 0.5, cost: {per_lead: 5}}}
journey:
  lead: {talk: {conversion: 60%}}
  talk:
    won: {conversion: 30%, lag: {fixed: {value: {uniform: {low: 1 day, high: 90 days}}}}}
    lead: {conversion: 30%, lag: {fixed: {value: {uniform: {low: 1 day, high: 90 days}}}}}
"""
PLACES = {
    "rich": RICH,
    "looping": LOOPING,
    **{f"random {seed}": random_scenario_text(seed) for seed in (4, 10, 21, 27, 35)},
}


def drawn(simulator: Simulator, first: int, runs: int) -> dict[str, np.ndarray]:
    rows = engine.empty_rows(simulator.blueprint.scenario, runs, simulator.detail)
    simulator.into(first, rows)
    return rows._asdict()


def check_places(given: Scenario) -> None:
    """Draw runs 130 .. 139 as other lanes, of other blocks, among other runs."""
    simulator = Simulator(make_blueprint(given), 1, "outcome")
    right = {name: array[130:] for name, array in drawn(simulator, 0, 140).items()}
    for first, last in ((3, 140), (77, 205), (125, 141), (130, 140)):
        part = drawn(simulator, first, last - first)
        for name, array in part.items():
            np.testing.assert_array_equal(array[130 - first : 140 - first], right[name])
    for run in range(130, 140):
        for name, array in drawn(simulator, run, 1).items():
            np.testing.assert_array_equal(array[0], right[name][run - 130])


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES)
def test_a_run_is_the_same_in_any_lane(text: str) -> None:
    check_places(read_text(text))


def test_a_run_is_the_same_where_leads_cost_something_in_some_runs_only() -> None:
    check_places(read_text(FREE))


# --- spend and deals ------------------------------------------------------------------------------


@BOTH
def test_leads_that_cost_tie_spend_to_deals(detail: str) -> None:
    """Won and lost leads are independent Poisson counts, O02; what all of them cost is spent."""
    right = O02["expected"]
    leads = "leads: {mean: 120, per: month}, cost: {fixed: 50 per month, per_lead: 5}"
    steps = "lead: {o: {conversion: 30%}}, o: {won: {conversion: 25%}}"
    data = forecast.simulate(one_month(leads, steps), runs=100_000, seed=1, detail=detail)
    won, spend = total(data, "deals"), total(data, "spend")
    limit = bound(COMPARISONS)
    for values, mean, variance, third in (
        (won, right["mean"], right["var"], right["mean"]),
        (spend, 650.0, 25.0 * 120.0, 125.0 * 120.0),
    ):
        assert abs(z_mean(values, mean)) < limit
        assert abs(z_moment(values, mean, 2, variance)) < limit
        assert abs(z_moment(values, mean, 3, third)) < limit
    means = right["mean"], 650.0
    assert abs(z_covariance(won, spend, means, 5.0 * right["var"])) < limit
    assert z_covariance(won, spend, means, 0.0) > limit  # spend drawn by itself
