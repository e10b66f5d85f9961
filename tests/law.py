"""Samplers against their laws: mean, variance, all cells, and the tails cell by cell.

A wrong tail is invisible to a mean and nearly so to a chi-square: hence exact tests of the tails.
Thresholds are Bonferroni's: correct samplers fail a file under one seed in a million.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from helpers import FALSE_ALARM
from scipy import stats

DRAWS = 1_000_000
LONG_DRAWS = 10_000_000
TESTS_PER_POINT = 10
LEAST_EXPECTED = 100  # in a cell of a chi-square, so that its tail can be trusted at 1e-9


@dataclass(frozen=True)
class Point:
    """One sampler at one setting: *draw* gives n variates that follow *law*."""

    name: str
    draw: Callable[[int], np.ndarray]
    law: Any
    discrete: bool = True

    @cached_property
    def moments(self):
        return [float(moment) for moment in self.law.stats(moments="mvsk")]


def check(point, n, points):
    """All tests of a point, one of so many ``points`` of a file."""
    x = point.draw(n)
    results = {}
    for test in (moment_tests, cells_test, tail_tests, residue_test):
        results |= dict(test(x, point))
    assert 1 < len(results) <= TESTS_PER_POINT
    level = FALSE_ALARM / (points * TESTS_PER_POINT)
    assert {name: p for name, p in results.items() if not p >= level} == {}


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
