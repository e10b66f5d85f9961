"""Scores against closed forms, definitions written out, and what they must say of known truths."""

import numpy as np
import pytest
import scoringrules
from scipy import stats

from forecast.history import scores

RNG = np.random.default_rng


def test_crps_is_that_of_the_normal_and_the_poisson_distribution():
    rng, y, runs = RNG(1), 11.0, 400_000
    normal = rng.normal(10.0, 2.0, runs)
    z = (y - 10.0) / 2.0
    density, below = stats.norm.pdf(z), stats.norm.cdf(z)
    closed = 2.0 * (z * (2 * below - 1) + 2 * density - 1 / np.sqrt(np.pi))
    # The error of E|X - y| is at most sd / sqrt(runs); that of the other half is smaller.
    assert float(scores.crps(normal, y)) == pytest.approx(closed, abs=5.5 * 2.0 / runs**0.5)
    poisson = rng.poisson(9.0, runs).astype(float)
    closed = float(scoringrules.crps_poisson(y, 9.0, backend="numpy"))
    assert float(scores.crps(poisson, y)) == pytest.approx(closed, abs=5.5 * 3.0 / runs**0.5)


def test_crps_is_fair():
    runs, y = RNG(2).normal(size=(3, 40)), np.array([0.0, 1.0, 5.0])
    each = np.abs(runs[:, :, None] - runs[:, None, :]).sum(axis=(1, 2)) / (40 * 39)
    slow = np.abs(runs - y[:, None]).mean(axis=1) - each / 2
    np.testing.assert_allclose(scores.crps(runs, y), slow, rtol=1e-12)
    # Not the other one, which rewards many runs.
    quick = scoringrules.crps_ensemble(y, runs, estimator="nrg", backend="numpy")
    assert (np.abs(quick - slow) > 1e-3).all()


def test_wis_is_that_of_its_intervals_by_hand():
    # Bracher et al., eq. 1, with the median and a central 50% interval of [1, 5]; y = 7 lies above.
    interval = (5.0 - 1.0) + 2 / 0.5 * (7.0 - 5.0)
    by_hand = (0.5 * abs(7.0 - 2.0) + 0.5 / 2 * interval) / (1 + 0.5)
    assert float(scores.wis(np.array([1.0, 2.0, 5.0]), 7.0, (0.25, 0.5, 0.75))) == by_hand


def test_wis_of_all_quantiles_is_that_of_the_library_by_intervals():
    q = np.sort(RNG(3).gamma(2.0, size=(4, len(scores.QUANTILES))), axis=1)
    y = np.array([0.0, 1.0, 2.5, 9.0])
    half = len(scores.QUANTILES) // 2
    alpha = 2 * np.array(scores.QUANTILES[:half])
    upper = q[:, :half:-1]
    # Not the library's weighted_interval_score, which takes the median for its distance (0.10).
    each = scoringrules.interval_score(y, q[:, :half], upper, alpha, backend="numpy")
    sum_of = 0.5 * np.abs(y - q[:, half]) + (alpha / 2 * each).sum(axis=1)
    np.testing.assert_allclose(scores.wis(q, y), sum_of / (half + 0.5), rtol=1e-12)


def test_quantiles_lie_symmetrically_and_hold_the_ends_of_the_levels():
    levels = np.array(scores.QUANTILES)
    np.testing.assert_allclose(levels, 1.0 - levels[::-1], atol=1e-12)
    q = np.array([stats.norm.ppf(levels)])
    for level in scores.LEVELS:
        end = stats.norm.ppf(0.5 + level / 2)
        assert scores.is_covered(q, [end - 1e-9], level)[0]
        assert not scores.is_covered(q, [end + 1e-9], level)[0]
    with pytest.raises(ValueError, match="is not among the quantiles"):
        scores.is_covered(q, [0.0], 0.77)


def test_the_ends_of_an_interval_belong_to_it():
    q = np.array([stats.poisson(3.0).ppf(scores.QUANTILES)])
    low, high = stats.poisson(3.0).ppf([0.1, 0.9])
    assert scores.is_covered(q, [low], 0.8)[0]
    assert scores.is_covered(q, [high], 0.8)[0]


def test_expected_wis_is_the_mean_over_what_may_come():
    runs = RNG(4).poisson(6.0, (2, 50)).astype(float)
    q = np.quantile(runs, scores.QUANTILES, axis=1).T
    slow = [np.mean([scores.wis(q[i], y) for y in runs[i]]) for i in range(2)]
    np.testing.assert_allclose(scores.expected_wis(q, runs), slow, rtol=1e-12)


@pytest.mark.parametrize(("hits", "cases"), [(0, 7), (5, 7), (7, 7), (120, 155)])
def test_bands_are_exact_quantiles_of_the_beta_distribution(hits, cases):
    low = stats.beta.ppf(0.025, hits, cases - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, cases - hits) if hits < cases else 1.0
    assert scores.binomial_band(hits, cases) == pytest.approx((low, high), abs=1e-9)


def test_enough_outcomes_are_those_that_the_docstring_derives():
    n = scores.ENOUGH_OUTCOMES
    assert 1.96 * np.sqrt(0.8 * 0.2 / n) == pytest.approx(0.063, abs=0.0005)
    for cases in (n, n + 1, n + 7):
        k = np.arange(cases + 1)
        p = np.array([stats.binomtest(int(hits), cases, 0.8).pvalue for hits in k])
        assert stats.binom.pmf(k, cases, 0.7)[p <= 0.05].sum() >= 0.8
    assert scores.can_judge_coverage(n)
    assert not scores.can_judge_coverage(n - 1)


@pytest.mark.parametrize("mean", [0.3, 2.0, 40.0])
def test_the_pit_of_counts_is_exactly_flat_where_the_forecast_is_true(mean):
    luck = stats.poisson(mean)
    counts = np.arange(luck.isf(1e-15) + 1)
    bars = [scores.pit_histogram(luck.cdf(k - 1), luck.cdf(k), 8) for k in counts]
    np.testing.assert_allclose(luck.pmf(counts) @ np.array(bars), 1 / 8, atol=1e-12)


def test_the_pit_of_a_forecast_that_is_too_sure_is_high_at_both_ends():
    luck, sure = stats.nbinom(4, 0.2), stats.poisson(16.0)
    counts = np.arange(200)
    bars = [scores.pit_histogram(sure.cdf(k - 1), sure.cdf(k), 5) for k in counts]
    bars = luck.pmf(counts) @ np.array(bars)
    assert bars[0] > 0.3
    assert bars[-1] > 0.25
    assert bars[2] < 0.15


def test_the_pit_of_an_outcome_between_the_runs_is_a_point():
    below, up_to = scores.pit_ends(np.array([[1.0, 2.0, 3.0, 4.0]] * 3), [2.5, 0.0, 9.0])
    np.testing.assert_array_equal(below, up_to)
    np.testing.assert_allclose(scores.pit_histogram(below, up_to, 4), [1 / 3, 1 / 3, 0, 1 / 3])
    below, up_to = scores.pit_ends(np.array([[1.0, 2.0, 2.0, 4.0]]), [2.0])
    assert (below[0], up_to[0]) == (0.25, 0.75)


def test_bias_is_the_share_by_which_means_are_too_high():
    assert scores.bias([11.0, 13.0], [10.0, 10.0]) == pytest.approx(0.2)
    assert scores.bias([1.0], [0.0]) is None


def test_p_values_by_hand():
    # Three blocks, (3), (1), (-1): of the 8 patterns 3 + 1 - 1 = 3 is reached by |sum| 3, 3, 5
    # and their opposites.
    assert scores.block_p_value([1.0, 2.0, 0.5, 0.5, -1.0], 2) == 6 / 8
    assert scores.block_p_value([1.0] * 5, 1) == 2 / 32
    assert scores.block_p_value([-1.0] * 5, 1) == 2 / 32
    assert scores.block_p_value([0.0, 0.0], 1) == 1.0
    assert scores.block_p_value([], 1) == 1.0


def dependent(rng, cases, origins, block):
    """Differences whose neighbours go together inside blocks, of mean 0."""
    return np.repeat(rng.normal(size=(cases, origins // block)), block, axis=1)


@pytest.mark.parametrize("blocks", [10, 16])
def test_p_values_are_uniform_where_neither_forecast_is_better(blocks, monkeypatch):
    monkeypatch.setattr(scores, "PATTERNS", 600)
    rng, block, cases = RNG(5), 3, 2_000
    rows = dependent(rng, cases, blocks * block, block)
    p = np.array([scores.block_p_value(row, block, seed=i) for i, row in enumerate(rows)])
    seen = np.histogram(p, bins=8, range=(0.0, 1.0))[0]
    assert stats.chisquare(seen).pvalue > 1e-6
    assert (p <= 0.05).mean() < 0.05 + 5.2 * np.sqrt(0.05 * 0.95 / cases)


def test_blocks_that_are_ignored_make_p_values_too_small():
    rows = dependent(RNG(6), 500, 12, 3)
    assert np.mean([scores.block_p_value(row, 1) <= 0.05 for row in rows]) > 0.15


def test_a_forecast_that_is_better_is_found():
    assert scores.block_p_value(RNG(7).normal(-1.0, 1.0, 36), 3) < 0.01
