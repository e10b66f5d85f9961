"""Every sampler against its law: mean, variance, all cells, and the tails cell by cell.

A wrong tail is invisible to a mean and nearly so to a chi-square: hence exact tests of the tails.
Thresholds are Bonferroni's: correct samplers fail this file under one seed in a million.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from scipy import stats

from forecast.engine.kernel import jit
from forecast.engine.kernel import samplers as s
from forecast.engine.kernel import sizes as z
from forecast.engine.kernel import spread as sp
from forecast.engine.kernel.bits import draw, exp, fill_bits, log
from forecast.engine.keys import stream_key

DRAWS = 1_000_000
LONG_DRAWS = 10_000_000
FALSE_ALARM = 1e-6
TESTS_PER_POINT = 10
LEAST_EXPECTED = 100  # in a cell of a chi-square, so that its tail can be trusted at 1e-9

VALUES = np.array([5.0, 50.0, 500.0])  # of discrete sizes


@jit(entry=True)
def poissons(mean, key, out):
    for run in range(len(out)):
        out[run] = s.poisson(mean, key, run, 3, 1)


@jit(entry=True)
def binomials(n, p, key, out):
    for run in range(len(out)):
        out[run] = s.binomial(n, p, key, run, 3, 1)


@jit(entry=True)
def gammas(shape, key, first, out):
    for run in range(len(out)):
        out[run] = s.gamma(shape, key, run, 3, 1, first)


@jit(entry=True)
def boosts(shape, key, attempt, out):
    for run in range(len(out)):
        out[run] = exp(log(draw(key, run, 3, 1, attempt)[0]) / shape)


@jit(entry=True)
def addressed_binomials(n, p, key, index, out):
    for run in range(len(out)):
        out[run] = s.binomial(n[run], p, key, run, 3, index)


@jit(entry=True)
def picks(threshold, other, key, scratch, out):
    fill_bits(key, 0, 3, 0, len(out), scratch)
    for j in range(len(out)):
        out[j] = s.alias_pick(scratch[j], threshold, other)


@jit(entry=True)
def size_of(code, params, values, threshold, other, key, run, step, index):
    return z.size(code, params, values, threshold, other, key, run, step, index)


@jit(entry=True)
def spreads_few(m, cumulative, guide, key, scratch, counts):
    for run in range(len(counts)):
        sp.spread_few(m, cumulative, guide, (key, run, 3), scratch, counts[run])


@jit(entry=True)
def spreads_many(m, conditional, key, scratch, counts):
    for run in range(len(counts)):
        sp.spread_many(m, conditional, key, run, 3, scratch, counts[run])


@jit(entry=True)
def deal_sizes(code, params, values, threshold, other, key, out):
    for run in range(len(out)):
        out[run] = z.size(code, params, values, threshold, other, key, run, 3, 1)


def key_of(*names):
    return np.uint64(stream_key(20260101, *map(str, names)))


def alias_table(weights):
    p = np.asarray(weights, dtype=float)
    threshold, other = np.zeros(len(p), np.uint64), np.zeros((len(p), 2), np.int64)
    s.alias_build(p, threshold, other)
    return threshold, other


def guide_table(weights):
    p = np.asarray(weights, dtype=float)[None]
    cumulative = np.zeros(p.shape, np.uint64)
    guide = np.zeros((1, sp.GUIDE_CELLS), np.int16)
    sp.build_rows(p / p.sum(), np.array([p.size]), cumulative, guide, np.zeros(1, np.int64))
    return cumulative[0], guide[0]


def conditionals(weights):
    p = np.asarray(weights, dtype=float)
    tail = np.cumsum(p[::-1])[::-1]
    result = np.divide(p, tail, out=np.zeros_like(p), where=tail > 0)
    result[np.flatnonzero(p)[-1]] = 1.0
    return result


@dataclass(frozen=True)
class Point:
    """One sampler at one setting: *draw* fills n variates that follow *law*."""

    name: str
    draw: object
    law: object
    discrete: bool = True

    @cached_property
    def moments(self):
        return [float(moment) for moment in self.law.stats(moments="mvsk")]


# --- the tests of one point ---


def two_sided(dist, x):
    return min(1.0, 2.0 * min(dist.cdf(x), dist.sf(x - 1)))


def moment_tests(x, point):
    """z-tests of the mean and the variance, where the central limit theorem holds well enough."""
    mean, variance, skewness, excess = point.moments
    n = len(x)
    if variance == 0:
        yield "constant", float(np.all(x == mean))
    elif skewness < 0.05 * math.sqrt(n):
        d = x - mean
        yield "mean", 2 * stats.norm.sf(abs(d.mean()) / math.sqrt(variance / n))
        spread = variance * math.sqrt((excess + 2) / n)
        if excess < 0.001 * n:
            yield "variance", 2 * stats.norm.sf(abs((d**2).mean() - variance) / spread)


def cell_edges(point):
    """Upper edges of cells; any will do, as the law is asked for their chances."""
    mean, variance, *_ = point.moments
    grid = mean + math.sqrt(variance) * np.linspace(-4.5, 7.0, 116)
    return np.unique(np.floor(grid)) if point.discrete else grid


def cells_test(x, point):
    """Chi-square over cells with at least LEAST_EXPECTED expected each."""
    edges = cell_edges(point)
    cdf = np.concatenate(([0.0], point.law.cdf(edges), [1.0]))
    seen = np.concatenate(([0], np.searchsorted(np.sort(x), edges, side="right"), [len(x)]))
    kept = [0]
    for i in range(1, len(cdf)):
        enough = (cdf[i] - cdf[kept[-1]]) * len(x) >= LEAST_EXPECTED
        if enough and (1.0 - cdf[i]) * len(x) >= LEAST_EXPECTED:
            kept.append(i)
    kept.append(len(cdf) - 1)
    if len(kept) > 2:
        expected, observed = np.diff(cdf[kept]) * len(x), np.diff(seen[kept])
        yield "cells", stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), len(kept) - 2)


def tail_tests(x, point):
    """Exact tests of P(X <= a), P(X >= b) far out, and of P(X = 0)."""
    for chance in (1e-2, 1e-4):
        low, high = point.law.ppf(chance), point.law.isf(chance)
        yield f"low {chance}", two_sided(stats.binom(len(x), point.law.cdf(low)), (x <= low).sum())
        yield f"high {chance}", two_sided(stats.binom(len(x), point.law.sf(high)), (x > high).sum())
    if point.discrete:
        yield "zero", two_sided(stats.binom(len(x), point.law.pmf(0)), (x == 0).sum())


def residue_test(x, point):
    """Counts modulo 4 are uniform to 1e-50 once the deviation is 10 (Poisson summation)."""
    if point.discrete and point.moments[1] > 100:
        yield "residue", stats.chisquare(np.bincount(x.astype(np.int64) % 4, minlength=4)).pvalue


def check(point, n):
    x = point.draw(n)
    results = {}
    for test in (moment_tests, cells_test, tail_tests, residue_test):
        results |= dict(test(x, point))
    assert 1 < len(results) <= TESTS_PER_POINT
    level = FALSE_ALARM / (len(POINTS) * TESTS_PER_POINT)
    assert {name: p for name, p in results.items() if not p >= level} == {}


# --- the grid ---

POISSON_MEANS = [1e-6, 0.1, 1, 5, 9.99, 10, 10.1, 12, 30, 100, 1e3, 1e6, 1e9, 1e12]

BINOMIALS = [
    *[(1, 0.3), (2, 0.5), (5, 0.2), (7, 0.9), (12, 1e-3), (20, 0.3), (21, 0.5), (19, 0.5)],
    *[(40, 0.2499), (40, 0.25), (40, 0.2501), (30, 0.55), (100, 0.0999), (100, 0.1), (100, 0.101)],
    *[(100, 0.75), (255, 0.039), (256, 0.039), (300, 0.02), (400, 0.25), (400, 0.999), (1, 1e-6)],
    *[(1000, 0.0101), (10**6, 1e-6), (10**6, 0.3), (10**9, 0.9e-8), (10**9, 1.2e-8), (10**9, 0.5)],
    *[(10**12, 1e-12), (10**12, 1.5e-11), (10**12, 0.37), (10**12, 1 - 1e-6)],
]

GAMMA_SHAPES = [0.05, 0.3, 0.999, 1.0, 1.5, 10.0, 1000.0]

TABLES = {
    "one": [3.0],
    "two": [0.3, 0.7],
    "with nothing in some cells": [0.0, 1.0, 0.0, 5.0, 2.0, 0.0],
    "even": [1.0] * 13,
    "lag": 0.75 ** np.arange(25),
    "long": 0.9 ** np.arange(60),
    "uneven": [1e-6, 0.2, 1e-3, 0.7, 0.05, 1e-12, 0.04],
}

# A multinomial is known by its cells and by the sums of two cells: all are binomial.
SPREADS = [
    (6, [0.5, 0.2, 0.0, 0.3, 0.0], (0,)),
    (6, [0.5, 0.2, 0.0, 0.3, 0.0], (1, 3)),
    (40, 0.75 ** np.arange(13), (0,)),
    (40, 0.75 ** np.arange(13), (1, 12)),
    (150, 0.75 ** np.arange(13), (0, 5)),
    (150, [0.0, 0.6, 0.1, 0.3], (3,)),
    (150, [0.0, 0.6, 0.1, 0.3], (1, 2)),
]

SIZES = [
    (z.LOGNORMAL, (1.2, 0.4), stats.lognorm(0.4, scale=math.exp(1.2))),
    (z.GAMMA, (2.5, 3.0), stats.gamma(2.5, scale=3.0)),
    (z.WEIBULL, (1.5, 2.0), stats.weibull_min(1.5, scale=2.0)),
    (z.WEIBULL, (0.7, 1.0), stats.weibull_min(0.7)),
    (z.BETA, (2.0, 3.0, 10.0, 20.0), stats.beta(2, 3, loc=10, scale=10)),
    (z.BETA, (0.4, 0.8, 0.0, 1.0), stats.beta(0.4, 0.8)),
    (z.UNIFORM, (-2.0, 5.0), stats.uniform(-2, 7)),
    (z.TRIANGULAR, (1.0, 2.0, 6.0), stats.triang(0.2, loc=1, scale=5)),
    (z.TRIANGULAR, (1.0, 1.0, 6.0), stats.triang(0.0, loc=1, scale=5)),
    (z.NORMAL, (3.0, 0.5), stats.norm(3, 0.5)),
]


def poisson_point(mean):
    def draw(n):
        out = np.zeros(n, np.int64)
        poissons(float(mean), key_of("poisson", mean), out)
        return out

    return Point(f"poisson {mean:g}", draw, stats.poisson(mean))


def binomial_point(trials, p):
    def draw(n):
        out = np.zeros(n, np.int64)
        binomials(trials, p, key_of("binomial", trials, p), out)
        return out

    return Point(f"binomial {trials:g} {p:g}", draw, stats.binom(trials, p))


def gamma_point(shape, first=0):
    def draw(n):
        out = np.zeros(n)
        gammas(shape, key_of("gamma", shape), first, out)
        return out

    return Point(f"gamma {shape:g} from {first}", draw, stats.gamma(shape), discrete=False)


def table_point(name):
    weights = np.asarray(TABLES[name], dtype=float)

    def draw(n):
        out = np.zeros(n, np.int64)
        picks(*alias_table(weights), key_of("alias", name), np.zeros(n, np.uint64), out)
        return out

    law = stats.rv_discrete(values=(np.arange(len(weights)), weights / weights.sum()))
    return Point(f"alias {name}", draw, law)


def spread_point(method, m, weights, cells):
    weights = np.asarray(weights, dtype=float)

    def draw(n):
        counts, key = np.zeros((n // 4, len(weights)), np.int64), key_of("spread", m, cells)
        if method == "few":
            spreads_few(m, *guide_table(weights), key, np.zeros(64, np.uint64), counts)
        else:
            spreads_many(m, conditionals(weights), key, np.zeros(2 * len(weights)), counts)
        assert np.all(counts.sum(axis=1) == m)
        assert np.all(counts[:, weights == 0] == 0)
        return counts[:, list(cells)].sum(axis=1)

    p = weights[list(cells)].sum() / weights.sum()
    return Point(f"spread {method} {m} {len(weights)} {cells}", draw, stats.binom(m, p))


def size_point(code, params, law):
    def draw(n):
        out, row = np.zeros(n), np.array([*params, 0.0, 0.0][: z.PARAMETERS])
        deal_sizes(code, row, VALUES, *alias_table([1.0]), key_of("size", code, params), out)
        return out

    return Point(f"size {code} {params}", draw, law, discrete=False)


POINTS = [
    *[poisson_point(mean) for mean in POISSON_MEANS],
    *[binomial_point(*setting) for setting in BINOMIALS],
    *[gamma_point(shape) for shape in GAMMA_SHAPES],
    gamma_point(0.5, first=s.SECOND),
    *[table_point(name) for name in TABLES],
    *[spread_point(method, *setting) for method in ("few", "many") for setting in SPREADS],
    *[size_point(*setting) for setting in SIZES],
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_sampler_follows_its_law(point):
    check(point, DRAWS)


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_sampler_follows_its_law_in_ten_million_draws(point):
    check(point, LONG_DRAWS)


# --- exact properties ---


def test_a_mean_of_nothing_gives_nothing():
    for mean in (0.0, -1.0, -1e300):
        poissons(mean, key_of("edge"), out := np.full(10, 7))
        assert not out.any()


@pytest.mark.parametrize(
    ("n", "p", "expected"),
    [(0, 0.5, 0), (-3, 0.5, 0), (9, 0.0, 0), (9, -0.1, 0), (9, 1.0, 9), (9, 1.5, 9), (0, 1.0, 0)],
)
def test_certain_binomials(n, p, expected):
    binomials(n, p, key_of("edge"), out := np.full(10, 7))
    assert np.all(out == expected)


def test_a_spread_depends_on_no_chunk_and_adds():
    table, key = guide_table(TABLES["lag"]), key_of("chunks")
    first = np.zeros((20, 25), np.int64)
    spreads_few(100, *table, key, np.zeros(1000, np.uint64), first)
    for size in (1, 3, 16, 99):
        counts = np.ones((20, 25), np.int64)
        spreads_few(100, *table, key, np.zeros(size, np.uint64), counts)
        assert np.array_equal(counts, first + 1)
    spreads_many(25, conditionals(TABLES["lag"]), key, np.zeros(50), counts)
    assert np.all(counts.sum(axis=1) == 150)
    spreads_few(0, *table, key, np.zeros(4, np.uint64), counts)
    spreads_many(0, conditionals(TABLES["lag"]), key, np.zeros(50), counts)
    assert np.all(counts.sum(axis=1) == 150)


def test_a_spread_by_binomials_is_those_of_its_cells():
    weights, key = TABLES["with nothing in some cells"], key_of("chain")
    counts, left = np.zeros((200, 6), np.int64), np.full(200, 70)
    spreads_many(70, conditionals(weights), key, np.zeros(12), counts)
    for cell, chance in enumerate(conditionals(weights)):
        one = np.zeros(200, np.int64)
        addressed_binomials(left, chance, key, cell, one)
        assert np.array_equal(counts[:, cell], one)
        left -= one


@pytest.mark.parametrize("first", [0, s.SECOND])
def test_a_small_gamma_is_a_larger_one_times_a_power(first):
    small, large, power = np.zeros(500), np.zeros(500), np.zeros(500)
    gammas(0.3, key_of("boost"), first, small)
    gammas(1.3, key_of("boost"), first, large)
    boosts(0.3, key_of("boost"), first + s.BOOST, power)
    assert np.array_equal(small, large * power)


ROWS = [(code, params) for code, params, _ in SIZES] + [(z.FIXED, (7.0,)), (z.DISCRETE, ())]


@pytest.mark.parametrize(("code", "params"), ROWS)
def test_a_sum_is_the_sum_of_its_sizes(code, params):
    row = np.zeros(z.PARAMETERS)
    row[: len(params)] = params
    table, key = alias_table([0.5, 0.3, 0.2]), key_of("sum", code)
    common = (VALUES, *table, key, 4, 5)
    sizes = [size_of(code, row, *common, index) for index in range(10, 75)]
    left_to_right = 0.0
    for value in sizes:
        left_to_right += value
    for length in (1, 7, 64, 500):
        total = z.size_sum(65, code, row, *common, 10, np.zeros(length, np.uint64))
        assert total == left_to_right
    assert z.size_sum(0, code, row, *common, 10, np.zeros(8, np.uint64)) == 0.0
    assert len(set(sizes)) == {z.FIXED: 1, z.DISCRETE: 3}.get(code, 65)
