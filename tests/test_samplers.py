"""Every sampler against its law: see ``law`` for the tests of one setting."""

import drawn
import numpy as np
import pytest
from drawn import key_of
from law import DRAWS, LONG_DRAWS, Point, check
from scipy import stats

from forecast.engine.kernel import jit
from forecast.engine.kernel import samplers as s
from forecast.engine.kernel.bits import draw, exp, fill_bits, log


@jit(entry=True)
def gammas(shape, key, first, out):
    for run in range(len(out)):
        out[run] = s.gamma(shape, key, run, 3, 1, first)


@jit(entry=True)
def boosts(shape, key, attempt, out):
    for run in range(len(out)):
        out[run] = exp(log(draw(key, run, 3, 1, attempt)[0]) / shape)


@jit(entry=True)
def picks(threshold, other, key, scratch, out):
    fill_bits(key, 0, 3, 0, len(out), scratch)
    for j in range(len(out)):
        out[j] = s.alias_pick(scratch[j], threshold, other)


# --- the grid ---

# Both sides of a variance of 7, of a chance of 1/2, and of counts that a double just tells apart.
POISSON_MEANS = [1e-6, 0.1, 1, 3, 6.99, 7, 7.01, 8, 12, 30, 100, 1e3, 1e6, 1e9, 1e12]

BINOMIALS = [
    *[(1, 0.3), (2, 0.5), (5, 0.2), (7, 0.9), (12, 1e-3), (20, 0.3), (27, 0.5), (28, 0.5)],
    *[(30, 0.55), (40, 0.226), (40, 0.2262), (40, 0.7739), (40, 0.7738), (100, 0.0757)],
    *[(100, 0.0758), (100, 0.75), (400, 0.25), (400, 0.999), (1, 1e-6), (1000, 0.0101)],
    *[(10**6, 1e-6), (10**6, 6.9e-6), (10**6, 7.1e-6), (10**6, 0.3), (10**6, 1 - 7.1e-6)],
    *[(10**9, 0.9e-8), (10**9, 0.5), (10**12, 1e-12), (10**12, 1.5e-11), (10**12, 0.37)],
    *[(10**12, 1 - 1e-6)],
]

GAMMA_SHAPES = [0.05, 0.3, 0.999, 1.0, 1.5, 10.0, 1000.0]

TABLES = {
    "one": [3.0],
    "two": [0.3, 0.7],
    "with nothing in some cells": [0.0, 1.0, 0.0, 5.0, 2.0, 0.0],
    "even": [1.0] * 13,
    "long": 0.9 ** np.arange(60),
    "uneven": [1e-6, 0.2, 1e-3, 0.7, 0.05, 1e-12, 0.04],
}


def poisson_point(mean):
    def draw(n):
        return drawn.poissons(np.full(n, mean), f"poisson {mean}")

    return Point(f"poisson {mean:g}", draw, stats.poisson(mean))


def binomial_point(trials, p):
    def draw(n):
        return drawn.binomials(np.full(n, trials), np.full(n, p), f"binomial {trials} {p}")

    return Point(f"binomial {trials:g} {p:g}", draw, stats.binom(trials, p))


def gamma_point(shape, first=0):
    def draw(n):
        out = np.zeros(n)
        gammas(shape, key_of("gamma", shape), first, out)
        return out

    return Point(f"gamma {shape:g} from {first}", draw, stats.gamma(shape), discrete=False)


def table_point(name):
    weights = np.asarray(TABLES[name], dtype=float)
    threshold, other = np.zeros(len(weights), np.uint64), np.zeros((len(weights), 2), np.int64)

    def draw(n):
        out = np.zeros(n, np.int64)
        s.alias_build(weights, threshold, other)
        picks(threshold, other, key_of("alias", name), np.zeros(n, np.uint64), out)
        return out

    law = stats.rv_discrete(values=(np.arange(len(weights)), weights / weights.sum()))
    return Point(f"alias {name}", draw, law)


POINTS = [
    *[poisson_point(mean) for mean in POISSON_MEANS],
    *[binomial_point(*setting) for setting in BINOMIALS],
    *[gamma_point(shape) for shape in GAMMA_SHAPES],
    gamma_point(0.5, first=s.SECOND),
    *[table_point(name) for name in TABLES],
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_sampler_follows_its_law(point):
    check(point, DRAWS, len(POINTS))


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_sampler_follows_its_law_in_ten_million_draws(point):
    check(point, LONG_DRAWS, len(POINTS))


@pytest.mark.parametrize("first", [0, s.SECOND])
def test_a_small_gamma_is_a_larger_one_times_a_power(first):
    small, large, power = np.zeros(500), np.zeros(500), np.zeros(500)
    gammas(0.3, key_of("boost"), first, small)
    gammas(1.3, key_of("boost"), first, large)
    boosts(0.3, key_of("boost"), first + s.BOOST, power)
    assert np.array_equal(small, large * power)
