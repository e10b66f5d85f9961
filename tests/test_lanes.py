"""Poisson and binomial counts of lanes depend on their lane only and grow with their parameters."""

import numpy as np
import pytest
from drawn import binomials, poissons


def shuffled(values, size=1_000):
    return np.random.default_rng(1).permutation(np.resize(values, size))


MEANS = [0.0, 1e-9, 0.5, 3.0, 6.9, 7.0, 7.1, 40.0, 1e4, 1e12, -1.0]
SETTINGS = [
    *[(0, 0.5), (-3, 0.5), (9, 0.0), (9, 1.0), (9, 2.0), (1, 0.5), (27, 0.5), (28, 0.5)],
    *[(20, 0.9), (40, 0.226), (40, 0.2262), (40, 0.774), (10**12, 1e-12), (10**12, 0.999)],
]


@pytest.mark.parametrize("block", [1, 2, 63, 64, 127])
def test_a_count_depends_on_its_lane_only(block):
    mean = shuffled(MEANS)
    n, p = (shuffled(column) for column in np.array(SETTINGS).T)
    few, many = poissons(mean), binomials(n, p)
    assert len(np.unique(few)) > 100
    assert len(np.unique(many)) > 100
    assert np.array_equal(poissons(mean, block=block), few)
    assert np.array_equal(binomials(n, p, block=block), many)
    assert np.array_equal(poissons(mean[41:900], first=41, block=block), few[41:900])
    assert np.array_equal(binomials(n[41:900], p[41:900], first=41, block=block), many[41:900])
    even = np.arange(1_000) % 2 == 0
    other = np.where(even, mean, mean[::-1])
    assert np.array_equal(poissons(other, block=block)[even], few[even])
    n, p = np.where(even, n, n[::-1]), np.where(even, p, p[::-1])
    assert np.array_equal(binomials(n, p, block=block)[even], many[even])


def test_a_mean_of_nothing_gives_nothing():
    assert not poissons([0.0, -1.0, -1e300, -0.0]).any()


@pytest.mark.parametrize(
    ("n", "p", "expected"),
    [(0, 0.5, 0), (-3, 0.5, 0), (9, 0.0, 0), (9, -0.1, 0), (9, 1.0, 9), (9, 1.5, 9), (0, 1.0, 0)],
)
def test_certain_binomials(n, p, expected):
    assert np.all(binomials([n] * 10, [p] * 10) == expected)


def test_certain_binomials_of_very_many():
    assert binomials([10**12] * 3, [1.0, 0.0, 2.0]).tolist() == [10**12, 0, 10**12]


def test_counts_grow_with_the_mean():
    means = np.concatenate((np.geomspace(1e-3, 1e5, 900), np.linspace(6.9, 7.1, 101)))
    counts = np.array([poissons(np.full(500, mean)) for mean in np.sort(means)])
    assert np.all(np.diff(counts, axis=0) >= 0)
    assert np.all(counts[-1] > counts[0])


@pytest.mark.parametrize("n", [1, 2, 27, 28, 29, 40, 100, 1_000, 10**6, 10**12])
def test_counts_grow_with_the_chance(n):
    edge = 7.0 / n  # near a variance of 7, where the method changes
    near = edge * np.linspace(0.95, 1.15, 100)
    chances = np.concatenate((np.geomspace(1e-3 / n, 0.5, 150), np.linspace(0.0, 1.0, 301), near))
    chances = np.sort(np.concatenate((chances, 1.0 - near, [0.5 - 1e-9, 0.5 + 1e-9])))
    chances = chances[chances <= 1.0]
    counts = np.array([binomials(np.full(300, n), np.full(300, p)) for p in chances])
    assert np.all(np.diff(counts, axis=0) >= 0)
    assert np.all((counts >= 0) & (counts <= n))
    assert np.all(counts[-1] == n)


@pytest.mark.parametrize("p", [1e-12, 1e-3, 0.08, 0.226, 0.5, 0.774, 0.99])
def test_counts_grow_with_the_trials(p):
    edge = int(7.0 / (p * (1.0 - p)))
    near = edge + np.unique(np.linspace(-0.1, 0.1, 101) * edge).astype(np.int64)
    trials = np.concatenate((np.arange(60), np.geomspace(60, 1e12, 200).astype(np.int64), near))
    trials = np.sort(trials[trials >= 0])
    counts = np.array([binomials(np.full(300, n), np.full(300, p)) for n in trials])
    rise, more = np.diff(counts, axis=0), np.diff(trials)[:, None]
    assert np.all((rise >= 0) & (rise <= more))
