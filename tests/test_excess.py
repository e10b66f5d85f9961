"""Months that differ more than by chance: none where items are independent, found where they do."""

import dataclasses

import numpy as np
import pytest
from histories import Truth, simulate_history

from forecast.history.estimates import Estimate, LagFit, WayFit
from forecast.history.fitting.excess import MOST, Excess, find_excess, with_excess
from forecast.history.records import OPEN, build_records


def true_ways():
    """The ways of the default truth, as if they were fitted."""
    lags = {"won": (0.3, 60.0, 0.7), "lost": (0.7, 40.0, 0.9)}
    return tuple(
        WayFit(
            "opportunity",
            to,
            Estimate(c, c * 0.9, c * 1.1, 1_000, "true"),
            c * 500,
            (1 - c) * 500,
            LagFit("gamma", Estimate(mean, mean, mean, 300, "true"), cv),
        )
        for to, (c, mean, cv) in lags.items()
    )


def test_closings_to_expect_are_those_that_come_on_average():
    seen, expected = np.zeros(11), np.zeros(11)
    for seed in range(12):
        records = simulate_history(Truth(days=365, arrivals={"web": 4.0}), seed)
        (found,) = find_excess(records, true_ways())
        seen += found.seen
        expected += found.expected
        # Most of what is the same in all months is told by the total, so nothing is left over.
        assert found.p_value > 1e-4
        assert found.spread == 0.0 or found.p_value < 0.01
    z = (seen - expected) / np.sqrt(np.maximum(expected, 1.0))
    assert (np.abs(z) < 5.2).all(), z


def shaken(records, spread, seed):
    """Records whose wins of a month come at a rate of their own: some are made open again."""
    rng = np.random.default_rng(seed)
    stays = records.stays
    left = stays["left"].to_numpy().copy()
    won = (stays["to"] == "won").to_numpy()
    month = (left - left.min()) // 30
    kept = 1.0 - np.minimum(rng.uniform(0.0, spread, 200), 1.0)
    gone = won & (rng.random(len(left)) > kept[np.minimum(month, 199)])
    to = stays["to"].astype(str).to_numpy().copy()
    left[gone], to[gone] = OPEN, ""
    again = stays.assign(left=left, to=to)
    return build_records(records.items, again, records.stages, records.as_of)


def test_months_that_differ_are_found():
    records = simulate_history(Truth(days=730, arrivals={"web": 12.0}), 5)
    (found,) = find_excess(shaken(records, 0.9, 2), true_ways())
    assert found.p_value < 1e-6
    assert 0.2 < found.spread <= MOST
    even = find_excess(records, true_ways())[0]
    assert even.spread == 0.0


def test_a_conversion_gets_the_variance_of_months():
    ways = true_ways()
    found = (Excess("opportunity", "won", np.ones(8), np.full(8, 30.0), 0.2, 0.0),)
    won, lost = with_excess(ways, found)
    assert lost is ways[1]
    cases = won.won + won.lost
    mean = won.won / cases
    variance = mean * (1 - mean) / (cases + 1)
    before = 0.3 * 0.7 / 501
    assert mean == pytest.approx(0.3)
    assert variance == pytest.approx(before + (0.3 * 0.2) ** 2 * (1 + 1 / 8))
    assert won.conversion.low < ways[0].conversion.low
    assert "20% beyond chance" in won.conversion.method
    none = dataclasses.replace(found[0], spread=0.0)
    assert with_excess(ways, (none,)) == ways


def test_months_of_entry_that_differ_are_not_counted_twice():
    """Variance that is there already, of months of entry, is part of what months vary by."""
    beyond = (0.3 * 0.2) ** 2 * (1 + 1 / 8)
    found = (Excess("opportunity", "won", np.ones(8), np.full(8, 30.0), 0.2, 0.0),)
    for between, added in ((0.5 * beyond, 0.5 * beyond), (2.0 * beyond, 0.0)):
        ways = tuple(dataclasses.replace(way, between=between) for way in true_ways())
        won = with_excess(ways, found)[0]
        cases = won.won + won.lost
        variance = won.won * won.lost / cases**2 / (cases + 1)
        assert variance == pytest.approx(0.3 * 0.7 / 501 + added)


def test_few_months_and_ways_without_a_lag_tell_nothing():
    truth = Truth(days=70, arrivals={"web": 4.0})
    assert find_excess(simulate_history(truth, 1), true_ways()) == ()
    records = simulate_history(Truth(days=300), 1)
    bare = tuple(dataclasses.replace(way, lag=None) for way in true_ways())
    assert find_excess(records, bare) == ()
    few = simulate_history(Truth(days=300, arrivals={"web": 0.2}), 1)
    assert find_excess(few, true_ways())[0].spread == 0.0
