"""Open deals are the same however runs are cut, and a further deal leaves the others alone."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache

import numpy as np
import pytest
from open_deals import with_deals
from test_pipeline_law import DEALS, JOURNEYS, opened

from forecast.engine.dataset import as_dataset, simulate
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator

RUNS = 600


@cache
def whole(journey: str, detail: str):
    return simulate(opened(journey), runs=RUNS, seed=3, detail=detail)


def same(one, other, names=None):
    return all(np.array_equal(one[n].values, other[n].values) for n in names or one.data_vars)


@pytest.mark.parametrize("detail", ["journey", "outcome"])
@pytest.mark.parametrize("journey", JOURNEYS)
def test_slices_threads_and_first_runs(journey, detail):
    simulator = Simulator(make_blueprint(opened(journey)), 3, detail)
    for cuts in ((0, 1, 130, 259, RUNS), (0, 37, 600)):
        for first, end in itertools.pairwise(cuts):
            rows = simulator.empty(end - first)
            simulator.into(first, rows)
            for name in ("deals", "bookings", "pipeline_deals", "pipeline_bookings"):
                assert np.array_equal(
                    getattr(rows, name), whole(journey, detail)[name].values[first:end]
                )
    one = as_dataset(simulator, simulator.whole(RUNS, 1), {})
    assert same(one, whole(journey, detail))
    few = simulate(opened(journey), runs=100, seed=3, detail=detail)
    assert same(few, whole(journey, detail).isel(run=slice(0, 100)))


def test_new_leads_do_not_notice_the_pipeline():
    """What is not of the pipeline has the bits it has without one."""
    given = opened("uncertain")
    without = simulate(dataclasses.replace(given, pipeline=None), runs=RUNS, seed=3)
    data = whole("uncertain", "journey")
    assert np.array_equal(without.deals, data.deals - data.pipeline_deals)
    assert np.array_equal(without.leads, data.leads)
    assert np.array_equal(without.spend, data.spend)
    assert "pipeline_deals" not in without


@pytest.mark.parametrize("kept", range(len(DEALS)))
def test_each_deal_goes_its_own_way(kept):
    """Alone, a deal does what it does beside the others: all deals are the sum of them."""
    rows = [{**row, "id": f"D-{i}", "amount": 1.0} for i, row in enumerate(DEALS)]
    given = dataclasses.replace(opened("uncertain"), pipeline=None)
    together = simulate(with_deals(given, rows), runs=200, seed=3)
    rest = simulate(with_deals(given, rows[:kept] + rows[kept + 1 :]), runs=200, seed=3)
    alone = simulate(with_deals(given, [rows[kept]]), runs=200, seed=3)
    for name in ("pipeline_deals", "pipeline_bookings"):
        assert np.array_equal(together[name], rest[name] + alone[name])
    base = simulate(given, runs=200, seed=3)
    assert np.array_equal(together.entered, rest.entered + alone.entered - base.entered)
    assert np.array_equal(together.open, rest.open + alone.open - base.open)


def test_order_of_the_file_does_not_matter():
    rows = [{**row, "id": f"D-{i}"} for i, row in enumerate(DEALS)]
    given = dataclasses.replace(opened("changing"), pipeline=None)
    forth = simulate(with_deals(given, rows), runs=200, seed=3)
    back = simulate(with_deals(given, rows[::-1]), runs=200, seed=3)
    assert same(forth, back, ["deals", "entered", "open"])
    assert np.allclose(forth.bookings, back.bookings, rtol=1e-14)


def test_a_pipeline_without_deals_changes_nothing():
    given = with_deals(opened("certain"), [])
    data = simulate(given, runs=50, seed=3)
    without = simulate(dataclasses.replace(given, pipeline=None), runs=50, seed=3)
    assert int(data.pipeline_deals.sum()) == 0
    assert same(without, data)
