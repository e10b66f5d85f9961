"""What is uncertain: quasi-random points by name, their marginals, their correlations."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from helpers import SCENARIOS, bound, one_month, scenario
from scipy import stats

import forecast
from forecast.engine.assumptions import Draws, quasi_uniforms
from forecast.engine.keys import stream_key
from forecast.scenario.families import Family
from forecast.scenario.model import Scenario
from forecast.scenario.uncertain import uncertain_numbers

RARE = 1e-6
PAIRS = 300
SCRAMBLED = 1.5  # variance of a pair's correlation over that of independent points
TABLE = 1e-6  # of a chance, what quantiles from a table may be off by


def points(name: str, runs: int, first: int = 0, seed: int = 0) -> np.ndarray:
    return quasi_uniforms(stream_key(seed, "assumption", name), first, runs)


def scrambled(rng: np.random.Generator, bits: int) -> np.ndarray:
    """2**bits points as they should be: every branch of the index and digit trees by its own coin.

    Index and digits are permuted by nested flips: whether a bit flips depends on those before it.
    """
    runs = 1 << bits
    index = np.arange(runs)
    shuffled = np.zeros(runs, dtype=int)
    for bit in range(bits - 1, -1, -1):
        flips = rng.integers(0, 2, 1 << (bits - 1 - bit))
        shuffled |= ((index >> bit & 1) ^ flips[index >> (bit + 1)]) << bit
    point, branch = rng.random(runs) / runs, np.zeros(runs, dtype=int)
    for digit in range(bits):
        flips = rng.integers(0, 2, 1 << digit)
        bit = (shuffled >> digit & 1) ^ flips[branch]
        branch = 2 * branch + bit
        point += bit * 0.5 ** (digit + 1)
    return point


# --- the points -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(11))
@pytest.mark.parametrize("name", ["a", "journey.opportunity.won.conversion"])
def test_every_cell_is_hit_once(name: str, bits: int) -> None:
    runs = 1 << bits
    for first in (0, runs, 6 * runs):
        cells = np.floor(points(name, runs, first) * runs).astype(int)
        np.testing.assert_array_equal(np.sort(cells), np.arange(runs))


def test_a_point_depends_on_seed_name_and_run_only() -> None:
    whole = points("a", 1_000)
    np.testing.assert_array_equal(points("a", 10), whole[:10])
    np.testing.assert_array_equal(points("a", 123, first=777), whole[777:900])
    assert not np.any(points("b", 1_000) == whole)
    assert not np.any(points("a", 1_000, seed=1) == whole)


def test_points_lie_inside_the_unit_interval() -> None:
    for first in (0, 2**32 - 4):
        found = points("a", 4, first)
        assert np.all((found > 0.0) & (found < 1.0))
    many = points("a", 2**20)
    assert 0.0 < many.min() < 2.0**-20
    assert 1.0 - 2.0**-20 < many.max() < 1.0


def test_one_point_of_many_names_is_uniform() -> None:
    for run in (0, 1, 77, 65_535):
        found = [points(f"name {i}", 1, run)[0] for i in range(5_000)]
        assert stats.kstest(found, "uniform").pvalue > RARE / 4


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_names_are_as_independent_as_they_should_be(bits: int) -> None:
    """Correlations of pairs of names against those of points scrambled by independent coins."""
    rng = np.random.default_rng(7)
    found, right = (
        [np.corrcoef(*pair)[0, 1] for pair in pairs]
        for pairs in (
            [[points(f"{k} {i}", 1 << bits) for k in "ab"] for i in range(PAIRS)],
            [[scrambled(rng, bits) for _ in "ab"] for _ in range(PAIRS)],
        )
    )
    assert stats.ks_2samp(found, right).pvalue > RARE / 3
    assert stats.chi2.sf(PAIRS * np.var(right) * (1 << bits) / SCRAMBLED, PAIRS) > RARE / 3
    assert abs(np.mean(found)) / (np.std(right) / PAIRS**0.5) < bound(3)


def test_similar_names_fill_the_square() -> None:
    """Cells of a 16 by 16 grid: 4,096 runs of two names that differ in one letter."""
    runs, side = 4_096, 16
    rng = np.random.default_rng(8)

    def unevenness(one: np.ndarray, other: np.ndarray) -> float:
        cells = np.floor(one * side).astype(int) * side + np.floor(other * side).astype(int)
        return float(np.var(np.bincount(cells, minlength=side**2)))

    paths = [f"channels.{c}.leads.mean" for c in "abcdefghijklmnopqrstuvwxyz"]
    columns = [points(path, runs) for path in paths]
    found = [unevenness(a, b) for a, b in pairwise(columns)]
    right = [unevenness(scrambled(rng, 12), scrambled(rng, 12)) for _ in range(100)]
    assert stats.ks_2samp(found, right).pvalue > RARE


# --- families -------------------------------------------------------------------------------------

FAMILIES = [
    "gamma: {mean: 100, cv: 0.4}",
    "gamma: {mean: 100, cv: 1.6}",
    "lognormal: {median: 80, p90: 200}",
    "weibull: {mean: 100, cv: 0.7}",
    "uniform: {low: 50, high: 120}",
    "triangular: {low: 40, mode: 90, high: 160}",
    "pert: {low: 40, mode: 90, high: 160}",
]
SHARES = ["beta: {won: 6, lost: 14}", "beta: {mean: 30%, cv: 0.5}", "beta: {alpha: 0.7, beta: 0.9}"]


def leads_at(figure: str) -> Scenario:
    return one_month(f"leads: {{mean: {{{figure}}}, per: month}}")


def shares_at(figure: str) -> Scenario:
    return one_month("leads: {mean: 9, per: month}", f"o: {{won: {{conversion: {{{figure}}}}}}}")


@pytest.mark.parametrize(
    "given",
    [*map(leads_at, FAMILIES), *map(shares_at, SHARES)],
    ids=[*FAMILIES, *SHARES],
)
def test_marginals(given: Scenario) -> None:
    """Each 4,096th of the distribution holds one of 4,096 runs, so the KS statistic is tiny."""
    (number,) = uncertain_numbers(given).values()
    data = forecast.simulate(given, runs=4_096, seed=4)
    drawn = data.assumption.values[:, 0]
    assert list(data.path.values) == [number.path]
    assert stats.kstest(drawn, number.family.cdf).statistic < 1.0 / 4_096 + TABLE
    assert stats.kstest(drawn * 1.01, number.family.cdf).statistic > 1.0 / 4_096 + TABLE
    assert np.all((number.family.low <= drawn) & (drawn <= number.family.high))


def test_listed_values_have_their_chances() -> None:
    given = leads_at("values: {10: 25%, 20: 62.5%, 70: 12.5%}")
    drawn = forecast.simulate(given, runs=4_096, seed=4).assumption.values[:, 0]
    assert {v: int(np.sum(drawn == v)) for v in (10, 20, 70)} == {10: 1024, 20: 2560, 70: 512}


def test_a_draw_is_used_for_the_whole_run() -> None:
    given = scenario(
        "name: Whole\nstart: 2027-01-01\nhorizon: 4 quarters\n"
        "channels: {a: {leads: {mean: {gamma: {mean: 10000, cv: 0.5}}, per: month}}}\n"
        "journey: {o: {won: {conversion: 50%}}}\n"
    )
    data = forecast.simulate(given, runs=500, seed=1)
    quarters = data.leads.values.sum(axis=(2, 3))
    means = 3.0 * data.assumption.values
    z = (quarters - means) / np.sqrt(means)
    assert np.abs(z).max() < bound(quarters.size)


# --- correlation ----------------------------------------------------------------------------------


def tied(rank: float) -> Scenario:
    paths = "channels.a.leads.mean, journey.o.won.conversion"
    return one_month(
        "leads: {mean: {lognormal: {median: 80, p90: 200}}, per: month}",
        "o: {won: {conversion: {beta: {won: 6, lost: 14}}}}",
        f"correlation: [{{between: [{paths}], rank: {rank}}}]\n",
    )


@pytest.mark.parametrize("rank", [-0.9, -0.3, 0.0, 0.5, 0.95])
def test_rank_correlations(rank: float) -> None:
    runs, given = 2**19, tied(rank)
    draws = Draws(given, 6)
    drawn = draws.matrix(draws.draw(0, runs), runs)
    found = stats.spearmanr(drawn).statistic
    # the standard error of Fisher's z of a Spearman correlation (Bonett and Wright 2000)
    error = np.sqrt(SCRAMBLED * (1.0 + rank**2 / 2.0) / (runs - 3))
    assert abs(np.arctanh(found) - np.arctanh(rank)) / error < bound(5)
    for column, number in zip(drawn.T, draws.numbers.values(), strict=True):
        assert stats.kstest(column[:4_096], number.family.cdf).pvalue > RARE


def test_three_that_hang_together() -> None:
    text = (
        "name: Three\nstart: 2027-01-01\nhorizon: 1 month\nchannels:\n"
        + "".join(
            f"  {c}: {{leads: {{mean: {{gamma: {{mean: 9, cv: 0.5}}}}, per: month}}}}\n"
            for c in "abc"
        )
        + "journey: {o: {won: {conversion: 50%}}}\ncorrelation:\n"
        + "".join(
            f"  - {{between: [channels.{x}.leads.mean, channels.{y}.leads.mean], rank: {r}}}\n"
            for x, y, r in (("a", "b", 0.6), ("b", "c", -0.4), ("a", "c", 0.1))
        )
    )
    draws = Draws(scenario(text), 6)
    drawn = draws.matrix(draws.draw(0, 2**19), 2**19)
    found = stats.spearmanr(drawn).statistic
    for i, j, rank in ((0, 1, 0.6), (1, 2, -0.4), (0, 2, 0.1)):
        error = np.sqrt(SCRAMBLED * (1.0 + rank**2 / 2.0) / 2**19)
        assert abs(np.arctanh(found[i, j]) - np.arctanh(rank)) / error < bound(3)


# --- what quasi-random points gain ----------------------------------------------------------------


def mean_square_error(given: Scenario, runs: int, even: bool) -> float:
    """Of the mean of the expected deals over the drawn assumptions, over 64 seeds."""
    numbers = uncertain_numbers(given)
    rng = np.random.default_rng(1)
    errors = []
    for seed in range(64):
        draws = Draws(given, seed)
        if even:
            values = draws.draw(0, runs)
        else:
            values = draws.at_normals({name: rng.standard_normal(runs) for name in draws.drawn})
        product = np.prod([values(number) for number in numbers.values()], axis=0)
        errors.append(product.mean() / np.prod([n.family.mean for n in numbers.values()]) - 1.0)
    return float(np.mean(np.square(errors)))


def test_gain_over_independent_uniforms(capsys) -> None:
    given = tied(0.0)
    given = dataclasses.replace(given, correlations=())
    gains = {
        runs: mean_square_error(given, runs, False) / mean_square_error(given, runs, True)
        for runs in (256, 1_024, 4_096)
    }
    with capsys.disabled():
        shown = ", ".join(f"{gain:.1f} at {runs:,} runs" for runs, gain in gains.items())
        print(f"\nvariance of a mean of two assumptions, keyed uniforms / quasi-random: {shown}")
    # F test of 64 against 64 squared errors
    for gain in gains.values():
        assert stats.f.sf(gain, 64, 64) < RARE


def test_the_examples_draw_what_they_name() -> None:
    for path in sorted(SCENARIOS.glob("*.yaml")):
        given = forecast.read_scenario(path)
        numbers = uncertain_numbers(given)
        data = forecast.simulate(given, runs=2_048, seed=9)
        assert list(data.path.values) == list(numbers)
        for column, number in zip(data.assumption.values.T, numbers.values(), strict=True):
            assert p_value(column, number.family) > RARE / 100
            assert p_value(column * 1.3, number.family) < RARE / 100


def p_value(drawn: np.ndarray, family: Family) -> float:
    """Of a draw's agreement with a family: chi-square where it has few values, else KS."""
    found, counts = np.unique(drawn, return_counts=True)
    if len(found) == len(drawn):
        return float(stats.kstest(drawn, family.cdf).pvalue)
    edges = np.column_stack([np.nextafter(found, -np.inf), found])
    chances = np.diff(family.cdf(edges), axis=1)[:, 0]
    if abs(chances.sum() - 1.0) > 1e-9:  # not all its values, or others
        return 0.0
    return float(stats.chisquare(counts, chances / chances.sum() * len(drawn)).pvalue)


def test_fixing_one_of_two_correlated_assumptions_leaves_the_other() -> None:
    web, partners = "channels.web.leads.mean", "channels.partners.leads.mean"
    path = SCENARIOS / "saas-funnel.yaml"
    base = forecast.simulate(forecast.read_scenario(path), runs=200)
    for fixed, other in ((web, partners), (partners, web)):
        data = forecast.simulate(forecast.read_scenario(path, {fixed: 100}), runs=200)
        before = base["assumption"].values[:, list(base.path.values).index(other)]
        after = data["assumption"].values[:, list(data.path.values).index(other)]
        assert (before == after).all()
