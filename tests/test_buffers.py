"""Memory of results is used again, and only once nobody can see it any more."""

import gc

import numpy as np
import pytest

from forecast import read_scenario, simulate
from forecast.engine import buffers


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(buffers, "_kept", [])


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_of_an_array_that_is_gone_is_used_again():
    first = buffers.empty((1000, 50), np.float64)
    assert first.shape == (1000, 50)
    assert first.dtype == np.float64
    assert first.flags.c_contiguous
    assert first.flags.writeable
    where = address(first)
    del first
    again = buffers.empty((40, 1000), np.int64)
    assert address(again) == where
    assert again.shape == (40, 1000)
    assert again.dtype == np.int64
    assert address(buffers.empty((40, 1000), np.int64)) != where


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[7:9],
        lambda a: a.T[3],
        lambda a: a.reshape(-1).view(np.uint8)[:1],
        lambda a: memoryview(a),
        lambda a: iter(a),
    ],
)
def test_memory_is_not_used_while_a_part_of_it_is_held(view):
    array = buffers.empty((1000, 50), np.float64)
    where, held = address(array), view(array)
    del array
    assert address(buffers.empty((1000, 50), np.float64)) != where
    del held
    gc.collect()
    assert where in map(address, buffers._kept)


def test_much_larger_memory_is_left_for_what_needs_it():
    large = buffers.empty((1 << 20,), np.uint8)
    where = address(large)
    del large
    assert address(buffers.empty((1 << 18,), np.uint8)) != where
    assert address(buffers.empty((1 << 19,), np.uint8)) == where


def test_the_oldest_goes_when_there_is_too_much():
    most = buffers.MOST_BYTES
    arrays = [buffers.empty((most // 4,), np.uint8) for _ in range(6)]
    where = [address(array) for array in arrays]
    while arrays:
        arrays.pop(0)
    assert [address(memory) for memory in buffers._kept] == where[2:]
    too_large = buffers.empty((most + 1,), np.uint8)
    del too_large
    assert not buffers._kept


def test_small_arrays_are_ordinary_ones():
    assert buffers.empty((10, 10), np.int64).base is None
    assert buffers.empty((0, 10**6), np.int64).shape == (0, 10**6)


def test_what_is_held_of_a_forecast_stays_as_it_is():
    scenario = read_scenario("scenarios/reference-r1.yaml")
    deals = simulate(scenario, runs=3_000, seed=1, detail="outcome").deals.values[500:900]
    before = deals.copy()
    for seed in range(2, 6):
        simulate(scenario, runs=3_000, seed=seed, detail="outcome")
    assert np.array_equal(deals, before)


def test_used_memory_changes_no_forecast():
    scenario = read_scenario("scenarios/reference-r1.yaml")
    fresh = simulate(scenario, runs=2_000, seed=9)
    simulate(scenario, runs=2_000, seed=4)
    assert buffers._kept
    assert simulate(scenario, runs=2_000, seed=9).drop_attrs().identical(fresh.drop_attrs())
