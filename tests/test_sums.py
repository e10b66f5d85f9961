"""Drawn sums of sizes: their distribution, and what they may and may not depend on."""

import math

import numpy as np
import pytest
from drawn import STEP, key_of, sums
from helpers import FALSE_ALARM
from one_by_one import direct_sums
from scipy import stats
from sum_truth import EXTREME, LISTS, NARROW, PLAIN, sizes_of

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import item_bits, to_unit
from forecast.engine.sizes import sums_of_sizes
from forecast.scenario.families import (
    Beta,
    Fixed,
    Gamma,
    Lognormal,
    Normal,
    Triangular,
    Uniform,
    Weibull,
)

EXACT = [Gamma(0.7, 3.0), Normal(50.0, 9.0), Fixed(12.5)]
EVERY = [*PLAIN, *NARROW, *EXTREME, *LISTS.values(), *EXACT]
RUNS = 20_000


@jit(entry=True)
def uniforms(key, out):
    for run in range(len(out)):
        out[run] = to_unit(item_bits(key, run, STEP, 0))


@pytest.mark.parametrize("family", EVERY, ids=str)
def test_few_sizes_are_drawn_as_one_by_one(family):
    sizes = sizes_of(family)
    for n in range(-1, min(int(sizes.least[0, 0]), 20) or 2):
        many = np.full(130, n)
        assert (sums(many, sizes, name="few") == direct_sums(many, sizes, name="few")).all()


@pytest.mark.parametrize("family", EVERY, ids=str)
def test_a_sum_depends_on_its_run_only(family):
    sizes = sizes_of(Uniform(0.0, 5.0), family, Lognormal(0.0, 0.6))
    n = np.resize([0, 700, 1, 2, 3, 17, 5, 400, 20_000, 4_095, 2, 0, -1, 33, 2_100], 130)
    whole = sums(n, sizes, 1)
    assert (whole[n <= 0] == 0.0).all()
    assert (whole[n > 3] > 0.0).all()
    for block in (1, 7, 63):
        assert (sums(n, sizes, 1, block=block) == whole).all()
    assert (sums(n, sizes_of(family)) == whole).all()
    assert (sums(n[40:90], sizes, 1, first=40) == whole[40:90]).all()
    other = np.where(np.arange(130) % 2 == 0, n, n[::-1] + 1)
    assert (sums(other, sizes, 1)[::2] == whole[::2]).all()


@pytest.mark.parametrize("family", [PLAIN[0], PLAIN[2], LISTS["data"], LISTS["decay"]], ids=str)
def test_a_sum_does_not_depend_on_what_else_is_prepared_for(family):
    n = np.resize([2, 3, 15, 16, 17, 100, 255, 700, 2_000], 200)
    best = sums(n, sizes_of(family, most=10_000_000))
    for most in (2_000, 4_095, 4_096, 70_000):
        assert (sums(n, sizes_of(family, most=most)) == best).all()


QUANTILES = {
    Lognormal(1.2, 0.4): stats.lognorm(0.4, scale=math.exp(1.2)).ppf,
    Weibull(0.7, 2.0): stats.weibull_min(0.7, scale=2.0).isf,
    Uniform(-2.0, 5.0): stats.uniform(-2, 7).ppf,
    Triangular(1.0, 3.0, 6.0): stats.triang(0.4, loc=1, scale=5).ppf,
    Triangular(1.0, 1.0, 6.0): stats.triang(0.0, loc=1, scale=5).ppf,
    Normal(3.0, 0.5): stats.norm(3, 0.5).ppf,
}


@pytest.mark.parametrize("family", QUANTILES, ids=str)
def test_single_sizes_are_quantiles(family):
    u = np.empty(RUNS)
    uniforms(key_of("one"), u)
    found = sums(np.ones(RUNS), sizes_of(family, most=1), name="one")
    np.testing.assert_allclose(found, QUANTILES[family](u), rtol=1e-12, atol=1e-12)


def beta_law(family):
    return stats.beta(family.alpha, family.beta, family.low, family.high - family.low)


@pytest.mark.parametrize("family", [Beta(2.0, 3.0, 10.0, 20.0), Beta(0.4, 0.8)], ids=str)
def test_single_betas_have_their_law(family):
    found = sums(np.ones(10 * RUNS), sizes_of(family, most=1))
    assert stats.kstest(found, beta_law(family).cdf).pvalue > FALSE_ALARM / 200
    cells = np.searchsorted(beta_law(family).ppf(np.linspace(0.0, 1.0, 101)[1:-1]), found)
    assert stats.chisquare(np.bincount(cells, minlength=100)).pvalue > FALSE_ALARM / 200


def same_distribution(one, other, comparisons):
    assert stats.ks_2samp(one, other).pvalue > FALSE_ALARM / comparisons


@pytest.mark.parametrize("n", [2, 3, 23, 300])
@pytest.mark.parametrize("family", [*PLAIN, *EXTREME, *NARROW], ids=str)
def test_sums_have_the_distribution_of_direct_ones(family, n):
    runs = RUNS if n < 100 else RUNS // 4
    sizes = sizes_of(family, most=max(n, 2))
    counts = np.full(runs, n)
    same_distribution(sums(counts, sizes), direct_sums(counts, sizes), 200)


@pytest.mark.parametrize("n", [60, 300, 1_500, 5_000])
@pytest.mark.parametrize("name", LISTS)
def test_sums_of_lists_have_the_distribution_of_direct_ones(name, n):
    sizes = sizes_of(LISTS[name])
    counts = np.full(RUNS // 4, n)
    one, other = sums(counts, sizes), direct_sums(counts, sizes)
    same_distribution(one, other, 200)
    spread = np.sqrt(n / len(counts)) * LISTS[name].sd
    assert abs(one.mean() - n * LISTS[name].mean) < 7.0 * spread


@pytest.mark.parametrize("n", [5, 7, 16, 40, 500])
def test_more_deals_than_were_prepared_for(n):
    counts = np.full(RUNS // 2, n)
    for family in (PLAIN[0], PLAIN[3], LISTS["data"]):
        few = sizes_of(family, most=5)
        same_distribution(sums(counts, few), direct_sums(counts, few), 200)


@pytest.mark.parametrize("n", [1, 2, 40, 9_000])
def test_exact_families(n):
    sizes = sizes_of(*EXACT)
    counts = np.full(RUNS, n)
    laws = stats.gamma(0.7 * n, scale=3.0), stats.norm(50.0 * n, 9.0 * np.sqrt(n))
    for v, law in enumerate(laws):
        assert stats.kstest(sums(counts, sizes, v), law.cdf).pvalue > FALSE_ALARM / 200
    assert (sums(counts, sizes, 2) == 12.5 * n).all()


@pytest.mark.long
@pytest.mark.parametrize("n", [17, 100, 255, 1_000, 4_097, 20_000])
@pytest.mark.parametrize("family", [*PLAIN[:4], EXTREME[2], LISTS["data"], LISTS["heavy data"]])
def test_sums_have_the_distribution_of_direct_ones_in_many_runs(family, n):
    sizes = sizes_of(family)
    counts = np.full(min(200_000_000 // n, 1_000_000), n)
    same_distribution(sums(counts, sizes), direct_sums(counts, sizes), 200)


def test_levels_are_drawn_independently():
    sizes = sizes_of(Lognormal(0.0, 1.0))
    units, sixteens, both = (sums(np.full(RUNS, n), sizes) for n in (3, 32, 35))
    assert np.allclose(units + sixteens, both, rtol=1e-12)
    assert abs(stats.spearmanr(units, sixteens).statistic) < 5.0 / np.sqrt(RUNS)


def test_what_was_used_is_said():
    assert sums_of_sizes(sizes_of(Fixed(3.0))) == "each size drawn"
    said = sums_of_sizes(sizes_of(Lognormal(0.0, 1.0), Gamma(2.0, 1.0)))
    assert said.startswith(
        "tables of sums for 2 deals or more (relative error of quantiles <= 1e-4)"
    )
    assert said.endswith("exact sums")
    assert "2 to 4 deals" in sums_of_sizes(sizes_of(Lognormal(0.0, 1.0), Uniform(0.0, 1.0)))
    assert sums_of_sizes(sizes_of(Uniform(0.0, 1.0), most=3)) == "each size drawn"
    assert "lists by counts of values for 48" in sums_of_sizes(sizes_of(LISTS["three"]))
    assert "tables" in sums_of_sizes(sizes_of(LISTS["data"]))
