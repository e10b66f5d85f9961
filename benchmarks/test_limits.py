"""The yardstick is right: its samplers follow their laws."""

from __future__ import annotations

import limit_samplers as limit
import numpy as np
import pytest
from numpy.typing import NDArray
from numpy_peer import LAGS, SIZE_SIGMA
from scipy import stats

VARIATES = 200_000
LEAST_P = 1e-6  # a false alarm in a million tests
FEW = 25.0  # expected in a cell: rarer counts share one

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def state() -> NDArray[np.uint64]:
    return np.array([20261122], np.uint64)


def p_counts(found: Counts, chances: Floats) -> float:
    """p-value of counts 0, 1, ... by chi squared; what is rare is put together."""
    expected = chances * len(found)
    common = expected >= FEW
    seen = np.bincount(found, minlength=len(chances))[: len(chances)][common]
    rest = len(found) - seen.sum(), len(found) - expected[common].sum()
    if rest[1] < FEW:
        rest = (0, 0)
        expected[common] *= seen.sum() / expected[common].sum()
    together = [*seen, rest[0]][: None if rest[1] else -1]
    return float(stats.chisquare(together, [*expected[common], rest[1]][: len(together)]).pvalue)


def up_to(mean: float) -> NDArray[np.int64]:
    """Counts that matter for a mean."""
    return np.arange(int(mean + 12.0 * mean**0.5 + 30.0))


@pytest.mark.parametrize("mean", [0.5, 3.0, 8.0, 12.0, 50.0, 500.0])
def test_poissons(mean: float) -> None:
    means, out = np.full(VARIATES, mean), np.empty(VARIATES, np.int64)
    if mean < limit.LEAST_REJECTED:
        limit.small_poissons(state(), means, out, np.empty(2 * VARIATES))
    else:
        limit.large_poissons(state(), means, out)
    assert p_counts(out, stats.poisson.pmf(up_to(mean), mean)) > LEAST_P


@pytest.mark.parametrize(
    ("n", "p"), [(5, 0.2), (20, 0.3), (100, 0.25), (400, 0.25), (400_000, 0.25)]
)
def test_binomials(n: int, p: float) -> None:
    trials, chance = np.full(VARIATES, n), np.full(VARIATES, p)
    out = np.empty(VARIATES, np.int64)
    if n * p < limit.LEAST_REJECTED:
        limit.small_binomials(state(), trials, chance, out, np.empty(3 * VARIATES))
    else:
        limit.large_binomials(state(), trials, chance, out)
    assert p_counts(out, stats.binom.pmf(up_to(n * p), n, p)) > LEAST_P


def test_continuous_ones() -> None:
    out, work, shape = np.empty(VARIATES), np.empty(2 * VARIATES), np.full(VARIATES, 4.0)
    limit.uniforms(state(), out)
    assert stats.kstest(out, "uniform").pvalue > LEAST_P
    limit.normals(state(), out, work)
    assert stats.kstest(out, "norm").pvalue > LEAST_P
    halves = np.corrcoef(out[: VARIATES // 2], out[VARIATES // 2 :])[0, 1]
    assert abs(halves) < 5.0 / VARIATES**0.5
    limit.lognormals(state(), SIZE_SIGMA, out, work)
    assert stats.kstest(out, stats.lognorm(SIZE_SIGMA).cdf).pvalue > LEAST_P
    limit.gammas(state(), shape, out, work)
    assert stats.kstest(out, stats.gamma(4.0).cdf).pvalue > LEAST_P


def test_categories() -> None:
    threshold, other = limit.alias_table(LAGS[2])
    counts = np.zeros(len(threshold), np.int64)
    limit.categories(state(), VARIATES, threshold, other, counts)
    assert not counts[len(LAGS[2]) :].any()
    assert stats.chisquare(counts[: len(LAGS[2])], VARIATES * LAGS[2]).pvalue > LEAST_P
